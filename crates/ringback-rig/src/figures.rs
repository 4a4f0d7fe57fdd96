//! What was measured, as the lines `make bench` reads.

use std::fmt::Write as _;

/// One line: `{"name", "us" | "ms" | "score", "unit", "target"?}`.
#[derive(Debug, Clone)]
pub struct Row {
    line: String,
}

impl Row {
    /// CPU time in microseconds.
    pub fn us(name: &str, amount: f64, unit: &str) -> Row {
        Row::new(name, "us", amount, unit)
    }

    /// CPU time in milliseconds.
    pub fn ms(name: &str, amount: f64, unit: &str) -> Row {
        Row::new(name, "ms", amount, unit)
    }

    /// What is no CPU time: kilobytes, percent, milliseconds on the clock.
    pub fn score(name: &str, amount: f64, unit: &str) -> Row {
        Row::new(name, "score", amount, unit)
    }

    fn new(name: &str, kind: &str, amount: f64, unit: &str) -> Row {
        Row { line: format!(r#""name": "{name}", "{kind}": {amount:.3}, "unit": "{unit}""#) }
    }

    /// Most that it should be; in microseconds for CPU time.
    pub fn at_most(mut self, target: f64) -> Row {
        let _ = write!(self.line, r#", "target": {target}"#);
        self
    }

    /// Say it.
    pub fn print(self) {
        println!("{{{}}}", self.line);
    }
}

/// Delays in nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct Delays(Vec<i64>);

impl Delays {
    /// One more.
    pub fn add(&mut self, ns: i64) {
        self.0.push(ns);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What so many of a hundred do not exceed, in milliseconds; 0 without any.
    pub fn percentile_ms(&mut self, percent: usize) -> f64 {
        self.0.sort_unstable();
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |ns| *ns as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_added() {
        let mut delays = Delays::default();
        (1..=100).rev().for_each(|ms| delays.add(ms * 1_000_000));

        assert_eq!([0, 50, 95, 100].map(|percent| delays.percentile_ms(percent)), [1.0, 51.0, 96.0, 100.0]);
        assert_eq!(Delays::default().percentile_ms(50), 0.0);
    }
}
