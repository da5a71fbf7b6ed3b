//! What nodes ask of the world, and what comes back.

use peerwatch::base::command::Reply;
use peerwatch::base::entry::{Entry, Header, Stretch};
use peerwatch::base::fact::Fact;
use peerwatch::base::id::{ChainId, IncidentId, IntentKey, Lane, LinkId, NodeId, TargetId};
use peerwatch::base::limits;
use peerwatch::base::notice::{Delivery, Errand};
use peerwatch::base::settings::Phase;
use peerwatch::base::wire::{self, Heartbeat, Message};
use peerwatch::logic::effect::{Effect, Effects};
use peerwatch::logic::input::Input;
use peerwatch::logic::notice;

use crate::checks::{Check, Failure, demand, seconds};
use crate::cluster::{Arrival, Cluster, Event, Host};
use crate::mutation::Mutation;
use crate::network::{Hop, Parcel, end_of, link};
use crate::options::{Feature, REFERENCE, below, name};
use crate::plan::{How, Mood};
use crate::world::{self, Taken};

impl Cluster {
    /// Performs effects. `early` are entries that a faulty harness sends before they are synced.
    pub fn perform_all(&mut self, host: usize, then: Vec<Effect>, early: &[Entry]) {
        for effect in then {
            // What it reads may end it.
            if self.hosts[host].life.is_some() {
                self.perform(host, effect, early);
            }
        }
    }

    fn perform(&mut self, host: usize, effect: Effect, early: &[Entry]) {
        let at = self.at;
        match effect {
            Effect::Probe(order) => {
                let (takes, outcome) = self.world.look(host, &order, &mut self.rng);
                let paranoid = self.mutation == Some(Mutation::Paranoia) && (60_000..90_000).contains(&self.at);
                let oblivious = self.mutation == Some(Mutation::Oblivious) && order.target.0 == REFERENCE;
                let (takes, outcome) = if oblivious { self.world.look(usize::MAX, &order, &mut self.rng) } else { (takes, outcome) };
                let outcome = if paranoid { peerwatch::base::outcome::Outcome::bad("imagined") } else { outcome };
                self.reach(at + takes, host, Input::Probed { id: order.id, outcome });
            }
            Effect::Dial { peer, address } => self.dial(host, at, peer, address),
            Effect::Send { link, message } => self.send(host, at, link, &message),
            Effect::Stream { link, stretches } => self.stream(host, at, link, &stretches, early),
            Effect::Close { link, reason } => {
                let (wire, end) = end_of(link);
                let kind = self.mutation == Some(Mutation::Lenient) && self.is_ended(self.network.host(wire, 1 - end));
                if !kind && self.network.close(at, wire, end, &reason, &mut self.rng) {
                    let later = at + 1 + self.rng.below(20);
                    self.reach(later, host, Input::LinkDown { link, reason });
                }
            }
            Effect::Carry(errand) => self.carry(host, at, errand),
            Effect::Try(..) => panic!("nobody asks for examples here"),
            Effect::Show(values) => self.show_values(host, &values),
            Effect::Reply(id, reply) => {
                self.written(host, id, &reply);
                self.story.tell(self.at, &name(host), || format!("answers {id:?}: {}", told(&reply)));
                if let Some(life) = self.hosts[host].life.as_mut().filter(|_| self.mutation != Some(Mutation::DroppedReplies)) {
                    life.asked.remove(&id.0);
                }
            }
            Effect::Find { chain, before, most } => {
                if let Some((sequence, hash)) = self.hosts[host].disk.find(&chain, before, most) {
                    self.reach(at, host, Input::Found { chain, sequence, hash });
                }
            }
            Effect::Compare(entries) => {
                if let Some(pair) = self.hosts[host].disk.differing(&entries) {
                    self.reach(at, host, Input::Forked(Box::new(pair)));
                }
            }
            Effect::Stop(reason) => {
                self.story.tell(self.at, &name(host), || format!("must not go on: {reason}"));
                if self.mutation != Some(Mutation::Stubborn) {
                    self.stopped(host);
                }
            }
            Effect::Note(note) => self.story.tell(self.at, &name(host), || note.to_string()),
        }
    }

