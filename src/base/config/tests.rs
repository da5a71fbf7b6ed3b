//! What the configuration accepts, what it makes of it, and how it says no.

mod channels;
mod errors;
mod files;

use crate::base::channel::{Body, Method, Only, Preset};
use crate::base::config::{ConfigError, FoundKey, Layer, host, local, network};
use crate::base::id::NodeId;
use crate::base::settings::{Host, MailTls, Network, Phase, Role, Split, Way};
use crate::base::target::{Confirm, Expected, Probe, Quorum, StatusSet, Target, Watchers};
use crate::base::template::Shape;
use crate::base::time::{Micros, Span};

pub(super) fn layer(path: &str, text: &str) -> Layer {
    Layer { path: path.to_owned(), text: text.to_owned() }
}

fn key(name: &str, byte: u8) -> FoundKey {
    (name.to_owned(), Ok(NodeId([byte; 32])))
}

fn read_network(text: &str, keys: &[FoundKey]) -> Result<(Network, Vec<String>), ConfigError> {
    network("home", &layer("network.toml", text), keys)
}

/// The network that `text` makes together with the nodes a, b and c.
fn home(text: &str) -> Network {
    let keys = [key("a", 1), key("b", 2), key("c", 3)];
    let nodes = "[[node]]\nname = \"a\"\n[[node]]\nname = \"b\"\n[[node]]\nname = \"c\"\n";
    let (network, remarks) = read_network(&format!("id = \"home\"\n{text}\n{nodes}"), &keys).unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(remarks, Vec::<String>::new());
    network
}

fn target(text: &str) -> Target {
    home(&format!("[[target]]\nname = \"t\"\n{text}")).targets.remove(0)
}

fn read_host(layers: &[&str]) -> Result<Host, ConfigError> {
    let layers: Vec<Layer> = layers.iter().enumerate().map(|(index, text)| layer(&format!("{index}.toml"), text)).collect();
    host(&layers, "fox.example.org")
}

#[test]
fn without_any_file_a_host_has_defaults() {
    let host = host(&[], "fox.example.org").unwrap();
    assert_eq!(host.name, "fox.example.org");
    assert_eq!(host.mesh.to_string(), "[::]:9630");
    assert_eq!(host.web.to_string(), "127.0.0.1:9631");
    assert_eq!((host.networks.len(), host.mail), (0, None));
}

#[test]
fn a_host_may_be_called_anything() {
    for (hostname, name) in [("my host", "my-host"), ("-x", "x"), ("", "localhost"), ("(none)", "none-"), ("münchen", "m-nchen")] {
        assert_eq!(host(&[], hostname).unwrap().name, name, "{hostname}");
    }
    assert_eq!(host(&[], &"x".repeat(200)).unwrap().name.len(), 63);
}

#[test]
fn later_layers_replace_single_keys() {
    let host = read_host(&[
        "[node]\nname = \"low\"\n[listen]\nweb = \"127.0.0.1:1\"\n[mail]\nserver = \"mail.example.org\"\nuser = \"u\"",
        "[node]\nname = \"high\"\n[mail]\ntls = \"tls\"",
    ])
    .unwrap();
    assert_eq!((host.name.as_str(), host.web.port()), ("high", 1));
    let mail = host.mail.unwrap();
    assert_eq!((mail.host.as_str(), mail.port, mail.tls, mail.user.as_deref()), ("mail.example.org", 465, MailTls::Tls, Some("u")));
}

#[test]
fn networks_of_all_layers_add_up_by_name() {
    let one = "[[network]]\nname = \"home\"\n[[network]]\nname = \"work\"";
    let two = "[[network]]\nname = \"work\"\n[[network]]\nname = \"club\"";
    assert_eq!(read_host(&[one, two]).unwrap().networks, ["home", "work", "club"]);
}

#[test]
fn mail_ports_follow_the_encryption() {
    for (text, host, port) in [
        ("server = \"m.example.org\"", "m.example.org", 587),
        ("server = \"m.example.org\"\ntls = \"tls\"", "m.example.org", 465),
        ("server = \"m.example.org:25\"\ntls = \"none\"", "m.example.org", 25),
        ("server = \"[2001:db8::1]:2525\"", "2001:db8::1", 2525),
        ("server = \"[::1]\"\ntls = \"none\"\nuser = \"x\"", "::1", 587),
        ("dry-run = true", "localhost", 587),
    ] {
        let mail = read_host(&[&format!("[mail]\n{text}")]).unwrap().mail.unwrap();
        assert_eq!((mail.host.as_str(), mail.port), (host, port), "{text}");
    }
}

