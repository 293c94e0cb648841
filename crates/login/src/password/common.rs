//! The passwords that are guessed first, without a file: a small list of whole ones, words with the endings that people put
//! behind them, runs of the keyboard and repetitions. Together some ten thousand.

/// Whole passwords, one a line, in lower case.
const WHOLE: &str = include_str!("common/whole.txt");

/// Words that are common with one of [`ENDINGS`] behind them, one a line, in lower case.
const WORDS: &str = include_str!("common/words.txt");

/// What people put behind a word. The years are those that somebody alive may be born in or sign up in.
const ENDINGS: [&str; 41] = [
    "",
    "!",
    "!!",
    "1",
    "1!",
    "12",
    "12!",
    "123",
    "123!",
    "1234",
    "1234!",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "0",
    "00",
    "000",
    "01",
    "007",
    "10",
    "11",
    "111",
    "13",
    "21",
    "22",
    "23",
    "69",
    "77",
    "88",
    "99",
    "100",
    "321",
    "@1",
    "@12",
    "@123",
    "#1",
    "$",
    ".",
    "?",
];

/// The years that count as an ending, alone or with `!` behind them.
const YEARS: std::ops::RangeInclusive<u32> = 1940..=2039;

/// Rows of keyboards and alphabets, of which any stretch, forwards or backwards, is a run.
const ROWS: [&str; 10] = [
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
];

/// Letters that people write as something else.
const DISGUISES: [(char, char); 8] =
    [('@', 'a'), ('4', 'a'), ('3', 'e'), ('1', 'i'), ('!', 'i'), ('0', 'o'), ('$', 's'), ('5', 's')];

/// Whether a password, in lower case, is one of the most common ones.
pub(super) fn is_common(lowered: &str) -> bool {
    is_listed(WHOLE, lowered) || is_repetition(lowered) || is_run(lowered) || is_word_with_ending(lowered)
}

fn is_listed(list: &str, text: &str) -> bool {
    list.lines().any(|line| line == text)
}

/// One or two characters over and over, or the same three or four: `aaaaaaaa`, `12121212`, `abcabcabc`.
fn is_repetition(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    let repeats = |length: usize| {
        characters.len() >= 2 * length
            && characters.iter().skip(length).eq(characters.iter().take(characters.len() - length))
    };
    (1..=4).any(repeats)
}

/// A stretch of a row, forwards or backwards, possibly twice: `12345678`, `qwertyuiop`, `zyxwvuts`.
fn is_run(text: &str) -> bool {
    let reversed: String = text.chars().rev().collect();
    ROWS.iter().any(|row| row.contains(text) || row.contains(&reversed)) && !text.is_empty()
}

fn is_word_with_ending(text: &str) -> bool {
    let plain = undisguised(text);
    is_word_then_ending(text, text) || is_word_then_ending(text, &plain)
}

/// Whether `plain` begins with a word, behind which `text`, of as many characters, has a common ending.
fn is_word_then_ending(text: &str, plain: &str) -> bool {
    WORDS.lines().filter(|word| plain.starts_with(word)).any(|word| {
        let ending: String = text.chars().skip(word.chars().count()).collect();
        ENDINGS.contains(&ending.as_str()) || is_year(&ending)
    })
}

fn is_year(ending: &str) -> bool {
    let digits = ending.strip_suffix('!').unwrap_or(ending);
    digits.len() == 4 && digits.parse().is_ok_and(|year| YEARS.contains(&year))
}

/// The text with letters where people write something that looks like them.
fn undisguised(text: &str) -> String {
    let plain =
        |character| DISGUISES.iter().find(|(written, _)| *written == character).map_or(character, |(_, meant)| *meant);
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_guessed_first() {
        for password in [
            "123456",
            "12345678",
            "1234567890",
            "password",
            "password1",
            "p@ssw0rd",
            "p@ssw0rd1",
            "passw0rd!",
            "qwertyuiop",
            "qwerty123",
            "iloveyou",
            "aaaaaaaa",
            "12121212",
            "abcabcabc",
            "87654321",
            "zyxwvuts",
            "summer2024",
            "winter2023!",
            "letmein",
            "welcome1",
            "admin123",
            "1q2w3e4r5t",
            "hallo123",
            "motdepasse",
            "dragon1987",
        ] {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn leaves_others_alone() {
        for password in [
            "",
            "correct horse battery staple",
            "tr0ub4dor&3",
            "passwordless login",
            "hunting for snails",
            "x7fq2mzk",
            "summer of 69 rocks",
            "1234 elm street",
            "qwertyx7",
        ] {
            assert!(!is_common(password), "{password}");
        }
    }

    #[test]
    fn lists_are_in_order() {
        for list in [WHOLE, WORDS] {
            let lines: Vec<&str> = list.lines().collect();
            let mut sorted = lines.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(lines, sorted, "sorted, and nothing twice");
            assert!(lines.iter().all(|line| !line.is_empty() && line.to_lowercase() == *line && line.trim() == *line));
        }
        let words = WORDS.lines().count();
        assert!(words * ENDINGS.len() + WHOLE.lines().count() > 5_000, "{words}");
    }
}
