//! What programs of this host wait for: each wants an action to be done on one node of the network.
//!
//! A wish lasts until its deadline, its receipt, or until it is this node's turn: then the program that asked first is
//! told to act, and must say so again every few seconds, or counts as gone. Several programs of one host may have the
//! same wish; one of them acts. Who votes is not known here, and neither is what is done.

use std::collections::BTreeMap;

use crate::base::command::CommandId;
use crate::base::id::{Domain, EntryHash, IntentKey, NetworkId};
use crate::base::time::{Mono, Span};
use crate::base::wish::{self, WISHES, WORD};

/// The wishes of this host's programs, by name.
#[derive(Debug, Default)]
pub struct Wishes(BTreeMap<String, Wish>);

#[derive(Debug)]
struct Wish {
    key: IntentKey,
    domain: Domain,
    since: Mono,
    /// Who waits, and until when.
    waiting: Vec<(CommandId, Mono)>,
    /// The ballot for which a program of this host acts, and when it must have said so again.
    acting: Option<(EntryHash, Mono)>,
}

impl Wishes {
    /// A program wants an action to be done.
    ///
    /// # Errors
    /// Why it cannot be taken, with the remedy.
    pub fn ask(&mut self, now: Mono, network: NetworkId, id: CommandId, name: &str, within: Span) -> Result<(), String> {
        wish::check(name)?;
        let waiting: usize = self.0.values().map(|wish| wish.waiting.len().max(1)).sum();
        if WISHES <= waiting {
            return Err("too many programs of this host wait for actions; try again when some are done".into());
        }
        let fresh = || Wish { key: key_of(network, name), domain: domain_of(network, name), since: now, waiting: Vec::new(), acting: None };
        let wish = self.0.entry(name.to_owned()).or_insert_with(fresh);
        wish.waiting.push((id, now + within.min(wish::WAIT_MOST)));
        Ok(())
    }

    /// The actions that are wanted here, each in a domain of its own, and since when.
    pub fn wanted(&self) -> impl Iterator<Item = (Domain, IntentKey, Mono)> {
        let open = self.0.values().filter(|wish| wish.acting.is_none() && !wish.waiting.is_empty());
        open.map(|wish| (wish.domain, wish.key, wish.since))
    }

    /// What stands for a Message-ID, if these are the keys of a wish.
    #[must_use]
    pub fn message(&self, keys: &[IntentKey]) -> Option<String> {
        self.named(keys).map(wish::marked)
    }

    /// It is this node's turn: which program is to act. None if no program waits any more, or this is no wish.
    pub fn chosen(&mut self, now: Mono, keys: &[IntentKey], ballot: EntryHash) -> Option<(CommandId, String)> {
        let name = self.named(keys)?.to_owned();
        let wish = self.0.get_mut(&name)?;
        if wish.waiting.is_empty() {
            return None;
        }
        let (first, _) = wish.waiting.remove(0);
        wish.acting = Some((ballot, now + WORD));
        Some((first, name))
    }

    /// The program that acts says that it does. False if it is not to act, or not any more.
    pub fn keep(&mut self, now: Mono, name: &str) -> bool {
        let acting = self.0.get_mut(name).and_then(|wish| wish.acting.as_mut());
        acting.map(|(_, until)| *until = now + WORD).is_some()
    }

    /// The program that acted is done: for which ballot. None if it was not to act, or not any more.
    pub fn finish(&mut self, name: &str) -> Option<EntryHash> {
        let wish = self.0.get_mut(name)?;
        let (ballot, _) = wish.acting.take()?;
        if wish.waiting.is_empty() {
            self.0.remove(name);
        }
        Some(ballot)
    }

    /// Lets go of whoever waits for something that was done.
    pub fn settle(&mut self, done: impl Fn(&IntentKey) -> bool) -> Vec<(CommandId, IntentKey)> {
        let mut settled = Vec::new();
        for wish in self.0.values_mut().filter(|wish| wish.acting.is_none() && done(&wish.key)) {
            settled.extend(wish.waiting.drain(..).map(|(id, _)| (id, wish.key)));
        }
        self.sweep();
        settled
    }

    /// Lets go of those who waited for long enough, with the name of what they waited for, and of those who act without
    /// saying so: their ballots.
    pub fn expire(&mut self, now: Mono) -> (Vec<(CommandId, String, IntentKey)>, Vec<EntryHash>) {
        let (mut late, mut lost) = (Vec::new(), Vec::new());
        for (name, wish) in &mut self.0 {
            wish.waiting.retain(|(id, until)| {
                let waits = now < *until;
                if !waits {
                    late.push((*id, name.clone(), wish.key));
                }
                waits
            });
            lost.extend(wish.acting.take_if(|(_, until)| *until <= now).map(|(ballot, _)| ballot));
        }
        self.sweep();
        (late, lost)
    }

