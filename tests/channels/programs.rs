//! Hooks, and a local program that takes mail.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use peerwatch::base::settings::{Mail, MailTls};

use super::*;

/// An executable file with this text.
fn script(place: &Path, text: &str) -> PathBuf {
    let path = place.join("program");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn hook(text: &str, within: Span) -> Delivery {
    let place = tempfile::tempdir().unwrap();
    let command = vec![script(place.path(), text).to_string_lossy().into_owned(), "--urgent".to_owned()];
    let outbox = Outbox { hooks: BTreeMap::from([("pager".to_owned(), command)]), ..outbox() };
    let errand = Errand { within, ..errand(way("hook = \"pager\""), down()) };
    Carrier::trusting(RootCertStore::empty()).carry(&outbox, &errand).await
}

#[tokio::test]
async fn a_hook_reads_the_notice_and_nothing_else_of_this_daemon() {
    let place = tempfile::tempdir().unwrap();
    let seen = place.path().join("seen");
    let text = format!("cat > {0}; echo \"$1\" > {0}.arguments; env > {0}.environment; echo paged", seen.display());
    let delivery = hook(&text, Span::secs(20)).await;
    assert_eq!(delivery, Delivery { success: true, detail: "paged".into(), refused: vec![], after: None });
    let read: serde_json::Value = serde_json::from_slice(&fs::read(&seen).unwrap()).unwrap();
    assert_eq!((&read["incidents"][0]["incident"], &read["channel"]), (&json!("shop#3"), &json!("ops")));
    let beside = |end: &str| fs::read_to_string(seen.with_extension(end)).unwrap();
    assert_eq!(beside("arguments"), "--urgent\n");
    assert!(
        beside("environment").lines().all(|line| ["PATH=", "LANG=", "PWD=", "SHLVL=", "_="].iter().any(|known| line.starts_with(known)))
    );
}

#[tokio::test]
async fn a_hook_says_by_its_exit_code_what_became_of_it() {
    let refused = hook("echo nobody is on duty >&2; exit 67", Span::secs(20)).await;
    let detail = "hook pager refused it (exit code 67): nobody is on duty";
    assert_eq!((refused.fate(), refused.detail.as_str(), refused.refused), (Fate::Refused, detail, vec!["pager".to_owned()]));
    let failed = hook("exit 1", Span::secs(20)).await;
    assert_eq!((failed.fate(), failed.detail.as_str()), (Fate::Later, "hook pager failed with exit code 1"));
    let late = hook("sleep 300", Span(500)).await;
    assert_eq!((late.fate(), late.detail.as_str()), (Fate::Later, "hook pager did not finish within 500ms and was ended"));
    let gone = Carrier::trusting(RootCertStore::empty()).carry(&Outbox::default(), &errand(way("hook = \"pager\""), down())).await;
    assert!(gone.fate() == Fate::Later && gone.detail.contains("[[hook]] \"pager\""), "{gone:?}");
}

/// Mail through a program with this text; what it wrote beside itself is read by the caller.
async fn sendmail(place: &Path, text: &str, to: &[&str]) -> Delivery {
    let mail = Mail {
        host: "localhost".into(),
        port: 25,
        tls: MailTls::None,
        user: None,
        password_file: None,
        dry_run: false,
        sendmail: Some(script(place, text)),
    };
    let way = Way::Mail { to: to.iter().map(ToString::to_string).collect(), from: "watch@example.org".into() };
    Carrier::trusting(RootCertStore::empty()).carry(&Outbox { mail: Some(mail), ..outbox() }, &errand(way, down())).await
}

#[tokio::test]
async fn a_local_program_takes_mail_once_for_each_recipient() {
    let place = tempfile::tempdir().unwrap();
    let text = "shift 4; cd \"$(dirname \"$0\")\"; cat > \"$1.mail\"; case $1 in gone*) echo no such user >&2; exit 67;; esac";
    let delivery = sendmail(place.path(), text, &["ops@example.org", "gone@example.org", "night@example.org"]).await;
    assert_eq!((delivery.fate(), delivery.refused), (Fate::Delivered, vec!["gone@example.org".to_owned()]));
    assert!(delivery.detail.contains("refused it (exit code 67): no such user"), "{}", delivery.detail);
    let mail = |to: &str| fs::read_to_string(place.path().join(format!("{to}@example.org.mail"))).unwrap();
    assert_eq!(mail("ops"), mail("night"));
    for line in [
        "Message-ID: <0123abcd@home.peerwatch>",
        "To: ops@example.org, gone@example.org, night@example.org",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(mail("ops").lines().any(|had| had == line), "{line} in\n{}", mail("ops"));
    }
}

#[tokio::test]
async fn a_local_program_that_fails_for_now_is_asked_again_only_while_nobody_has_the_mail() {
    let place = tempfile::tempdir().unwrap();
    let later = sendmail(place.path(), "exit 75", &["ops@example.org"]).await;
    assert_eq!((later.fate(), later.refused.len()), (Fate::Later, 0));
    let text = "case $5 in full*) exit 75;; esac";
    let some = sendmail(place.path(), text, &["full@example.org", "ops@example.org"]).await;
    assert_eq!((some.fate(), some.refused), (Fate::Delivered, vec!["full@example.org".to_owned()]));
    let all = sendmail(place.path(), "exit 67", &["a@example.org", "b@example.org"]).await;
    assert_eq!((all.fate(), all.refused.len()), (Fate::Refused, 2));
}
