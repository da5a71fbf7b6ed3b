//! Runs programs that do not belong to this project: hooks, and whatever takes mail on this host.
//!
//! Every one of them starts here and nowhere else, so that where and with what rights they run is one
//! decision. They get their input, an environment of two variables, the root directory, and nothing of this
//! daemon's: no secret, no open file, no capability ([`disinherit`]). They run as this daemon's user and inside
//! its sandbox. A program that takes too long is ended with all that it started. There is no shell.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::base::limits;
use crate::base::notice::Delivery;
use crate::base::outcome::clip;
use crate::base::time::Span;

/// What is to be run.
pub(crate) struct Program<'a> {
    /// An absolute path, and arguments.
    pub(crate) command: &'a [String],
    /// What it reads.
    pub(crate) input: Vec<u8>,
    /// When it is ended.
    pub(crate) within: Span,
}

/// How it ended, and its last words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) ending: Ending,
    /// The last line that it wrote, to its standard error first.
    pub(crate) said: String,
}

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With this code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It took too long.
    Late(Span),
    /// It could not be started, and why.
    Absent(String),
}

/// Where programs are looked for that a program calls.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program that has ended wrote is awaited so long: what it started may hold its output for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Codes of sysexits(3) by which a program says that it will never take this: bad data, no such user, no such
/// host, not permitted.
const FOR_GOOD: [i32; 4] = [65, 67, 68, 77];

/// Sees to it that no program started from here on gets a privilege of this daemon. To be called before there are threads:
/// each has its own.
///
/// # Errors
/// Why the kernel does not do it.
pub(crate) fn disinherit() -> Result<(), String> {
    rustix::thread::clear_ambient_capability_set().map_err(|error| error.to_string())
}

/// Runs a program to its end.
pub(crate) async fn run(program: Program<'_>) -> Finished {
    let Some((path, arguments)) = program.command.split_first() else {
        return Finished { ending: Ending::Absent("no program is named".into()), said: String::new() };
    };
    let mut command = Command::new(path);
    command.args(arguments).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8").current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Finished { ending: Ending::Absent(error.to_string()), said: String::new() },
    };
    let group = Group(child.id());
    let within = program.within.std().min(Duration::from_secs(86_400));
    match timeout(within, attend(child, program.input)).await {
        Ok(finished) => {
            group.release();
            finished
        }
        Err(_) => Finished { ending: Ending::Late(program.within), said: String::new() },
    }
}

/// Feeds a program, hears it, and waits for it.
async fn attend(mut child: Child, input: Vec<u8>) -> Finished {
    let (mut out, mut error) = (Vec::new(), Vec::new());
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let ended = {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that does not read its input may all the same do what it should.
                let _ = stdin.write_all(&input).await;
            }
        };
        let hear = async { tokio::join!(listen(stdout, &mut out), listen(stderr, &mut error)) };
        let mut talk = std::pin::pin!(async { tokio::join!(feed, hear) });
        let ended = tokio::select! {
            ended = child.wait() => Some(ended),
            _ = &mut talk => None,
        };
        match ended {
            Some(ended) => {
                let _ = timeout(LAST_WORDS, talk).await;
                ended
            }
            None => child.wait().await,
        }
    };
    let said = [error, out].iter().find_map(|bytes| last_line(bytes)).unwrap_or_default();
    let ending = ended.map_or_else(|error| Ending::Absent(error.to_string()), ending);
    Finished { ending, said }
}

/// Reads all of it and keeps the beginning, so that who writes much neither fills memory nor has to wait.
async fn listen(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut part = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut part).await {
        let room = limits::PROGRAM_OUTPUT - kept.len();
        kept.extend_from_slice(&part[..length.min(room)]);
    }
}

fn ending(status: ExitStatus) -> Ending {
    use std::os::unix::process::ExitStatusExt;
    status.code().map_or_else(|| Ending::Signal(status.signal().unwrap_or(0)), Ending::Code)
}

fn last_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}

impl Finished {
    /// What became of an errand that this program had; `to` is whom it was for.
    pub(crate) fn delivery(self, what: &str, to: &str) -> Delivery {
        let said = if self.said.is_empty() { String::new() } else { format!(": {}", self.said) };
        let (detail, refused) = match self.ending {
            Ending::Code(0) if said.is_empty() => {
                return Delivery { success: true, detail: clip(format!("{what} took it")), refused: vec![], after: None };
            }
            Ending::Code(0) => return Delivery { success: true, detail: clip(self.said), refused: vec![], after: None },
            Ending::Code(code) if FOR_GOOD.contains(&code) => (format!("{what} refused it (exit code {code}){said}"), vec![to.to_owned()]),
            Ending::Code(code) => (format!("{what} failed with exit code {code}{said}"), vec![]),
            Ending::Signal(signal) => (format!("{what} was ended by signal {signal}{said}"), vec![]),
            Ending::Late(within) => (format!("{what} did not finish within {within} and was ended"), vec![]),
            Ending::Absent(why) => (format!("{what} cannot be run: {why}"), vec![]),
        };
        Delivery { success: false, detail: clip(detail), refused, after: None }
    }
}

