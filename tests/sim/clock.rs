//! A simulated host's two clocks, as functions of the simulation's one true time.
//!
//! The forward-only clock counts from the host's last boot, at a rate that may be wrong by up to two
//! percent; the wall clock may be wrong by years and may be stepped. Nothing here moves by itself.

use peerwatch::base::time::{Mono, Now, Wall};

/// When the simulation begins, by a right wall clock: 2025-11-20.
const EPOCH: i64 = 1_763_600_000_000;

/// One host's clocks.
#[derive(Clone, Debug)]
pub struct Clock {
    /// True time of the boot, in milliseconds.
    booted: u64,
    /// What the forward-only clock showed then.
    base: u64,
    /// By how much it runs fast, in millionths.
    rate: i64,
    /// By how much the wall clock is ahead, in milliseconds.
    pub ahead: i64,
}

impl Clock {
    pub fn new(base: u64, rate: i64, ahead: i64) -> Self {
        Self { booted: 0, base, rate, ahead }
    }

    /// Both clocks at a true time.
    pub fn read(&self, at: u64) -> Now {
        Now { mono: self.mono(at), wall: Wall(EPOCH + at.cast_signed() + self.ahead) }
    }

    /// The first true time, in milliseconds, at which the forward-only clock shows at least `mono`.
    pub fn when(&self, mono: Mono) -> u64 {
        let shown = mono.0.saturating_sub(self.base);
        let rate = u64::try_from(1_000_000 + self.rate).unwrap();
        let mut at = self.booted + shown.saturating_mul(1_000_000) / rate;
        while self.mono(at) < mono {
            at += 1;
        }
        while self.booted < at && mono <= self.mono(at - 1) {
            at -= 1;
        }
        at
    }

    /// The host was switched off and on: the forward-only clock begins anew.
    pub fn reboot(&mut self, at: u64) {
        (self.booted, self.base) = (at, 7000);
    }

    /// The host stood still for so long, and its forward-only clock with it, as a machine that was saved and goes on elsewhere.
    pub fn stand(&mut self, at: u64, lasts: u64) {
        let shown = self.mono(at).0;
        (self.booted, self.base) = (at + lasts, shown);
    }

    fn mono(&self, at: u64) -> Mono {
        let passed = at.saturating_sub(self.booted).cast_signed();
        Mono(self.base + u64::try_from(passed + passed * self.rate / 1_000_000).unwrap())
    }
}

#[test]
fn a_deadline_is_found_at_every_rate() {
    for rate in [-20_000, 0, 17, 20_000] {
        let clock = Clock::new(5000, rate, 0);
        for mono in (5000..90_000).step_by(777) {
            let at = clock.when(Mono(mono));
            assert!(Mono(mono) <= clock.read(at).mono && (at == 0 || clock.read(at - 1).mono < Mono(mono)));
        }
    }
}