    fn host_of(&self, node: &NodeId) -> usize {
        (0..self.hosts.len()).find(|host| self.hosts[*host].settings.key.node() == *node).expect("only members are dialled")
    }

    fn dial(&mut self, host: usize, at: u64, peer: NodeId, address: String) {
        let other = self.host_of(&peer);
        let lives = [host, other].map(|host| self.hosts[host].life.as_ref().map_or(0, |life| life.number));
        let never = self.mutation == Some(Mutation::NeverReconnect) && !self.stormy;
        let failed = if address.starts_with("nowhere") || never {
            Some(if (host + other).is_multiple_of(2) { limits::HANDSHAKE_TIME.0 } else { 5 })
        } else if self.hosts[other].life.is_none() {
            Some(if self.hosts[other].next == How::Power { limits::HANDSHAKE_TIME.0 } else { 5 })
        } else {
            self.network.dial(at, host, other, lives, &address, &mut self.rng)
        };
        if let Some(takes) = failed {
            self.reach(at + takes, host, Input::DialFailed { peer, address, reason: "no route".into() });
        }
    }

    /// Something happens on a wire.
    pub fn hop(&mut self, hop: Hop) -> Result<(), Failure> {
        let life = |cluster: &Self, wire: usize, end: usize| {
            let host = cluster.network.host(wire, end);
            (host, cluster.hosts[host].life.as_ref().map_or(0, |life| life.number))
        };
        match hop {
            Hop::Open { wire, address } => {
                let [(host, first), (other, second)] = [0, 1].map(|end| life(self, wire, end));
                if !self.network.open(self.at, wire, [first, second], &address, &mut self.rng) {
                    let peer = self.hosts[other].settings.key.node();
                    let later = self.at + self.rng.below(limits::HANDSHAKE_TIME.0);
                    self.later(
                        later,
                        Event::Input {
                            host,
                            life: self.network.life(wire, 0),
                            input: Input::DialFailed { peer, address, reason: "no answer".into() },
                        },
                    );
                }
            }
            Hop::Up { wire, end, address } => {
                let (host, now) = life(self, wire, end);
                if self.network.up(wire, end, now) {
                    let peer = self.hosts[self.network.host(wire, 1 - end)].settings.key.node();
                    let dialled = (end == 0).then_some(address);
                    let up = Input::LinkUp { link: link(wire, end), peer, dialled, remote: "192.0.2.9:999".into() };
                    // At once: whatever comes out of the link must come after it.
                    self.arrive(host, now, Arrival::Input(up));
                    let measured = Input::Measured { link: link(wire, end), time: 1000, offset: 5, sent: 0, received: 0 };
                    self.reach(self.at + limits::KEEPALIVE.0, host, measured);
                } else {
                    self.network.shatter(self.at, wire, 20);
                }
            }
            Hop::Out { wire, end, parcel } => {
                if let Some(parcel) = self.network.out(wire, end, parcel) {
                    self.take(wire, end, parcel)?;
                }
            }
            Hop::Release { wire, end } => {
                for parcel in self.network.release(wire, end) {
                    self.take(wire, end, parcel)?;
                }
            }
            Hop::Silence { wire, end } => {
                if self.network.silence(self.at, wire, end) {
                    self.network.close(self.at, wire, end, "no sign of life", &mut self.rng);
                    let host = self.network.host(wire, end);
                    let down = Input::LinkDown { link: link(wire, end), reason: "no sign of life".into() };
                    self.arrive(host, self.network.life(wire, end), Arrival::Input(down));
                }
            }
            Hop::Broken { wire, end } => {
                if self.network.noticed(wire, end) {
                    let (host, life) = (self.network.host(wire, end), self.network.life(wire, end));
                    let input = Input::LinkDown { link: link(wire, end), reason: "connection reset".into() };
                    self.arrive(host, life, Arrival::Input(input));
                }
            }
        }
        Ok(())
    }