/// A program and all that it started; ended when dropped.
struct Group(Option<u32>);

impl Group {
    /// It ended by itself; what it left behind is its own affair.
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0.and_then(|id| i32::try_from(id).ok()) {
            // One that has ended in the same moment is no fault.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, input: &[u8], within: Span) -> Finished {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        run(Program { command: &command, input: input.to_vec(), within }).await
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_an_environment_without_secrets() {
        let script = "read line; echo \"$line in $PWD with $(env | cut -d= -f1 | sort | tr '\\n' ' ')\"";
        let finished = shell(script, b"hello\n", Span::secs(20)).await;
        assert_eq!(finished, Finished { ending: Ending::Code(0), said: "hello in / with LANG PATH PWD".into() });
    }

    #[test]
    fn a_program_inherits_no_capability() {
        use rustix::thread::{CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities};
        let inherited = || {
            let said = std::process::Command::new("/bin/grep").args(["CapAmb:", "/proc/self/status"]).output().unwrap();
            let mask = String::from_utf8(said.stdout).unwrap().trim_start_matches("CapAmb:").trim().to_owned();
            u64::from_str_radix(&mask, 16).unwrap()
        };
        // What a thread may is its own, so no other test is touched.
        let thread = std::thread::spawn(move || {
            let mut sets = capabilities(None).unwrap();
            if sets.permitted.contains(CapabilitySet::NET_RAW) {
                sets.inheritable |= CapabilitySet::NET_RAW;
                set_capabilities(None, sets).unwrap();
                configure_capability_in_ambient_set(CapabilitySet::NET_RAW, true).unwrap();
                assert_ne!(inherited(), 0, "as the service manager starts the daemon");
            }
            disinherit().unwrap();
            assert_eq!(inherited(), 0);
            assert!(capabilities(None).unwrap().permitted.contains(sets.permitted), "this daemon keeps what it has");
        });
        thread.join().unwrap();
    }

    #[tokio::test]
    async fn its_last_words_are_kept_and_its_errors_first() {
        assert_eq!(
            shell("echo a; echo b; echo; exit 3", b"", Span::secs(20)).await,
            Finished { ending: Ending::Code(3), said: "b".into() }
        );
        assert_eq!(shell("echo a; echo b >&2", b"", Span::secs(20)).await.said, "b");
    }

    #[tokio::test]
    async fn who_takes_too_long_is_ended_with_all_that_it_started() {
        let place = tempfile::tempdir().unwrap();
        let mark = place.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", mark.display());
        let late = shell(&script, b"", Span(700)).await;
        assert_eq!(late.ending, Ending::Late(Span(700)));
        let started: i32 = std::fs::read_to_string(mark).unwrap().trim().parse().unwrap();
        for _ in 0..500 {
            // Whoever is orphaned and killed may stay as a corpse until the init of this place has seen it.
            let state = std::fs::read_to_string(format!("/proc/{started}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{started} still runs");
    }

    #[tokio::test]
    async fn who_writes_without_end_or_reads_nothing_does_no_harm() {
        let finished = shell("head -c 3000000 /dev/zero | tr '\\0' x", b"", Span::secs(20)).await;
        assert_eq!((finished.ending, finished.said.len()), (Ending::Code(0), limits::PROGRAM_OUTPUT));
        let unread = shell("exec <&-; exit 0", &vec![b'x'; 1 << 20], Span::secs(20)).await;
        assert_eq!(unread.ending, Ending::Code(0));
    }

    #[tokio::test]
    async fn what_it_leaves_behind_is_not_awaited() {
        let finished = shell("sleep 30 & echo done", b"", Span::secs(20)).await;
        assert_eq!(finished, Finished { ending: Ending::Code(0), said: "done".into() });
    }

    #[tokio::test]
    async fn exit_codes_say_whether_to_try_again() {
        for (script, success, refused, said) in [
            ("exit 0", true, false, "it took it"),
            ("echo queued as 7", true, false, "queued as 7"),
            ("echo nobody there >&2; exit 67", false, true, "it refused it (exit code 67): nobody there"),
            ("exit 75", false, false, "it failed with exit code 75"),
            ("kill -9 $$", false, false, "it was ended by signal 9"),
        ] {
            let delivery = shell(script, b"", Span::secs(20)).await.delivery("it", "ops");
            assert_eq!((delivery.success, !delivery.refused.is_empty(), delivery.detail.as_str()), (success, refused, said), "{script}");
        }
        let command = ["/nonexistent/pager".to_owned()];
        let absent = run(Program { command: &command, input: vec![], within: Span::secs(20) }).await.delivery("it", "ops");
        assert!(!absent.success && absent.refused.is_empty() && absent.detail.contains("cannot be run: No such file"), "{absent:?}");
    }
}
