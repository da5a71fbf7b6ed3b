//! The page's words, and how much of a large network it shows.

use super::*;
use crate::base::id::IncidentId;

const AT: Wall = Wall(1_780_000_000_000);

fn target(name: &str, standing: Standing) -> TargetView {
    TargetView {
        id: TargetId(name.into()),
        group: None,
        probe: "icmp 192.0.2.1 x5".into(),
        interval: Span::secs(30),
        standing,
        since: AT,
        votes: (1, 1),
        partial: false,
        sometimes: false,
        runbook: None,
        watchers: vec![],
        incident: None,
    }
}

fn network(targets: impl IntoIterator<Item = TargetView>) -> View {
    View { at: AT, targets: targets.into_iter().map(Arc::new).collect(), ..View::default() }
}

fn incident(name: &str, standing: Standing) -> IncidentView {
    IncidentView {
        id: IncidentId { target: TargetId(name.into()), number: 1 },
        open: true,
        standing,
        since: AT,
        opened: AT,
        closed: None,
        lasted: None,
        reason: String::new(),
        votes: vec![],
        acknowledged: None,
        notices: vec![],
    }
}

fn notice(state: &'static str) -> NoticeView {
    NoticeView { channel: "ops".into(), phase: "down", state, reminders: 0, by: None, at: None, detail: String::new() }
}

#[test]
fn the_headline_names_the_worst_first_and_forgets_nothing() {
    let standings = [Standing::Up, Standing::Unknown, Standing::Down, Standing::Down, Standing::Held, Standing::Degraded];
    let view = network(standings.into_iter().enumerate().map(|(number, standing)| target(&number.to_string(), standing)));
    assert_eq!(headline(&view), "2 down, 1 degraded, 1 unknown, 1 held");
    assert_eq!(headline(&network([target("a", Standing::Up)])), "Everything is up");
    assert_eq!(headline(&network([target("a", Standing::Held)])), "Everything is up, 1 held");
    assert_eq!(headline(&network([])), "Nothing is watched yet");
    let away = TargetView { sometimes: true, ..target("laptop", Standing::Down) };
    assert_eq!(headline(&network([away])), "Everything is up", "what may be away is not missed");
}

#[test]
fn a_node_that_is_cut_off_does_not_claim_to_know() {
    let view = View { isolated: true, ..network([target("a", Standing::Up)]) };
    let model = Model::of(&view, Asked { page: 1, ..Asked::default() });
    assert_eq!(model.headline, "Cut off: nobody can say from here");
    assert_eq!(model.worst.word, "unknown");
}

#[test]
fn telling_is_done_only_when_no_channel_failed() {
    let word = |states: &[&'static str]| told(&states.iter().map(|state| notice(state)).collect::<Vec<_>>()).word;
    assert_eq!(word(&[]), "nobody told");
    assert_eq!(word(&["told"]), "told");
    assert_eq!(word(&["told", "failed"]), "told in part");
    assert_eq!(word(&["failed"]), "telling failed");
    assert_eq!(word(&["waiting", "sending"]), "not told yet");
}

#[test]
fn what_is_down_stands_above_what_is_degraded() {
    let incidents = ["slow", "dead"].into_iter().zip([Standing::Degraded, Standing::Down]);
    let incidents = incidents.map(|(name, standing)| Arc::new(incident(name, standing))).collect();
    let view = View { incidents, ..network([]) };
    let model = Model::of(&view, Asked { page: 1, ..Asked::default() });
    let names: Vec<&str> = model.open.iter().map(|incident| incident.view.id.target.0.as_str()).collect();
    assert_eq!(names, ["dead", "slow"]);
}

#[test]
fn a_page_beyond_the_last_is_the_last() {
    let view = network((0..=limits::WEB_ROWS).map(|number| target(&format!("host-{number}"), Standing::Up)));
    let model = Model::of(&view, Asked { page: 99, ..Asked::default() });
    assert_eq!((model.asked.page, model.pages, model.matching), (2, 2, limits::WEB_ROWS + 1));
    assert_eq!(model.groups[0].targets.len(), 1);
}

#[test]
fn a_search_ignores_case_and_looks_into_groups_and_probes() {
    let grouped = TargetView { group: Some("Office".into()), ..target("nas", Standing::Up) };
    let view = network([grouped, target("shop", Standing::Down)]);
    let found = |query: &str, state: &str| Model::of(&view, Asked { query: query.into(), state: state.into(), page: 1 }).matching;
    assert_eq!((found("SHOP", ""), found("office", ""), found("192.0.2.1", ""), found("nothing", "")), (1, 1, 2, 0));
    assert_eq!((found("", "down"), found("", "attention"), found("nas", "down")), (1, 1, 0));
}

#[test]
fn doubts_are_what_no_incident_speaks_of() {
    let spoken = TargetView { incident: Some(incident("a", Standing::Down).id), ..target("a", Standing::Down) };
    let partial = TargetView { partial: true, votes: (2, 3), ..target("b", Standing::Up) };
    let away = TargetView { sometimes: true, ..target("c", Standing::Unknown) };
    let view = network([spoken, partial, away, target("d", Standing::Unknown), target("e", Standing::Held)]);
    let model = Model::of(&view, Asked { page: 1, ..Asked::default() });
    let whys: Vec<(&str, &str)> = model.doubts.iter().map(|doubt| (doubt.target.id.0.as_str(), doubt.why.as_str())).collect();
    assert_eq!(whys[0], ("b", "up, but 1 of 3 watchers call it worse"));
    assert_eq!(whys.len(), 2, "{whys:?}");
}

#[test]
fn only_web_addresses_become_links() {
    let with = |text: &str| TargetView { runbook: Some(text.into()), ..target("a", Standing::Up) };
    assert_eq!(runbook(&with("https://wiki.example.org/")), Some("https://wiki.example.org/"));
    assert_eq!(runbook(&with("javascript:alert(1)")), None);
    assert_eq!(runbook(&with("call Ann")), None);
}

#[test]
fn ages_are_whole_seconds() {
    assert_eq!((age(Span(0)).as_str(), age(Span(999)).as_str(), age(Span(61_999)).as_str()), ("0s", "0s", "1m 1s"));
}
