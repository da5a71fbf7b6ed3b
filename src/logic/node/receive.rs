//! What peers say, and what faces ask.

use crate::base::command::{Command, CommandId, Reply};
use crate::base::entry::Entry;
use crate::base::id::{LinkId, NodeId, TargetId};
use crate::base::limits;
use crate::base::note::Note;
use crate::base::outcome::Order;
use crate::base::target::{Icmp, Probe};
use crate::base::time::{Now, Span};
use crate::base::view::Presence;
use crate::base::wire::{Answer, Ask, Heartbeat, Message, Signed};
use crate::logic::effect::{Effect, Effects};
use crate::logic::journal::Place;
use crate::logic::liveness::Liveness;
use crate::logic::node::Node;
use crate::logic::proof;
use crate::logic::request::Taken;

/// What an asker is told who asks more than others would answer.
pub(super) const TOO_MANY: &str = "too many questions of this node are under way; try again in a minute";

impl Node {
    pub(super) fn link_up(&mut self, now: Now, link: LinkId, peer: NodeId, dialled: Option<String>, remote: String, out: &mut Effects) {
        let name = self.settings.network.name_of(&peer);
        if self.settings.network.member(&peer).is_none() {
            out.then(Effect::Close { link, reason: "this key is not in the roster".into() });
            return;
        }
        let twin = self.mesh.link_to(&peer).is_some();
        self.with_mesh(|mesh, known| mesh.up(now, link, peer, dialled, remote, known, out));
        if let (false, Some(link)) = (twin, self.mesh.link_to(&peer)) {
            out.note(Note::Linked { peer: name, detail: link.detail.clone() });
        } else {
            out.note(Note::Duplicate { peer: name });
        }
        let message = self.heartbeat(now);
        out.then(Effect::Send { link, message });
        // Two with one key push each other off this link, so what the one should hear of the other goes first.
        if let Some(last) = self.heartbeats.get(&peer) {
            out.then(Effect::Send { link, message: Message::Heartbeat(last.clone()) });
        }
        self.unsaid.link();
        self.changed = true;
    }

    pub(super) fn link_down(&mut self, now: Now, link: LinkId, reason: &str, out: &mut Effects) {
        self.search.down(link);
        self.told.remove(&link);
        if let Some(peer) = self.mesh.down(now, link, reason) {
            out.note(Note::Unlinked { peer: self.settings.network.name_of(&peer), detail: reason.into() });
            self.unsaid.link();
            self.changed = true;
        }
    }

    pub(super) fn received(&mut self, now: Now, link: LinkId, message: Message, out: &mut Effects) {
        match message {
            Message::Digest(digest) => {
                if self.with_mesh(|mesh, known| mesh.digest(now, link, &digest, known, out)) {
                    self.tell_proofs(now, link, out);
                }
            }
            Message::Heads(heads) => {
                self.compare_heads(now, link, &heads, out);
                self.with_mesh(|mesh, known| mesh.heads(now, link, &heads, known, out));
            }
            Message::Prefer(prefer) => self.with_mesh(|mesh, known| mesh.prefer(now, link, &prefer, known)),
            Message::Entries(entries) => self.entries(now, link, entries, out),
            Message::Heartbeat(heartbeat) => self.heard(now, link, heartbeat, out),
            Message::Ask(ask) => self.asked(now, link, ask, out),
            Message::Answer(answer) => {
                let known = self.settings.network.member(&answer.value.author).is_some();
                let bounded = answer.value.detail.len() <= limits::DETAIL && answer.value.path.len() <= limits::HOPS;
                if known && bounded && self.requests.answered(now, self.me, &answer.value) {
                    self.pass_on(Some(link), &Message::Answer(answer), out);
                }
            }
            Message::Proofs(entries) => self.prove(now, &entries, Some(link), out),
            Message::Seek(seek) => self.sought(now, link, seek, out),
            // The link itself answers the others.
            Message::Hello(_) | Message::Ping(_) | Message::Pong(_) | Message::Goodbye(_) | Message::Unknown(_) => {}
        }
    }

