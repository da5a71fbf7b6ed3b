//! The lab's own ground: that its wires carry and its cuts cut, and that its mailbox keeps mail.
//!
//! A test that waits for something not to happen proves nothing on a network that never worked.

use crate::files::{Definition, make_key};
use crate::host::Host;
use crate::net::{Lab, Place};
use crate::services::{Mailbox, Nginx};
use crate::wait::{holds, secs, until};

#[test]
fn wires_carry_until_they_are_cut_and_again_when_mended() {
    let Some(lab) = Lab::new("wires_carry_until_they_are_cut_and_again_when_mended") else { return };
    let [a, b, c] = ["a", "b", "c"].map(|name| lab.place(name));
    for (from, to) in [(&a, &b), (&a, &c), (&b, &c)] {
        until("the wire carries", secs(10), || holds(reaches(from, to), || format!("{from:?} does not reach {to:?}")));
    }
    a.cut(&c);
    assert!(!reaches(&a, &c) && !reaches(&c, &a), "a and c are cut");
    assert!(reaches(&a, &b) && reaches(&b, &c), "b is between them");
    a.mend();
    assert!(reaches(&a, &c) && reaches(&c, &a), "mended");

    let page = Nginx::new(&b, 80);
    let gate = Nginx::new(&b, 81);
    a.block(&b, 80);
    assert!(!opens(&a, &b, 80) && opens(&a, &b, 81) && opens(&c, &b, 80), "one port from one host is blocked");
    a.mend();
    assert!(opens(&a, &b, 80));
    gate.stop();
    assert!(!opens(&a, &b, 81) && opens(&a, &b, 80), "each nginx stops alone");
    drop(page);
    assert!(!opens(&a, &b, 80), "it ends with its test");
}

#[test]
fn an_impaired_wire_loses_packets() {
    let Some(lab) = Lab::new("an_impaired_wire_loses_packets") else { return };
    let [a, b] = ["a", "b"].map(|name| lab.place(name));
    until("the wire carries", secs(10), || holds(reaches(&a, &b), || "not yet".into()));
    let slowed = a.impair(50, 50);
    let said = a.run("ping", &["-q", "-c", "100", "-i", "0.01", "-W", "1", &b.v4]);
    let received: u32 =
        said.out.split(" received").next().and_then(|text| text.rsplit(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(0);
    assert!((20..=80).contains(&received), "half of a hundred: {said:?}");
    if slowed {
        assert!(said.out.contains("min/avg/max"), "{said:?}");
    }
}

#[test]
fn the_mailbox_keeps_envelope_and_mail() {
    let Some(lab) = Lab::new("the_mailbox_keeps_envelope_and_mail") else { return };
    let place = lab.place("s");
    let mailbox = Mailbox::closed(&place);
    mailbox.open();
    let script = format!(
        "import smtplib; from email.message import EmailMessage\n\
         m = EmailMessage(); m['Subject'] = 'Grüße'; m['From'] = 'a@example.org'; m['To'] = 'b@example.org'\n\
         m['Message-ID'] = '<1@example.org>'; m.set_content('text'); m.add_alternative('<p>html', subtype='html')\n\
         smtplib.SMTP('{}', 25).send_message(m, to_addrs=['b@example.org', 'c@example.org'])",
        place.v4
    );
    let said = place.run("/usr/bin/python3", &["-I", "-c", &script]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let mails = mailbox.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!((mails[0].from.as_str(), mails[0].to.len()), ("a@example.org", 2));
    assert_eq!(mails[0].header("subject"), "Grüße");
    assert_eq!(mails[0].header("Message-ID"), "<1@example.org>");
    assert_eq!((mails[0].text.trim(), mails[0].html.trim()), ("text", "<p>html"));
    assert_eq!(mails[0].defects, Vec::<String>::new());
    assert_eq!(mailbox.about("Grüße").len(), 1);
    assert_eq!(mailbox.about("other").len(), 0);
}

#[test]
fn hosts_have_a_bus_and_keys_that_openssl_reads() {
    let Some(lab) = Lab::new("hosts_have_a_bus_and_keys_that_openssl_reads") else { return };
    let host = Host::new("a", lab.place("a"));
    make_key(&host.secret_key(), &host.public_key("a"));
    let said = host.place.run("openssl", &["pkey", "-pubin", "-noout", "-text", "-in", &host.public_key("a").to_string_lossy()]);
    assert!(said.out.contains("ED25519"), "{said:?}");
    let mut names = host.command("dbus-send");
    names.args(["--system", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ListNames"]);
    let said = crate::process::run(&names, secs(10));
    assert!(said.out.contains("org.freedesktop.DBus"), "{said:?}");
    assert!(host.log().is_empty() && host.id() == 0, "no daemon was started");
    let definition =
        Definition { nodes: vec![("a".into(), "10.0.0.1".into())], services: ("10.0.0.2".into(), "fd00::2".into()), more: String::new() };
    let text: toml::Table = toml::from_str(&definition.toml()).expect("TOML");
    assert_eq!(text["target"].as_array().map_or(0, Vec::len), Definition::TARGETS.len());
}

/// Whether echo requests come back, by either protocol.
fn reaches(from: &Place, to: &Place) -> bool {
    let by = |address: &str| from.run("ping", &["-c", "1", "-W", "1", address]).code == Some(0);
    let (v4, v6) = (by(&to.v4), by(&to.v6));
    assert_eq!(v4, v6, "both protocols are treated alike");
    v4
}

/// Whether a TCP port answers a request.
fn opens(from: &Place, to: &Place, port: u16) -> bool {
    let url = format!("http://{}:{port}/", to.v4);
    from.run("curl", &["--silent", "--fail", "--max-time", "1", &url]).code == Some(0)
}
