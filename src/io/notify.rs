//! Tells people: an errand in, a delivery out.
//!
//! An errand is carried at most once per call and never longer than it may take; whether it is tried
//! again, and by whom, is decided elsewhere. A failure is a delivery too, whose detail names the remedy.
//! The password is used for the login and written nowhere.

mod mail;

use crate::base::notice::{Delivery, Errand};
use crate::base::settings::{Mail, Way};

/// Carries an errand by this host's way out. Ends within `errand.within`.
///
/// Dropping the future closes the connection; a mail that was already handed over may then still
/// arrive.
pub async fn carry(mail: &Mail, password: Option<&str>, errand: &Errand) -> Delivery {
    match &errand.way {
        Way::Mail { to, from } if mail.dry_run => {
            let letter = &errand.letter;
            tracing::info!(channel = errand.channel, from, to = to.join(", "), "dry run of \"{}\"\n{}", letter.subject, letter.text);
            Delivery { success: true, detail: "dry run".to_owned(), refused: Vec::new() }
        }
        Way::Mail { to, from } => mail::send(mail, password, errand, to, from).await,
    }
}
