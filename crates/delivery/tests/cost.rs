//! What the choices in this crate cost, printed: `cargo test --release -p delivery --test cost -- --ignored --nocapture`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and this one prints"
)]

use std::fmt::Write as _;
use std::time::Instant;

use delivery::{Coding, Fingerprint, compress};

/// Rows as a list of the API has them.
fn rows(bytes: usize) -> Vec<u8> {
    let mut text = String::from("[");
    let mut seed = 7_u64;
    while text.len() < bytes {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (id, grade) = (seed >> 44, ["6a", "6b+", "7a", "7c", "8a+"][usize::try_from(seed >> 33).unwrap() % 5]);
        write!(
            text,
            "{{\"id\":{id},\"name\":\"Route {}\",\"grade\":\"{grade}\",\"sent\":{},\"at\":\"2026-0{}-1{}T08:{:02}:00+00:00\"}},",
            seed >> 50,
            seed & 1 == 0,
            id % 9 + 1,
            id % 9,
            id % 60
        )
        .unwrap();
    }
    text.into_bytes()
}

#[test]
#[ignore = "prints what a machine does"]
fn costs() {
    for bytes in [1_000, 10_000, 60_000, 100_000, 1_000_000] {
        let body = rows(bytes);
        let rounds = 20_000_000 / bytes;
        let timed = |work: &dyn Fn() -> usize| {
            work();
            let began = Instant::now();
            let made = (0..rounds).map(|_| work()).sum::<usize>();
            let each = began.elapsed().as_secs_f64() / f64::from(u32::try_from(rounds).unwrap());
            (each * 1e6, made / rounds)
        };
        let (micros, _) = timed(&|| Fingerprint::new().with(&body).tag().to_header().len());
        println!("{bytes} bytes: tag {micros:.1} µs");
        for coding in Coding::ALL {
            let (micros, made) = timed(&|| compress(coding, &body).unwrap().len());
            println!(
                "{bytes} bytes: {} {micros:.1} µs, {:.1} %",
                coding.name(),
                made as f64 * 100.0 / body.len() as f64
            );
        }
    }
}
