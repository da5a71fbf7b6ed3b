//! Where faces meet the daemon: the latest view of each network, a way to ask, and the past.
//!
//! A desk holds no state of its own and no lock; reading a view never waits on the loop.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::base::command::{Command, Reply};
use crate::base::kv::{Change, Cursor, Values};
use crate::base::view::{Archive, History, View};

/// What a face has of one network. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// The network's directory name.
    pub network: String,
    /// The latest view; changes wake whoever waits on it.
    pub view: watch::Receiver<Arc<View>>,
    /// The key/value store with its last changes; complete before the reply to whoever wrote.
    pub values: watch::Receiver<Arc<Values>>,
    /// Commands on their way to the loop; bounded.
    pub commands: mpsc::Sender<Asked>,
    /// The past.
    pub history: Arc<dyn History>,
    /// The journal as a whole; its calls take their time.
    pub archive: Arc<dyn Archive>,
}

/// A command and where its reply goes.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub command: Command,
    /// Where the reply goes.
    pub reply: oneshot::Sender<Reply>,
}

/// Follows the changes of the key/value store. It holds no queue, only its place among the changes.
#[derive(Clone, Debug)]
pub struct Subscriber {
    values: watch::Receiver<Arc<Values>>,
    place: Cursor,
}

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The next change: each comes once, those of one author in its order.
    Change(Arc<Change>),
    /// Changes were missed, because the subscriber was too slow or its place is of another run of the
    /// daemon. This is how everything is now; the next change is the first after it.
    Lagged(Arc<Values>),
}

/// All networks of this daemon, in the order of its configuration; at least one.
pub type Desks = Arc<[Desk]>;

impl Desk {
    /// The view as it is now.
    #[must_use]
    pub fn now(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// The key/value store as it is now, and a subscriber to every change after that.
    #[must_use]
    pub fn subscribe(&self) -> (Arc<Values>, Subscriber) {
        let values = self.values.borrow().clone();
        let subscriber = self.subscribe_after(values.cursor);
        (values, subscriber)
    }

    /// A subscriber to every change after a place, which came with a list or a change.
    #[must_use]
    pub fn subscribe_after(&self, place: Cursor) -> Subscriber {
        Subscriber { values: self.values.clone(), place }
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

impl Subscriber {
    /// Waits for the next change. None when the daemon is stopping.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            let values = self.values.borrow_and_update().clone();
            match values.after(self.place) {
                Some(Some(change)) => {
                    self.place.number = change.number;
                    return Some(Heard::Change(change.clone()));
                }
                Some(None) => self.values.changed().await.ok()?,
                None => {
                    self.place = values.cursor;
                    return Some(Heard::Lagged(values));
                }
            }
        }
    }

    /// Where it is: everything up to here it was told, or has read.
    #[must_use]
    pub const fn place(&self) -> Cursor {
        self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::base::limits;
    use crate::base::time::Wall;

    fn values() -> (watch::Sender<Arc<Values>>, Subscriber) {
        let (sender, values) = watch::channel(Arc::new(Values::new(1)));
        let place = values.borrow().cursor;
        (sender, Subscriber { values, place })
    }

    fn put(sender: &watch::Sender<Arc<Values>>, keys: usize) {
        let change = |n: usize| Change {
            number: 0,
            node: NodeId([1; 32]),
            name: "a".into(),
            key: format!("k{n}").into(),
            revision: 1,
            at: Wall(0),
            item: None,
        };
        sender.send_modify(|values| *values = Arc::new(values.with("a", Arc::default(), (0..keys).map(change).collect())));
    }

    #[tokio::test]
    async fn a_subscriber_sees_what_comes_after_what_it_has_read_each_once() {
        let (sender, mut subscriber) = values();
        put(&sender, 2);
        subscriber.place = sender.borrow().cursor;
        let waiting = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(Heard::Change(change)) = subscriber.next().await {
                seen.push(change.number);
            }
            seen
        });
        for _ in 0..3 {
            put(&sender, 2);
            tokio::task::yield_now().await;
        }
        drop(sender);
        assert_eq!(waiting.await.unwrap(), [3, 4, 5, 6, 7, 8]);
    }

    #[tokio::test]
    async fn a_slow_subscriber_is_told_and_goes_on_from_what_is_now() {
        let (sender, mut subscriber) = values();
        put(&sender, limits::KV_RECENT + 1);
        let Some(Heard::Lagged(values)) = subscriber.next().await else { panic!("it was not told") };
        assert_eq!(values.cursor, subscriber.place());
        put(&sender, 1);
        let Some(Heard::Change(change)) = subscriber.next().await else { panic!("it does not go on") };
        assert_eq!(change.number, values.cursor.number + 1);
    }
}