    fn entries(&mut self, now: Now, link: LinkId, entries: Vec<Entry>, out: &mut Effects) {
        // A node that cannot commit takes nothing: its peers keep it, and send it again when heads are compared.
        if self.fault.is_some() {
            return;
        }
        let (mut known, mut words) = (Vec::new(), Vec::new());
        for entry in entries {
            let header = &entry.header;
            let (chain, sequence) = (header.chain, header.sequence);
            let over = self.cut.contains(&chain) || self.proofs.end(&chain) <= sequence;
            if over || self.settings.network.author(&chain.author).is_none() {
                continue;
            }
            if self.journal.lamport().saturating_add(limits::LAMPORT_LEAP) < header.lamport {
                let reason = format!("entry {sequence} of {chain} with a Lamport number that nobody can have reached");
                let peer = self.mesh.peer(link).map_or_else(String::new, |peer| self.settings.network.name_of(&peer));
                out.note(Note::Refused { peer, reason });
                continue;
            }
            if chain.author == self.me {
                self.recognized(now, &entry, out);
                // A life above this one may say that nothing of this one is in force. That waits until the next one has
                // said again what holds of it.
                if self.is_outlived_by(chain.incarnation) {
                    continue;
                }
            }
            let mut place = self.journal.accept(&entry);
            // What has no place here may say where its chain begins now, and then have one.
            if matches!(place, Place::Gap | Place::Excess(_)) && self.declare(now, &entry, out) {
                place = self.journal.accept(&entry);
            }
            match place {
                Place::Next => {
                    self.mesh.has(link, chain, sequence);
                    if let Some(head) = self.journal.get(&chain) {
                        self.moved.insert(chain, *head);
                    }
                    if chain.author == self.me {
                        self.returned(chain.incarnation, chain.lane, sequence);
                    }
                    self.announce(&entry, out);
                    self.fold(now.mono, true, &entry);
                    out.append.push(entry.clone().into());
                    self.declare(now, &entry, out);
                    words.extend(proof::has_words(&entry).then_some(entry));
                }
                Place::Known => {
                    self.mesh.has(link, chain, sequence);
                    let stored = self.journal.get(&chain).is_some_and(|head| head.base < sequence && sequence < head.sequence);
                    if stored {
                        known.push(entry);
                    }
                }
                Place::Gap => self.mesh.gap(now, link, chain),
                Place::Contradiction => {
                    self.differ(now, link, chain, sequence, out);
                    known.push(entry);
                }
                Place::Excess(why) => {
                    let peer = self.settings.network.name_of(&chain.author);
                    out.note(Note::Refused { peer, reason: format!("entry {} of {chain}: {why}", entry.header.sequence) });
                }
            }
        }
        if !words.is_empty() {
            self.prove(now, &words, Some(link), out);
        }
        self.compare(now, link, known, out);
    }

    fn heard(&mut self, now: Now, link: LinkId, heartbeat: Signed<Heartbeat>, out: &mut Effects) {
        let author = heartbeat.value.author;
        if author == self.me {
            self.heard_myself(now, &heartbeat, out);
            return;
        }
        let mute = |liveness: &Liveness| liveness.life(&author).is_some_and(|life| life.mute);
        let was_mute = mute(&self.liveness);
        let news = self.liveness.heard(now, &heartbeat.value);
        self.mesh.beat(now, link, &author, news);
        if !news {
            // The author lost a life that is remembered here, or somebody else counts ahead of it in the same life. It is
            // told, so that it begins one above it.
            let direct = self.mesh.peer(link) == Some(author);
            let behind = |last: &&Signed<Heartbeat>| {
                let (told, known) = (&heartbeat.value, &last.value);
                told.incarnation < known.incarnation || (direct && told.incarnation == known.incarnation && told.counter < known.counter)
            };
            if let Some(last) = self.heartbeats.get(&author).filter(behind) {
                out.then(Effect::Send { link, message: Message::Heartbeat(last.clone()) });
            }
            return;
        }
        self.heartbeats.insert(author, heartbeat.clone());
        self.heard_outside(now);
        if was_mute != mute(&self.liveness) {
            self.dirty = self.order.iter().cloned().collect();
            self.rewatch(now);
        }
        for other in self.with_mesh(|mesh, known| mesh.relays(now, link, &author, known)) {
            out.then(Effect::Send { link: other, message: Message::Heartbeat(heartbeat.clone()) });
        }
    }

