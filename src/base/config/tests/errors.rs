//! Every way of being wrong, and the sentence that an admin reads.

use expect_test::{Expect, expect};

use super::{FoundKey, key, layer, read_host, read_network};

fn keys() -> [FoundKey; 2] {
    [key("a", 1), key("b", 2)]
}

/// Each text alone, as `network.toml`; the errors one below the other.
pub(super) fn check(texts: &[&str], expected: &Expect) {
    let told: Vec<String> = texts
        .iter()
        .map(|text| match read_network(text, &keys()) {
            Ok(_) => format!("accepted: {text}"),
            Err(error) => error.to_string(),
        })
        .collect();
    expected.assert_eq(&told.join("\n"));
}

/// The same for targets of a network with the nodes a, b and o, an observer.
fn check_targets(texts: &[&str], expected: &Expect) {
    let head = "id = \"x\"\n[[node]]\nname = \"a\"\n[[node]]\nname = \"b\"\n[[node]]\nname = \"o\"\nrole = \"observer\"\n[[target]]\nname = \"t\"\n";
    let texts: Vec<String> = texts.iter().map(|text| format!("{head}{text}")).collect();
    check(&texts.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

pub(super) fn check_host(texts: &[&str], expected: &Expect) {
    let told: Vec<String> = texts
        .iter()
        .map(|text| match read_host(&[text]) {
            Ok(_) => format!("accepted: {text}"),
            Err(error) => error.to_string(),
        })
        .collect();
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn text_that_is_not_toml() {
    check(
        &[
            "id = home",
            "id = \"home",
            "id = \"a\"\nid = \"b\"",
            "id = \"a\"\n[[target]\nname = \"t\"",
            "id = \"a\" split = \"each\"",
            "id = \"a\"\n[defaults]\n[defaults]",
            "{}",
            "\u{0}",
        ],
        &expect![[r#"
            network.toml:1: text must stand in quotes; write it as in name = "ber1"
            network.toml:1: this is not TOML: invalid basic string, expected `"`; mend this line or the one above it
            network.toml:2: "id" is set a second time; keep one of the two
            network.toml:2: this is not TOML: unclosed array table, expected `]`; mend this line or the one above it
            network.toml:1: this is not TOML: unexpected key or value, expected newline, `#`; mend this line or the one above it
            network.toml:3: "defaults" is set a second time; keep one of the two
            network.toml:1: this is not TOML: invalid key-value pair, expected key; mend this line or the one above it
            network.toml:1: this is not TOML: key with no value, expected `=`; mend this line or the one above it"#]],
    );
}

#[test]
fn unknown_keys_name_the_nearest() {
    check(
        &[
            "id = \"a\"\nspilt = \"each\"",
            "id = \"a\"\n[default]\ninterval = \"3s\"",
            "id = \"a\"\n[[targets]]\nname = \"t\"",
            "id = \"a\"\n[[target]]\nname = \"t\"\nicmp = { host = \"x\", cuont = 3 }",
            "id = \"a\"\n[[target]]\nname = \"t\"\n[target.http]\nurl = \"http://x/\"\ncertificate_days = 3",
            "id = \"a\"\n[[target]]\ntimeuot = \"3s\"",
            "id = \"a\"\n[[notify]]\nname = \"n\"\nwebhook = \"https://x/\"",
            "id = \"a\"\nconfirm = { bad = 3 }",
        ],
        &expect![[r#"
            network.toml:2: unknown key "spilt"; did you mean "split"?
            network.toml:2: unknown key "default"; did you mean "defaults"?
            network.toml:2: unknown key "targets"; did you mean "target"?
            network.toml:4: target "t", icmp: unknown key "cuont"; did you mean "count"?
            network.toml:6: target "t", http: unknown key "certificate_days"; did you mean "certificate-days"?
            network.toml:3: target number 1: unknown key "timeuot"; did you mean "timeout"?
            network.toml:4: notify "n", webhook: the text "https://x/" is not a table; write it as in webhook = { preset = "ntfy", to = "my-topic" }
            network.toml:2: unknown key "confirm"; it belongs into [defaults] or into a [[target]]"#]],
    );
}

#[test]
fn values_of_the_wrong_kind() {
    check(
        &[
            "id = 3",
            "id = true",
            "id = \"a\"\n[target]\nname = \"t\"",
            "id = \"a\"\n[[journal]]\nsize = \"2GiB\"",
            "id = \"a\"\ndefaults = 3",
            "id = \"a\"\nreference = \"9.9.9.9\"",
            "id = \"a\"\nreference = [9]",
            "id = \"a\"\n[[target]]\nname = \"t\"\nicmp = \"192.0.2.1\"",
            "id = \"a\"\n[[target]]\nname = \"t\"\nicmp = [\"192.0.2.1\"]",
            "id = \"a\"\n[[target]]\nname = \"t\"\nicmp = { host = \"x\", count = \"3\" }",
            "id = \"a\"\n[[target]]\nname = \"t\"\nicmp = { host = \"x\", count = 3.5 }",
            "id = \"a\"\n[[target]]\nname = \"t\"\nicmp = { host = \"x\", count = 99999999999999999999 }",
            "id = \"a\"\n[[target]]\nname = \"t\"\nicmp = { host = \"x\" }\ndegraded = { loss = \"20%\" }",
            "id = \"a\"\n[defaults]\nconfirm = 3",
            "id = \"a\"\n[[node]]\nname = \"a\"\naddress = \"a:9630\"",
        ],
        &expect![[r#"
            network.toml:1: id: the number 3 is not text; write it in quotes: "3"
            network.toml:1: id: true is not text; write it in quotes: "true"
            network.toml:2: target: there may be several of these; write its header in double brackets: [[target]]
            network.toml:2: journal number 1: there is only one of these; write its header in single brackets: [journal]
            network.toml:2: defaults: the number 3 is not a table; write [defaults] on a line of its own, and its keys below
            network.toml:2: reference: the text "9.9.9.9" is not a list; write it as in reference = ["9.9.9.9", "gateway"]
            network.toml:2: reference: the number 9 is not text; write it in quotes: "9"
            network.toml:4: target "t", icmp: the text "192.0.2.1" is not a table; write it as in icmp = { host = "192.0.2.1" }
            network.toml:4: target "t", icmp: a list is not a table; write it as in icmp = { host = "192.0.2.1" }
            network.toml:4: target "t", icmp.count: the text "3" is not a whole number; write digits without quotes, as in 3
            network.toml:4: target "t", icmp.count: the number 3.5 is not a whole number; write digits without quotes, as in 3
            network.toml:4: target "t", icmp.count: the number 99999999999999999999 is not a whole number; write digits without quotes, as in 3
            network.toml:5: target "t", degraded.loss: the text "20%" is not a number; write digits without quotes, as in 0.2
            network.toml:3: defaults.confirm: the number 3 is not a table; write it as in confirm = { bad = 3, good = 2 }
            network.toml:4: node "a", address: the text "a:9630" is not a list; write it as in address = ["ber1.example.org:9630"]"#]],
    );
}

#[test]
fn passwords_and_credentials_are_refused_and_not_repeated() {
    check_host(
        &["[mail]\nserver = \"m.example.org\"\npassword = \"hunter2\""],
        &expect![[r#"
            0.toml:3: mail.password: a configuration file holds no passwords; remove it; the password goes into the credential peerwatch.smtp-password, or alone into the file that password-file names"#]],
    );
    for text in ["password = \"hunter2\"", "[mail]\nsmtp-password = \"hunter2\"", "[[network]]\npasswd = \"hunter2\""] {
        assert_eq!(read_host(&[text]).unwrap_err().what, "a configuration file holds no passwords", "{text}");
    }
    check_targets(
        &[
            "http = { url = \"http://x/\", password = \"hunter2\" }",
            "http = { url = \"http://x/\", headers = { Authorization = \"Basic hunter2\" } }",
            "http = { url = \"http://me:hunter2@x/\" }",
            "http = { url = \"http://x/\", secret = \"shop-login\" }",
        ],
        &expect![[r#"
            network.toml:11: target "t", http.password: a configuration file holds no passwords; remove it, and watch a page that needs no login; credentials of probes are not supported by this version
            network.toml:11: target "t", http.headers.Authorization: a configuration file holds no credentials; remove it, and watch a page that needs no login; credentials of probes are not supported by this version
            network.toml:11: target "t", http.url: this address holds a login; remove everything between // and @; addresses are shown to everybody
            network.toml:11: target "t", http.secret: this is not supported by this version; remove it, and watch a page that needs no login"#]],
    );
    let error = read_host(&["[mail]\npassword = \"hunter2\""]).unwrap_err();
    assert!(!format!("{error:#} {error:?}").contains("hunter2"));
    let error = read_host(&["[mail]\npassword = hunter2"]).unwrap_err();
    assert!(!format!("{error:#} {error:?}").contains("hunter2"));
}

#[test]
fn what_this_version_does_not_do_is_refused() {
    check_host(
        &["[[network]]\nname = \"home\"\ngit = { url = \"https://git.example.org/watch.git\", branch = \"main\" }"],
        &expect![[r#"
        0.toml:3: network "home", git: this is not supported by this version; put network.toml and keys/ into the directory networks/ beside this file and give its name alone"#]],
    );
}

#[test]
fn faults_of_a_host() {
    check_host(
        &[
            "[node]\nname = \"my host\"",
            "[node]\nname = \"\"",
            "[node]\nnmae = \"x\"",
            "[listen]\nmesh = \"9630\"",
            "[listen]\nweb = \"localhost:9631\"",
            "[[network]]",
            "[[network]]\nname = \"../etc\"",
            "[[network]]\nname = \"local\"",
            "[[network]]\nname = \"home\"\n[[network]]\nname = \"home\"",
            "[mail]",
            "[mail]\nserver = \"m.example.org:smtp\"",
            "[mail]\nserver = \"m.example.org\"\ntls = \"startls\"",
            "[mail]\nserver = \"m.example.org\"\ntls = \"ssl\"",
            "[mail]\nserver = \"m.example.org\"\ntls = \"none\"\nuser = \"me\"",
            "[mail]\nserver = \"m.example.org\"\nuser = \"me\"\npassword-file = \"smtp-password\"",
            "[mail]\nserver = \"m.example.org\"\npassword-file = \"/etc/peerwatch/smtp-password\"",
            "[mail]\ndry-run = \"yes\"",
        ],
        &expect![[r#"
            0.toml:2: node.name: "my host" is not a name; a name has 1 to 63 letters (a-z, A-Z), digits, dots, hyphens and underscores, and begins with a letter or digit
            0.toml:2: node.name: "" is not a name; a name has 1 to 63 letters (a-z, A-Z), digits, dots, hyphens and underscores, and begins with a letter or digit
            0.toml:2: node: unknown key "nmae"; did you mean "name"?
            0.toml:2: listen.mesh: "9630" is not an address and port; write it as in "[::]:9630" for every address of this host, or "127.0.0.1:9631" for this host alone
            0.toml:2: listen.web: "localhost:9631" is not an address and port; write it as in "[::]:9630" for every address of this host, or "127.0.0.1:9631" for this host alone
            0.toml:1: network number 1: this network has no name; add name = "home", the name of its directory below networks/
            0.toml:2: network "../etc": "../etc" is not a name; a name has 1 to 63 letters (a-z, A-Z), digits, dots, hyphens and underscores, and begins with a letter or digit
            0.toml:2: network "local": "local" is the network that a host without any other is in by itself; choose another name, or remove this entry
            0.toml:4: network "home": the network "home" stands here twice; keep one of the two
            0.toml:1: mail: no mail server is named; add server = "smtp.example.org:587", or sendmail = "/usr/sbin/sendmail", or remove this section
            0.toml:2: mail.server: "m.example.org:smtp" is not a host and port; write it as in "ber1.example.org:9630" or "[2001:db8::1]:9630"
            0.toml:3: mail.tls: "startls" means nothing here; did you mean "starttls"?
            0.toml:3: mail.tls: "ssl" means nothing here; write one of starttls, tls, none
            0.toml:4: mail.user: with tls = "none" the password would cross the network for everybody to read; set tls to "starttls" or "tls", or remove user
            0.toml:4: mail.password-file: this path does not begin at /; write the whole path, as in "/etc/peerwatch/smtp-password"
            0.toml:3: mail.password-file: there is a password but no login name; add user = "…", or remove this line
            0.toml:2: mail.dry-run: the text "yes" is not true or false; write true or false, without quotes"#]],
    );
}

#[test]
fn a_fault_names_the_layer_that_it_stands_in() {
    let error = read_host(&["[mail]\ntls = \"none\"", "[node]\nname = \"x\"", "\n\n[mail]\nserver = \"m:1\"\nuser = \"u\""]).unwrap_err();
    assert_eq!((error.file.as_str(), error.line, error.place.as_str()), ("2.toml", Some(5), "mail.user"));
}

#[test]
fn faults_of_a_network() {
    check(
        &[
            "",
            "id = \"\"",
            "id = \"local\"",
            "id = \"a\"\nsplit = \"halves\"",
            "id = \"a\"\nsplit = \"majority\"\n[[node]]\nname = \"a\"\n[[node]]\nname = \"b\"",
            "id = \"a\"\nlease = \"1s\"",
            "id = \"a\"\nlease = 60",
            "id = \"a\"\nlease = \"60\"",
            "id = \"a\"\nlease = \"1h\"",
            "id = \"a\"\nreference = [\"http://9.9.9.9\"]",
            "id = \"a\"\nreference = [\"9.9.9.9\", \"9.9.9.9\"]",
            "id = \"a\"\n[journal]\nsize = \"2\"",
            "id = \"a\"\n[journal]\nsize = 2000000000",
            "id = \"a\"\n[journal]\nsize = \"1MiB\"",
            "id = \"a\"\n[defaults]\ninterval = \"5s\"\ntimeout = \"6s\"",
            "id = \"a\"\n[defaults]\nconfirm = { bad = 0 }",
            "id = \"a\"\n[defaults]\nwatchers = \"some\"",
            "id = \"a\"\n[defaults]\nquorum = \"most\"",
        ],
        &expect![[r#"
            network.toml: id is missing; add id = "home-…" at the top, with a few random letters, the same on every node
            network.toml:1: id: "" is not a name; a name has 1 to 63 letters (a-z, A-Z), digits, dots, hyphens and underscores, and begins with a letter or digit
            network.toml:1: id: "local" is the id of the network that every host makes by itself; choose another
            network.toml:2: split: "halves" means nothing here; write one of each, majority
            network.toml:2: split: of two nodes the majority is both, so when one fails the other tells nobody; write "each", or add a third node
            network.toml:2: lease: 1s is out of bounds; write a duration from 4s to 10m
            network.toml:2: lease: 60 has no unit; write it in quotes and with its unit, as in "30s"
            network.toml:2: lease: "60" is not a duration; write a number and a unit: ms, s, m, h or d, as in "30s"
            network.toml:2: lease: 1h is out of bounds; write a duration from 4s to 10m
            network.toml:2: reference: "http://9.9.9.9" is not a host name or address; write the host alone, without http:// and path
            network.toml:2: reference: "9.9.9.9" stands here twice; keep one of the two
            network.toml:3: journal.size: "2" is not a size; write a number and a unit (KiB, MiB, GiB, TiB, kB, MB, GB), as in "2GiB"
            network.toml:3: journal.size: 2000000000 has no unit; write it in quotes and with its unit, as in "2GiB"
            network.toml:3: journal.size: 1MiB is out of bounds; write a size from 16MiB to 4096GiB
            network.toml:4: defaults.timeout: a look may take 6s, but the next begins after 5s; lower timeout or raise interval
            network.toml:3: defaults.confirm.bad: 0 is out of bounds; write a number from 1 to 100
            network.toml:3: defaults.watchers: "some" does not say who is to watch; write "all", a number, or a list of nodes, as in ["ber1", "fra1"]
            network.toml:3: defaults.quorum: "most" does not say how many watchers must agree; write "any", "majority", "all" or a number from 1 to 4096"#]],
    );
}

#[test]
fn faults_of_nodes() {
    check(
        &[
            "id = \"x\"\n[[node]]",
            "id = \"x\"\n[[node]]\nname = \"a\"\n[[node]]\nname = \"a\"",
            "id = \"x\"\n[[node]]\nname = \"a\"\nrole = \"boss\"",
            "id = \"x\"\n[[node]]\nname = \"a\"\nexpected = \"never\"",
            "id = \"x\"\n[[node]]\nname = \"a\"\naddress = [\"http://a:9630\"]",
            "id = \"x\"\n[[node]]\nname = \"a\"\naddress = [\"a:0\"]",
            "id = \"x\"\n[[node]]\nname = \"a\"\naddress = [\"[a]:1\"]",
            "id = \"x\"\n[[node]]\nname = \"node:a\"",
        ],
        &expect![[r#"
            network.toml:2: node number 1: this node has no name; add name = "ber1"
            network.toml:5: node "a": there is a node of this name in line 3 already; remove one of the two, or rename it
            network.toml:4: node "a", role: "boss" means nothing here; write one of admin, member, observer
            network.toml:4: node "a", expected: "never" means nothing here; write one of always, sometimes
            network.toml:4: node "a", address: "http://a:9630" is not a host and port; write it as in "ber1.example.org:9630" or "[2001:db8::1]:9630"
            network.toml:4: node "a", address: "a:0" is not a host and port; write it as in "ber1.example.org:9630" or "[2001:db8::1]:9630"
            network.toml:4: node "a", address: "[a]:1" is not a host and port; write it as in "ber1.example.org:9630" or "[2001:db8::1]:9630"
            network.toml:3: node "node:a": "node:a" is not a name; a name has 1 to 63 letters (a-z, A-Z), digits, dots, hyphens and underscores, and begins with a letter or digit"#]],
    );
    let twins = [key("a", 1), key("b", 1)];
    let error = read_network("id = \"x\"\n[[node]]\nname = \"a\"\n[[node]]\nname = \"b\"", &twins).unwrap_err();
    expect![[r#"
        network.toml:5: node "b": keys/b.pub holds the same key as keys/a.pub; copy node.pub from the state directory of b to keys/b.pub; every node has a key of its own"#]].assert_eq(&error.to_string());
}

#[test]
fn faults_of_targets() {
    let icmp = "icmp = { host = \"x\" }\n";
    check_targets(
        &[
            "",
            "icmp = { host = \"x\" }\ntcp = { host = \"x\", port = 1 }",
            &format!("{icmp}[[target]]\nname = \"t\"\n{icmp}"),
            &format!("{icmp}[[target]]\n{icmp}"),
            &format!("{icmp}[[target]]\nname = \"node:a\"\n{icmp}"),
            &format!("{icmp}interval = \"2s\"\ntimeout = \"3s\""),
            &format!("{icmp}interval = \"100ms\""),
            &format!("{icmp}interval = 30"),
            &format!("{icmp}group = \"\""),
            &format!("{icmp}group = \"a\\u0007b\""),
            &format!("{icmp}confirm = {{ good = 101 }}"),
            &format!("{icmp}degraded = {{ loss = 20 }}"),
            &format!("{icmp}degraded = {{ rtt = 80 }}"),
            &format!("{icmp}degraded = {{ rtt = \"fast\" }}"),
            &format!("{icmp}expected = \"maybe\""),
        ],
        &expect![[r#"
            network.toml:9: target "t": it is not said how to look at this target; add one of icmp = { host = … }, tcp = { host = …, port = … }, http = { url = … }
            network.toml:9: target "t": there is more than one way to look at this target; keep one of icmp, tcp and http, and make another target of each of the others
            network.toml:13: target "t": there is a target of this name in line 10 already; remove one of the two, or rename it
            network.toml:12: target number 2: this target has no name; add name = "shop"
            network.toml:13: target "node:a": "node:a" is not a name; a name has 1 to 63 letters (a-z, A-Z), digits, dots, hyphens and underscores, and begins with a letter or digit
            network.toml:13: target "t", timeout: a look may take 3s, but the next begins after 2s; lower timeout or raise interval
            network.toml:12: target "t", interval: 100ms is out of bounds; write a duration from 200ms to 1d
            network.toml:12: target "t", interval: 30 has no unit; write it in quotes and with its unit, as in "30s"
            network.toml:12: target "t", group: this is empty; fill it in, or remove the line
            network.toml:12: target "t", group: "a\u{7}b" holds characters that cannot be seen; write it anew, in one line
            network.toml:12: target "t", confirm.good: 101 is out of bounds; write a number from 1 to 100
            network.toml:12: target "t", degraded.loss: 20 is not a share; write a number above 0 and at most 1: 0.2 for one packet in five
            network.toml:12: target "t", degraded.rtt: 80 has no unit; write it in quotes and with its unit, as in "80ms"
            network.toml:12: target "t", degraded.rtt: "fast" is not a round-trip time; write it as in "80ms" or "500us"
            network.toml:12: target "t", expected: "maybe" means nothing here; write one of always, sometimes"#]],
    );
}

#[test]
fn faults_of_watchers_and_quorums() {
    let icmp = "icmp = { host = \"x\" }\n";
    check_targets(
        &[
            &format!("{icmp}watchers = []"),
            &format!("{icmp}watchers = 0"),
            &format!("{icmp}watchers = \"a\""),
            &format!("{icmp}watchers = \"both\""),
            &format!("{icmp}watchers = [\"A\"]"),
            &format!("{icmp}watchers = [\"a\", \"a\"]"),
            &format!("{icmp}watchers = [\"o\"]"),
            &format!("{icmp}watchers = [1]"),
            &format!("{icmp}watchers = {{ a = 1 }}"),
            &format!("{icmp}quorum = 0"),
            &format!("{icmp}quorum = 0.5"),
        ],
        &expect![[r#"
            network.toml:12: target "t", watchers: this list is empty, so nobody would watch; name at least one node, or write "all"
            network.toml:12: target "t", watchers: 0 is no number of watchers; write a number from 1 to 4096, or "all"
            network.toml:12: target "t", watchers: nodes are named in a list; write it in square brackets: ["a"]
            network.toml:12: target "t", watchers: "both" does not say who is to watch; write "all", a number, or a list of nodes, as in ["ber1", "fra1"]
            network.toml:12: target "t", watchers: there is no node "A"; did you mean "a"?
            network.toml:12: target "t", watchers: "a" stands here twice; keep one of the two
            network.toml:12: target "t", watchers: "o" is an observer, and an observer's judgement does not count; name another node, or make it a member
            network.toml:12: target "t", watchers: 1 is not the name of a node; write names in quotes, as in ["ber1", "fra1"]
            network.toml:12: target "t", watchers: a table does not say who is to watch; write "all", a number, or a list of nodes, as in ["ber1", "fra1"]
            network.toml:12: target "t", quorum: 0 does not say how many watchers must agree; write "any", "majority", "all" or a number from 1 to 4096
            network.toml:12: target "t", quorum: 0.5 does not say how many watchers must agree; write "any", "majority", "all" or a number from 1 to 4096"#]],
    );
}

#[test]
fn faults_of_dependencies() {
    let icmp = "icmp = { host = \"x\" }\n";
    let other = |name: &str, depends: &str| format!("[[target]]\nname = \"{name}\"\n{icmp}depends = [\"{depends}\"]\n");
    check_targets(
        &[
            &format!("{icmp}depends = [\"router\"]\n[[target]]\nname = \"ruoter\"\n{icmp}"),
            &format!("{icmp}depends = [\"a\"]"),
            &format!("{icmp}depends = [\"node:A\"]"),
            &format!("{icmp}depends = [\"t\"]"),
            &format!("{icmp}{}{}{}", other("p", "q"), other("q", "r"), other("r", "q")),
        ],
        &expect![[r#"
            network.toml:12: target "t", depends: there is no target "router"; did you mean "ruoter"?
            network.toml:12: target "t", depends: there is no target "a"; write "node:a" for the node of that name
            network.toml:12: target "t", depends: there is no target "node:A"; did you mean "node:a"?
            network.toml:12: target "t", depends: t depends on itself; take it out; otherwise nobody would ever be told of it
            network.toml:19: target "q", depends: these depend on each other in a circle: q -> r -> q; take one of them out; otherwise nobody would ever be told of any"#]],
    );
}

#[test]
fn faults_of_probes() {
    check_targets(
        &[
            "icmp = {}",
            "icmp = { host = \"https://x/\" }",
            "icmp = { host = \"[::1]\" }",
            "icmp = { host = \"x:1\" }",
            "icmp = { host = \"a b\" }",
            "icmp = { host = \"x\", count = 101 }",
            "icmp = { host = \"x\", count = 100 }",
            "icmp = { host = \"x\", gap = \"0s\" }",
            "icmp = { host = \"x\", size = 15 }",
            "tcp = { host = \"x\" }",
            "tcp = { host = \"x\", port = 65536 }",
            "tcp = { host = \"x\", port = 25, expect = \"(220\" }",
            "tcp = { host = \"x\", port = 25, expect = '(\\w{1000}){1000}' }",
            "http = { method = \"GET\" }",
            "http = { url = \"shop.example.org\" }",
            "http = { url = \"https:///x\" }",
            "http = { url = \"https://münchen.example/\" }",
            "http = { url = \"https://x/ y\" }",
            "http = { url = \"https://x:99999/\" }",
            "http = { url = \"http://x/\", certificate-days = 14 }",
            "http = { url = \"https://x/\", certificate-days = 0 }",
            "http = { url = \"https://x/\", method = \"get\" }",
            "http = { url = \"https://x/\", status = \"ok\" }",
            "http = { url = \"https://x/\", status = [200] }",
            "http = { url = \"https://x/\", status = 700 }",
            "http = { url = \"https://x/\", headers = { \"A B\" = \"c\" } }",
            "http = { url = \"https://x/\", headers = { A = \"b\\r\\nC: d\" } }",
            "http = { url = \"https://x/\", headers = { A = \"b\", a = \"c\" } }",
        ],
        &expect![[r#"
            network.toml:11: target "t", icmp: host is missing; add host = "192.0.2.1"
            network.toml:11: target "t", icmp.host: "https://x/" is not a host name or address; write the host alone, without http:// and path
            network.toml:11: target "t", icmp.host: "[::1]" is not a host name or address; write the host alone; an IPv6 address has no brackets here, and the port is a key of its own
            network.toml:11: target "t", icmp.host: "x:1" is not a host name or address; write the host alone; an IPv6 address has no brackets here, and the port is a key of its own
            network.toml:11: target "t", icmp.host: "a b" is not a host name or address; write it as in "mail.example.org", "192.0.2.1" or "2001:db8::1"
            network.toml:11: target "t", icmp.count: 101 is out of bounds; write a number from 1 to 100
            network.toml:11: target "t", icmp: 100 packets with a gap of 200ms take 19s, and the timeout is 5s; raise timeout, or lower count or gap
            network.toml:11: target "t", icmp.gap: 0s is out of bounds; write a duration from 10ms to 1m
            network.toml:11: target "t", icmp.size: 15 is out of bounds; write a number from 16 to 65500
            network.toml:11: target "t", tcp: port is missing; add port = 25
            network.toml:11: target "t", tcp.port: 65536 is out of bounds; write a number from 1 to 65535
            network.toml:11: target "t", tcp.expect: "(220" is not a regular expression (unclosed group); write one as in '^220 ', in single quotes so that backslashes stay
            network.toml:11: target "t", tcp.expect: "(\\w{1000}){1000}" is not a regular expression (Compiled regex exceeds size limit of 1048576 bytes); write one as in '^220 ', in single quotes so that backslashes stay
            network.toml:11: target "t", http: url is missing; add url = "https://shop.example.org/"
            network.toml:11: target "t", http.url: "shop.example.org" does not begin with http:// or https://; write it as in "https://shop.example.org/"
            network.toml:11: target "t", http.url: "https:///x" names no host that can be asked; write it as in "https://shop.example.org/"
            network.toml:11: target "t", http.url: "https://münchen.example/" holds characters that an address cannot have; write blanks as %20, other letters in their %-form, and foreign host names in their xn-- form
            network.toml:11: target "t", http.url: "https://x/ y" holds characters that an address cannot have; write blanks as %20, other letters in their %-form, and foreign host names in their xn-- form
            network.toml:11: target "t", http.url: "https://x:99999/" names no host that can be asked; write it as in "https://shop.example.org/"
            network.toml:11: target "t", http.certificate-days: there is no certificate to be seen with http://; write https:// in url, or remove certificate-days
            network.toml:11: target "t", http.certificate-days: 0 is out of bounds; write a number from 1 to 3650
            network.toml:11: target "t", http.method: "get" is not a request method; write it in capital letters, as in "GET" or "HEAD"
            network.toml:11: target "t", http.status: "ok" is no set of status codes; write codes from 100 to 599, as in "200-299,404"
            network.toml:11: target "t", http.status: a list is no set of status codes; write it as in "200-299,404"
            network.toml:11: target "t", http.status: "700" is no set of status codes; write codes from 100 to 599, as in "200-299,404"
            network.toml:11: target "t", http.headers.A B: "A B" is not the name of a header field; write it as in Accept-Language
            network.toml:11: target "t", http.headers.A: "b\r\nC: d" holds characters that cannot be seen; write it anew, in one line
            network.toml:11: target "t", http.headers.a: the header field a is set twice; keep one of the two"#]],
    );
}

#[test]
fn faults_of_channels() {
    let mail = "mail = { to = [\"a@example.org\"], from = \"p@example.org\" }\n";
    check(
        &[
            "id = \"x\"\n[[notify]]",
            "id = \"x\"\n[[notify]]\nname = \"n\"",
            "id = \"x\"\n[[notify]]\nname = \"n\"\nmail = {}",
            "id = \"x\"\n[[notify]]\nname = \"n\"\nmail = { to = [\"a@example.org\"] }",
            "id = \"x\"\n[[notify]]\nname = \"n\"\nmail = { to = [], from = \"p@example.org\" }",
            "id = \"x\"\n[[notify]]\nname = \"n\"\nmail = { to = [\"ops\"], from = \"p@example.org\" }",
            "id = \"x\"\n[[notify]]\nname = \"n\"\nmail = { to = [\"a@b\\r\\nc\"], from = \"p@example.org\" }",
            "id = \"x\"\n[[notify]]\nname = \"n\"\nmail = { to = [\"a@example.org\"], from = \"Ops <p@example.org>\" }",
            &format!("id = \"x\"\n[[notify]]\nname = \"n\"\n{mail}[[notify]]\nname = \"n\"\n{mail}"),
            &format!("id = \"x\"\n[[notify]]\nname = \"n\"\n{mail}on = []"),
            &format!("id = \"x\"\n[[notify]]\nname = \"n\"\n{mail}on = [\"donw\"]"),
            &format!("id = \"x\"\n[[notify]]\nname = \"n\"\n{mail}group = \"31s\""),
        ],
        &expect![[r#"
            network.toml:2: notify number 1: this [[notify]] has no name; add name = "ops"
            network.toml:2: notify "n": it is not said how to tell; add mail = { to = ["ops@example.org"], from = "peerwatch@example.org" }, or a webhook, or a hook
            network.toml:4: notify "n", mail: to is missing; add to = ["ops@example.org"]
            network.toml:4: notify "n", mail: from is missing; add from = "peerwatch@example.org"
            network.toml:4: notify "n", mail.to: this list is empty; name at least one, or remove the line
            network.toml:4: notify "n", mail.to: "ops" is not a mail address; write the address alone, as in "ops@example.org"
            network.toml:4: notify "n", mail.to: "a@b\r\nc" is not a mail address; write the address alone, as in "ops@example.org"
            network.toml:4: notify "n", mail.from: "Ops <p@example.org>" is not a mail address; write the address alone, as in "ops@example.org"
            network.toml:6: notify "n": there is a [[notify]] of this name in line 3 already; remove one of the two, or rename it
            network.toml:5: notify "n", on: this list is empty; name at least one, or remove the line
            network.toml:5: notify "n", on: "donw" means nothing here; did you mean "down"?
            network.toml:5: notify "n", group: 31s is out of bounds; write a duration from 0ms to 30s"#]],
    );
}

#[test]
fn the_long_form_shows_the_line() {
    let text = "id = \"home\"\n\n[[target]]\nname = \"shop\"\n\ticmp = { host = \"ä\", cuont = 3 }\n";
    let error = super::network("home", &layer("/etc/peerwatch/networks/home/network.toml", text), &[]).unwrap_err();
    expect![[r#"
        /etc/peerwatch/networks/home/network.toml:5: target "shop", icmp: unknown key "cuont"; did you mean "count"?
           5 |  icmp = { host = "ä", cuont = 3 }
             |                       ^^^^^"#]]
    .assert_eq(&format!("{error:#}"));
}

#[test]
fn names_are_told_from_other_text() {
    for good in ["a", "ber1.example.org", "A_b-c", &"x".repeat(63)] {
        assert_eq!(crate::base::config::check_name(good), Ok(()), "{good}");
    }
    for bad in ["", ".", "..", "-a", "_a", "a b", "a/b", "a:b", "ä", "a\n", &"x".repeat(64)] {
        assert!(crate::base::config::check_name(bad).is_err(), "{bad}");
    }
}
