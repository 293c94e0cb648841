//! How many are inside, connections or requests: altogether, and from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base::Limit;
use parking_lot::Mutex;

/// Counts who is inside.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    inside: Arc<AtomicU64>,
    most: u64,
}

/// A place inside; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicU64>);

impl Doors {
    pub(crate) fn new(most: u64) -> Self {
        Self { inside: Arc::new(AtomicU64::new(0)), most }
    }

    fn are_closed(&self) -> bool {
        self.inside.load(Ordering::Relaxed) >= self.most
    }

    pub(crate) fn enter(&self) -> Option<Place> {
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.inside.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(self.inside.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts who is inside by address. It holds no more entries than there are inside.
#[derive(Debug, Clone)]
pub(crate) struct Crowd(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    inside: Mutex<HashMap<IpAddr, u64>>,
    most: u64,
}

/// A place of an address's own; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    crowd: Crowd,
    group: IpAddr,
}

impl Crowd {
    pub(crate) fn new(most: u64) -> Self {
        Self(Arc::new(Counted { inside: Mutex::default(), most }))
    }

    /// Lets one more in from there; `None` when as many are inside as may be.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Seat> {
        let group = group(address);
        let mut inside = self.0.inside.lock();
        let count = inside.entry(group).or_default();
        if *count >= self.0.most {
            return None;
        }
        *count += 1;
        drop(inside);
        Some(Seat { crowd: self.clone(), group })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.crowd.0.inside.lock().entry(self.group) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Bounds how many are inside, altogether and of one address, so that one cannot take the places of all others.
#[derive(Debug)]
pub(crate) struct Room {
    doors: Doors,
    crowd: Crowd,
    most: Limit,
    most_of_one: Limit,
}

/// A stay in a room; over when dropped.
#[derive(Debug)]
pub(crate) struct Stay {
    _place: Place,
    _seat: Option<Seat>,
}

impl Room {
    pub(crate) fn new(most: Limit, most_of_one: Limit) -> Self {
        Self { doors: Doors::new(most.value), crowd: Crowd::new(most_of_one.value), most, most_of_one }
    }

    /// The bound that is reached, if the next one would stay outside, whoever it is.
    pub(crate) fn closed(&self) -> Option<Limit> {
        self.doors.are_closed().then_some(self.most)
    }

    /// Lets one more in; without an address, one that is counted by none.
    ///
    /// # Errors
    /// The bound that is reached.
    pub(crate) fn enter(&self, address: Option<IpAddr>) -> Result<Stay, Limit> {
        let place = self.doors.enter().ok_or(self.most)?;
        let seat = address.map(|address| self.crowd.enter(address).ok_or(self.most_of_one)).transpose()?;
        Ok(Stay { _place: place, _seat: seat })
    }
}

/// Who counts as one: of IPv6, everybody in a network of 64 bits, which is what one customer gets at least.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(four) => IpAddr::V4(four),
        IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_of_a_room() {
        let room = Room::new(Limit::new("all", 3), Limit::new("one", 2));
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let first = [room.enter(address("192.0.2.1")).unwrap(), room.enter(address("192.0.2.1")).unwrap()];
        assert_eq!(room.enter(address("192.0.2.1")).unwrap_err().name, "one");
        assert_eq!(room.closed(), None, "who was refused has taken no place");
        let other = room.enter(address("192.0.2.2")).unwrap();
        assert_eq!(room.enter(None).unwrap_err().name, "all");
        assert_eq!(room.closed().unwrap().name, "all");
        drop((first, other));
        let uncounted = [room.enter(None).unwrap(), room.enter(None).unwrap(), room.enter(None).unwrap()];
        assert!(room.crowd.0.inside.lock().is_empty());
        drop(uncounted);
        assert_eq!(room.closed(), None);
    }

    #[test]
    fn addresses_are_counted_apart() {
        let crowd = Crowd::new(2);
        let enter = |address: &str| crowd.enter(address.parse().unwrap());
        let seats = [enter("192.0.2.1"), enter("::ffff:192.0.2.1")];
        assert!(seats.iter().all(Option::is_some));
        assert!(enter("192.0.2.1").is_none());
        let other = enter("192.0.2.2");
        assert!(other.is_some());
        let six = [enter("2001:db8:0:1::1"), enter("2001:db8:0:1:ffff::2")];
        assert!(six.iter().all(Option::is_some));
        assert!(enter("2001:db8:0:1::3").is_none(), "one network of 64 bits");
        assert!(enter("2001:db8:0:2::1").is_some());
        drop(seats);
        assert!(enter("192.0.2.1").is_some());
        drop((other, six));
        assert!(crowd.0.inside.lock().is_empty(), "nothing is kept of who has left");
    }
}
