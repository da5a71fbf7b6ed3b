//! Sizes as people read them. Sizes in files are read by `config`; sizes for programs are plain numbers.

use std::fmt;

/// A number of bytes; its text is rounded to three digits, with the binary unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let (mut number, mut unit) = (self.0 as f64 / 1024.0, 0);
        // What would be rounded to 1000 is the next unit's.
        while 999.5 <= number && unit + 1 < UNITS.len() {
            number /= 1024.0;
            unit += 1;
        }
        let digits = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
        write!(f, "{number:.digits$} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let text = |bytes: u64| Size(bytes).to_string();
        assert_eq!([0, 1023, 1024, 1536].map(text), ["0 B", "1023 B", "1.00 KiB", "1.50 KiB"]);
        assert_eq!([10_235, 10_240, 102_350].map(text), ["10.0 KiB", "10.0 KiB", "100 KiB"]);
        assert_eq!([1 << 20, (1 << 20) - 1, u64::MAX].map(text), ["1.00 MiB", "1.00 MiB", "16.0 EiB"]);
    }
}
