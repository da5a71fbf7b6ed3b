//! Where faces meet the daemon: the latest view of each network, a way to ask, and the past.
//!
//! A desk holds no state of its own and no lock; reading a view never waits on the loop.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::base::command::{Command, Reply};
use crate::base::view::{History, View};

/// What a face has of one network. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// The network's directory name.
    pub network: String,
    /// The latest view; changes wake whoever waits on it.
    pub view: watch::Receiver<Arc<View>>,
    /// Commands on their way to the loop; bounded.
    pub commands: mpsc::Sender<Asked>,
    /// The past.
    pub history: Arc<dyn History>,
}

/// A command and where its reply goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub command: Command,
    /// Where the reply goes.
    pub reply: oneshot::Sender<Reply>,
}

/// All networks of this daemon, in the order of its configuration; at least one.
pub type Desks = Arc<[Desk]>;

impl Desk {
    /// The view as it is now.
    #[must_use]
    pub fn now(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Asks the node and waits for its reply.
    pub async fn ask(&self, command: Command) -> Reply {
        let refused = |why: &str| Reply::Refused(why.into());
        let (reply, answer) = oneshot::channel();
        match self.commands.try_send(Asked { command, reply }) {
            Ok(()) => answer.await.unwrap_or_else(|_| refused("the daemon is stopping; try again when it runs")),
            Err(mpsc::error::TrySendError::Full(_)) => refused("too many commands are under way; try again in a moment"),
            Err(mpsc::error::TrySendError::Closed(_)) => refused("the daemon is stopping; try again when it runs"),
        }
    }
}
