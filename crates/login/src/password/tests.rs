use base::SystemClock;

use super::*;

const RIGHT: &str = "correct horse battery staple";

/// Made by argon2-cffi 25.1, bcrypt 5.0 and passlib 1.7.4 of Python, of [`RIGHT`].
const HASHES: [&str; 10] = [
    "$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$lJAvJLp4BtcmmSKsJhfE7j/mz0i66bt6kndBqHr70hg",
    "$argon2i$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$vtPRhkTK7LiStk3lLH1T1IG7vML5FB2VHvER7o0FbEI",
    "$argon2d$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$886Z7jHWSAGBF6/pQSs5ftmOWsSce92+07u1bH6fWCU",
    "$argon2id$v=19$m=4096,t=3,p=4$MDEyMzQ1Njc4OWFiY2RlZg$b3h4/ZcQ/XS3KxT8r+YGegJbLr1e+ZuTxRuBYiDrvfo",
    "$argon2id$v=16$m=1024,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$uUJTcaBUwhCZmL8d47gXI1hq7nhSWdav0uqqv00ow0Q",
    "$2a$04$HcwMOnZZtNaMlB690oL5lOI4PoBXEhYCijXYWyR.MuLAtRn32S.yi",
    "$2b$04$217bFfgksXj/0b07674yo.nYKxMH3e3cagtLcgcI1qGLMoDlfMZp6",
    "$2y$04$217bFfgksXj/0b07674yo.nYKxMH3e3cagtLcgcI1qGLMoDlfMZp6",
    "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7AnzIswxwEinpwz+ntydndYfVHPvOACmX9Vvo8hO1qM",
    "$scrypt$ln=8,r=4,p=2$MDEyMzQ1Njc4OWFiY2RlZg$OdLyXinsog7tVNmXMfPcLsumVYG+UAfJF5fmERj//LM",
];

/// bcrypt of 72 times `x`, by Python's bcrypt.
const SEVENTY_TWO: &str = "$2b$04$kCzTyTc19UCHxTP7HaofBe.xr48BPerH5YXb3GxR8ZIINMbyMRPWK";

/// Of `Pässwörd`, composed and decomposed, by argon2-cffi.
const COMPOSED: &str =
    "$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$S60eWEx+1OA1fnCRp4K0I3Z9qiZThUvkqRj7qQzpbUE";
const DECOMPOSED: &str =
    "$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$hPEsL1tSiWiIyVCVf/iLFlBFwgimmriIXTUYLtQFIHk";

/// In GoTrue's form, with Firebase's published example (`user1password`) and one of another project (`mytestpassword`);
/// both were computed again with Python's hashlib and cryptography.
const FIREBASE: [(&str, &str); 2] = [
    (
        "user1password",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    ),
    (
        "mytestpassword",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=ou9tdYTGyYm8kuR6Dt0Bp0kDuAYoXrK16mbZO4yGwAn3oLspjnN0/c41v8xZnO1n14J3MjKj1b2g6AUCAlFwMw==$C0sHCg9ek77hsg==$zKVTMvnWVw5BBOZNUdnsalx4c4c7y/w7IS5p6Ut2+CfEFFlz37J9huyQfov4iizN8dbjvEJlM5tQaJP84+hfTw==",
    ),
];

fn random() -> Entropy {
    Arc::new(getrandom::fill)
}

fn passwords(settings: Settings) -> Passwords {
    Passwords::open(settings, Arc::new(SystemClock), random()).unwrap()
}

async fn verdict(passwords: &Passwords, given: &str, stored: Option<&str>) -> Verdict {
    passwords.verify(&Secret::new(given), stored, Priority::Usual).await.unwrap()
}

#[tokio::test]
async fn own_hashes_are_right_for_their_password_alone_and_last() {
    let passwords = passwords(Settings::default());
    let hash = passwords.hash(&Secret::new(RIGHT), Priority::Usual).await.unwrap();
    let other = passwords.hash(&Secret::new(RIGHT), Priority::Usual).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    assert_ne!(hash, other, "each has a salt of its own");
    let right = Verdict { is_right: true, rehash: None, problem: None };
    assert_eq!(verdict(&passwords, RIGHT, Some(&hash)).await, right);
    for wrong in ["", "correct horse battery stapl", "Correct horse battery staple", &"x".repeat(LONGEST_PASSWORD + 1)]
    {
        assert_eq!(verdict(&passwords, wrong, Some(&hash)).await, Verdict::default(), "{wrong}");
    }
}

