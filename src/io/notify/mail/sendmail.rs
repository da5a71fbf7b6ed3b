//! Hands a letter to a program of this host that takes mail, as sendmail(8) has always done.
//!
//! The program is run once for each recipient with the same letter, so that one whom it refuses does not silence
//! the others. What it does with the mail then, and when, is its own affair: taken is told.

use lettre::message::Mailbox;
use tokio::time::Instant;

use super::letter;
use crate::base::notice::{Delivery, Errand};
use crate::base::outcome::clip;
use crate::base::time::Span;
use crate::io::program::{self, Program};

/// Hands the errand's letter over.
pub(super) async fn send(path: &str, errand: &Errand, to: &[String], from: &str) -> Delivery {
    let deadline = Instant::now() + errand.within.std().min(std::time::Duration::from_secs(86_400));
    let sender: Mailbox = match from.parse() {
        Ok(sender) => sender,
        Err(error) => return Delivery::failed(format!("the sender \"{from}\" is not an address: {error}")),
    };
    let mut refused: Vec<(String, String)> = Vec::new();
    let mut recipients: Vec<Mailbox> = Vec::new();
    for text in to {
        match text.parse() {
            Ok(mailbox) => recipients.push(mailbox),
            Err(error) => refused.push((text.clone(), format!("{text} refused: not an address: {error}"))),
        }
    }
    let letter = match letter::compose(errand, &sender, &recipients) {
        Ok(letter) => letter,
        Err(why) => return Delivery::failed(why),
    };
    let (mut taken, mut later) = (None, None);
    for mailbox in recipients {
        let address = mailbox.email.to_string();
        let command = [path, "-i", "-f", sender.email.as_ref(), "--", &address].map(str::to_owned);
        let left = deadline.saturating_duration_since(Instant::now());
        let within = Span(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        let finished = program::run(Program { command: &command, input: letter.clone(), within }).await;
        let delivery = finished.delivery(path, &address);
        match (delivery.success, delivery.refused.is_empty()) {
            (true, _) => taken = Some(delivery.detail),
            (false, false) => refused.push((address, delivery.detail)),
            (false, true) => later = Some((address, delivery.detail)),
        }
    }
    // Once others have the mail it is not handed over again, so for this mail "later" is "never".
    let success = taken.is_some();
    let mut parts: Vec<String> = taken.into_iter().collect();
    match later {
        Some(late) if success => refused.push(late),
        Some((_, why)) => return Delivery::failed(clip(why)),
        None => {}
    }
    parts.extend(refused.iter().map(|(_, why)| why.clone()));
    Delivery { success, detail: clip(parts.join("; ")), refused: refused.into_iter().map(|(address, _)| address).collect(), after: None }
}
