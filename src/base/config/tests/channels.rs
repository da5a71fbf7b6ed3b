//! Every way in which a channel, or what a host has for channels, can be wrong, and the sentence that an admin reads.

use expect_test::{Expect, expect};

use super::errors::{check, check_host};

/// The same for one channel of a network with the nodes a and b, and with the target t in the group g.
fn check_channels(texts: &[&str], expected: &Expect) {
    let head = "id = \"x\"\n[[node]]\nname = \"a\"\n[[node]]\nname = \"b\"\n[[target]]\nname = \"t\"\ngroup = \"g\"\nicmp = { host = \"h\" }\n[[notify]]\nname = \"n\"\n";
    let texts: Vec<String> = texts.iter().map(|text| format!("{head}{text}")).collect();
    check(&texts.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn webhooks_that_cannot_work() {
    check_channels(
        &[
            "webhook = { }",
            "webhook = { url = \"hooks.example.org\" }",
            "webhook = { url = \"https://x/\", preset = \"slak\" }",
            "webhook = { url = \"https://x/\", method = \"GET\" }",
            "webhook = { preset = \"slack\" }",
            "webhook = { preset = \"telegram\", secret = \"s\" }",
            "webhook = { preset = \"gotify\", secret = \"s\" }",
            "webhook = { preset = \"slack\", secret = \"s\", to = \"me\" }",
            "webhook = { preset = \"slack\", secret = \"s\", body = { a = 1 } }",
            "webhook = { url = \"https://x/\", to = \"me\" }",
            "webhook = { url = \"https://x/\", secret = \"s\" }",
            "webhook = { url = \"https://{secret}.example.org/\", secret = \"s\" }",
            "webhook = { url = \"http://x/{secret}\", secret = \"s\" }",
            "webhook = { url = \"https://x/{target}\" }",
            "webhook = { url = \"https://x/\", headers = { Authorization = \"Bearer abc\" } }",
            "webhook = { url = \"https://x/\", headers = { \"a b\" = \"c\" } }",
            "webhook = { url = \"https://x/\", body = { a = \"{stat}\" } }",
            "webhook = { url = \"https://x/\", body = { a = \"{\" } }",
            "webhook = { url = \"https://x/\", body = { a = 2026-01-01 } }",
            "hook = \"a b\"",
            "hook = \"a\"\nwebhook = { url = \"https://x/\" }",
        ],
        &expect![[r#"
            network.toml:12: notify "n", webhook: url is missing; add url = "https://hooks.example.org/"
            network.toml:12: notify "n", webhook.url: "hooks.example.org" does not begin with http:// or https://; write it as in "https://shop.example.org/"
            network.toml:12: notify "n", webhook.preset: "slak" means nothing here; did you mean "slack"?
            network.toml:12: notify "n", webhook.method: "GET" means nothing here; write one of POST, PUT
            network.toml:12: notify "n", webhook: it is not said which secret this takes; add secret = "NAME", and give nodes the credential peerwatch.secret.NAME
            network.toml:12: notify "n", webhook: telegram must be told whom to tell; add to = "-1001234567890", the id of the chat
            network.toml:12: notify "n", webhook: url is missing; add url = "https://hooks.example.org/"
            network.toml:12: notify "n", webhook.to: slack tells whom its address belongs to; remove to
            network.toml:12: notify "n", webhook.body: the preset slack writes the body itself; remove body, or remove preset and write all of it
            network.toml:12: notify "n", webhook.to: only presets take to; write it into body or url, or add preset
            network.toml:12: notify "n", webhook.secret: this secret is used nowhere; write {secret} into url, a header field or body
            network.toml:12: notify "n", webhook.url: the name of a server is no secret; write {secret} behind it, or alone for the whole address
            network.toml:12: notify "n", webhook.url: with http:// the secret would cross the network for everybody to read; write https://
            network.toml:12: notify "n", webhook.url: {target} cannot stand in an address; only {secret} can; write the rest into body
            network.toml:12: notify "n", webhook.headers.Authorization: a configuration file holds no credentials; write {secret} in its place, and name it with secret = "…"
            network.toml:12: notify "n", webhook.headers.a b: "a b" is not the name of a header field; write it as in Accept-Language
            network.toml:12: notify "n", webhook.body: nothing can be put in for {stat}; did you mean "state"?
            network.toml:12: notify "n", webhook.body: in "{" a brace has no partner; write single braces twice: {{ or }}
            network.toml:12: notify "n", webhook.body: 2026-01-01 cannot be written as JSON; write it as text, in quotes
            network.toml:12: notify "n", hook: "a b" is not a name; a name has 1 to 63 letters (a-z, A-Z), digits, dots, hyphens and underscores, and begins with a letter or digit
            network.toml:10: notify "n": a channel has one way to people; keep one of mail, webhook and hook, and write a further [[notify]] for the other"#]],
    );
}

#[test]
fn wishes_of_channels_that_fit_nothing() {
    check_channels(
        &[
            "hook = \"h\"\ntargets = [\"tt\"]",
            "hook = \"h\"\ntargets = [\"x*\"]",
            "hook = \"h\"\ntargets = [\"node:c\"]",
            "hook = \"h\"\ntargets = []",
            "hook = \"h\"\ngroups = [\"gg\"]",
            "hook = \"h\"\ngroup = \"g\"",
            "hook = \"h\"\nhours = \"Mon-Fri 08:00-18:00\"",
            "hook = \"h\"\nzone = \"UTC\"",
            "hook = \"h\"\nhours = \"Mo-Fr 08:00-18:00\"\nzone = \"UTC\"",
            "hook = \"h\"\nhours = [3]\nzone = \"UTC\"",
            "hook = \"h\"\nhours = \"Sat\"\nzone = \"Europe/Berln\"",
            "hook = \"h\"\nseverity = [\"critcal\"]",
            "hook = \"h\"\nremind = \"5s\"",
            "hook = \"h\"\nescalate = 30",
        ],
        &expect![[r#"
            network.toml:13: notify "n", targets: there is no target "tt"; did you mean "t"?
            network.toml:13: notify "n", targets: no target fits "x*"; known here: t, node:a, node:b
            network.toml:13: notify "n", targets: there is no target "node:c"; did you mean "node:a"?
            network.toml:13: notify "n", targets: this list is empty; name at least one, or remove the line
            network.toml:13: notify "n", groups: no target is in the group "gg"; did you mean "g"?
            network.toml:13: notify "n", group: "g" is not a duration; write a number and a unit: ms, s, m, h or d, as in "30s"
            network.toml:13: notify "n", hours: it is not said by which clock; add zone = "Europe/Berlin", or "UTC"
            network.toml:13: notify "n", zone: there is a time zone but no hours; add hours = "Mon-Fri 08:00-18:00"
            network.toml:13: notify "n", hours: "Mo-Fr 08:00-18:00" are no hours; write them as in "Mon-Fri 08:00-18:00", "Sat,Sun" or "22:00-06:00"
            network.toml:13: notify "n", hours: a list are no hours; write them as in "Mon-Fri 08:00-18:00"
            network.toml:14: notify "n", zone: "Europe/Berln" is no time zone; write its name as in "Europe/Berlin", or "UTC"
            network.toml:13: notify "n", severity: "critcal" means nothing here; did you mean "critical"?
            network.toml:13: notify "n", remind: 5s is out of bounds; write a duration from 1m to 7d
            network.toml:13: notify "n", escalate: 30 has no unit; write it in quotes and with its unit, as in "30s""#]],
    );
}

#[test]
fn maintenance_that_is_never_or_of_nothing() {
    let window = |text: &str| format!("hook = \"h\"\n[[maintenance]]\n{text}");
    let texts = [
        "every = \"Tue\"",
        "name = \"p\"\nevery = \"Tue\"\nzone = \"UTC\"",
        "name = \"p\"\ntargets = [\"tt\"]",
        "name = \"p\"\ntargets = [\"t\"]",
        "name = \"p\"\ntargets = [\"t\"]\nevery = \"Tue\"",
        "name = \"p\"\ntargets = [\"t\"]\nevery = \"Tuesday\"\nzone = \"UTC\"",
        "name = \"p\"\ngroups = [\"g\"]\nevery = \"Tue\"\nfrom = \"2026-12-01 22:00\"\nzone = \"UTC\"",
        "name = \"p\"\ngroups = [\"g\"]\nfrom = \"2026-12-01 22:00\"\nzone = \"UTC\"",
        "name = \"p\"\ngroups = [\"g\"]\nfrom = \"2026-12-01 22:00\"\nto = \"2026-12-01 23:00\"",
        "name = \"p\"\ngroups = [\"g\"]\nfrom = \"2026-12-01 22:00\"\nto = \"2026-12-01 21:00\"\nzone = \"UTC\"",
        "name = \"p\"\ngroups = [\"g\"]\nfrom = \"tomorrow\"\nto = \"2026-12-01 21:00\"\nzone = \"UTC\"",
        "name = \"p\"\ngroups = [\"g\"]\nfrom = \"2026-12-01 20:00\"\nto = \"2026-12-01 21:00\"\nzone = \"Berlin\"",
        "name = \"p\"\ntargets = [\"*\"]\nevery = \"Tue\"\nzone = \"UTC\"\n[[maintenance]]\nname = \"p\"\ntargets = [\"*\"]\nevery = \"Wed\"\nzone = \"UTC\"",
    ];
    let texts: Vec<String> = texts.iter().map(|text| window(text)).collect();
    check_channels(
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
        &expect![[r#"
        network.toml:13: maintenance number 1: this [[maintenance]] has no name; add name = "patch night"
        network.toml:13: maintenance "p": it is not said of what; add targets = ["shop"], groups = ["web"], or targets = ["*"] for all
        network.toml:15: maintenance "p", targets: there is no target "tt"; did you mean "t"?
        network.toml:13: maintenance "p": it is not said when, or twice; add every = "Tue 02:00-04:00" and zone = "Europe/Berlin", or from and to for a single time
        network.toml:16: maintenance "p", every: it is not said by which clock; add zone = "Europe/Berlin", or "UTC"
        network.toml:16: maintenance "p", every: "Tuesday" are no hours; write them as in "Mon-Fri 08:00-18:00", "Sat,Sun" or "22:00-06:00"
        network.toml:13: maintenance "p": it is not said when, or twice; add every = "Tue 02:00-04:00" and zone = "Europe/Berlin", or from and to for a single time
        network.toml:16: maintenance "p", from: from and to belong together; add the other, as in to = "2026-12-01 23:30"
        network.toml:16: maintenance "p", from: it is not said by which clock; add zone = "Europe/Berlin", or "UTC"
        network.toml:17: maintenance "p", to: this ends before it begins; write a later time, or exchange from and to
        network.toml:16: maintenance "p", from: "tomorrow" is no date and time; write it as in "2026-12-01 22:00"
        network.toml:18: maintenance "p", zone: "Berlin" is no time zone; write its name as in "Europe/Berlin", or "UTC"
        network.toml:19: maintenance "p": there is a [[maintenance]] of this name in line 14 already; remove one of the two, or rename it"#]],
    );
}

#[test]
fn secrets_and_hooks_of_a_host() {
    check_host(
        &[
            "[[secret]]\nname = \"a\"",
            "[[secret]]\nfile = \"/x\"",
            "[[secret]]\nname = \"a\"\nfile = \"x\"",
            "[[secret]]\nname = \"a\"\nfile = \"/x\"\n[[secret]]\nname = \"a\"\nfile = \"/y\"",
            "[[hook]]\nname = \"a\"",
            "[[hook]]\nname = \"a\"\ncommand = []",
            "[[hook]]\nname = \"a\"\ncommand = [\"pager\"]",
            "[[hook]]\nname = \"a\"\ncommand = \"/bin/pager\"",
            "[mail]\nsendmail = \"sendmail\"",
            "[mail]\nsendmail = \"/usr/sbin/sendmail\"\nserver = \"x\"",
        ],
        &expect![[r#"
            0.toml:1: secret "a": file is missing; add file = "/etc/peerwatch/…", with the secret alone in it
            0.toml:1: secret number 1: this [[secret]] has no name; add name = "…", by which channels name it
            0.toml:3: secret "a", file: this path does not begin at /; write the whole path, as in "/etc/peerwatch/smtp-password"
            0.toml:5: secret "a": "a" stands here twice; keep one of the two
            0.toml:1: hook "a": command is missing; add command = ["/usr/local/bin/pager", "--urgent"]
            0.toml:3: hook "a", command: this list is empty; write it as in command = ["/usr/local/bin/pager", "--urgent"]
            0.toml:3: hook "a", command: "pager" does not begin at /; write the whole path of the program; no shell is asked for it
            0.toml:3: hook "a", command: the text "/bin/pager" is not a list; write it as in command = ["/usr/local/bin/pager"]
            0.toml:2: mail.sendmail: this path does not begin at /; write the whole path, as in "/etc/peerwatch/smtp-password"
            0.toml:3: mail.server: mail leaves by a program or by a server, not by both; remove this line, or remove sendmail"#]],
    );
}
