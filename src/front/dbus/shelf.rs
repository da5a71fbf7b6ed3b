//! The objects of one kind, kept in step with what the latest view says.
//!
//! Each object shows one value, which is replaced as a whole before its change is announced; so a
//! client that reads after a signal sees what the signal said or something newer, and no reader
//! ever waits. Which properties count as changed is a table of the object's kind
//! ([`Object::FOLLOWED`]); figures that change with every look are not in it and raise no signals.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;
use zbus::object_server::{Interface, SignalEmitter};
use zbus::{Connection, OwnedObjectPath, Variant, fdo};

use super::{outline, path};

/// What an object shows, and of which network it is.
pub(super) struct Shown<V> {
    /// The path of its network.
    pub(super) network: OwnedObjectPath,
    value: watch::Receiver<Arc<V>>,
    rows: Arc<AtomicUsize>,
}

/// A property whose changes are announced.
pub(super) struct Followed<V: 'static> {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether two values look the same to it.
    pub(super) same: fn(&V, &V) -> bool,
    /// Whether the signal carries the new value, or only says that there is one.
    pub(super) carried: bool,
}

/// A kind of object.
pub(super) trait Object: Interface + Clone {
    /// What one of them shows.
    type Value: Send + Sync + 'static;
    /// The properties whose changes are announced: all with `EmitsChangedSignal` true or invalidates.
    const FOLLOWED: &'static [Followed<Self::Value>];
    /// An object that shows this.
    fn showing(shown: Shown<Self::Value>) -> Self;
}

/// One object on the bus and the way to change what it shows.
pub(super) struct Slot<I: Object> {
    /// Where it is.
    pub(super) path: OwnedObjectPath,
    value: watch::Sender<Arc<I::Value>>,
    interface: I,
    round: u64,
}

/// All objects of one kind in one network, by name.
pub(super) struct Shelf<I: Object> {
    kind: &'static str,
    network: OwnedObjectPath,
    slots: BTreeMap<String, Slot<I>>,
    order: watch::Sender<Arc<[OwnedObjectPath]>>,
    round: u64,
    room: Room,
    rows: Arc<AtomicUsize>,
}

/// How much a shelf may show, so that one message can hold everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Objects.
    pub(super) objects: usize,
    /// Rows in the lists of all of them together.
    pub(super) rows: usize,
}

impl<V> Clone for Shown<V> {
    fn clone(&self) -> Self {
        Self { network: self.network.clone(), value: self.value.clone(), rows: self.rows.clone() }
    }
}

impl<V> Shown<V> {
    /// The value as it is now.
    pub(super) fn now(&self) -> Arc<V> {
        self.value.borrow().clone()
    }

    /// How many rows a list of this object may have.
    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }
}

impl<V> Followed<V> {
    /// A property whose new value the signal carries.
    pub(super) const fn carried(name: &'static str, same: fn(&V, &V) -> bool) -> Self {
        Self { name, same, carried: true }
    }

    /// A property that is large or rarely read: the signal only says that it changed.
    pub(super) const fn named(name: &'static str, same: fn(&V, &V) -> bool) -> Self {
        Self { name, same, carried: false }
    }
}

impl<I: Object> Slot<I> {
    /// Puts an object on the bus.
    pub(super) async fn add(
        bus: &Connection,
        path: OwnedObjectPath,
        network: OwnedObjectPath,
        value: Arc<I::Value>,
        rows: Arc<AtomicUsize>,
    ) -> zbus::Result<Self> {
        let (sender, value) = watch::channel(value);
        let interface = I::showing(Shown { network, value, rows });
        bus.object_server().at(&path, interface.clone()).await?;
        Ok(Self { path, value: sender, interface, round: 0 })
    }

    /// Its interface as introspection describes it.
    pub(super) fn description(&self) -> String {
        outline::describe(&self.interface)
    }

    /// The value that it shows.
    pub(super) fn now(&self) -> Arc<I::Value> {
        self.value.borrow().clone()
    }

    /// Shows a new value and announces what changed.
    pub(super) async fn show(&self, bus: &Connection, value: Arc<I::Value>) -> zbus::Result<()> {
        let before = self.value.send_replace(value.clone());
        if Arc::ptr_eq(&before, &value) {
            return Ok(());
        }
        let emitter = SignalEmitter::new(bus, &self.path)?;
        let mut carried: HashMap<&str, Variant<'_>> = HashMap::new();
        let mut named = Vec::new();
        for property in I::FOLLOWED.iter().filter(|property| !(property.same)(&before, &value)) {
            if property.carried {
                let value = self.interface.get(property.name, bus.object_server(), bus, None, &emitter).await;
                carried.extend(value.and_then(Result::ok).map(|value| (property.name, Variant::from(value))));
            } else {
                named.push(property.name);
            }
        }
        if carried.is_empty() && named.is_empty() {
            return Ok(());
        }
        fdo::Properties::properties_changed(&emitter, I::name(), carried, Cow::from(named)).await
    }
}

