//! Work on the whole journal as the bus has it: done on a thread, told how far it is, turned into rows.
//!
//! The daemon's sandbox ends at its own directories, so a backup goes into a file that the caller has
//! opened. What the work itself does is not known here.

use std::fs::File;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::SFlag;
use tokio::sync::{OwnedSemaphorePermit, watch};
use zbus::object_server::SignalEmitter;
use zbus::{OwnedFd, fdo};

use super::manager::{Error, Manager};
use super::node::life;
use super::value::{Known, Rows, Traits, text, texts};
use crate::base::limits;
use crate::base::view::{Archive, ForkView, Progress, Stats, Verified, View};
use crate::front::desk::Desk;

/// Between two words on how far the work is.
const STEP: Duration = Duration::from_millis(500);

/// Does work on a thread of its own and says now and then how far it is. `slot` is free again when it ends, also if
/// nobody waits any more.
pub(super) async fn work<R: Send + 'static>(
    emitter: &SignalEmitter<'_>,
    desk: &Desk,
    name: &str,
    slot: OwnedSemaphorePermit,
    work: impl FnOnce(&dyn Archive, &mut dyn FnMut(Progress)) -> Result<R, String> + Send + 'static,
) -> Result<R, Error> {
    let archive = desk.archive.clone();
    let (tell, mut told) = watch::channel(Progress::default());
    let mut job = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        work(&*archive, &mut |progress| _ = tell.send_replace(progress))
    });
    loop {
        tokio::select! {
            done = &mut job => {
                let done = done.unwrap_or_else(|_| Err("the daemon is stopping; try again when it runs".into()));
                return done.map_err(|why| Error::Refused(text(&why)));
            }
            () = tokio::time::sleep(STEP) => {
                if told.has_changed().unwrap_or(false) {
                    let Progress { done, total } = *told.borrow_and_update();
                    // Who cannot be told still gets the answer.
                    let _ = Manager::journal_progress(emitter, &desk.network, name, done, total).await;
                }
            }
        }
    }
}

/// The file behind a descriptor that a caller passed.
pub(super) fn file(descriptor: OwnedFd) -> Result<File, fdo::Error> {
    let refuse = |why: &str| Err(fdo::Error::InvalidArgs(format!("the descriptor {why}; pass an empty file that is open for writing")));
    let descriptor: std::os::fd::OwnedFd = descriptor.into();
    let regular = nix::sys::stat::fstat(&descriptor)
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFREG && stat.st_size == 0);
    let flags = nix::fcntl::fcntl(&descriptor, nix::fcntl::FcntlArg::F_GETFL).map(OFlag::from_bits_truncate);
    let writes = flags.is_ok_and(|flags| matches!(flags & OFlag::O_ACCMODE, OFlag::O_WRONLY | OFlag::O_RDWR));
    match (regular, writes) {
        // A pipe that nobody reads would hold a thread for ever.
        (false, _) => refuse("is no empty regular file"),
        (_, false) => refuse("cannot be written to"),
        _ => Ok(File::from(descriptor)),
    }
}

/// What the journal takes, in all and by chain.
pub(super) fn stats(stats: &Stats, view: &View) -> (Traits, Rows) {
    let totals = Known::default()
        .with("Entries", stats.entries())
        .with("EntryBytes", stats.bytes())
        .with("FileBytes", stats.file)
        .with("LogBytes", stats.log)
        .with("FreeBytes", stats.free)
        .with("LimitBytes", stats.limit)
        .with("Samples", stats.samples);
    let fork = |fork: &ForkView| (text(&fork.author), life(&fork.incarnation), fork.lane.to_owned(), fork.sequence);
    let forks: Vec<(String, String, String, u64)> = view.journal.forks.iter().map(fork).collect();
    let totals = if forks.is_empty() { totals } else { totals.with("Forks", forks) };
    let heads = stats.heads(view);
    let rows = heads.into_iter().zip(&stats.chains).take(limits::BUS_ROWS).map(|(head, chain)| {
        let known = Known::default().with("Incarnation", life(&head.incarnation)).with("Lane", head.lane);
        let known = known.with("Base", head.base).with("Last", head.sequence).with("Entries", chain.entries).with("Bytes", chain.bytes);
        let behind: Vec<(String, u64)> = head.behind.iter().map(|(peer, entries)| (text(peer), *entries)).collect();
        let known = if behind.is_empty() { known } else { known.with("Behind", behind) };
        let known = if head.missing == 0 { known } else { known.with("Missing", head.missing) };
        (text(&head.author), known.traits())
    });
    (totals.traits(), rows.collect())
}

/// What a look over the whole journal found.
pub(super) fn verified(verified: &Verified) -> Traits {
    let known = Known::default().with("Entries", verified.entries).with("Chains", verified.chains).with("Bytes", verified.bytes);
    known.with("Faults", texts(&verified.faults)).with("MoreFaults", verified.more).traits()
}
