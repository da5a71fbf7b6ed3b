//! Actions of programs on the bus: `org.peerwatch.Peerwatch1.Intents` at the root object.
//!
//! A program creates an intent and waits until it is told to perform or that somebody has; while it performs it says so
//! again and again, and in the end how it went. Who may call is the bus's policy. Nothing is run here.

use std::collections::BTreeMap;

use zbus::{BoxDBusError, OwnedVariant, interface};

use super::manager::{Error, ask, boxed, find_desk, unexpected};
use super::question;
use super::value::{Known, Traits, length, moment, text};
use crate::base::command::{Command, Reply};
use crate::base::time::Span;
use crate::base::wish;
use crate::front::desk::{Desk, Desks};

/// The object.
pub(super) struct Intents {
    desks: Desks,
}

impl Intents {
    /// Intents of these networks.
    pub(super) fn new(desks: Desks) -> Self {
        Self { desks }
    }

    fn desk(&self, network: &str, key: &str) -> Result<&Desk, BoxDBusError> {
        wish::check(key).map_err(|why| boxed(Error::Refused(why)))?;
        find_desk(&self.desks, network).map_err(boxed)
    }
}

#[interface(name = "org.peerwatch.Peerwatch1.Intents", introspection_docs = false)]
impl Intents {
    /// A program wants an action to be performed on one node, and waits: `perform`, `performed` or `unsettled`.
    #[zbus(out_args("outcome", "details"))]
    async fn create(&self, network: &str, key: &str, options: BTreeMap<String, OwnedVariant>) -> Result<(String, Traits), BoxDBusError> {
        let desk = self.desk(network, key)?;
        let within = question::wait(options)?;
        let known = Known::default();
        let (outcome, known) = match ask(desk, Command::Wish { name: key.into(), within }, within).await? {
            Reply::Chosen(word) => ("perform", known.with("WithinUSec", length(word))),
            Reply::Performed { by, at, code, detail } => {
                let known = known.text("Node", &by).with("AtUSec", moment(at)).text("Detail", &detail);
                ("performed", code.into_iter().fold(known, |known, code| known.with("ExitCode", u32::from(code))))
            }
            Reply::Unsettled(why) => ("unsettled", known.text("Detail", &why)),
            other => return Err(unexpected(&other)),
        };
        Ok((outcome.into(), known.traits()))
    }

    /// The program that was told to perform does; it says so again within the time that comes back.
    #[zbus(out_args("within"))]
    async fn perform(&self, network: &str, key: &str) -> Result<u64, BoxDBusError> {
        match ask(self.desk(network, key)?, Command::KeepWish { name: key.into() }, Span::ZERO).await? {
            Reply::Kept(within) => Ok(length(within)),
            other => Err(unexpected(&other)),
        }
    }

    /// The program that was told to perform has ended: with an exit code, or with a reason for not having begun.
    async fn finish(&self, network: &str, key: &str, code: u8, reason: &str) -> Result<(), BoxDBusError> {
        let desk = self.desk(network, key)?;
        question::reason(reason)?;
        let ended = if reason.is_empty() { Ok(code) } else { Err(text(reason)) };
        match ask(desk, Command::FinishWish { name: key.into(), ended }, Span::ZERO).await? {
            Reply::Finished => Ok(()),
            other => Err(unexpected(&other)),
        }
    }
}
