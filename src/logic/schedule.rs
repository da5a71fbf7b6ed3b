//! When this node looks at what.
//!
//! Looks are spread over the first interval, then keep their pace; while a change is unconfirmed the
//! pace doubles. At most one look at a target is under way. What a look shows is not known here.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::TargetId;
use crate::base::outcome::Order;
use crate::base::rng::Rng;
use crate::base::target::Target;
use crate::base::time::{Mono, Now, Span};

/// The looks of this node.
#[derive(Debug, Default)]
pub struct Schedule {
    due: BTreeMap<TargetId, Due>,
    under_way: BTreeMap<u64, TargetId>,
    next_id: u64,
}

#[derive(Debug)]
struct Due {
    at: Mono,
    /// The look under way, when it began, and when it counts as lost.
    order: Option<(u64, Mono, Mono)>,
    /// How many orders were late by a whole interval: they are made up for by nothing.
    missed: u64,
}

impl Schedule {
    /// Watches exactly these targets. Those already watched keep their pace.
    pub fn watch(&mut self, now: Now, targets: &[&Target], rng: &mut Rng) {
        let wanted: BTreeSet<&TargetId> = targets.iter().map(|target| &target.id).collect();
        self.due.retain(|id, _| wanted.contains(id));
        // Few targets need little spreading; many are spread over a whole interval.
        let crowd = Span(20 * targets.len() as u64);
        for target in targets {
            if !self.due.contains_key(&target.id) {
                let at = now.mono + Span(rng.below(crowd.min(target.interval).0 + 1));
                self.due.insert(target.id.clone(), Due { at, order: None, missed: 0 });
            }
        }
    }

    /// Orders for everything that is due. `hurried` says whether a target has an unconfirmed change.
    pub fn orders<'a>(
        &mut self,
        now: Now,
        find: impl Fn(&TargetId) -> Option<&'a Target>,
        hurried: impl Fn(&TargetId) -> bool,
    ) -> Vec<Order> {
        let mut orders = Vec::new();
        for (id, due) in &mut self.due {
            let Some(target) = find(id) else { continue };
            if now.mono < due.at {
                continue;
            }
            let pace = if hurried(id) { target.interval / 2 } else { target.interval };
            // The pace is kept from the due time, so that looks do not drift; time lost is not made up for.
            due.at = if now.mono.since(due.at) < pace { due.at + pace } else { now.mono + pace };
            if let Some((order, _, lost)) = due.order {
                if now.mono < lost {
                    due.missed += 1;
                    continue;
                }
                self.under_way.remove(&order);
            }
            self.next_id += 1;
            due.order = Some((self.next_id, now.mono, now.mono + target.timeout + Span::secs(5)));
            self.under_way.insert(self.next_id, id.clone());
            orders.push(Order { id: self.next_id, target: id.clone(), probe: target.probe.clone(), timeout: target.timeout });
        }
        orders
    }

    /// Whether this node looks at a target.
    #[must_use]
    pub fn watches(&self, target: &TargetId) -> bool {
        self.due.contains_key(target)
    }

    /// A number for a look that is not scheduled here.
    pub const fn number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A look came back; which target it was of and when it began, if that is still watched.
    pub fn returned(&mut self, id: u64) -> Option<(TargetId, Mono)> {
        let target = self.under_way.remove(&id)?;
        let due = self.due.get_mut(&target)?;
        let (_, began, _) = due.order.take_if(|(order, _, _)| *order == id)?;
        Some((target, began))
    }

    /// The next look at a target comes no later than after half its interval.
    pub fn hurry(&mut self, now: Now, target: &Target) {
        self.hasten(now, &target.id, target.interval / 2);
    }

    /// The next look at a target comes no later than after this time.
    pub fn hasten(&mut self, now: Now, target: &TargetId, within: Span) {
        if let Some(due) = self.due.get_mut(target) {
            due.at = due.at.min(now.mono + within);
        }
    }

    /// When the next look is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.due.values().map(|due| due.at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::{Confirm, Expected, Icmp, Probe, Quorum, Severity, Thresholds, Watchers};
    use crate::base::time::Wall;

    fn target(name: &str) -> Target {
        Target {
            id: TargetId(name.into()),
            group: None,
            probe: Probe::Icmp(Icmp { host: "192.0.2.1".into(), count: 1, gap: Span(200), size: 56 }),
            interval: Span::secs(10),
            timeout: Span::secs(5),
            confirm: Confirm { bad: 3, good: 2 },
            degraded: Thresholds::default(),
            flap: crate::base::target::Flap::OFF,
            watchers: Watchers::All,
            quorum: Quorum::Majority,
            depends: vec![],
            expected: Expected::Always,
            runbook: None,
            severity: Severity::default(),
            reference: false,
        }
    }

    fn at(ms: u64) -> Now {
        Now { mono: Mono(ms), wall: Wall(0) }
    }

    #[test]
    fn every_target_is_looked_at_within_one_interval_and_then_at_its_pace() {
        let targets: Vec<Target> = (0..1000).map(|n| target(&format!("t{n}"))).collect();
        let mut schedule = Schedule::default();
        schedule.watch(at(0), &targets.iter().collect::<Vec<_>>(), &mut Rng::new(1));
        let mut seen: BTreeMap<TargetId, u32> = BTreeMap::new();
        for ms in (0..=30_000).step_by(50) {
            for order in schedule.orders(at(ms), |id| targets.iter().find(|t| t.id == *id), |_| false) {
                *seen.entry(order.target.clone()).or_default() += 1;
                assert_eq!(schedule.returned(order.id), Some((order.target, Mono(ms))));
            }
            if ms == 10_000 {
                assert_eq!(seen.len(), 1000);
            }
        }
        assert!(seen.values().all(|looks| (3..=4).contains(looks)), "{seen:?}");
    }

    #[test]
    fn an_unconfirmed_change_is_looked_at_twice_as_often() {
        let target = target("t");
        let mut schedule = Schedule::default();
        schedule.watch(at(0), &[&target], &mut Rng::new(1));
        let mut looks = 0;
        for ms in (0..60_000).step_by(100) {
            for order in schedule.orders(at(ms), |_| Some(&target), |_| true) {
                looks += 1;
                schedule.returned(order.id);
            }
        }
        assert_eq!(looks, 12);
    }

    #[test]
    fn a_lost_order_is_given_again_after_its_time() {
        let target = Target { timeout: Span::secs(8), ..target("t") };
        let mut schedule = Schedule::default();
        schedule.watch(at(0), &[&target], &mut Rng::new(1));
        let mut orders = Vec::new();
        for ms in (0..25_000).step_by(100) {
            orders.extend(schedule.orders(at(ms), |_| Some(&target), |_| false));
        }
        assert_eq!(orders.len(), 2, "the second look was skipped while the first was under way");
        assert_eq!(schedule.returned(orders[0].id), None, "an answer that comes too late is nobody's");
    }
}
