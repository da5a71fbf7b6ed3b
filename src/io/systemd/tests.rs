//! The service manager is played by a socket. Since its name comes in the environment, which no test
//! may change for others, each test runs itself again as a child with an environment of its own.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::*;

/// Set in the child.
const CHILD: &str = "PEERWATCH_TEST_CHILD";

/// Runs the test of this name again as a child, and says whether this already is the child.
fn is_child(name: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("io::systemd::tests::{name}"), "--exact", "--nocapture"]).env(CHILD, "1").stdin(Stdio::null());
    for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"] {
        command.env_remove(variable);
    }
    let output = command.envs(environment.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    false
}

#[test]
fn each_message_is_one_datagram() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    if is_child("each_message_is_one_datagram", &[("NOTIFY_SOCKET", path.to_str().unwrap())]) {
        ready("3 nodes");
        status("two\nlines");
        reloading();
        watchdog();
        stopping();
        return;
    }
    let heard = || {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    assert_eq!(heard(), "READY=1\nSTATUS=3 nodes\n");
    assert_eq!(heard(), "STATUS=two lines\n");
    let reload = heard();
    let time = reload.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.trim_end().parse::<u64>().ok());
    assert!(time.is_some_and(|time| 0 < time), "{reload}");
    assert_eq!(heard(), "WATCHDOG=1\n");
    assert_eq!(heard(), "STOPPING=1\n");
}

#[test]
fn without_a_manager_nothing_happens() {
    if is_child("without_a_manager_nothing_happens", &[]) {
        ready("up");
        reloading();
        assert_eq!(watchdog_interval(), None);
        assert!(!journal_stream());
    }
}

#[test]
fn a_manager_that_is_gone_harms_nobody() {
    if is_child("a_manager_that_is_gone_harms_nobody", &[("NOTIFY_SOCKET", "/nonexistent/socket")]) {
        ready("up");
    }
}

#[test]
fn the_watchdog_is_fed_twice_in_its_time() {
    if is_child("the_watchdog_is_fed_twice_in_its_time", &[("WATCHDOG_USEC", "30000000")]) {
        assert_eq!(watchdog_interval(), Some(Span::secs(15)));
    }
}

#[test]
fn another_process_s_watchdog_is_not_ours() {
    if is_child("another_process_s_watchdog_is_not_ours", &[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "1")]) {
        assert_eq!(watchdog_interval(), None);
    }
}

#[test]
fn the_journal_is_known_by_device_and_inode() {
    assert_eq!(device_and_inode("8:1234"), Some((8, 1234)));
    assert_eq!(device_and_inode("8"), None);
    // The child's standard error is a pipe, not the journal's socket with this number.
    if is_child("the_journal_is_known_by_device_and_inode", &[("JOURNAL_STREAM", "8:1234")]) {
        assert!(!journal_stream());
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let about = file.as_file().metadata().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["io::systemd::tests::standard_error_is_the_journal_when_both_agree", "--exact"])
        .env(CHILD, "1")
        .env("JOURNAL_STREAM", format!("{}:{}", about.dev(), about.ino()))
        .stderr(file.reopen().unwrap())
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
}

/// The child of the test above; on its own there is nothing to see.
#[test]
fn standard_error_is_the_journal_when_both_agree() {
    if std::env::var_os(CHILD).is_some() {
        assert!(journal_stream());
    }
}
