//! What devices, addresses and lists have, by the hands of a clock.

use base::Secret;

use super::device::{HEADER, PURPOSE as DEVICES, Shown};
use super::tests::{Gatehouse, MARK, address, attempt, device, password};
use super::*;
use crate::testing::key;

#[tokio::test]
async fn a_device_is_the_same_whichever_of_its_tokens_it_shows() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    let (secret, key, now) = (password(0), key(DEVICES), house.clock.now());
    let mut token = "new".to_owned();
    let mut served = 0;
    for number in 0..500 {
        let headers = http::HeaderMap::from_iter([(HEADER.parse().unwrap(), token.parse().unwrap())]);
        let shown = Shown::of(&headers);
        let device = shown.device("mina@example.com", &key, KNOWN, now);
        assert_eq!(device.is_some(), number > 0);
        let own = Attempt { device, ..attempt("mina@example.com", address(number), &secret) };
        served += u32::from(house.guess(&own, Found::Right).await.is_ok());
        token = shown.with(("mina@example.com", MARK), &key, KNOWN, ("/", now)).unwrap().1;
    }
    assert_eq!(served, 200, "a device's, and what strangers have");
}

#[tokio::test]
async fn many_devices_of_an_account_share_a_bound() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    let secret = password(0);
    let (mut wrong, mut right) = (0, 0);
    for number in 0..200 {
        let device = Some(device(number));
        let own = Attempt { device, ..attempt("mina@example.com", address(number.into()), &secret) };
        for _ in 0..5 {
            wrong += u32::from(house.guess(&own, Found::Wrong).await.is_ok());
        }
    }
    assert_eq!(wrong, 25 + 5, "those of five devices, and what strangers have");
    for number in 0..u32::from(u8::MAX) * 8 {
        let device = Some(device(u8::try_from(number % 256).unwrap()));
        let own = Attempt { device, ..attempt("ada@example.com", address(number), &secret) };
        right += u32::from(house.guess(&own, Found::Right).await.is_ok());
    }
    assert_eq!(right, 300 + 100, "those of three devices, and what strangers have");
}

#[tokio::test]
async fn an_address_signs_in_to_its_own_accounts_so_often() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    let secret = password(0);
    let mut served = 0;
    for number in 0..1_000_u32 {
        let name = format!("{}@example.com", number % 10);
        let device = Some(device(u8::try_from(number % 10).unwrap()));
        let own = Attempt { device, ..attempt(&name, address(1), &secret) };
        served += u32::from(house.guess(&own, Found::Right).await.is_ok());
    }
    assert_eq!(served, 300 + 300, "as one that is known, and as one that is not");
}

#[tokio::test]
async fn who_is_known_is_no_worse_off_than_a_stranger() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    house.gate.signed_in("mina@example.com", address(1), MARK).await;
    for number in 0..5 {
        assert!(house.wrong("mina@example.com", 1, number).await);
    }
    let secret = password(9);
    let pass = house.guess(&attempt("mina@example.com", address(1), &secret), Found::Right).await.unwrap();
    assert_eq!((pass.trust, pass.priority), (Trust::Stranger, Priority::Usual));
    let mut more = 0;
    for number in 0..20 {
        more += u32::from(house.wrong("mina@example.com", 1, 10 + number).await);
    }
    assert_eq!(more, 5);
}

#[tokio::test]
async fn who_goes_through_a_list_waits_an_hour() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    for number in 0..20 {
        // Nobody is in a hurry, so that it owes next to nothing.
        house.clock.advance(Duration::from_secs(150));
        assert!(house.wrong(&format!("{number}@example.com"), 1, number).await);
    }
    let minute = Duration::from_secs(60);
    house.clock.advance(59 * minute);
    assert!(!house.wrong("50@example.com", 1, 50).await);
    assert!(house.wrong("50@example.com", 2, 50).await, "another network");
    house.clock.advance(2 * minute);
    assert!(house.wrong("51@example.com", 1, 51).await);
    assert!(house.wrong("52@example.com", 1, 52).await, "it begins anew");
}

#[tokio::test]
async fn in_no_hour_has_an_address_more() {
    let house = Gatehouse::in_memory(DefenceSettings { spray_accounts: 256, ..DefenceSettings::default() });
    let mut moments: Vec<u64> = Vec::new();
    let mut others = 0;
    for minute in 0..180_u64 {
        for _ in 0..40 {
            let number = u32::try_from(moments.len()).unwrap();
            if !house.wrong(&format!("{number}@example.com"), 1, number).await {
                break;
            }
            moments.push(minute);
            // Others sign in meanwhile: as a whole nothing is unusual.
            for _ in 0..2 {
                others += 1;
                let secret = password(0);
                let name = format!("{others}@example.org");
                house.guess(&attempt(&name, address(1_000 + others), &secret), Found::Right).await.unwrap();
            }
        }
        house.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(moments.iter().filter(|minute| **minute == 0).count(), 30);
    for (place, from) in moments.iter().enumerate() {
        let within = moments[place..].iter().take_while(|moment| **moment < from + 60).count();
        assert!(within <= 60, "{within} in the hour from minute {from}");
    }
}

#[tokio::test]
async fn the_same_is_told_once_and_keeps_nothing_else_from_being_told() {
    let house = Gatehouse::in_memory(DefenceSettings::default());
    let secret = Secret::new("Summer2026!");
    for number in 0..80 {
        let name = format!("{number}@example.com");
        house.guess(&attempt(&name, address(number), &secret), Found::Wrong).await.unwrap();
    }
    let count = |name: &str| house.told().iter().filter(|told| **told == name).count();
    assert_eq!(count("password_sprayed"), 1);
    for account in 0..30 {
        for number in 0..5 {
            let from = 1_000 + account * 5 + number;
            house.wrong(&format!("{account}@example.org"), from, from).await;
        }
    }
    assert_eq!(count("account_locked"), 20);
    for number in 0..22 {
        house.clock.advance(Duration::from_secs(140));
        house.wrong(&format!("{number}@example.net"), 5_000, number).await;
    }
    assert_eq!(count("address_sprays"), 1, "another kind");
    house.clock.advance(Duration::from_secs(3_600));
    for number in 100..130 {
        let name = format!("{number}@example.com");
        house.guess(&attempt(&name, address(number), &secret), Found::Wrong).await.unwrap();
    }
    assert_eq!(count("password_sprayed"), 2, "an hour later");
}