    /// A parcel comes out at an end.
    fn take(&mut self, wire: usize, end: usize, parcel: Parcel) -> Result<(), Failure> {
        let (host, life) = (self.network.host(wire, end), self.network.life(wire, end));
        let link = link(wire, end);
        let message = match parcel {
            Parcel::Message(message) if self.network.garbles(wire, end) && SIGNED.contains(&message.kind()) => {
                return self.garble(wire, end, message.encode());
            }
            Parcel::Message(message) => *message,
            Parcel::Frame(mut frame) => {
                if self.mutation == Some(Mutation::GarbledFrame) && 200 < frame.len() {
                    frame[100] ^= 1;
                }
                if self.network.garbles(wire, end) && SIGNED.contains(&frame[4]) {
                    return self.garble(wire, end, frame);
                }
                let read = self.read.read(frame);
                demand(read.is_ok(), Check::Codec, self.at, || format!("{}: {}", name(host), read.as_ref().unwrap_err()))?;
                read.expect("demanded")
            }
            Parcel::End(reason) => {
                self.network.noticed(wire, end);
                self.network.stirred = true;
                self.arrive(host, life, Arrival::Input(Input::LinkDown { link, reason }));
                return Ok(());
            }
        };
        let message = match message {
            Message::Entries(entries) => {
                entries.iter().try_for_each(|entry| self.watch.delivered(self.at, entry))?;
                let blind = self.mutation == Some(Mutation::BlindReader) && host == 0;
                let entries = self.understood(host, entries);
                let entries = if blind { entries.into_iter().map(blinded).collect() } else { entries };
                let entries = self.deafened(entries);
                let keeper = self.mutation == Some(Mutation::BlindKeeper) && host == 0;
                Message::Entries(if keeper { entries.into_iter().map(valueless).collect() } else { entries })
            }
            other => other,
        };
        let deaf = self.mutation == Some(Mutation::Deaf) && !self.stormy && host == 0;
        if deaf && matches!(message, Message::Heartbeat(_)) {
            return Ok(());
        }
        let from = self.network.host(wire, 1 - end);
        self.story.whisper(self.at, &name(host), || format!("    from {}: {}", name(from), outline(&message)));
        self.arrive(host, life, Arrival::Input(Input::Received { link, message }));
        Ok(())
    }

    fn send(&mut self, host: usize, at: u64, link: LinkId, message: &Message) {
        let (wire, end) = end_of(link);
        debug_assert!(self.network.host(wire, end) == host);
        let claim = self.claims_unsynced(host, message);
        self.fail_if(claim, Check::Unsynced, |claim| format!("{} says {claim}", name(host)));
        let parcel =
            if self.options.has(Feature::Codec) { Parcel::Frame(message.encode()) } else { Parcel::Message(Box::new(message.clone())) };
        self.network.send(at, wire, end, parcel, &mut self.rng);
    }