    fn asked(&mut self, now: Now, link: LinkId, ask: Signed<Ask>, out: &mut Effects) {
        let known = self.settings.network.member(&ask.value.author).is_some();
        if !known || limits::HOST < ask.value.host.len() || ask.value.goal.is_some() {
            return;
        }
        let taken = self.requests.asked(now, &ask.value);
        if taken == Taken::Answer {
            self.look_for(now, ask.value.clone(), out);
        }
        if taken != Taken::Drop {
            self.pass_on(Some(link), &Message::Ask(ask), out);
        }
    }

    /// Looks for a question, this node's own or another's.
    fn look_for(&mut self, now: Now, ask: Ask, out: &mut Effects) {
        let count = ask.count.clamp(1, 20);
        let icmp = Icmp { host: ask.host.clone(), count, gap: Span(200), size: 56 };
        let order = Order {
            id: self.schedule.number(),
            target: TargetId(ask.host.clone()),
            probe: Probe::Icmp(icmp),
            // A little less than the asker waits, so that the answer still finds it.
            timeout: Span(ask.within.min(limits::REQUEST_TIME.0) * 4 / 5),
        };
        self.requests.looking(now, order.id, ask);
        out.then(Effect::Probe(order));
    }

    pub(super) fn give_answer(&mut self, now: Now, answer: Answer, out: &mut Effects) {
        self.requests.answered(now, self.me, &answer);
        if answer.asker != self.me {
            let signed = Signed::seal(&self.settings.key, self.settings.network.network, answer);
            self.pass_on(None, &Message::Answer(signed), out);
        }
    }

    pub(super) fn pass_on(&self, from: Option<LinkId>, message: &Message, out: &mut Effects) {
        for (link, _) in self.mesh.links().filter(|(link, _)| Some(**link) != from) {
            out.then(Effect::Send { link: *link, message: message.clone() });
        }
    }

    pub(super) fn command(&mut self, now: Now, id: CommandId, command: Command, out: &mut Effects) {
        match command {
            Command::Write(writes) => self.write(id, writes, out),
            command @ (Command::Acknowledge { .. } | Command::Silence { .. } | Command::EndSilence { .. }) => {
                self.quieten(now, id, command, out);
            }
            Command::Wish { name, within } => self.wish(now, id, &name, within, out),
            Command::KeepWish { name } => self.keep_wish(now, id, &name, out),
            Command::FinishWish { name, ended } => self.finish_wish(id, &name, ended, out),
            Command::TestNotice { channel, phase } => self.give_example(now, id, channel.as_deref(), phase, out),
            Command::Ping { host, count, within } => {
                let incarnation = self.journal.incarnation();
                match self.requests.ask(now, id, self.me, incarnation, &host, count, within) {
                    Some(ask) => {
                        let signed = Signed::seal(&self.settings.key, self.settings.network.network, ask.clone());
                        self.pass_on(None, &Message::Ask(signed), out);
                        self.look_for(now, ask, out);
                    }
                    None => out.then(Effect::Reply(id, Reply::Refused(TOO_MANY.into()))),
                }
            }
            Command::Revoke { node, reason, retire } => self.revoke(now, id, node, &reason, retire, out),
            Command::Trace { node, within } => self.trace(now, id, node, within, out),
        }
    }

    pub(super) fn answer_commands(&mut self, now: Now, out: &mut Effects) {
        let liveness = &self.liveness;
        let present = |node: &NodeId| *node == self.me || liveness.life(node).is_some_and(|life| life.presence == Presence::Alive);
        for (id, reply) in self.requests.finished(now, &self.settings.network.roster, present) {
            out.then(Effect::Reply(id, reply));
        }
    }
}