#[tokio::test]
async fn hashes_from_elsewhere_are_compared_with_and_replaced() {
    let passwords = passwords(Settings::default());
    let of_right = HASHES.map(|hash| (RIGHT, hash));
    for (password, hash) in of_right.into_iter().chain(FIREBASE) {
        let found = verdict(&passwords, password, Some(hash)).await;
        assert!(found.is_right, "{hash}");
        let rehash = found.rehash.unwrap();
        assert!(rehash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}: {rehash}");
        assert!(verdict(&passwords, password, Some(&rehash)).await.is_right);
        assert_eq!(verdict(&passwords, "another password", Some(hash)).await, Verdict::default(), "{hash}");
    }
}

#[tokio::test]
async fn nobody_has_no_password() {
    let passwords = passwords(Settings::default());
    for stored in [None, Some("")] {
        assert_eq!(verdict(&passwords, RIGHT, stored).await, Verdict::default());
        assert_eq!(verdict(&passwords, "", stored).await, Verdict::default());
    }
}

#[tokio::test]
async fn a_hash_of_an_empty_password_lets_nobody_in() {
    let passwords = passwords(Settings::default());
    let empty = passwords.hash(&Secret::new(""), Priority::Usual).await.unwrap();
    for given in ["", &"x".repeat(LONGEST_PASSWORD + 1)] {
        assert!(!verdict(&passwords, given, Some(&empty)).await.is_right, "{given}");
    }
}

#[tokio::test]
async fn hostile_hashes_are_never_computed() {
    let passwords = passwords(Settings::default());
    let salt_and_hash = "$MDEyMzQ1Njc4OWFiY2RlZg$lJAvJLp4BtcmmSKsJhfE7j/mz0i66bt6kndBqHr70hg";
    let too_costly = [
        format!("$argon2id$v=19$m=4194304,t=1,p=1{salt_and_hash}"),
        format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1{salt_and_hash}"),
        format!("$argon2id$v=19$m=65536,t=1000,p=1{salt_and_hash}"),
        format!("$scrypt$ln=20,r=8,p=1{salt_and_hash}"),
        format!("$scrypt$ln=40,r=1,p=1{salt_and_hash}"),
        format!("$scrypt$ln=14,r=8,p=1000{salt_and_hash}"),
        FIREBASE[0].1.replace("n=14", "n=24"),
        HASHES[5].replace("$04$", "$31$"),
        HASHES[5].replace("$04$", "$15$"),
    ];
    let unknown = [
        "plain text",
        "$",
        "$$$$$",
        "$1$salt$hash",
        "$2x$04$217bFfgksXj/0b07674yo.nYKxMH3e3cagtLcgcI1qGLMoDlfMZp6",
        "$2a$03$HcwMOnZZtNaMlB690oL5lOI4PoBXEhYCijXYWyR.MuLAtRn32S.yi",
        "$2a$4$HcwMOnZZtNaMlB690oL5lOI4PoBXEhYCijXYWyR.MuLAtRn32S.yi",
        "$2a$04$HcwMOnZZtNaMlB690oL5lOI4PoBXEhYCijXYWyR.MuLAtRn32S.y\u{e4}",
        "$argon2id$v=19$m=1024,t=2,p=999999999$MDEyMzQ1Njc4OWFiY2RlZg$lJAvJLp4BtcmmSKsJhfE7j/mz0i66bt6kndBqHr70hg",
        "$argon2id$v=19$m=99999999999,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$lJAvJLp4BtcmmSKsJhfE7j/mz0i66bt6kndBqHr70hg",
        "$argon2id$v=18$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$lJAvJLp4BtcmmSKsJhfE7j/mz0i66bt6kndBqHr70hg",
        "$argon2id$v=19$m=1024,t=2,p=1$c2hvcnQ$lJAvJLp4BtcmmSKsJhfE7j/mz0i66bt6kndBqHr70hg",
        "$argon2id$v=19$m=1024,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$lJAv",
        "$argon2id$v=19$m=1024,t=2,p=1,x=1$MDEyMzQ1Njc4OWFiY2RlZg$lJAvJLp4BtcmmSKsJhfE7j/mz0i66bt6kndBqHr70hg",
        "$scrypt$ln=63,r=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7AnzIswxwEinpwz+ntydndYfVHPvOACmX9Vvo8hO1qM",
        "$scrypt$ln=0,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7AnzIswxwEinpwz+ntydndYfVHPvOACmX9Vvo8hO1qM",
        "$fbscrypt$v=2,n=14,r=8,p=1,ss=Bw==,sk=AA==$AA==$AA==",
    ];
    for (hash, problem) in too_costly
        .iter()
        .map(|hash| (hash.as_str(), StoredProblem::TooCostly))
        .chain(unknown.map(|hash| (hash, StoredProblem::Unknown)))
        .chain([("$".repeat(100_000).as_str(), StoredProblem::Unknown)])
    {
        let expected = Verdict { is_right: false, rehash: None, problem: Some(problem) };
        assert_eq!(verdict(&passwords, RIGHT, Some(hash)).await, expected, "{hash:.80}");
    }
}