    fn stream(&mut self, host: usize, at: u64, link: LinkId, stretches: &[Stretch], early: &[Entry]) {
        let (wire, end) = end_of(link);
        let Ok(mut entries) = self.hosts[host].disk.read(stretches) else { return self.rotten(host) };
        let asked = |entry: &&Entry| {
            let header = &entry.header;
            stretches.iter().any(|stretch| stretch.chain == header.chain && (stretch.first..=stretch.last).contains(&header.sequence))
        };
        entries.extend(early.iter().filter(asked).cloned());
        let me = self.hosts[host].settings.key.node();
        let unsynced = entries.iter().find(|entry| entry.header.chain.author == me && !self.watch.was_written(&entry.hash));
        self.fail_if(unsynced.map(|entry| entry.header.clone()), Check::Unsynced, |header| {
            format!("{} sends {} {} before it is synced", name(host), header.chain, header.sequence)
        });
        let life = self.hosts[host].life.as_mut();
        let twice = life.is_some_and(|life| !life.streams.insert(link));
        self.fail_if(twice.then_some(()), Check::Bounds, |()| format!("{} streams twice at once over one link", name(host)));
        self.falsify(host, &mut entries);
        let mut frames: Vec<Vec<Entry>> = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.bytes().len();
            match frames.last_mut() {
                Some(frame) if frame.len() < limits::FRAME_ENTRIES && bytes < limits::BATCH_BYTES => frame.push(entry),
                _ => {
                    bytes = entry.bytes().len();
                    frames.push(vec![entry]);
                }
            }
        }
        for frame in frames {
            let parcel = if self.options.has(Feature::Codec) {
                Parcel::Frame(wire::entries_frame(frame.iter().map(Entry::bytes)))
            } else {
                Parcel::Message(Box::new(Message::Entries(frame)))
            };
            self.network.send(at, wire, end, parcel, &mut self.rng);
        }
        let later = at + 1 + self.rng.below(40);
        self.reach(later, host, Input::Drained { link });
        let Host { clock, life, .. } = &mut self.hosts[host];
        if let Some(life) = life.as_mut().filter(|_| self.mutation == Some(Mutation::HastyDrain)) {
            life.node.handle(clock.read(at), Input::Drained { link }, &mut Effects::default());
        }
    }

    /// What a message says to be written and is not synced, by its sender's own chains.
    fn claims_unsynced(&self, host: usize, message: &Message) -> Option<String> {
        let Host { disk, settings, .. } = &self.hosts[host];
        let me = settings.key.node();
        match message {
            Message::Heads(heads) => {
                // What was given up or cut in the same turn was synced before.
                let own = heads.heads.iter().filter(|head| head.chain.author == me);
                let ahead = own.into_iter().find(|head| disk.head(&head.chain) < head.sequence && !self.watch.was_written(&head.hash));
                ahead.map(|head| format!("that it has written {} {}", head.chain, head.sequence))
            }
            Message::Heartbeat(heartbeat) if heartbeat.value.author == me && heartbeat.value.said != Heartbeat::MUTE => {
                let chain = ChainId { author: me, incarnation: heartbeat.value.incarnation, lane: Lane::State };
                let synced = disk.head(&chain).max(self.watch.last_written(&chain));
                (synced < heartbeat.value.said).then(|| format!("that it has written {chain} {}", heartbeat.value.said))
            }
            _ => None,
        }
    }

    /// A frame with a flipped bit comes out: it must be refused, and the link ends.
    fn garble(&mut self, wire: usize, end: usize, mut frame: Vec<u8>) -> Result<(), Failure> {
        self.network.clean(wire, end);
        let host = self.network.host(wire, end);
        let place = 5 + below(&mut self.rng, frame.len() - 5);
        let good = frame[place];
        frame[place] ^= 1 << self.rng.below(8);
        if self.mutation == Some(Mutation::Credulous) {
            frame[place] = good;
        }
        let read = Message::decode(self.options.network_id(), &frame[4..]);
        demand(read.is_err(), Check::Codec, self.at, || {
            format!("{} takes a frame of kind {} with a flipped bit in byte {place}", name(host), frame[4])
        })?;
        let reason = read.map_or_else(|fault| fault.to_string(), |_| "a flipped bit".into());
        self.story.tell(self.at, &name(host), || format!("refuses {reason}"));
        self.network.close(self.at, wire, end, &reason, &mut self.rng);
        self.arrive(host, self.network.life(wire, end), Arrival::Input(Input::LinkDown { link: link(wire, end), reason }));
        Ok(())
    }

    /// What a faulty harness makes of entries on their way.
    fn falsify(&self, host: usize, entries: &mut Vec<Entry>) {
        match (self.mutation, entries.last()) {
            (Some(Mutation::Ghostwriter), Some(last)) if 60_000 < self.at => {
                let header = Header { sequence: last.header.sequence + 1, previous: last.hash, ..last.header.clone() };
                if header.chain.author == self.hosts[host].settings.key.node() {
                    entries.push(Entry::seal(&self.hosts[host].settings.key, header, vec![Fact::Unknown { kind: 999, body: vec![] }]));
                }
            }
            (Some(Mutation::AlteredRelay), Some(last)) if !self.options.has(Feature::Codec) => {
                let mut bytes = last.bytes().to_vec();
                *bytes.last_mut().expect("an entry has bytes") ^= 1;
                let altered = Entry::parse(&bytes).expect("the signature is not looked at");
                entries.pop();
                entries.push(altered);
            }
            _ => {}
        }
    }

    /// Entries as a host understands them: an earlier version does not know all kinds.
    pub fn understood(&self, host: usize, entries: Vec<Entry>) -> Vec<Entry> {
        if !self.is_earlier(host) {
            return entries;
        }
        let me = self.hosts[host].settings.key.node();
        let known =
            |fact: &Fact| if LATER.contains(&fact.kind()) { Fact::Unknown { kind: fact.kind(), body: fact.body() } } else { fact.clone() };
        let read = |mut entry: Entry| {
            if entry.header.chain.author != me && entry.facts.iter().any(|fact| LATER.contains(&fact.kind())) {
                entry.facts = entry.facts.iter().map(known).collect();
            }
            entry
        };
        entries.into_iter().map(read).collect()
    }

    /// Remembers the first thing that does not hold, until the present step is over.
    fn fail_if<T>(&mut self, found: Option<T>, check: Check, text: impl FnOnce(T) -> String) {
        if let Some(found) = found {
            self.failed.get_or_insert(Failure { check, at: self.at, text: text(found) });
        }
    }

    fn carry(&mut self, host: usize, at: u64, errand: Box<Errand>) {
        if let Some(fault) = self.plan.first_errand.take() {
            let soon = self.at + 5;
            self.later(soon, Event::Fault(fault(host)));
        }
        let quiet = self.is_quiet(host, &errand);
        if let Err(failure) = quiet {
            self.failed.get_or_insert(failure);
        }
        let keys = self.keys(&world::read(&errand.letter));
        let knew = self.known_by(host, &keys);
        let mood = self.mood(host);
        let within = errand.within.0;
        let takes = match mood {
            Mood::Slow if self.options.calm => 500 + self.rng.below(within * 4 / 5 - 500),
            Mood::Slow => 500 + self.rng.below(within * 3 / 2),
            _ => 30 + self.rng.below(1500),
        };
        self.story.tell(self.at, &name(host), || format!("hands in {} for {:?}", errand.letter.message_id, world::read(&errand.letter)));
        let life = self.hosts[host].life.as_ref().map_or(0, |life| life.number);
        let (ballot, began) = (errand.ballot, self.at);
        let event = |errand| Event::Mail { host, life, errand, began, knew };
        if within < takes {
            // The sender gives up; the server may take it all the same, a little later.
            if self.rng.chance(50) {
                self.later(at + takes, event(errand));
            }
            self.reach(at + within, host, Input::Delivered { ballot, delivery: delivery(false, "timed out") });
        } else {
            self.later(at + takes, event(errand));
        }
    }

    /// The keys of what a letter tells.
    fn keys(&self, items: &[(String, String)]) -> Vec<IntentKey> {
        let key = |(incident, phase): &(String, String)| {
            let (target, number) = incident.rsplit_once('#').expect("an incident has a number");
            let id = IncidentId { target: TargetId(target.into()), number: number.parse().expect("an incident has a number") };
            let (phase, round) =
                phase.split_once('+').map_or((phase.as_str(), 0), |(phase, round)| (phase, round.parse().expect("a number")));
            let phase = [Phase::Down, Phase::Degraded, Phase::Up].into_iter().find(|known| known.word() == phase).expect("a phase");
            notice::key_of_reminder(self.options.network_id(), "ops", &id, phase, round)
        };
        items.iter().map(key).collect()
    }

    /// How the mail server of a host behaves now.
    fn mood(&self, host: usize) -> Mood {
        let lazy = self.options.calm && self.options.has(Feature::MailSlow);
        let usual = if lazy { Mood::Slow } else { Mood::Kind };
        self.world.moods.get(&host).copied().unwrap_or(usual)
    }

    /// Why a host should know that this was told already.
    fn known_by(&self, host: usize, keys: &[IntentKey]) -> Option<String> {
        let knows = |other: usize, key| {
            let since = self.hosts[other].disk.told(key)?;
            let should = other == host || self.watch.should_have(self.at, other, host, since);
            should.then(|| format!("{} holds the receipt since {}", name(other), seconds(since)))
        };
        keys.iter().find_map(|key| (0..self.hosts.len()).find_map(|other| knows(other, key)))
    }

    /// A mail server answers.
    pub fn mail(&mut self, host: usize, life: u64, errand: Box<Errand>, began: u64, knew: Option<String>) -> Result<(), Failure> {
        if self.hosts[host].life.as_ref().is_none_or(|now| now.number != life) {
            return Ok(());
        }
        if self.hosts[host].paused {
            let later = self.at + 500;
            self.later(later, Event::Mail { host, life, errand, began, knew });
            return Ok(());
        }
        let ballot = errand.ballot;
        let mood = self.mood(host);
        if mood == Mood::Refuses || self.world.cut.contains(&host) {
            self.reach(self.at, host, Input::Delivered { ballot, delivery: delivery(false, "451 try again later") });
            return Ok(());
        }
        let taken = Taken {
            ballot,
            host,
            life,
            message: errand.letter.message_id.clone(),
            keys: self.keys(&world::read(&errand.letter)),
            items: world::read(&errand.letter),
            began,
            at: self.at,
            noted: None,
            lost: false,
            denied: mood == Mood::Torn,
        };
        let late = errand.within.0 < self.at - began;
        if self.mutation != Some(Mutation::LostLetters) {
            self.deliver(Taken { denied: taken.denied || late, ..taken.clone() }, knew.as_deref())?;
        }
        let reminds = errand.letter.topic.items.iter().any(|item| 0 < item.reminder);
        if self.mutation == Some(Mutation::TwoTellers) || self.mutation == Some(Mutation::TwoReminders) && reminds {
            self.deliver(taken, None)?;
        }
        match mood {
            _ if self.mutation == Some(Mutation::DroppedReceipts) => {}
            // The sender's own patience ended before, if it did not stand still itself.
            _ if late => self.reach(self.at, host, Input::Delivered { ballot, delivery: delivery(false, "timed out") }),
            Mood::Torn => self.reach(self.at + 50, host, Input::Delivered { ballot, delivery: delivery(false, "connection lost") }),
            Mood::Deadly => {
                self.world.moods.remove(&host);
                self.stop(host, How::Daemon, Some(5000));
            }
            _ => self.reach(self.at + 5, host, Input::Delivered { ballot, delivery: delivery(true, "250 taken") }),
        }
        Ok(())
    }

    /// At most one letter, whatever happens but the loss of what was promised.
    fn is_strict(&self) -> bool {
        self.options.has(Feature::Majority) && !self.options.has(Feature::Wipe) && !self.options.has(Feature::Backup)
    }

    fn deliver(&mut self, taken: Taken, knew: Option<&str>) -> Result<(), Failure> {
        self.story.tell(self.at, &name(taken.host), || format!("LETTER {} {:?}", taken.message, taken.items));
        demand(!taken.items.is_empty(), Check::Silence, self.at, || format!("{} sends a letter that tells nothing", name(taken.host)))?;
        demand(knew.is_none() || self.copied.is_some(), Check::Twice, self.at, || {
            format!("{} tells {:?} and {}", name(taken.host), taken.items, knew.unwrap_or(""))
        })?;
        for earlier in &self.world.taken {
            if let Some((incident, phase)) = taken.items.iter().find(|(incident, phase)| earlier.tells(incident, phase)) {
                let excuse = if self.is_strict() {
                    Err(format!("{} told it at {}, and only a majority may", name(earlier.host), seconds(earlier.at)))
                } else {
                    self.watch.excuse(earlier, &taken, self.options.lease.0)
                };
                let excuse = if earlier.denied || taken.denied || self.copied.is_some() { Ok(()) } else { excuse };
                demand(excuse.is_ok(), Check::Twice, self.at, || {
                    format!("{} tells that {incident} is {phase}, and {}", name(taken.host), excuse.unwrap_err())
                })?;
            }
        }
        self.world.taken.push(taken);
        Ok(())
    }
}