    /// A turn was not committed: who was told to act in it was not.
    pub fn undo(&mut self, under_way: impl Fn(&EntryHash) -> bool) {
        for wish in self.0.values_mut() {
            wish.acting.take_if(|(ballot, _)| !under_way(ballot));
        }
        self.sweep();
    }

    /// When somebody has waited for long enough, or must have said something.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let waiting = self.0.values().flat_map(|wish| wish.waiting.iter().map(|(_, until)| *until));
        waiting.chain(self.0.values().filter_map(|wish| wish.acting.map(|(_, until)| until))).min()
    }

    /// Whether anybody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn named(&self, keys: &[IntentKey]) -> Option<&str> {
        self.0.iter().find(|(_, wish)| keys == [wish.key]).map(|(name, _)| name.as_str())
    }

    fn sweep(&mut self) {
        self.0.retain(|_, wish| wish.acting.is_some() || !wish.waiting.is_empty());
    }
}

/// The key of an action, equal on all nodes.
#[must_use]
pub fn key_of(network: NetworkId, name: &str) -> IntentKey {
    IntentKey(named("peerwatch wish 1", network, name))
}

/// What an action has in common with others: nothing, so that they go side by side.
fn domain_of(network: NetworkId, name: &str) -> Domain {
    Domain(named("peerwatch wish domain 1", network, name))
}

fn named(context: &str, network: NetworkId, name: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(&network.0).update(name.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: NetworkId = NetworkId([1; 32]);
    const BALLOT: EntryHash = EntryHash([2; 32]);

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1000)
    }

    fn two_waiting() -> Wishes {
        let mut wishes = Wishes::default();
        wishes.ask(at(0), NETWORK, CommandId(1), "job", Span::secs(60)).unwrap();
        wishes.ask(at(0), NETWORK, CommandId(2), "job", Span::secs(30)).unwrap();
        wishes
    }

    #[test]
    fn of_several_programs_with_one_wish_the_first_acts_and_the_others_wait_on() {
        let mut wishes = two_waiting();
        assert_eq!(wishes.wanted().count(), 1, "one action");
        let chosen = wishes.chosen(at(1), &[key_of(NETWORK, "job")], BALLOT);
        assert_eq!(chosen, Some((CommandId(1), "job".into())));
        assert_eq!(wishes.wanted().count(), 0, "it is being done");
        let (late, lost) = wishes.expire(at(10));
        assert_eq!((late.len(), lost.len()), (0, 0));
        assert_eq!(wishes.finish("job"), Some(BALLOT));
        assert_eq!(wishes.finish("job"), None, "once");
        assert_eq!(wishes.settle(|_| false), []);
        assert_eq!(wishes.settle(|_| true), [(CommandId(2), key_of(NETWORK, "job"))], "the second waited for the receipt");
        assert!(wishes.is_empty());
    }

    #[test]
    fn who_acts_without_a_word_counts_as_gone_and_who_says_so_does_not() {
        let mut wishes = two_waiting();
        wishes.chosen(at(0), &[key_of(NETWORK, "job")], BALLOT).unwrap();
        assert!(wishes.keep(at(14), "job"));
        assert_eq!(wishes.expire(at(16)).1, []);
        assert_eq!(wishes.deadline(), Some(at(29)));
        assert_eq!(wishes.expire(at(29)).1, [BALLOT]);
        assert!(!wishes.keep(at(29), "job"), "too late");
        assert_eq!(wishes.wanted().count(), 1, "the second still wants it");
    }

    #[test]
    fn who_waited_for_long_enough_is_told_and_what_was_not_committed_is_forgotten() {
        let mut wishes = two_waiting();
        assert_eq!(wishes.expire(at(30)).0, [(CommandId(2), "job".to_owned(), key_of(NETWORK, "job"))]);
        wishes.chosen(at(31), &[key_of(NETWORK, "job")], BALLOT).unwrap();
        wishes.undo(|_| false);
        assert!(wishes.is_empty());
        assert_eq!(wishes.chosen(at(31), &[key_of(NETWORK, "job")], BALLOT), None, "nobody waits");
    }

    #[test]
    fn there_are_only_so_many_wishes() {
        let mut wishes = Wishes::default();
        for number in 0..WISHES {
            wishes.ask(at(0), NETWORK, CommandId(number as u64), &format!("job{number}"), Span::secs(1)).unwrap();
        }
        assert!(wishes.ask(at(0), NETWORK, CommandId(99), "more", Span::secs(1)).is_err());
        assert!(Wishes::default().ask(at(0), NETWORK, CommandId(1), "two words", Span::secs(1)).is_err());
    }
}
