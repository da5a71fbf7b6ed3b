//! From a letter to the bytes of a mail.
//!
//! The text comes first and the page is its alternative. The header makes mails of one incident a
//! thread, keeps vacation replies away, and lets people sort. Everything is ASCII when it leaves here,
//! and no value from outside can begin a header line of its own.

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};

use crate::base::notice::Errand;

/// Writes the mail.
pub(super) fn compose(errand: &Errand, sender: &Mailbox, recipients: &[Mailbox]) -> Result<Vec<u8>, String> {
    let letter = &errand.letter;
    let mut mail =
        Message::builder().from(sender.clone()).subject(one_line(&letter.subject)).message_id(Some(bracketed(&letter.message_id)));
    for recipient in recipients {
        mail = mail.to(recipient.clone());
    }
    if let Some(last) = letter.references.last() {
        let all: Vec<String> = letter.references.iter().map(|id| bracketed(id)).collect();
        mail = mail.in_reply_to(bracketed(last)).references(all.join(" "));
    }
    let list = format!("<{}.{}>", label(&errand.channel), sender.email.domain());
    let fixed = [("Auto-Submitted", "auto-generated".to_owned()), ("Precedence", "bulk".to_owned()), ("List-Id", list)];
    for (name, value) in fixed.iter().chain(&letter.headers) {
        let header = HeaderName::new_from_ascii((*name).to_owned()).map_err(|_| format!("\"{name}\" is not the name of a header field"))?;
        mail = mail.raw_header(HeaderValue::new(header, one_line(value)));
    }
    let parts = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
    let mail = mail.multipart(parts).map_err(|error| format!("the mail cannot be written: {error}"))?;
    Ok(mail.formatted())
}

fn bracketed(id: &str) -> String {
    format!("<{}>", id.chars().filter(|letter| letter.is_ascii_graphic() && !"<>".contains(*letter)).collect::<String>())
}

fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// A channel's name as a part of a domain name.
fn label(channel: &str) -> String {
    let label: String =
        channel.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' }).collect();
    label.trim_matches('-').to_owned() + if label.trim_matches('-').is_empty() { "channel" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::EntryHash;
    use crate::base::notice::Letter;
    use crate::base::settings::Way;
    use crate::base::time::Span;

    fn composed(channel: &str, letter: Letter) -> String {
        let way = Way::Mail { to: vec!["ops@example.org".into()], from: "watch@example.org".into() };
        let errand = Errand { ballot: EntryHash([0; 32]), channel: channel.into(), way, letter, within: Span::secs(1) };
        let bytes = compose(&errand, &"watch@example.org".parse().unwrap(), &["ops@example.org".parse().unwrap()]).unwrap();
        assert!(bytes.is_ascii());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_identity_is_exactly_the_letters() {
        let ids = ["a.1@peerwatch", "b.2@peerwatch"].map(str::to_owned).to_vec();
        let mail =
            composed("ops", Letter { message_id: "0123456789abcdef.down@home.peerwatch".into(), references: ids, ..Letter::default() });
        for line in [
            "Message-ID: <0123456789abcdef.down@home.peerwatch>\r\n",
            "In-Reply-To: <b.2@peerwatch>\r\n",
            "References: <a.1@peerwatch> <b.2@peerwatch>\r\n",
            "List-Id: <ops.example.org>\r\n",
            "Auto-Submitted: auto-generated\r\n",
        ] {
            assert!(mail.contains(line), "{line}in\n{mail}");
        }
        assert!(!composed("ops", Letter::default()).contains("In-Reply-To"), "the first of a thread answers nothing");
    }

    #[test]
    fn nothing_from_outside_begins_a_header_line() {
        let letter = Letter {
            message_id: "a\r\nBcc: x@y".into(),
            subject: "down\r\nBcc: x@y".into(),
            headers: vec![("X-Peerwatch-Target", "shop\r\nBcc: x@y".into())],
            ..Letter::default()
        };
        let mail = composed("ops\r\nBcc: x@y", letter);
        assert!(!mail.to_lowercase().contains("\nbcc:"), "{mail}");
    }

    #[test]
    fn channels_become_parts_of_domain_names() {
        assert_eq!([label("Night Shift"), label("ops"), label("*")], ["night-shift", "ops", "channel"]);
    }
}
