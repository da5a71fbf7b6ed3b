//! Hands a letter to a mail server, or to a program of this host that takes mail.
//!
//! One connection, one transaction, one copy: a server gets a single mail with all recipients that
//! it accepts. Those that it refuses are left out and named, so that one wrong address does not silence
//! the others. What the server said last is the detail. Spooling, retrying and choosing another server
//! are not done here.

mod letter;
mod lines;
mod sendmail;

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;

use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Quit, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use crate::base::limits;
use crate::base::notice::{Delivery, Errand};
use crate::base::outcome::clip;
use crate::base::settings::{Mail, MailTls};
use crate::base::time::Span;
use crate::io::host;
use crate::io::notify::plain;

/// A server that has taken the mail need not be waited for any longer than this.
const GOODBYE: Span = Span::secs(2);

/// Lets the errand's letter leave as this host's settings say.
pub(super) async fn carry(mail: &Mail, password: Option<&str>, errand: &Errand, to: &[String], from: &str) -> Delivery {
    if mail.dry_run {
        let letter = &errand.letter;
        tracing::info!(channel = errand.channel, from, to = to.join(", "), "dry run of \"{}\"\n{}", letter.subject, letter.text);
        return Delivery { success: true, detail: "dry run".to_owned(), refused: Vec::new(), after: None };
    }
    match &mail.sendmail {
        Some(program) => sendmail::send(&program.to_string_lossy(), errand, to, from).await,
        None => send(mail, password, errand, to, from).await,
    }
}

/// Sends the errand's letter to a server.
async fn send(mail: &Mail, password: Option<&str>, errand: &Errand, to: &[String], from: &str) -> Delivery {
    let within = errand.within.std().min(std::time::Duration::from_secs(86_400));
    let mut visit = Visit {
        mail,
        server: if mail.host.contains(':') { format!("[{}]:{}", mail.host, mail.port) } else { format!("{}:{}", mail.host, mail.port) },
        deadline: Instant::now() + within,
        doing: "starting",
        connection: None,
        refused: Vec::new(),
        put_off: Vec::new(),
    };
    let deadline = visit.deadline;
    let outcome = match timeout_at(deadline, visit.deliver(password, errand, to, from)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("{} did not finish within {} while {}", visit.server, errand.within, visit.doing)),
    };
    if let Some(mut connection) = visit.connection.take() {
        // The mail's fate is known, so nobody waits long for a goodbye.
        let _ = timeout_at(deadline.min(Instant::now() + GOODBYE.std()), connection.command(Quit)).await;
    }
    visit.report(outcome)
}

/// One transaction with the server, and how far it has come.
struct Visit<'a> {
    mail: &'a Mail,
    server: String,
    deadline: Instant,
    doing: &'static str,
    /// Kept for the goodbye.
    connection: Option<AsyncSmtpConnection>,
    /// Refused for good: address, and what the server said.
    refused: Vec<(String, String)>,
    /// Refused for now.
    put_off: Vec<(String, String)>,
}

