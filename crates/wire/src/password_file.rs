//! The password file, `~/.pgpass` (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use base::{Limit, Secret};

/// The longest password file that is read: some ten thousand lines.
const PASSWORD_FILE_BYTES: Limit = Limit::new("the length of a password file in bytes", 1 << 20);

/// What a line has to match.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The host's name; `localhost` for the usual unix socket.
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// Looks a password up. Gives `None` when there is no file or no line that fits, and a sentence when the file cannot be
/// used.
pub(crate) fn look_up(path: &Path, wanted: Wanted<'_>) -> Result<Option<Secret>, String> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("the password file {} cannot be read: {error}", path.display())),
    };
    let metadata = file.metadata().map_err(|error| format!("{}: {error}", path.display()))?;
    if !metadata.is_file() {
        return Err(format!("the password file {} is no plain file", path.display()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(format!(
            "the password file {0} is open to others, so it was not read: chmod 600 {0}",
            path.display()
        ));
    }
    let mut bytes = Vec::new();
    let read = file.by_ref().take(PASSWORD_FILE_BYTES.value + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("the password file {} cannot be read: {error}", path.display()))?;
    if PASSWORD_FILE_BYTES.is_exceeded_by(bytes.len() as u64) {
        return Err(format!("the password file {} is too long ({PASSWORD_FILE_BYTES})", path.display()));
    }
    Ok(find(&String::from_utf8_lossy(&bytes), wanted))
}

/// The password of the first line that fits.
fn find(text: &str, wanted: Wanted<'_>) -> Option<Secret> {
    let port = wanted.port.to_string();
    let expected = [wanted.host, &port, wanted.database, wanted.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for expected in expected {
            let (field, after) = field(rest)?;
            if field.raw != "*" && field.text != expected {
                return None;
            }
            rest = after;
        }
        // The password goes on to the end of the line or an unescaped colon.
        let password = field(rest).map_or_else(|| unescape(rest), |(field, _)| field.text);
        (!password.is_empty()).then(|| Secret::new(password))
    })
}

/// A field as it stands in the file, and without its escapes.
struct Field<'a> {
    raw: &'a str,
    text: String,
}

/// The field up to the next colon without a backslash before it, and what comes after that.
fn field(line: &str) -> Option<(Field<'_>, &str)> {
    let mut is_escaped = false;
    for (place, character) in line.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ':' => {
                let (raw, rest) = line.split_at_checked(place)?;
                return Some((Field { raw, text: unescape(raw) }, rest.get(1..)?));
            }
            _ => {}
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const WANTED: Wanted<'_> = Wanted { host: "db.example", port: 5433, database: "app", user: "web" };

    #[test]
    fn the_first_line_that_fits_counts() {
        let cases: &[(&str, Option<&str>)] = &[
            ("db.example:5433:app:web:secret", Some("secret")),
            ("*:*:*:*:any", Some("any")),
            ("# db.example:5433:app:web:no\ndb.example:5433:app:web:yes\n", Some("yes")),
            ("db.example:5432:app:web:port\n*:5433:*:web:second\n*:*:*:*:third", Some("second")),
            ("db.example:5433:other:web:x\n", None),
            ("db.example:5433:app:web:a\\:b\\\\c", Some("a:b\\c")),
            ("db.example:5433:app:web:with space \r\n", Some("with space ")),
            ("db.example:5433:app:web:before:after", Some("before")),
            ("db.example:5433:app\n", None),
            ("db.example:5433:app:web:\n*:*:*:*:next", Some("next")),
            ("\\*:5433:app:web:literal star", None),
            ("db\\.example:5433:app:web:escaped anyway", Some("escaped anyway")),
            ("", None),
        ];
        for (text, expected) in cases {
            let found = find(text, WANTED);
            assert_eq!(found.as_ref().map(Secret::expose), *expected, "{text}");
        }
    }

    #[test]
    fn escaped_colons_belong_to_a_field() {
        let wanted = Wanted { host: "::1", ..WANTED };
        assert!(find("\\:\\:1:5433:app:web:x", wanted).is_some());
        assert!(find("::1:5433:app:web:x", wanted).is_none());
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        assert!(look_up(&path, WANTED).unwrap().is_none(), "a missing file is none");
        fs::write(&path, "*:*:*:*:hidden").unwrap();
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match look_up(&path, WANTED) {
                Ok(found) => assert!(is_read && found.is_some_and(|word| word.expose() == "hidden"), "{mode:o}"),
                Err(sentence) => {
                    assert!(!is_read && sentence.contains("chmod 600"), "{mode:o}: {sentence}");
                    assert!(!sentence.contains("hidden"));
                }
            }
        }
        assert!(look_up(folder.path(), WANTED).is_err(), "a folder is no file");
    }
}
