//! Moments as PostgreSQL prints them in JSON.

use std::io::Write;

/// Microseconds since 1970 as `2024-05-01T12:30:00+00:00`, with a fraction where there is one.
pub fn moment(out: &mut Vec<u8>, microseconds: i64) {
    let seconds = microseconds.div_euclid(1_000_000);
    let fraction = microseconds.rem_euclid(1_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's civil_from_days.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Writing into a vector cannot fail.
    drop(write!(out, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60));
    if fraction > 0 {
        let digits = format!("{fraction:06}");
        drop(write!(out, ".{}", digits.trim_end_matches('0')));
    }
    out.extend_from_slice(b"+00:00");
}