#[test]
fn channels_are_read_in_every_detail() {
    let network = home(
        "[[target]]\nname = \"shop\"\ngroup = \"web\"\nicmp = { host = \"h\" }
         [[notify]]\nname = \"x\"\nhook = \"pager\"\ntargets = [\"shop\", \"node:*\"]\ngroups = [\"web\"]
         hours = [\"Mon-Fri 08:00-18:00\", \"Sat\"]\nzone = \"Europe/Berlin\"
         [[notify]]\nname = \"y\"\nwebhook = { preset = \"telegram\", secret = \"bot\", sign = \"key\", to = \"-1\" }
         [[notify]]\nname = \"z\"\nwebhook = { url = \"https://x/{secret}\", secret = \"bot\", headers = { X-A = \"{state}\" }, body = { a = [1, \"b\"] } }",
    );
    let [x, y, z] = &network.channels[..] else { panic!() };
    assert_eq!((&x.way, x.way.needs()), (&Way::Hook("pager".into()), vec!["hook:pager".to_owned()]));
    assert_eq!((&x.only.targets[..], &x.only.groups[..]), (&["shop".to_owned(), "node:*".into()][..], &["web".to_owned()][..]));
    assert_eq!(x.only.hours.as_ref().unwrap().written().1, "Europe/Berlin");
    assert_eq!(y.way.needs(), ["webhook", "secret:bot", "secret:key"]);
    assert_eq!(y.only, Only::default());
    let (Way::Webhook(y), Way::Webhook(z)) = (&y.way, &z.way) else { panic!() };
    assert_eq!((y.url.written(), &y.body), ("https://api.telegram.org/bot{secret}/sendMessage", &Body::Preset(Preset::Telegram)));
    assert_eq!((z.method, z.headers[0].0.as_str()), (Method::Post, "X-A"));
    let Body::Template(Shape::Table(table)) = &z.body else { panic!("{:?}", z.body) };
    assert_eq!((table[0].0.as_str(), matches!(&table[0].1, Shape::List(list) if list.len() == 2)), ("a", true));
}

#[test]
fn secrets_and_hooks_of_later_layers_replace_those_of_earlier_ones() {
    let one = "[[secret]]\nname = \"a\"\nfile = \"/one\"\n[[hook]]\nname = \"p\"\ncommand = [\"/one\", \"-x\"]";
    let two =
        "[[secret]]\nname = \"a\"\nfile = \"/two\"\n[[secret]]\nname = \"b\"\nfile = \"/b\"\n[mail]\nsendmail = \"/usr/sbin/sendmail\"";
    let host = read_host(&[one, two]).unwrap();
    assert_eq!(host.secrets, [("a", "/two"), ("b", "/b")].map(|(name, file)| (name.to_owned(), file.into())).into());
    assert_eq!(host.hooks, [("p".to_owned(), vec!["/one".to_owned(), "-x".into()])].into());
    assert_eq!(host.mail.unwrap().sendmail.unwrap().to_str(), Some("/usr/sbin/sendmail"));
}

#[test]
fn a_target_that_says_nothing_has_defaults() {
    let target = target("icmp = { host = \"192.0.2.1\" }");
    assert_eq!((target.interval, target.timeout), (Span::secs(30), Span::secs(5)));
    assert_eq!(target.confirm, Confirm { bad: 3, good: 2 });
    assert_eq!((target.watchers, target.quorum, target.expected), (Watchers::All, Quorum::Majority, Expected::Always));
    let Probe::Icmp(icmp) = target.probe else { panic!("{:?}", target.probe) };
    assert_eq!((icmp.count, icmp.gap, icmp.size), (3, Span(200), 56));
    assert!(!target.reference);
}

#[test]
fn a_network_that_says_nothing_has_defaults() {
    let network = home("");
    assert_eq!((network.split, network.lease, network.journal_size), (Split::Each, Span::secs(60), 2 << 30));
    assert_eq!(network.roster.iter().map(|member| member.role).collect::<Vec<_>>(), [Role::Member; 3]);
    let node = network.node_target;
    assert_eq!((node.id.0.as_str(), &node.probe), ("", &Probe::Node(NodeId([0; 32]))));
    assert_eq!((node.interval, node.confirm, node.quorum), (Span::secs(5), Confirm { bad: 1, good: 1 }, Quorum::Majority));
}

#[test]
fn what_a_target_says_replaces_the_defaults_of_the_network() {
    let network = home(
        "[defaults]\ninterval = \"10s\"\ntimeout = \"2s\"\nconfirm = { bad = 5 }\nwatchers = 2\nquorum = \"any\"
         [[target]]\nname = \"x\"\nicmp = { host = \"x\" }
         [[target]]\nname = \"y\"\nicmp = { host = \"y\" }\ninterval = \"1m\"\nconfirm = { good = 1 }\nwatchers = [\"c\", \"a\"]\nquorum = 2
         [[target]]\nname = \"z\"\ntcp = { host = \"z\", port = 1 }\ninterval = \"1s\"",
    );
    let [x, y, z, ..] = &network.targets[..] else { panic!() };
    assert_eq!((x.interval, x.timeout, x.confirm), (Span::secs(10), Span::secs(2), Confirm { bad: 5, good: 2 }));
    assert_eq!((&x.watchers, x.quorum), (&Watchers::Count(2), Quorum::Any));
    assert_eq!((y.interval, y.timeout, y.confirm), (Span::secs(60), Span::secs(2), Confirm { bad: 5, good: 1 }));
    assert_eq!((&y.watchers, y.quorum), (&Watchers::Named(vec![NodeId([3; 32]), NodeId([1; 32])]), Quorum::Count(2)));
    assert_eq!(z.timeout, Span::secs(1), "a timeout from the defaults gives way to a shorter interval");
}

#[test]
fn probes_are_read_in_every_detail() {
    let Probe::Http(http) = target(
        "http = { url = \"https://[2001:db8::1]:8443/x?y=%20\", method = \"HEAD\", headers = { X-B = \"1\", Accept = \"2\" }, status = 404, body = \"hi\", certificate-days = 14 }",
    )
    .probe
    else {
        panic!()
    };
    assert_eq!((http.url.as_str(), http.method.as_str()), ("https://[2001:db8::1]:8443/x?y=%20", "HEAD"));
    assert_eq!(http.headers, [("X-B".to_owned(), "1".to_owned()), ("Accept".to_owned(), "2".to_owned())]);
    assert_eq!((http.status, http.body.as_deref(), http.certificate_days), (StatusSet(vec![(404, 404)]), Some("hi"), Some(14)));
    let Probe::Tcp(tcp) = target("tcp = { host = \"fe80::1%eth0\", port = 25, send = \"QUIT\\r\\n\", expect = '^220 ' }").probe else {
        panic!()
    };
    assert_eq!(
        (tcp.host.as_str(), tcp.port, tcp.send.as_deref(), tcp.expect.as_deref()),
        ("fe80::1%eth0", 25, Some("QUIT\r\n"), Some("^220 "))
    );
    let target =
        target("icmp = { host = \"gateway\", count = 100, gap = \"40ms\", size = 1400 }\ndegraded = { loss = 1, rtt = \"500us\" }");
    assert_eq!((target.degraded.loss, target.degraded.rtt), (Some(1.0), Some(Micros(500))));
}

#[test]
fn tables_may_be_written_at_length() {
    let long = target("degraded.rtt = \"80ms\"\n[target.icmp]\nhost = \"x\"\ncount = 5\n");
    let brief = target("icmp = { host = \"x\", count = 5 }\ndegraded = { rtt = \"80ms\" }");
    assert_eq!(long, brief);
}

#[test]
fn references_are_hidden_targets_that_everybody_watches() {
    let network = home("reference = [\"9.9.9.9\", \"gateway\"]\n[defaults]\nwatchers = [\"a\"]\nquorum = \"any\"");
    let ids: Vec<&str> = network.targets.iter().map(|target| target.id.0.as_str()).collect();
    assert_eq!(ids, ["reference:9.9.9.9", "reference:gateway"]);
    for target in &network.targets {
        assert!(target.reference);
        assert_eq!(target.watchers, Watchers::All);
        assert!(matches!(&target.probe, Probe::Reference(host) if target.id.0.ends_with(host)));
        assert!(target.interval <= Span::secs(30) && target.timeout <= Span::secs(3));
    }
}

#[test]
fn without_a_word_the_gateway_and_the_name_servers_are_references_of_who_may_lose_a_link() {
    let references = |text: &str| {
        let network = home(text);
        network.targets.iter().filter(|target| target.reference).map(|target| target.id.0.clone()).collect::<Vec<_>>()
    };
    assert_eq!(references(""), ["reference:gateway", "reference:name-servers"]);
    assert_eq!(references("reference = []"), [""; 0]);
    assert_eq!(references("reference = [\"9.9.9.9\"]"), ["reference:9.9.9.9"]);
}

#[test]
fn channels_tell_everything_by_default_and_wait_ten_seconds() {
    let mail = "mail = { to = [\"a@example.org\", \"b@example.org\"], from = \"p@example.org\" }";
    let network = home(&format!("[[notify]]\nname = \"x\"\n{mail}\n[[notify]]\nname = \"y\"\n{mail}\non = [\"down\"]\ngroup = \"0s\""));
    let [x, y] = &network.channels[..] else { panic!() };
    assert_eq!((x.on.len(), x.group), (3, Span::secs(10)));
    assert_eq!((&y.on[..], y.group), (&[Phase::Down][..], Span::ZERO));
    assert!(matches!(&x.way, Way::Mail { to, from } if to.len() == 2 && from == "p@example.org"));
}

#[test]
fn nodes_have_addresses_in_a_form_to_dial() {
    let nodes = "[[node]]\nname = \"d\"\naddress = [\"d.example.org\", \"192.0.2.7:99\", \"[2001:db8::1]:9\", \"2001:db8::2\"]\nrole = \"admin\"\nexpected = \"sometimes\"";
    let (network, _) = read_network(&format!("id = \"home\"\n{nodes}"), &[key("d", 4)]).unwrap();
    let d = &network.roster[0];
    assert_eq!(d.addresses, ["d.example.org:9630", "192.0.2.7:99", "[2001:db8::1]:9", "[2001:db8::2]:9630"]);
    assert_eq!((d.role, d.expected, d.node), (Role::Admin, Expected::Sometimes, NodeId([4; 32])));
}

#[test]
fn a_node_without_a_good_key_is_left_out_with_a_remark_and_nothing_else_changes() {
    let text = "id = \"home\"\n[[node]]\nname = \"a\"\n[[node]]\nname = \"laptop\"\n[[node]]\nname = \"old\"
                [[target]]\nname = \"t\"\nicmp = { host = \"x\" }\nwatchers = [\"laptop\", \"a\"]
                [[target]]\nname = \"u\"\nicmp = { host = \"x\" }\nwatchers = [\"old\"]\ndepends = [\"node:old\", \"t\"]";
    let keys = [key("a", 1), ("old".to_owned(), Err("is not a public key".to_owned())), key("stray", 9)];
    let (network, remarks) = read_network(text, &keys).unwrap();
    assert_eq!(network.roster.len(), 1);
    assert_eq!(network.targets[0].watchers, Watchers::Named(vec![NodeId([1; 32])]));
    expect_test::expect![[r#"
        node laptop has no key file keys/laptop.pub: it is left out; copy its public key there and reload
        node old: keys/old.pub is not a public key: it is left out; copy its public key there and reload
        keys/stray.pub is not used: no node has that name; add [[node]] name = "stray" or remove the file
        target u has no watcher, since all that it names are left out: its standing is unknown"#]]
    .assert_eq(&remarks.join("\n"));
}

#[test]
fn the_definition_hash_is_of_the_meaning() {
    let plain = home("[[target]]\nname = \"x\"\nicmp = { host = \"x\" }");
    let wordy =
        home("lease = \"1m\" # as always\n# a comment\n[[target]]\nicmp = { count = 3, host = 'x' }\nname = \"x\"\ninterval = \"30s\"");
    assert_eq!(plain.definition, wordy.definition);
    let renamed = network(
        "elsewhere",
        &layer("f", "id = \"home\"\n[[target]]\nname = \"x\"\nicmp = { host = \"x\" }\n[[node]]\nname = \"a\""),
        &[key("a", 1)],
    );
    let same = read_network("id = \"home\"\n[[target]]\nname = \"x\"\nicmp = { host = \"x\" }\n[[node]]\nname = \"a\"", &[key("a", 1)]);
    assert_eq!(renamed.unwrap().0.definition, same.unwrap().0.definition, "the directory's name is each node's own");
}

#[test]
fn every_change_of_meaning_changes_the_definition_hash() {
    let base =
        "[[target]]\nname = \"x\"\ngroup = \"g\"\nicmp = { host = \"x\" }\n[[target]]\nname = \"y\"\nhttp = { url = \"https://y/\" }";
    let notify = "[[notify]]\nname = \"n\"\nmail = { to = [\"a@b.c\"], from = \"d@e.f\" }";
    let variants = [
        String::new(),
        base.to_owned(),
        format!("split = \"majority\"\n{base}"),
        format!("reference = [\"gateway\"]\n{base}"),
        format!("lease = \"61s\"\n{base}"),
        format!("{base}\n[journal]\nsize = \"1GiB\""),
        format!("{base}\n[defaults]\ninterval = \"31s\""),
        format!("{base}\n[defaults]\ntimeout = \"4s\""),
        format!("{base}\n[defaults]\nconfirm = {{ bad = 2 }}"),
        format!("{base}\n[defaults]\nconfirm = {{ good = 3 }}"),
        format!("{base}\n[defaults]\nwatchers = 2"),
        format!("{base}\n[defaults]\nwatchers = [\"a\", \"b\"]"),
        format!("{base}\n[defaults]\nquorum = 2"),
        format!("{base}\n[defaults]\nquorum = \"any\""),
        base.replace("\"g\"", "\"h\""),
        base.replace("host = \"x\"", "host = \"xx\""),
        base.replace("host = \"x\"", "host = \"x\", size = 57"),
        base.replace("host = \"x\"", "host = \"x\", gap = \"300ms\""),
        base.replace("https://y/", "https://y/z"),
        base.replace("https://y/\"", "https://y/\", status = 204"),
        base.replace("https://y/\"", "https://y/\", body = \"b\""),
        base.replace("https://y/\"", "https://y/\", headers = { A = \"b\" }"),
        base.replace("https://y/\"", "https://y/\", certificate-days = 3"),
        base.replace("http = { url = \"https://y/\" }", "tcp = { host = \"y\", port = 1 }"),
        base.replace("http = { url = \"https://y/\" }", "tcp = { host = \"y\", port = 1, send = \"s\" }"),
        base.replace("http = { url = \"https://y/\" }", "tcp = { host = \"y\", port = 1, expect = \"s\" }"),
        format!("{base}\ndepends = [\"x\"]"),
        format!("{base}\nexpected = \"sometimes\""),
        format!("{base}\nrunbook = \"r\""),
        format!("{base}\ndegraded = {{ loss = 0.5 }}"),
        format!("{base}\ndegraded = {{ rtt = \"5ms\" }}"),
        format!("{base}\n{notify}"),
        format!("{base}\n{notify}\non = [\"up\"]"),
        format!("{base}\n{notify}\ngroup = \"1s\""),
        format!("{base}\n{}", notify.replace("a@b.c", "x@b.c")),
        format!("{base}\n{}", notify.replace("d@e.f", "x@e.f")),
    ];
    let mut seen = std::collections::BTreeMap::new();
    for text in &variants {
        if let Some(other) = seen.insert(home(text).definition, text) {
            panic!("these have one hash:\n{other}\n---\n{text}");
        }
    }
}

#[test]
fn the_keys_are_part_of_the_definition() {
    let text = "id = \"home\"\n[[node]]\nname = \"a\"";
    let hash = |keys: &[FoundKey]| read_network(text, keys).unwrap().0.definition;
    assert_ne!(hash(&[key("a", 1)]), hash(&[key("a", 2)]));
    assert_ne!(hash(&[key("a", 1)]), hash(&[]));
}

#[test]
fn the_local_network_watches_what_a_host_leans_on() {
    let servers = ["127.0.0.53".to_owned(), "192.0.2.53".to_owned(), "192.0.2.53".to_owned()];
    let local = local("fox", NodeId([1; 32]), Some("192.0.2.1".to_owned()), &servers, "[::]:9631".parse().unwrap());
    let shown: Vec<String> = local.targets.iter().map(|target| format!("{}: {}", target.id, target.probe.describe())).collect();
    assert_eq!(
        shown,
        ["gateway: icmp gateway", "dns-1: tcp 127.0.0.53:53", "dns-2: icmp 192.0.2.53", "self: http http://127.0.0.1:9631/-/healthy"]
    );
    assert_eq!((local.name.as_str(), local.id.as_str(), local.channels.len()), ("local", "local", 0));
    assert_eq!((local.roster.len(), local.roster[0].name.as_str()), (1, "fox"));
    assert!(local.targets.iter().all(|target| target.interval == Span::secs(30) && !target.reference));
}

#[test]
fn a_host_without_gateway_and_name_servers_watches_itself() {
    let local = local("fox", NodeId([1; 32]), None, &[], "[2001:db8::1]:80".parse().unwrap());
    let shown: Vec<String> = local.targets.iter().map(|target| target.probe.describe()).collect();
    assert_eq!(shown, ["http http://[2001:db8::1]:80/-/healthy"]);
}
