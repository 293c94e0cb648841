//! Mean and variance as samples come (Welford), and Welch's t of two of them.

use std::fmt;

/// What is known of one case.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Samples {
    pub fn add(&mut self, seconds: f64) {
        self.count += 1.0;
        let before = seconds - self.mean;
        self.mean += before / self.count;
        self.squares += before * (seconds - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0)
    }

    /// Welch's t: the difference of the means in units of its standard error.
    pub fn welch(&self, other: &Self) -> f64 {
        let error = self.variance() / self.count + other.variance() / other.count;
        (self.mean - other.mean) / error.sqrt()
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mean, deviation) = (self.mean * 1e3, self.variance().sqrt() * 1e3);
        write!(f, "{:6} samples  mean {mean:8.3} ms  standard deviation {deviation:7.3} ms", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_of_a_known_example() {
        let a = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let b = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 21.8];
        let mut samples = [Samples::default(), Samples::default()];
        a.iter().for_each(|value| samples[0].add(*value));
        b.iter().for_each(|value| samples[1].add(*value));
        // By Python's statistics, from the definition.
        assert!((samples[0].welch(&samples[1]) - EXPECTED).abs() < 1e-6, "{}", samples[0].welch(&samples[1]));
    }

    const EXPECTED: f64 = -2.662867296;
}
