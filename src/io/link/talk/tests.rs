//! Links over pipes in memory, on a clock that only moves when nothing else can happen.

use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::frames::{Frames, Last};
use super::*;
use crate::base::entry::{Entry, Header};
use crate::base::fact::{Fact, Yield};
use crate::base::id::NetworkId;
use crate::base::id::{ChainId, EntryHash, Incarnation, Lane};
use crate::base::key::SecretKey;
use crate::base::time::Wall;
use crate::base::wire::{Digest, Heartbeat, Ping, Pong, Signed, entries_frame};
use crate::io::clock;

const LIFE: Incarnation = Incarnation { opened: 1, nonce: [1; 16] };

const HOUR: Duration = Duration::from_secs(3600);

fn hello() -> Hello {
    Hello { least: 1, most: 1, network: NetworkId::of("home"), incarnation: LIFE, software: "0.1.0".into() }
}

fn digest(number: u8) -> Message {
    Message::Digest(Box::new(Digest::of([].iter(), number.into())))
}

fn heartbeat(counter: u64) -> Message {
    let key = SecretKey::from_bytes(&[1; 32]);
    let value = Heartbeat { author: key.node(), incarnation: LIFE, counter, voting: true, isolated: false, said: 0, wall: 0, other: None };
    Message::Heartbeat(Signed::seal(&key, NetworkId::of("home"), value))
}

fn entry(sequence: u64) -> Entry {
    let key = SecretKey::from_bytes(&[1; 32]);
    let chain = ChainId { author: key.node(), incarnation: LIFE, lane: Lane::State };
    let (network, previous) = (NetworkId::of("home"), EntryHash([0; 32]));
    let header = Header { network, chain, sequence, previous, lamport: 1, wall: Wall(0) };
    Entry::seal(&key, header, vec![Fact::Yield(Yield { ballot: EntryHash([2; 32]) })])
}

/// One end that runs [`talk`].
struct Node {
    out: mpsc::Sender<Outgoing>,
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

fn node_with(stream: impl AsyncRead + AsyncWrite + Send + 'static, hello: Hello, room: usize) -> Node {
    let (out, outgoing) = mpsc::channel(16);
    let (told, events) = mpsc::channel(room);
    Node { out, events, task: tokio::spawn(talk(stream, hello, Timing::default(), outgoing, told)) }
}

impl Node {
    async fn send(&self, message: Message) {
        self.out.send(Outgoing::Message(message)).await.unwrap();
    }

    async fn event(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    /// The next event that is no measurement.
    async fn next(&mut self) -> Event {
        loop {
            match self.event().await {
                Event::Measured { .. } => {}
                event => return event,
            }
        }
    }

    /// Why it ends; checks that this is the last event.
    async fn down(mut self) -> String {
        loop {
            if let Event::Down(reason) = self.next().await {
                assert_eq!(self.events.recv().await, None);
                self.task.await.unwrap();
                return reason;
            }
        }
    }
}

/// The other end, in the test's own hands.
struct Raw {
    from: Frames<ReadHalf<DuplexStream>>,
    to: WriteHalf<DuplexStream>,
}

impl Raw {
    fn new(stream: DuplexStream) -> Self {
        let (from, to) = split(stream);
        Self { from: Frames::new(from), to }
    }

    async fn send(&mut self, message: &Message) {
        self.to.write_all(&message.encode()).await.unwrap();
    }

    async fn read(&mut self) -> Result<Message, Last> {
        let frame = self.from.next(HOUR, Instant::now() + HOUR).await?;
        Ok(Message::decode(NetworkId::of("home"), &frame).unwrap())
    }

