//! What happened, line by line, and the stories that have a name.

/// The lines of one run. Two runs of one seed must be equal to the byte.
#[derive(Debug)]
pub struct Story {
    hasher: blake3::Hasher,
    print: bool,
    lines: u64,
}

impl Story {
    /// With `print` it is told while it happens.
    pub fn new(print: bool) -> Self {
        Self { hasher: blake3::Hasher::new(), print, lines: 0 }
    }

    /// Adds a line: when, who, what.
    pub fn tell(&mut self, at: u64, who: &str, what: impl FnOnce() -> String) {
        let line = format!("{:>6}.{:03} {who} {}\n", at / 1000, at % 1000, what());
        if self.print {
            print!("{line}");
        }
        self.hasher.update(line.as_bytes());
        self.lines += 1;
    }

    /// Tells something that is only of interest to who reads along.
    pub fn whisper(&self, at: u64, who: &str, what: impl FnOnce() -> String) {
        if self.print {
            println!("{:>6}.{:03} {who} {}", at / 1000, at % 1000, what());
        }
    }

    /// The sum of all lines.
    pub fn sum(&self) -> String {
        format!("{} lines, {}", self.lines, self.hasher.finalize().to_hex())
    }
}