/// Kinds of messages whose every bit is signed.
const SIGNED: [u8; 4] = [4, 7, 8, 9];

/// Kinds of facts that an earlier version does not know: nothing that is agreed on hangs on them.
const LATER: [u16; 1] = [64];

/// An entry without what it says of targets.
fn blinded(mut entry: Entry) -> Entry {
    entry.facts = entry.facts.iter().filter(|fact| !matches!(fact, Fact::Judged(_))).cloned().collect();
    entry
}

/// An entry without what it says of the key/value store.
fn valueless(mut entry: Entry) -> Entry {
    entry.facts = entry.facts.iter().filter(|fact| !matches!(fact, Fact::Put(_) | Fact::Deleted(_))).cloned().collect();
    entry
}

/// A message in a few words.
fn outline(message: &Message) -> String {
    match message {
        Message::Digest(digest) => format!("digest {:08x}", digest.heads.iter().fold(0, |sum, hash| sum ^ hash) >> 32),
        Message::Prefer(prefer) => format!("wants {}from {:?}", if prefer.push { "" } else { "nothing " }, prefer.authors),
        Message::Heads(heads) => {
            let chains: Vec<String> = heads.heads.iter().map(|head| format!("{} {}", head.chain, head.sequence)).collect();
            format!("{} heads {chains:?}", if heads.complete == 0 { "new" } else { "all" })
        }
        Message::Entries(entries) => format!("{} entries", entries.len()),
        Message::Heartbeat(heartbeat) => format!("heartbeat of {}", heartbeat.value.author),
        other => format!("message {}", other.kind()),
    }
}

