use std::io::Cursor;
use std::path::Path;

use super::keys::Keys;
use super::*;

fn import(target: &Path, at_least: u64, lists: &[&str]) -> Result<Imported, ImportError> {
    let mut importer = Importer::new(target, at_least)?;
    for list in lists {
        importer.read(Path::new("list"), &mut Cursor::new(list))?;
    }
    importer.finish()
}

fn hash(password: &str) -> String {
    Sha1::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn finds_what_was_imported_and_hardly_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("leaked");
    let plain: String = (0..50_000).map(|number| format!("leaked-{number}\n")).collect();
    let hashed: String = (50_000..100_000).map(|number| hash(&format!("leaked-{number}")) + ":7\r\n").collect();
    let imported = import(&target, 0, &[&plain, &hashed, "leaked-0\nleaked-1"]).unwrap();
    assert_eq!((imported.lines, imported.skipped), (100_002, 0));
    assert_eq!(imported.bytes, std::fs::metadata(&target).unwrap().len());
    assert!(imported.bytes <= 100_000 * 23 / 10, "{} bytes", imported.bytes);

    let leaked = Leaked::open(&target).unwrap();
    assert_eq!(u64::from(leaked.len()), imported.entries);
    for number in 0..100_000 {
        assert!(leaked.contains(&format!("leaked-{number}")).unwrap(), "{number}");
    }
    let mistaken = (0..200_000).filter(|number| leaked.contains(&format!("never-{number}")).unwrap()).count() as u64;
    // Of 200,000, at most twice as many as it says (it says 372 in a million).
    assert!(mistaken <= 2 * imported.mistaken_in_a_million / 5, "{mistaken} of {imported:?}");
    assert!(imported.mistaken_in_a_million <= 488, "{imported:?}");
}

#[test]
fn lines_of_any_shape() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("leaked");
    let long = "x".repeat(10_000);
    let list = format!(
        "\n{}:3\n{}:2\n{}\n{long}\nwith spaces \r\np\u{e4}ss\n{}:many\nlast",
        hash("often"),
        hash("seldom").to_lowercase(),
        hash("uncounted"),
        hash("no count"),
    );
    let imported = import(&target, 3, &[&list]).unwrap();
    assert_eq!((imported.lines, imported.skipped, imported.entries), (9, 3, 6));
    let leaked = Leaked::open(&target).unwrap();
    let no_count = hash("no count") + ":many";
    for (password, expected) in [
        ("often", true),
        ("seldom", false),
        ("uncounted", true),
        (long.as_str(), false),
        ("with spaces ", true),
        ("with spaces", false),
        ("p\u{e4}ss", true),
        ("no count", false),
        (no_count.as_str(), true),
        ("last", true),
        ("", false),
    ] {
        assert_eq!(leaked.contains(password).unwrap(), expected, "{password}");
    }
}

#[test]
fn a_file_is_replaced_only_by_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("leaked");
    import(&target, 0, &["first"]).unwrap();
    let before = Leaked::open(&target).unwrap();
    assert!(matches!(import(&target, 0, &["\n\n"]), Err(ImportError::Empty)));
    assert!(Leaked::open(&target).unwrap().contains("first").unwrap());
    import(&target, 0, &["second"]).unwrap();
    let after = Leaked::open(&target).unwrap();
    assert!(after.contains("second").unwrap() && !after.contains("first").unwrap());
    assert!(before.contains("first").unwrap(), "who has it open goes on with what it was");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("leaked");
    assert!(matches!(Leaked::open(&path), Err(LeakedError::Unreadable { .. })));
    import(&path, 0, &["one\ntwo\nthree"]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut longer = whole.clone();
    longer.push(0);
    let mut other = whole.clone();
    other[7] = b'2';
    let mut huge = whole.clone();
    huge[8] = 0xff;
    for content in [&[][..], b"password\n", &whole[..whole.len() - 1], &longer, &other, &huge] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(Leaked::open(&path), Err(LeakedError::Damaged { .. })));
    }
    // A bucket that ends before it begins, or behind the file.
    for place in [0_u32, 4_000_000_000] {
        let mut damaged = whole.clone();
        let index = damaged.len() - 4;
        damaged[index..].copy_from_slice(&place.to_be_bytes());
        std::fs::write(&path, &damaged).unwrap();
        let outcome = Leaked::open(&path).unwrap().contains("anything");
        assert!(place == 0 || outcome.is_err(), "{place}");
    }
}

#[test]
fn sorts_more_than_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = Keys::with_capacity(folder.path(), 1_000).unwrap();
    // A permutation of 0 to 65,536 (an odd factor modulo a power of two), each twice.
    for number in 0..131_072_u64 {
        keys.push((number * 40_503) % 65_536).unwrap();
    }
    assert!(keys.most() >= 65_536);
    let mut merged = keys.merged().unwrap();
    let mut found = Vec::new();
    while let Some(key) = merged.next().unwrap() {
        found.push(key);
    }
    assert!(found.is_sorted());
    found.dedup();
    assert!(found.into_iter().eq(0..65_536));
}