    /// The next that is no ping.
    async fn next(&mut self) -> Result<Message, Last> {
        loop {
            match self.read().await? {
                Message::Ping(_) => {}
                message => return Ok(message),
            }
        }
    }
}

/// A node and the test, greeted.
async fn greeted(buffer: usize) -> (Node, Raw) {
    let (here, there) = duplex(buffer);
    let (mut node, mut raw) = (node_with(here, hello(), 64), Raw::new(there));
    let greeting = Message::Hello(hello()).encode();
    let (sent, frame) = tokio::join!(raw.to.write_all(&greeting), raw.from.next(HOUR, Instant::now() + HOUR));
    sent.unwrap();
    assert_eq!(frame, Ok(greeting[4..].to_vec()));
    assert_eq!(node.next().await, Event::Up { hello: hello() });
    (node, raw)
}

/// Two nodes, both up.
async fn pair(room: usize) -> (Node, Node) {
    let (here, there) = duplex(1 << 20);
    let (mut one, mut two) = (node_with(here, hello(), room), node_with(there, hello(), 64));
    assert_eq!(one.next().await, Event::Up { hello: hello() });
    assert_eq!(two.next().await, Event::Up { hello: hello() });
    (one, two)
}

/// Time passes until nothing else can happen.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn messages_go_both_ways_in_order() {
    let (mut one, mut two) = pair(64).await;
    for number in 0..10 {
        one.send(digest(number)).await;
        two.send(heartbeat(number.into())).await;
    }
    for number in 0..10 {
        assert_eq!(two.next().await, Event::Message(digest(number)));
        assert_eq!(one.next().await, Event::Message(heartbeat(number.into())));
    }
}

#[tokio::test(start_paused = true)]
async fn small_messages_overtake_a_batch_between_its_frames() {
    let (mut node, mut raw) = greeted(64).await;
    let frames: Vec<Vec<u8>> = (1..4).map(|n| entries_frame([entry(n).bytes()].into_iter())).collect();
    node.out.send(Outgoing::Batch(frames)).await.unwrap();
    settle().await;
    node.send(digest(7)).await;
    settle().await;
    let mut got = Vec::new();
    for _ in 0..4 {
        got.push(raw.next().await.unwrap());
    }
    let of = |n| Message::Entries(vec![entry(n)]);
    assert_eq!(got, [of(1), digest(7), of(2), of(3)]);
    assert_eq!(node.next().await, Event::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_drained_when_the_socket_has_its_last_byte_and_not_before() {
    let (mut node, mut raw) = greeted(64).await;
    node.out.send(Outgoing::Batch(vec![entries_frame([entry(1).bytes()].into_iter())])).await.unwrap();
    settle().await;
    assert_eq!(node.events.try_recv().ok(), None);
    assert_eq!(raw.next().await, Ok(Message::Entries(vec![entry(1)])));
    assert_eq!(node.next().await, Event::Drained);
    node.out.send(Outgoing::Batch(vec![])).await.unwrap();
    assert_eq!(node.next().await, Event::Drained);
}

#[tokio::test(start_paused = true)]
async fn what_only_lies_in_the_links_own_buffers_is_not_drained() {
    let (here, there) = duplex(64);
    let (mut node, mut raw) = (node_with(tokio::io::BufStream::new(here), hello(), 64), Raw::new(there));
    let greeting = Message::Hello(hello()).encode();
    tokio::join!(raw.to.write_all(&greeting), raw.from.next(HOUR, Instant::now() + HOUR)).0.unwrap();
    assert_eq!(node.next().await, Event::Up { hello: hello() });
    node.out.send(Outgoing::Batch(vec![entries_frame([entry(1).bytes()].into_iter())])).await.unwrap();
    settle().await;
    assert_eq!(node.events.try_recv().ok(), None);
    assert_eq!(raw.next().await, Ok(Message::Entries(vec![entry(1)])));
    assert_eq!(node.next().await, Event::Drained);
}

#[tokio::test(start_paused = true)]
async fn large_batches_of_entries_arrive_whole() {
    let (mut one, mut two) = pair(64).await;
    let entries: Vec<Entry> = (1..=200).map(entry).collect();
    let frame = entries_frame(entries.iter().map(Entry::bytes));
    one.out.send(Outgoing::Batch(vec![frame.clone(), frame])).await.unwrap();
    assert_eq!(two.next().await, Event::Message(Message::Entries(entries.clone())));
    assert_eq!(two.next().await, Event::Message(Message::Entries(entries)));
    assert_eq!(one.next().await, Event::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_gone_after_eight_seconds() {
    let (node, _raw) = greeted(1 << 16).await;
    let before = Instant::now();
    assert_eq!(node.down().await, "silent for 8s");
    // The last words to somebody who does not listen are bounded too.
    assert!((8..20).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_but_never_answers_is_gone_later() {
    let (node, mut raw) = greeted(1 << 16).await;
    let drip = tokio::spawn(async move {
        for token in 1.. {
            let mut frame = Message::Ping(Ping { token }).encode();
            frame.extend(Message::Pong(Pong { token: u64::MAX, wall: 0 }).encode());
            if raw.to.write_all(&frame).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(2)).await;
        }
    });
    let before = Instant::now();
    assert_eq!(node.down().await, "no answer to a ping for 2m");
    assert_eq!(before.elapsed().as_secs() / 20, 6);
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_cut_off() {
    let (node, raw) = greeted(64).await;
    let (_from, mut to) = (raw.from, raw.to);
    let drip = tokio::spawn(async move {
        while to.write_all(&Message::Ping(Ping { token: 1 }).encode()).await.is_ok() {
            sleep(Duration::from_secs(2)).await;
        }
    });
    node.out.send(Outgoing::Batch(vec![entries_frame([entry(1).bytes()].into_iter())])).await.unwrap();
    let before = Instant::now();
    assert_eq!(node.down().await, "the peer has read nothing for 30s");
    assert!((30..40).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    drip.abort();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_own_loop_is_not_held_against_the_peer() {
    // The peer answers every ping; the node's loop takes no event for longer than any patience.
    // What comes in waits outside of the node, as behind a full socket buffer.
    let ((inward, mut to), (outward, from)) = (duplex(64), duplex(1 << 16));
    let mut node = node_with(tokio::io::join(inward, outward), hello(), 1);
    let mut from = Frames::new(from);
    to.write_all(&Message::Hello(hello()).encode()).await.unwrap();
    assert_eq!(node.next().await, Event::Up { hello: hello() });
    let (sender, mut sending) = mpsc::channel::<Vec<u8>>(1024);
    let write = tokio::spawn(async move {
        while let Some(frame) = sending.recv().await {
            to.write_all(&frame).await.unwrap();
            sleep(Duration::from_millis(10)).await;
        }
    });
    let pong = sender.clone();
    let answer = tokio::spawn(async move {
        while let Ok(frame) = from.next(HOUR, Instant::now() + HOUR).await {
            if let Ok(Message::Ping(ping)) = Message::decode(NetworkId::of("home"), &frame) {
                pong.send(Message::Pong(Pong { token: ping.token, wall: 0 }).encode()).await.unwrap();
            }
        }
    });
    for number in 0..20 {
        sender.send(digest(number).encode()).await.unwrap();
    }
    sleep(Duration::from_secs(200)).await;
    for number in 0..20 {
        assert_eq!(node.next().await, Event::Message(digest(number)));
    }
    sleep(Duration::from_secs(1)).await;
    sender.send(digest(9).encode()).await.unwrap();
    assert_eq!(node.next().await, Event::Message(digest(9)));
    answer.abort();
    write.abort();
}

#[tokio::test(start_paused = true)]
async fn closing_says_why_after_everything_that_was_sent_before() {
    let (one, mut two) = pair(64).await;
    one.send(digest(1)).await;
    one.out.send(Outgoing::Close("revoked".into())).await.unwrap();
    assert_eq!(two.next().await, Event::Message(digest(1)));
    assert_eq!(two.down().await, "the peer closed: revoked");
    assert_eq!(one.down().await, "revoked");
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_said_before_it_learnt_of_the_end_is_delivered() {
    let (mut node, mut raw) = greeted(1 << 16).await;
    node.out.send(Outgoing::Close("stopping".into())).await.unwrap();
    assert_eq!(raw.next().await, Ok(Message::Goodbye("stopping".into())));
    raw.send(&digest(1)).await;
    assert_eq!(node.next().await, Event::Message(digest(1)));
    drop(raw);
    assert_eq!(node.down().await, "stopping");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_on_after_a_goodbye_is_left() {
    let (node, mut raw) = greeted(1 << 16).await;
    node.out.send(Outgoing::Close("stopping".into())).await.unwrap();
    let talk = tokio::spawn(async move {
        while raw.to.write_all(&digest(1).encode()).await.is_ok() {
            sleep(Duration::from_millis(900)).await;
        }
    });
    let before = Instant::now();
    assert_eq!(node.down().await, "stopping");
    assert_eq!(before.elapsed().as_secs(), 5);
    talk.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_counts_even_if_writing_fails_first() {
    // Which of both is noticed first is left to chance, so often.
    for _ in 0..30 {
        let (node, mut raw) = greeted(64).await;
        node.out.send(Outgoing::Batch(vec![entries_frame([entry(1).bytes()].into_iter())])).await.unwrap();
        settle().await;
        raw.send(&Message::Goodbye("stopping".into())).await;
        drop(raw);
        assert_eq!(node.down().await, "the peer closed: stopping");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_batches_faster_than_they_leave_has_to_wait() {
    let (node, _raw) = greeted(64).await;
    let batch = || Outgoing::Batch(vec![entries_frame([entry(1).bytes()].into_iter()); 10]);
    let mut given = 0;
    while tokio::time::timeout(Duration::from_millis(1), node.out.send(batch())).await.is_ok() {
        given += 1;
        assert!(given < 100);
    }
    assert!(10 < given);
}

#[tokio::test(start_paused = true)]
async fn letting_go_of_the_channel_closes() {
    let (mut one, two) = pair(64).await;
    drop(std::mem::replace(&mut one.out, mpsc::channel(1).0));
    assert_eq!(one.down().await, "this node let go of the link");
    assert_eq!(two.down().await, "the peer closed: this node let go of the link");
}

#[tokio::test(start_paused = true)]
async fn a_link_without_anybody_who_listens_ends() {
    let (one, two) = pair(64).await;
    drop(one.events);
    one.task.await.unwrap();
    assert!(two.down().await.contains("ended"));
}

#[tokio::test(start_paused = true)]
async fn versions_that_do_not_overlap_are_told_with_the_remedy() {
    for (least, most, text) in [
        (2, 3, "the peer speaks protocol versions 2 to 3, this node speaks 1: upgrade this node"),
        (0, 0, "the peer speaks protocol version 0, this node speaks 1: upgrade the peer"),
    ] {
        let (here, there) = duplex(1 << 16);
        let one = node_with(here, hello(), 64);
        let two = node_with(there, Hello { least, most, ..hello() }, 64);
        assert_eq!(one.down().await, text);
        assert!(two.down().await.contains("upgrade"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_newer_peer_that_still_speaks_our_version_is_welcome() {
    let (here, there) = duplex(1 << 16);
    let mut one = node_with(here, hello(), 64);
    let newer = Hello { most: 9, software: "x".repeat(1000), ..hello() };
    let _two = node_with(there, newer, 64);
    let Event::Up { hello } = one.next().await else { panic!() };
    assert_eq!((hello.least, hello.most), (1, 9));
    assert!(hello.software.len() <= crate::base::limits::DETAIL);
}

/// What a node says of these first words, and what it answers.
async fn first_words(words: &[u8]) -> (String, Option<Message>) {
    let (here, there) = duplex(1 << 16);
    let (node, mut raw) = (node_with(here, hello(), 64), Raw::new(there));
    raw.to.write_all(words).await.unwrap();
    assert_eq!(raw.next().await, Ok(Message::Hello(hello())));
    let answer = raw.next().await.ok();
    drop(raw);
    (node.down().await, answer)
}

#[tokio::test(start_paused = true)]
async fn only_a_greeting_for_this_network_opens_a_link() {
    let other = Message::Hello(Hello { network: NetworkId::of("other"), ..hello() });
    let goodbye = |text: &str| Some(Message::Goodbye(text.into()));
    let text = "received kind 2 before a greeting";
    assert_eq!(first_words(&digest(1).encode()).await, (text.into(), goodbye(text)));
    let (told, answer) = first_words(&other.encode()).await;
    assert!(told.starts_with("the peer means network"), "{told}");
    assert_eq!(answer, goodbye(&told));
    let text = "no greeting within 10s";
    assert_eq!(first_words(&[]).await, (text.into(), goodbye(text)));
    let text = "received a frame of kind 1 with an unreadable body";
    assert_eq!(first_words(&[0, 0, 0, 1, 1]).await, (text.into(), goodbye(text)));
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_ends_the_link_and_the_sender_is_told() {
    let mut forged = entries_frame([entry(1).bytes()].into_iter());
    *forged.last_mut().unwrap() ^= 1;
    let mut beat = heartbeat(1).encode();
    *beat.last_mut().unwrap() ^= 1;
    let large = entries_frame((1..=200).map(entry).collect::<Vec<_>>().iter().map(Entry::bytes));
    let mut late_forged = large.clone();
    *late_forged.last_mut().unwrap() ^= 1;
    for (bytes, text) in [
        (forged, "received an entry not signed by its author"),
        (late_forged, "received an entry not signed by its author"),
        (beat, "received a message that its author did not sign"),
        (vec![0, 32, 0, 0, 4], "received a frame of 2097152 bytes (1 to 1048576 are allowed)"),
        (Message::Hello(hello()).encode(), "received a second greeting"),
    ] {
        let (mut node, mut raw) = greeted(1 << 20).await;
        raw.send(&digest(1)).await;
        raw.to.write_all(&bytes).await.unwrap();
        raw.send(&digest(2)).await;
        assert_eq!(node.next().await, Event::Message(digest(1)));
        assert_eq!(raw.next().await, Ok(Message::Goodbye(text.into())));
        // What is still under way from here does not meet a closed door, which would cut off the goodbye.
        settle().await;
        raw.send(&digest(3)).await;
        drop(raw);
        assert_eq!(node.down().await, text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_taken_over_another_link_and_one_with_another_bit_is_not() {
    let good = heartbeat(77).encode();
    for _ in 0..2 {
        let (mut node, mut raw) = greeted(1 << 20).await;
        raw.to.write_all(&good).await.unwrap();
        assert_eq!(node.next().await, Event::Message(heartbeat(77)));
    }
    for place in [10, good.len() - 1] {
        let mut forged = good.clone();
        forged[place] ^= 1;
        let (node, mut raw) = greeted(1 << 20).await;
        raw.to.write_all(&forged).await.unwrap();
        settle().await;
        drop(raw);
        let reason = node.down().await;
        assert!(reason.starts_with("received "), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_cut_short_and_an_end_without_goodbye_are_told_apart() {
    for (bytes, text) in [(&[0, 0, 0, 9, 2][..], "the connection ended in the middle of a frame"), (&[], "the peer ended the connection")] {
        let (node, mut raw) = greeted(1 << 16).await;
        raw.to.write_all(bytes).await.unwrap();
        raw.to.shutdown().await.unwrap();
        drop(raw);
        assert_eq!(node.down().await, text);
    }
}

#[tokio::test(start_paused = true)]
async fn kinds_of_later_versions_are_skipped() {
    let (mut node, mut raw) = greeted(1 << 16).await;
    raw.to.write_all(&[0, 0, 0, 3, 99, 1, 2]).await.unwrap();
    raw.send(&digest(1)).await;
    assert_eq!(node.next().await, Event::Message(digest(1)));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_with_its_token_and_the_time() {
    let (_node, mut raw) = greeted(1 << 16).await;
    raw.send(&Message::Ping(Ping { token: 77 })).await;
    let Ok(Message::Pong(pong)) = raw.next().await else { panic!() };
    assert_eq!(pong.token, 77);
    assert!((pong.wall - clock::now().wall.0).abs() < 60_000);
}

/// Answers the next ping after `delay`; returns the bytes of ping and pong.
async fn answer(raw: &mut Raw, delay: Duration, wall: i64) -> (u64, u64) {
    loop {
        if let Message::Ping(ping) = raw.read().await.unwrap() {
            sleep(delay).await;
            let pong = Message::Pong(Pong { token: ping.token, wall });
            raw.send(&pong).await;
            return (Message::Ping(ping).encode().len() as u64, pong.encode().len() as u64);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pong_measures_the_round_trip_and_the_peers_clock() {
    let (mut node, mut raw) = greeted(1 << 16).await;
    let mut last = None;
    for _ in 0..3 {
        let (ping, pong) = answer(&mut raw, Duration::from_millis(40), clock::now().wall.0 + 3_600_000).await;
        let Event::Measured { time_us, offset_ms, sent, received } = node.event().await else { panic!() };
        if let Some(last) = last.replace((sent, received)) {
            assert_eq!((sent, received), (last.0 + ping, last.1 + pong), "what went over it since");
        }
        assert!(ping < sent && pong < received, "the greetings count too: {sent} {received}");
        assert!((39_999..41_000).contains(&time_us), "{time_us}");
        assert!((3_590_000..3_610_000).contains(&offset_ms), "{offset_ms}");
    }
    // One that was not asked for is nothing, nor is one a second time.
    for token in [0, 1, u64::MAX] {
        raw.send(&Message::Pong(Pong { token, wall: 0 })).await;
    }
    raw.send(&digest(1)).await;
    assert_eq!(node.event().await, Event::Message(digest(1)));
}

#[tokio::test(start_paused = true)]
async fn a_measurement_spoilt_by_the_own_loop_is_not_told() {
    let (here, there) = duplex(1 << 16);
    let (mut node, mut raw) = (node_with(here, hello(), 1), Raw::new(there));
    raw.send(&Message::Hello(hello())).await;
    // The greeting waits in the channel, the digest before it.
    raw.send(&digest(1)).await;
    answer(&mut raw, Duration::ZERO, 0).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(node.event().await, Event::Up { hello: hello() });
    assert_eq!(node.event().await, Event::Message(digest(1)));
    raw.send(&digest(2)).await;
    assert_eq!(node.event().await, Event::Message(digest(2)));
}
