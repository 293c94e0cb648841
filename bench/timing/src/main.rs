//! Does the time of an answer tell whether there is an account? Takes interleaved samples of answers that must not be told
//! apart and prints Welch's t of each pair: from 4.5 on it is practically certain that they differ.
//!
//!     timing module 10000                            the module, without a server
//!     timing http://127.0.0.1:8000 10000 KEY         a running server, with the rate limits of logins off
//!
//! At a server it first signs up `timing-existing@…` and `timing-locked@…`; lock the second by hand (`banned_until`).

mod http;
mod module;
mod samples;

use std::process::ExitCode;

use samples::Samples;

/// Something whose answers are timed.
trait Subject {
    /// What the cases are called.
    fn cases(&self) -> &[&'static str];
    /// Which of them must not be told apart.
    fn pairs(&self) -> &[(usize, usize)];
    /// Does it once and says how many seconds it took.
    fn time(&mut self, case: usize) -> Result<f64, String>;
}

/// From here on two means differ: TVLA's threshold.
const THRESHOLD: f64 = 4.5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subject, count, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: timing module|http://HOST:PORT SAMPLES [APIKEY]");
        return ExitCode::from(2);
    };
    let Ok(count) = count.parse() else {
        eprintln!("{count} is no number of samples");
        return ExitCode::from(2);
    };
    let subject: Result<Box<dyn Subject>, String> = match subject.as_str() {
        "module" => module::Module::open().map(|module| Box::new(module) as Box<dyn Subject>),
        address => http::Server::open(address, rest.first().cloned()).map(|server| Box::new(server) as Box<dyn Subject>),
    };
    match subject.and_then(|mut subject| measure(subject.as_mut(), count)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("timing: {error}");
            ExitCode::from(2)
        }
    }
}

/// Takes the samples, each round in another order, and prints what they say. Whether no pair differs.
fn measure(subject: &mut dyn Subject, count: u32) -> Result<bool, String> {
    let cases = subject.cases().len();
    let mut samples = vec![Samples::default(); cases];
    let mut order: Vec<usize> = (0..cases).collect();
    for round in 0..count {
        shuffle(&mut order)?;
        for &case in &order {
            let seconds = subject.time(case)?;
            // The first rounds warm up.
            if round >= count / 50 {
                samples[case].add(seconds);
            }
        }
    }
    for (name, samples) in subject.cases().iter().zip(&samples) {
        println!("{name:28} {samples}");
    }
    let mut is_even = true;
    for &(left, right) in subject.pairs() {
        let t = samples[left].welch(&samples[right]);
        let differs = t.abs() >= THRESHOLD;
        is_even &= !differs;
        let verdict = if differs { "DIFFERS" } else { "not told apart" };
        println!("{:28} {:28} t = {t:+.2}  {verdict}", subject.cases()[left], subject.cases()[right]);
    }
    Ok(is_even)
}

fn shuffle(order: &mut [usize]) -> Result<(), String> {
    for end in (1..order.len()).rev() {
        let number = getrandom::u32().map_err(|error| error.to_string())?;
        order.swap(end, number as usize % (end + 1));
    }
    Ok(())
}
