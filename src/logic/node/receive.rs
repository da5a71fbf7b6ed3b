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
use crate::logic::request::Taken;

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
        self.unsaid.link();
        self.changed = true;
    }

    pub(super) fn link_down(&mut self, now: Now, link: LinkId, reason: &str, out: &mut Effects) {
        if let Some(peer) = self.mesh.down(now, link, reason, &mut self.rng) {
            out.note(Note::Unlinked { peer: self.settings.network.name_of(&peer), detail: reason.into() });
            self.unsaid.link();
            self.changed = true;
        }
    }

    pub(super) fn received(&mut self, now: Now, link: LinkId, message: Message, out: &mut Effects) {
        match message {
            Message::Digest(digest) => self.with_mesh(|mesh, known| mesh.digest(link, &digest, known, out)),
            Message::Heads(heads) => self.mesh.heads(link, &heads),
            Message::Entries(entries) => self.entries(now, link, entries, out),
            Message::Heartbeat(heartbeat) => self.heard(now, link, heartbeat, out),
            Message::Ask(ask) => self.asked(now, link, ask, out),
            Message::Answer(answer) => {
                let known = self.settings.network.member(&answer.value.author).is_some() && answer.value.detail.len() <= limits::DETAIL;
                if known && self.requests.answered(now, self.me, &answer.value) {
                    self.pass_on(Some(link), &Message::Answer(answer), out);
                }
            }
            // The link itself answers the others.
            Message::Hello(_) | Message::Ping(_) | Message::Pong(_) | Message::Goodbye(_) | Message::Unknown(_) => {}
        }
    }

    fn entries(&mut self, now: Now, link: LinkId, entries: Vec<Entry>, out: &mut Effects) {
        // A node that cannot commit takes nothing: its peers keep it, and send it again when heads are compared.
        if self.fault.is_some() {
            return;
        }
        let mut gap = false;
        for entry in entries {
            let chain = entry.header.chain;
            if self.settings.network.member(&chain.author).is_none() {
                continue;
            }
            match self.journal.accept(&entry) {
                Place::Next => {
                    self.mesh.has(link, chain, entry.header.sequence);
                    if let Some(head) = self.journal.get(&chain) {
                        self.moved.insert(chain, *head);
                    }
                    if chain.author == self.me && self.journal.incarnation() < chain.incarnation {
                        self.outlived = true;
                    }
                    self.announce(&entry, out);
                    self.fold(now.mono, true, &entry);
                    out.append.push(entry);
                }
                Place::Known => self.mesh.has(link, chain, entry.header.sequence),
                Place::Gap => gap = true,
                Place::Contradiction => {
                    let reason = format!("entry {} of {chain} is not what was signed before", entry.header.sequence);
                    out.note(Note::Contradiction { author: chain.author, reason });
                }
            }
        }
        if gap {
            self.with_mesh(|mesh, known| mesh.gap(link, known, out));
        }
    }

    fn heard(&mut self, now: Now, link: LinkId, heartbeat: Signed<Heartbeat>, out: &mut Effects) {
        let author = heartbeat.value.author;
        if author == self.me {
            // Somebody remembers a later life of this node, of which nothing may be written anywhere.
            if self.journal.incarnation() < heartbeat.value.incarnation {
                self.journal.witness(heartbeat.value.incarnation);
                self.outlived = true;
            }
            return;
        }
        let mute = |liveness: &Liveness| liveness.life(&author).is_some_and(|life| life.mute);
        let was_mute = mute(&self.liveness);
        if !self.liveness.heard(now, &heartbeat.value) {
            let last = self.heartbeats.get(&author).filter(|last| heartbeat.value.incarnation < last.value.incarnation);
            if let Some(last) = last {
                // The author lost a life that is remembered here. It is told, so that it begins one above it.
                out.then(Effect::Send { link, message: Message::Heartbeat(last.clone()) });
            }
            return;
        }
        self.heartbeats.insert(author, heartbeat.clone());
        if was_mute != mute(&self.liveness) {
            self.dirty = self.order.iter().cloned().collect();
            self.rewatch(now);
        }
        // Whoever is linked to the author hears it itself, as far as its links are known.
        let known = self.fault.is_none() && self.liveness.life(&author).is_some_and(|life| life.unread.is_none());
        let report = self.reports.of(&author).filter(|_| known);
        let hears = |peer: &NodeId| *peer == author || report.is_some_and(|report| report.is_linked_to(peer));
        for (other, _) in self.mesh.links().filter(|(other, to)| **other != link && !hears(&to.peer)) {
            out.then(Effect::Send { link: *other, message: Message::Heartbeat(heartbeat.clone()) });
        }
    }

    fn asked(&mut self, now: Now, link: LinkId, ask: Signed<Ask>, out: &mut Effects) {
        if self.settings.network.member(&ask.value.author).is_none() || limits::HOST < ask.value.host.len() {
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

    fn pass_on(&self, from: Option<LinkId>, message: &Message, out: &mut Effects) {
        for (link, _) in self.mesh.links().filter(|(link, _)| Some(**link) != from) {
            out.then(Effect::Send { link: *link, message: message.clone() });
        }
    }

    pub(super) fn command(&mut self, now: Now, id: CommandId, command: Command, out: &mut Effects) {
        match command {
            Command::Ping { host, count, within } => {
                let incarnation = self.journal.incarnation();
                match self.requests.ask(now, id, self.me, incarnation, &host, count, within) {
                    Some(ask) => {
                        let signed = Signed::seal(&self.settings.key, self.settings.network.network, ask.clone());
                        self.pass_on(None, &Message::Ask(signed), out);
                        self.look_for(now, ask, out);
                    }
                    None => {
                        let why = "too many ping requests are under way; try again in a minute";
                        out.then(Effect::Reply(id, Reply::Refused(why.into())));
                    }
                }
            }
        }
    }

    pub(super) fn answer_commands(&mut self, now: Now, out: &mut Effects) {
        let liveness = &self.liveness;
        let present = |node: &NodeId| *node == self.me || liveness.life(node).is_some_and(|life| life.presence == Presence::Alive);
        for (id, rows) in self.requests.finished(now, &self.settings.network.roster, present) {
            out.then(Effect::Reply(id, Reply::Pinged(rows)));
        }
    }
}