fn delivery(success: bool, detail: &str) -> Delivery {
    Delivery { success, detail: detail.into(), refused: Vec::new(), after: None }
}

fn told(reply: &Reply) -> String {
    match reply {
        Reply::Tried(tried) => format!("{} channels tried", tried.len()),
        Reply::Pinged(rows) => {
            let answers = rows.iter().filter(|row| row.answer.is_some()).count();
            format!("{answers} of {} nodes pinged", rows.len())
        }
        Reply::Traced(way) => way.as_ref().map_or_else(|| "no way".into(), |way| format!("a way over {} hops", way.hops.len())),
        Reply::Acknowledged(incident) => format!("{incident} is acknowledged"),
        Reply::Silenced(id) => format!("silence {id}"),
        Reply::Unsilenced(id) => format!("silence {id} is over"),
        Reply::Revoked(node) => format!("{node} is no member any more"),
        Reply::Written { revision } => format!("written as {revision}"),
        Reply::Absent { key } => format!("there is no {key}"),
        Reply::Refused(reason) => reason.clone(),
        Reply::Chosen(_) => "act".into(),
        Reply::Kept(_) => "act on".into(),
        Reply::Finished => "finished".into(),
        Reply::Performed { by, detail, .. } => format!("performed by {by}: {detail}"),
        Reply::Unsettled(why) => format!("unsettled: {why}"),
    }
}
