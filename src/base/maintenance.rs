//! Maintenance: when nothing new is told of which targets, once or every week.
//!
//! Whether a moment lies in a window follows from the moment and the rules of a zone alone, as for
//! [`Hours`]; whose clock says what moment it is, is not known here.

use crate::base::channel;
use crate::base::hours::Hours;
use crate::base::id::TargetId;
use crate::base::time::Wall;

/// A window: when, and for what.
#[derive(Clone, Debug, PartialEq)]
pub struct Maintenance {
    /// Its name.
    pub name: String,
    /// Targets by name, `*` for any letters.
    pub targets: Vec<String>,
    /// Targets by group.
    pub groups: Vec<String>,
    /// When.
    pub when: When,
}

/// When a window is open.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// At these hours of the week.
    Every(Hours),
    /// From a moment until before another.
    Once {
        /// The first moment.
        from: Wall,
        /// The first moment after it.
        to: Wall,
    },
}

impl Maintenance {
    /// Whether it is for a target.
    #[must_use]
    pub fn is_for(&self, target: &TargetId, group: Option<&str>) -> bool {
        channel::names(&self.targets, &self.groups, target, group)
    }

    /// Whether it is open at a moment. At one that no calendar has it is not, so that nothing is kept from people.
    #[must_use]
    pub fn is_open(&self, moment: Wall) -> bool {
        match &self.when {
            When::Every(hours) => hours.span(moment),
            When::Once { from, to } => (from.0..to.0).contains(&moment.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_for_what_it_names_and_open_from_its_first_moment() {
        let window = |when| Maintenance { name: "p".into(), targets: vec!["shop*".into()], groups: vec!["web".into()], when };
        let once = window(When::Once { from: Wall(1000), to: Wall(2000) });
        let is_for = |target: &str, group| once.is_for(&TargetId(target.into()), group);
        assert!(is_for("shop-1", None) && is_for("mail", Some("web")) && !is_for("mail", Some("db")) && !is_for("mail", None));
        assert_eq!([999, 1000, 1999, 2000].map(|at| once.is_open(Wall(at))), [false, true, true, false]);
        // 1970-01-01 is a Thursday.
        let weekly = window(When::Every(Hours::parse(&["Thu 00:00-01:00"], "UTC").unwrap()));
        assert_eq!([-1, 0, 3_599_999, 3_600_000].map(|at| weekly.is_open(Wall(at))), [false, true, true, false]);
        assert!(!weekly.is_open(Wall(i64::MAX)), "what no calendar has keeps nothing from people");
    }
}