#[tokio::test]
async fn what_bcrypt_cuts_off_does_not_become_part_of_the_password() {
    let passwords = passwords(Settings::default());
    let whole = "x".repeat(72);
    assert!(verdict(&passwords, &whole, Some(SEVENTY_TWO)).await.rehash.is_some());
    let longer = verdict(&passwords, &(whole.clone() + "whatever"), Some(SEVENTY_TWO)).await;
    assert_eq!(longer, Verdict { is_right: true, rehash: None, problem: None });
    assert!(!verdict(&passwords, &"x".repeat(71), Some(SEVENTY_TWO)).await.is_right);
}

#[tokio::test]
async fn it_does_not_matter_how_a_character_was_typed() {
    let passwords = passwords(Settings::default());
    let (composed, decomposed) = ("P\u{e4}ssw\u{f6}rd", "Pa\u{308}sswo\u{308}rd");
    let own = passwords.hash(&Secret::new(decomposed), Priority::Usual).await.unwrap();
    for (given, stored) in [(composed, own.as_str()), (decomposed, &own), (composed, COMPOSED), (decomposed, COMPOSED)]
    {
        assert!(verdict(&passwords, given, Some(stored)).await.is_right, "{given} {stored}");
    }
    // Made elsewhere of decomposed characters: right as it was typed, and composed from then on.
    let found = verdict(&passwords, decomposed, Some(DECOMPOSED)).await;
    assert!(verdict(&passwords, composed, found.rehash.as_deref()).await.is_right);
}

#[tokio::test]
async fn weaker_parameters_are_replaced_and_stronger_ones_kept() {
    let floor = passwords(Settings::default());
    let stronger = passwords(Settings { passes: 3, ..Settings::default() });
    let weak = floor.hash(&Secret::new(RIGHT), Priority::Usual).await.unwrap();
    let strong = stronger.hash(&Secret::new(RIGHT), Priority::Usual).await.unwrap();
    let rehash = verdict(&stronger, RIGHT, Some(&weak)).await.rehash.unwrap();
    assert!(rehash.contains("m=19456,t=3,p=1"), "{rehash}");
    assert_eq!(verdict(&stronger, RIGHT, Some(&strong)).await.rehash, None);
    assert_eq!(verdict(&floor, RIGHT, Some(&strong)).await, Verdict { is_right: true, ..Verdict::default() });
}

