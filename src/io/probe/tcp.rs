//! One look by TCP: connect, perhaps say something, perhaps expect something.
//!
//! A target that only shall connect is left at once, by a reset, so that thousands of looks leave no
//! ports waiting on either side; where bytes of ours may still be under way it is closed in order.
//! What the target says is read until it matches, ends, or reaches its bound. TLS is not spoken here.

use std::io;

use regex::bytes::{Regex, RegexBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Course;
use super::reach::{self, Names};
use crate::base::limits;
use crate::base::outcome::Outcome;
use crate::base::target::Tcp;

/// Looks once; the caller bounds the time.
pub(super) async fn look(names: &Names, tcp: &Tcp, course: &mut Course) -> Outcome {
    match visit(names, tcp, course).await {
        Ok(detail) => course.good(detail),
        Err(outcome) => course.fill(outcome),
    }
}

async fn visit(names: &Names, tcp: &Tcp, course: &mut Course) -> Result<String, Outcome> {
    let expected = tcp.expect.as_deref().map(expression).transpose()?;
    let mut stream = names.connect(&tcp.host, tcp.port, course).await?;
    course.enter("sending");
    if let Some(text) = &tcp.send {
        stream.write_all(text.as_bytes()).await.map_err(|error| Outcome::bad(reach::plain(&error)))?;
    }
    let mut detail = "connected".to_owned();
    if let (Some(expected), Some(wanted)) = (expected, &tcp.expect) {
        course.enter("waiting for what it should say");
        let heard = listen(&mut stream, &expected).await;
        course.spent("answer");
        detail = heard.map_err(|heard| Outcome::bad(format!("expected \"{wanted}\", {heard}")))?;
    }
    if tcp.send.is_none() || tcp.expect.is_some() {
        // Nothing of ours is under way. When this fails, the port merely waits for a minute.
        let _ = stream.set_zero_linger();
    }
    Ok(detail)
}

/// Reads until the expression matches, and returns the line that did; otherwise what came instead.
async fn listen(stream: &mut TcpStream, expected: &Regex) -> Result<String, String> {
    let mut heard = Vec::new();
    loop {
        let room = limits::BANNER - heard.len();
        if room == 0 {
            return Err(format!("but the first {} KiB do not match", limits::BANNER / 1024));
        }
        let mut chunk = [0; 2048];
        let size = chunk.len().min(room);
        match stream.read(&mut chunk[..size]).await {
            Ok(0) if heard.is_empty() => return Err("but it closed the connection without a word".to_owned()),
            Ok(0) => return Err(format!("got \"{}\"", first_line(&heard, 0))),
            Ok(length) => heard.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset && heard.is_empty() => {
                return Err("but it reset the connection".into());
            }
            Err(error) => return Err(format!("but {}", reach::plain(&error))),
        }
        if let Some(found) = expected.find(&heard) {
            return Ok(first_line(&heard, found.start()));
        }
    }
}

/// The line around this place, for people.
fn first_line(heard: &[u8], place: usize) -> String {
    let start = heard[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let line = heard[start..].split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    String::from_utf8_lossy(&line[..line.len().min(limits::DETAIL)]).into_owned()
}

/// `^` and `$` stand for the ends of any line, since greetings may have several.
fn expression(text: &str) -> Result<Regex, Outcome> {
    let built = RegexBuilder::new(text).multi_line(true).crlf(true).size_limit(limits::EXPRESSION).build();
    built.map_err(|error| {
        let why = error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Outcome::unable(format!("\"{text}\" is not a regular expression: {why}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::outcome::Look;

    #[test]
    fn the_line_that_matched_is_shown() {
        let heard = b"220-mail.example.org\r\n220 ready\r\n250";
        let found = expression("^220 ").ok().and_then(|expression| expression.find(heard).map(|found| found.start()));
        assert_eq!(found.map(|place| first_line(heard, place)), Some("220 ready".to_owned()));
        assert!(expression("y$").is_ok_and(|end| end.is_match(heard)), "a line ends before its carriage return");
    }

    #[test]
    fn a_broken_or_huge_expression_is_this_hosts_fault_and_no_panic() {
        for broken in ["(", "[", "a{1000}{1000}{1000}"] {
            let outcome = expression(broken).unwrap_err();
            assert_eq!(outcome.look, Look::Unable);
            assert!(outcome.detail.contains("is not a regular expression"), "{}", outcome.detail);
        }
    }
}