impl<I: Object> Shelf<I> {
    /// An empty shelf; `kind` is an element of the paths.
    pub(super) fn new(kind: &'static str, network: OwnedObjectPath, room: Room) -> Self {
        let (order, _) = watch::channel(Arc::from([]));
        Self { kind, network, slots: BTreeMap::new(), order, round: 0, room, rows: Arc::default() }
    }

    /// The paths in the order in which the view has the things; shared until it changes.
    pub(super) fn order(&self) -> Arc<[OwnedObjectPath]> {
        self.order.borrow().clone()
    }

    /// The element of the paths below which its objects are, and whether there are any.
    pub(super) fn children(&self) -> impl Fn() -> Vec<String> + Send + Sync + 'static {
        let (kind, order) = (self.kind, self.order.subscribe());
        move || if order.borrow().is_empty() { Vec::new() } else { vec![kind.to_owned()] }
    }

    /// How many of so many there is no room for.
    pub(super) const fn hidden(&self, all: usize) -> usize {
        all.saturating_sub(self.room.objects)
    }

    /// All values that are shown.
    pub(super) fn values(&self) -> impl Iterator<Item = (&OwnedObjectPath, Arc<I::Value>)> {
        self.slots.values().map(|slot| (&slot.path, slot.now()))
    }

    /// Makes the objects be these, as far as there is room: adds, announces changes, then removes.
    /// Of two things of one name the first is shown.
    pub(super) async fn show<'v, N: Into<Cow<'v, str>>>(
        &mut self,
        bus: &Connection,
        values: &'v [Arc<I::Value>],
        name: impl Fn(&'v I::Value) -> N + Send,
    ) -> zbus::Result<()> {
        let values = &values[..values.len().min(self.room.objects)];
        self.rows.store((self.room.rows / values.len().max(1)).max(2), Ordering::Relaxed);
        self.round += 1;
        let (order, mut places, mut same_order) = (self.order(), 0, true);
        for value in values {
            let name: Cow<'v, str> = name(value).into();
            match self.slots.get_mut(&*name) {
                Some(slot) if slot.round == self.round => continue,
                Some(slot) => {
                    slot.round = self.round;
                    slot.show(bus, value.clone()).await?;
                    same_order &= order.get(places) == Some(&slot.path);
                }
                None => {
                    self.add(bus, name.into_owned(), value.clone()).await?;
                    same_order = false;
                }
            }
            places += 1;
        }
        if places < self.slots.len() {
            self.remove(bus).await?;
        }
        if !same_order || places != order.len() {
            self.order.send_replace(self.ordered(values, name));
        }
        Ok(())
    }

    async fn add(&mut self, bus: &Connection, name: String, value: Arc<I::Value>) -> zbus::Result<()> {
        let place = path::within(&self.network, self.kind, &name);
        let mut slot = Slot::add(bus, place, self.network.clone(), value, self.rows.clone()).await?;
        slot.round = self.round;
        if self.slots.is_empty() {
            // The path above was made with the object.
            let order = self.order.subscribe();
            let children = move || order.borrow().iter().map(path::last).collect();
            outline::cover(bus, path::above(&self.network, self.kind), String::new(), children).await?;
        }
        self.slots.insert(name, slot);
        Ok(())
    }

    fn ordered<'v, N: Into<Cow<'v, str>>>(&self, values: &'v [Arc<I::Value>], name: impl Fn(&'v I::Value) -> N) -> Arc<[OwnedObjectPath]> {
        let mut seen = BTreeSet::new();
        let slots = values.iter().filter_map(|value| self.slots.get(&*name(value).into()));
        slots.filter(|slot| seen.insert(slot.path.as_str())).map(|slot| slot.path.clone()).collect()
    }

    /// Takes off the bus what this round has not seen.
    async fn remove(&mut self, bus: &Connection) -> zbus::Result<()> {
        let gone = self.slots.extract_if(.., |_, slot| slot.round != self.round);
        for (_, slot) in gone.collect::<Vec<_>>() {
            bus.object_server().remove::<I, _>(&slot.path).await?;
        }
        Ok(())
    }
}