#[tokio::test]
async fn new_passwords_are_looked_up_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("leaked");
    let write = |content: &str| {
        let mut importer = leaked::Importer::new(&list, 0).unwrap();
        importer.read(Path::new("list"), &mut content.as_bytes()).unwrap();
        importer.finish().unwrap();
    };
    write("Gecko on the wall\nP\u{e4}sse am Morgen\n");
    let passwords = passwords(Settings { leaked_list: Some(list.clone()), ..Settings::default() });
    let check = async |given: &str| passwords.check_new(&Secret::new(given), &["climber@example.com"]).await;
    let leaked = Err(Weak { reasons: vec![Weakness::Leaked] });
    assert_eq!(check("Gecko on the wall").await, leaked);
    assert_eq!(check("Pa\u{308}sse am Morgen").await, leaked, "composed, it is in the list");
    assert_eq!(check("gecko in the hall").await, Ok(()));
    assert_eq!(check("climber@example.com").await, Err(Weak { reasons: vec![Weakness::Own] }));
    write("gecko in the hall\n");
    assert_eq!(check("gecko in the hall").await, Ok(()), "the file that was opened");
    let count = passwords.reopen_leaked(Some(&list)).unwrap();
    assert_eq!(check("gecko in the hall").await, Ok(()), "opened, it does not count yet");
    count();
    assert_eq!(check("gecko in the hall").await, leaked);
    assert!(passwords.reopen_leaked(Some(&folder.path().join("absent"))).is_err());
    assert_eq!(check("gecko in the hall").await, leaked, "the former stays");
    passwords.reopen_leaked(None).unwrap()();
    assert_eq!(check("gecko in the hall").await, Ok(()));
    assert_eq!(passwords.leaked_failures(), 0);
}

#[test]
fn settings_have_bounds() {
    let open = |settings| Passwords::open(settings, Arc::new(SystemClock), random()).map(|_| ());
    for settings in [
        Settings { memory_kib: LEAST_MEMORY_KIB - 1, ..Settings::default() },
        Settings { memory_kib: MOST_MEMORY_KIB + 1, ..Settings::default() },
        Settings { passes: 1, ..Settings::default() },
        Settings { threads: Some(0), ..Settings::default() },
        Settings { niceness: 20, ..Settings::default() },
        Settings { least_characters: 0, ..Settings::default() },
    ] {
        assert!(matches!(open(settings), Err(PasswordError::OutOfBounds { .. })));
    }
    let absent = Settings { leaked_list: Some("/nowhere/leaked".into()), ..Settings::default() };
    assert!(matches!(open(absent), Err(PasswordError::Leaked(_))));
    let silent: Entropy = Arc::new(|_| Err(getrandom::Error::UNSUPPORTED));
    let opened = Passwords::open(Settings::default(), Arc::new(SystemClock), silent);
    assert!(matches!(opened, Err(PasswordError::Random(_))));
}

#[test]
fn calibration_takes_its_time_on_this_machine() {
    let settings = Settings { target: Some(std::time::Duration::from_secs(2)), ..Settings::default() };
    let cost = passwords(settings).cost();
    assert!(cost.memory_kib > LEAST_MEMORY_KIB, "{cost:?}");
    assert!(cost.passes <= MOST_PASSES && cost.memory_kib <= MOST_MEMORY_KIB, "{cost:?}");
}

/// What is allocated for a thread's memory is allocated once, and large hashes give theirs back.
#[test]
fn memory_is_kept_and_bounded() {
    let cost = HashCost { memory_kib: LEAST_MEMORY_KIB, passes: LEAST_PASSES };
    let mut memory = Memory::default();
    let own = u64::from(cost.memory_kib) * 1024;
    let first = allocation_counter::measure(|| {
        argon::hash(b"one", &[1; SALT_BYTES], cost, &mut memory).unwrap();
    });
    assert!((own..own + 65_536).contains(&first.bytes_max), "{first:?}");
    let again = allocation_counter::measure(|| {
        for salt in 0..4 {
            argon::hash(b"two", &[salt; SALT_BYTES], cost, &mut memory).unwrap();
        }
    });
    assert!(again.bytes_max < 65_536, "{again:?}");
    let stored = "$argon2id$v=19$m=65536,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$lJAvJLp4BtcmmSKsJhfE7j/mz0i66bt6kndBqHr70hg";
    let large = Stored::parse(stored, 65_536).unwrap();
    assert!(large.is_large(cost.memory_kib));
    let large = allocation_counter::measure(|| {
        large.matches(b"three", &mut memory);
    });
    assert!((65_536 * 1024..65_536 * 1024 + 65_536).contains(&large.bytes_max), "{large:?}");
    assert_eq!(large.bytes_current, 0, "given back");
    let scrypt = Stored::parse(HASHES[8], 65_536).unwrap();
    let counted = allocation_counter::measure(|| {
        scrypt.matches(b"four", &mut memory);
    });
    assert!(counted.bytes_max.div_ceil(1024) <= scrypt.memory_kib() + 64, "{counted:?}");
}