impl Visit<'_> {
    /// From nothing to the server's word that it has the mail.
    async fn deliver(&mut self, password: Option<&str>, errand: &Errand, to: &[String], from: &str) -> Result<String, String> {
        let sender: Mailbox = from.parse().map_err(|error| format!("the sender \"{from}\" is not an address: {error}"))?;
        let recipients = self.recipients(to);
        if recipients.is_empty() {
            return Err("there is no recipient left".to_owned());
        }
        let letter = letter::compose(errand, &sender, &recipients)?;
        let mut connection = self.connect().await?;
        let outcome = self.transact(&mut connection, password, &letter, &sender, &recipients).await;
        self.connection = Some(connection);
        outcome
    }

    /// One mail on a connection that is ready.
    async fn transact(
        &mut self,
        connection: &mut AsyncSmtpConnection,
        password: Option<&str>,
        letter: &[u8],
        sender: &Mailbox,
        recipients: &[Mailbox],
    ) -> Result<String, String> {
        self.login(connection, password).await?;
        if self.envelope(connection, sender, recipients).await? == 0 {
            return Err(format!("{} takes no mail for any recipient", self.server));
        }
        self.hand_over(connection, letter).await
    }

    /// The recipients that are addresses at all; the others are refused here.
    fn recipients(&mut self, to: &[String]) -> Vec<Mailbox> {
        let mut recipients = Vec::new();
        for text in to {
            match text.parse() {
                Ok(mailbox) => recipients.push(mailbox),
                Err(error) => self.refused.push((text.clone(), format!("not an address: {error}"))),
            }
        }
        recipients
    }

    /// A connection on which the server has introduced itself, encrypted as it shall be.
    async fn connect(&mut self) -> Result<AsyncSmtpConnection, String> {
        self.doing = "looking up its name";
        let Mail { host, port, tls, .. } = self.mail;
        let found = lookup_host((host.as_str(), *port)).await;
        let addresses: Vec<SocketAddr> =
            found.map_err(|error| format!("cannot find {host}: {}", plain(&error)))?.take(limits::ADDRESSES).collect();
        let own_name = own_name();
        if *tls == MailTls::Tls {
            self.doing = "connecting";
            let share = self.share(addresses.len());
            let connected = AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(share), &own_name, Some(self.trust()?), None);
            return connected.await.map_err(|error| format!("cannot connect to {} by TLS: {}", self.server, said(&error)));
        }
        let stream = self.dial(&addresses).await?;
        self.doing = "waiting for its greeting";
        let connected = AsyncSmtpConnection::connect_with_transport(Box::new(lines::Lines(stream)), &own_name).await;
        let mut connection = connected.map_err(|error| self.broken("did not welcome this host", &error))?;
        if *tls == MailTls::StartTls {
            self.doing = "setting up TLS";
            if !connection.can_starttls() {
                return Err(format!("{} offers no STARTTLS, so nothing was sent; set tls of [mail] to \"tls\" or \"none\"", self.server));
            }
            let upgraded = connection.starttls(self.trust()?, &own_name).await;
            upgraded.map_err(|error| self.broken("failed in setting up TLS", &error))?;
        }
        Ok(connection)
    }

    /// A plain connection to the first address that takes one.
    async fn dial(&mut self, addresses: &[SocketAddr]) -> Result<TcpStream, String> {
        self.doing = "connecting";
        let mut why = "it has no address".to_owned();
        for (index, address) in addresses.iter().enumerate() {
            let share = self.share(addresses.len() - index);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => why = plain(&error),
                Err(_) => why = "no answer".to_owned(),
            }
        }
        Err(format!("cannot connect to {}: {why}", self.server))
    }

    /// The time for one of so many addresses.
    fn share(&self, addresses: usize) -> std::time::Duration {
        self.deadline.saturating_duration_since(Instant::now()) / u32::try_from(addresses.max(1)).unwrap_or(1)
    }

    /// The system's authorities, and the name that the certificate must have.
    fn trust(&self) -> Result<TlsParameters, String> {
        TlsParameters::new(self.mail.host.clone()).map_err(|error| format!("cannot use TLS on this host: {}", said(&error)))
    }

    async fn login(&mut self, connection: &mut AsyncSmtpConnection, password: Option<&str>) -> Result<(), String> {
        let Some(user) = &self.mail.user else { return Ok(()) };
        self.doing = "logging in";
        let Some(password) = password else {
            return Err(format!(
                "no password for {user} at {}; put it into the credential peerwatch.smtp-password or name a password-file",
                self.server
            ));
        };
        let credentials = Credentials::new(user.clone(), password.to_owned());
        match connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => {
                Err(format!("{} refused the login of {user}: {}; check user and password", self.server, said(&error)))
            }
            Err(error) if error.is_client() => Err(format!("{} offers no login by password, yet a user is set for it", self.server)),
            Err(error) => Err(self.broken("failed in the login", &error)),
        }
    }

    /// Names sender and recipients, and returns how many of these the server takes.
    async fn envelope(&mut self, connection: &mut AsyncSmtpConnection, sender: &Mailbox, to: &[Mailbox]) -> Result<usize, String> {
        self.doing = "naming the sender";
        let mut options = Vec::new();
        if !to.iter().chain([sender]).all(|mailbox| AsRef::<str>::as_ref(&mailbox.email).is_ascii()) {
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(format!("{} takes no addresses beyond ASCII", self.server));
            }
            options.push(MailParameter::SmtpUtfEight);
        }
        let named = connection.command(MailFrom::new(Some(sender.email.clone()), options)).await;
        named.map_err(|error| self.broken(&format!("refused the sender {}", sender.email), &error))?;
        self.doing = "naming the recipients";
        let mut taken = 0;
        for mailbox in to {
            let address = mailbox.email.to_string();
            match connection.command(Rcpt::new(mailbox.email.clone(), Vec::new())).await {
                Ok(_) => taken += 1,
                Err(error) if error.is_permanent() => self.refused.push((address, said(&error))),
                Err(error) if error.is_transient() => self.put_off.push((address, said(&error))),
                Err(error) => return Err(self.broken("failed", &error)),
            }
        }
        Ok(taken)
    }

    async fn hand_over(&mut self, connection: &mut AsyncSmtpConnection, letter: &[u8]) -> Result<String, String> {
        self.doing = "handing over the mail";
        let ready = connection.command(Data).await;
        ready.map_err(|error| self.broken("refused the mail", &error))?;
        match connection.message(letter).await {
            Ok(response) => Ok(clip(format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" ")))),
            Err(error) if error.status().is_some() => Err(self.broken("refused the mail", &error)),
            Err(error) => Err(self.broken("took the mail without confirming it, so that it may arrive twice", &error)),
        }
    }

    /// What happened, by whom, and what was said or went wrong.
    fn broken(&self, what: &str, error: &Error) -> String {
        if error.status().is_some() {
            return format!("{} {what}: {}", self.server, said(error));
        }
        format!("{} {what} ({} while {})", self.server, said(error), self.doing)
    }

    /// The delivery, with the refused recipients named.
    fn report(self, outcome: Result<String, String>) -> Delivery {
        let success = outcome.is_ok();
        let mut detail = outcome.unwrap_or_else(|why| why);
        let mut refused = self.refused;
        if success {
            // The others have their mail and it is not sent again, so for this mail "for now" is for good.
            refused.extend(self.put_off);
        } else if refused.is_empty() {
            detail.extend(self.put_off.first().map(|(address, why)| format!("; {address}: {why}")));
        }
        detail.extend(refused.iter().map(|(address, why)| format!("; {address} refused: {why}")));
        Delivery { success, detail: clip(detail), refused: refused.into_iter().map(|(address, _)| address).collect(), after: None }
    }
}

/// The name by which this host greets.
fn own_name() -> ClientId {
    let name = host::hostname();
    let plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.".contains(letter));
    if plain { ClientId::Domain(name) } else { ClientId::default() }
}

/// What the server said, or what went wrong, without the library's own words around it.
fn said(error: &Error) -> String {
    let cause = error.source().map(|cause| cause.downcast_ref::<io::Error>().map_or_else(|| cause.to_string(), plain));
    let cause = match cause.as_deref() {
        Some("incomplete response") => "it closed the connection".to_owned(),
        Some(cause) => cause.trim().to_owned(),
        None => error.to_string(),
    };
    match error.status() {
        Some(code) => format!("{code} {cause}"),
        None => cause,
    }
}
