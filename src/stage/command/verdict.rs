//! What the end of a program means: its output, or a failure of a class. Pure, except for [`complain`].

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::WaitStatus;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::tail::Words;
use crate::model::failure::{Failure, FailureClass};
use crate::model::key_line;
use crate::model::signal;
use crate::model::text::without_mark;
use crate::stage::answer::quoted;
use crate::stage::secrets::Secrets;
use crate::stage::stall;
use crate::workflow::classes::Classes;
use crate::workflow::duration;

/// How a program ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// With what it printed.
    Exited(i32, Vec<u8>),
    Signalled(i32),
    /// At its time limit, in words.
    OutOfTime(String),
    /// It reported no progress for so long.
    Stalled(Duration),
    /// It printed more than that many bytes.
    TooMuch(usize),
    /// Its pipes or its status could not be read.
    Broken(String),
}

/// SIGHUP, SIGINT and SIGTERM: what people, terminals, shells, supervisors and containers stop a process with.
pub(super) const REQUESTS_TO_STOP: [i32; 3] = [1, 2, 15];

/// Whether a process ended by one of them, be it as shells say it.
pub(super) fn is_request_to_stop(status: WaitStatus) -> bool {
    let by = status.terminating_signal().or_else(|| status.exit_status()?.checked_sub(128));
    by.is_some_and(|signal| REQUESTS_TO_STOP.contains(&signal))
}

impl End {
    /// It ended by a signal with which it was asked to, and not by itself.
    pub(super) fn is_by_a_request_to_stop(&self) -> bool {
        matches!(self, End::Signalled(signal) if REQUESTS_TO_STOP.contains(signal))
    }

    /// As in "the program ended so".
    pub(super) fn in_words(&self) -> String {
        match self {
            End::Exited(code, _) => format!("exit status {code}"),
            End::Signalled(number) => format!("killed by {}", signal::name(*number)),
            End::OutOfTime(limit) => format!("out of time after {limit}"),
            End::Stalled(stall) => format!("no progress for {}", duration::words(*stall)),
            End::TooMuch(most) => format!("more than {most} bytes of output"),
            End::Broken(error) => format!("it could not be followed: {error}"),
        }
    }

    /// Shells say 128 and the number for a program that died by a signal.
    pub(super) fn of(status: ExitStatus, stdout: Vec<u8>) -> End {
        match (status.signal(), status.code()) {
            (Some(signal), _) => End::Signalled(signal),
            (None, Some(code @ 129..=192)) => End::Signalled(code - 128),
            (None, code) => End::Exited(code.unwrap_or(1), stdout),
        }
    }
}

/// The last line of standard error, where a program says why it failed. Values are read one by one: what is wrong with one
/// of them takes nothing from the others.
#[derive(Debug, Deserialize)]
struct Said<'l> {
    class: String,
    #[serde(borrow)]
    message: Option<&'l RawValue>,
    /// A duration such as "30s", or seconds.
    #[serde(borrow)]
    retry_after: Option<&'l RawValue>,
}

/// The program's standard output, or why there is none.
pub(super) fn of(
    program: &str,
    end: End,
    words: &Words,
    classes: &Classes,
    secrets: &Secrets,
) -> Result<Vec<u8>, Failure> {
    // Read as it was said: the class may be a word that is hidden elsewhere. Everything else is taken from the text whose secrets
    // are hidden: in a line, or in a piece of one, half a secret would not be recognised.
    let said = said(&words.text);
    let stderr = &words.without(secrets);
    let (class, message, status) = match end {
        End::Exited(0, output) if said.is_none() => return Ok(output),
        End::Exited(code, _) => of_exit(program, code, stderr, classes),
        End::Signalled(signal) => of_signal(program, signal, classes),
        End::OutOfTime(limit) => {
            let message = format!("the stage ran longer than its timeout of {limit}");
            return Err(failure(
                FailureClass::NetworkTimeout,
                message,
                json!("stopped at its timeout"),
                stderr,
                secrets,
            ));
        }
        End::Stalled(stall) => {
            let (class, message) = (FailureClass::NetworkTimeout, stall::message(stall));
            return Err(failure(class, message, json!("stopped without progress"), stderr, secrets));
        }
        End::TooMuch(limit) => {
            let Failed { class, message } = too_large("printed", limit);
            return Err(failure(class, message, json!("stopped"), stderr, secrets));
        }
        End::Broken(error) => {
            (FailureClass::Unknown, format!("the command could not be followed: {error}"), json!("unknown"))
        }
    };
    let Some(said) = said else { return Err(failure(class, message, status, stderr, secrets)) };
    let class = said.class.parse().unwrap_or(FailureClass::Unknown);
    let message = said.message.map_or(message, text);
    let mut failure = failure(class, message, status, stderr, secrets);
    if let Some(wait) = said.retry_after.and_then(wait) {
        failure = failure.retry_after(wait);
    }
    Err(failure)
}

struct Failed {
    class: FailureClass,
    message: String,
}

fn too_large(did: &str, limit: usize) -> Failed {
    let message = format!(
        "the command {did} more than {limit} bytes of output; keep big things in files and hand on their names"
    );
    Failed { class: FailureClass::InvalidInput, message }
}

/// Output that is over the limit.
pub(super) fn too_much(did: &str, limit: usize) -> Failure {
    let Failed { class, message } = too_large(did, limit);
    Failure::new(class, message)
}

fn failure(class: FailureClass, message: String, status: Value, stderr: &str, secrets: &Secrets) -> Failure {
    let detail = json!({"status": status, "stderr": stderr});
    Failure::new(class, secrets.hide(&message)).detail(detail)
}

/// The class that the last line names, if it names one.
fn said(stderr: &str) -> Option<Said<'_>> {
    let line = without_mark(stderr.trim_end().lines().next_back()?.trim()).trim_start();
    line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten()
}

/// A string as it reads, else what was written.
pub(super) fn text(said: &RawValue) -> String {
    serde_json::from_str(said.get()).unwrap_or_else(|_| said.get().to_owned())
}

pub(super) fn wait(asked: &RawValue) -> Option<Duration> {
    match serde_json::from_str(asked.get()).ok()? {
        // Seconds are often handed on as the text that they came as.
        Value::String(text) => match text.trim() {
            seconds if is_number(seconds) => Duration::try_from_secs_f64(seconds.parse().ok()?).ok(),
            text => duration::parse(text).ok(),
        },
        Value::Number(seconds) => Duration::try_from_secs_f64(seconds.as_f64()?).ok(),
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn of_exit(program: &str, code: i32, stderr: &str, classes: &Classes) -> (FailureClass, String, Value) {
    let (class, name) = match given(classes, code) {
        // What others mean by it would only mislead.
        Some(class) => (class, None),
        None => sysexit(code),
    };
    let said = key_line::last(stderr).map_or_else(String::new, |line| format!(": {}", quoted(line.trim())));
    let name = name.map_or_else(String::new, |name| format!(" ({name})"));
    (class, format!("`{program}` ended with exit status {code}{name}{said}"), json!(code))
}

/// What exit codes mean by `sysexits`, `timeout` and the shells.
fn sysexit(code: i32) -> (FailureClass, Option<&'static str>) {
    use FailureClass as C;
    match code {
        64 => (C::InvalidInput, Some("EX_USAGE: wrong arguments")),
        65 => (C::InvalidInput, Some("EX_DATAERR: wrong input")),
        66 => (C::InvalidInput, Some("EX_NOINPUT: no input file")),
        67 => (C::InvalidInput, Some("EX_NOUSER: no such user")),
        68 => (C::ResourceUnavailable, Some("EX_NOHOST: no such host")),
        69 => (C::ResourceUnavailable, Some("EX_UNAVAILABLE: a service is not there")),
        70 => (C::Unknown, Some("EX_SOFTWARE: internal error")),
        71 => (C::ResourceUnavailable, Some("EX_OSERR: the system has no resources")),
        72 => (C::ResourceUnavailable, Some("EX_OSFILE: a system file is not there")),
        73 => (C::ResourceUnavailable, Some("EX_CANTCREAT: a file cannot be created")),
        74 => (C::ResourceUnavailable, Some("EX_IOERR: input or output failed")),
        75 => (C::ResourceUnavailable, Some("EX_TEMPFAIL: try again later")),
        76 => (C::Unknown, Some("EX_PROTOCOL: a service answered nonsense")),
        77 => (C::AuthFailure, Some("EX_NOPERM: no permission")),
        78 => (C::InvalidInput, Some("EX_CONFIG: wrong configuration")),
        124 => (C::NetworkTimeout, Some("as timeout ends")),
        126 => (C::Unknown, Some("cannot be executed")),
        127 => (C::Unknown, Some("no such program")),
        _ => (C::Unknown, None),
    }
}

/// The class that the file gives an exit code.
fn given(classes: &Classes, code: i32) -> Option<FailureClass> {
    classes.of(u16::try_from(code).ok()?)
}

fn of_signal(program: &str, signal: i32, classes: &Classes) -> (FailureClass, String, Value) {
    use FailureClass as C;
    let (class, why) = match signal {
        1 => (C::ResourceUnavailable, ""),
        2 => (C::ResourceUnavailable, ""),
        9 => (C::OutOfMemory, ", as the system does when memory is short"),
        14 => (C::NetworkTimeout, ""),
        15 => (C::ResourceUnavailable, ""),
        _ => (C::Unknown, ""),
    };
    let (class, why) = given(classes, 128 + signal).map_or((class, why), |class| (class, ""));
    let name = signal::name(signal);
    (class, format!("`{program}` was killed by {name}{why}"), json!(format!("signal {signal}")))
}

/// A program that is not there may be there on another worker, or after an installation.
pub(super) fn class_of_start(error: &io::Error) -> FailureClass {
    match error.kind() {
        io::ErrorKind::ArgumentListTooLong | io::ErrorKind::InvalidInput => FailureClass::InvalidInput,
        _ => FailureClass::ResourceUnavailable,
    }
}

/// Says for the program what it could not say, in the way it would.
pub(super) fn complain(message: &str) {
    complain_of(message, FailureClass::Unknown);
}

/// The same, of a class.
pub(super) fn complain_of(message: &str, class: FailureClass) {
    // The program's own last line may lack its end.
    let line = json!({"class": class.as_str(), "message": message});
    writeln!(io::stderr(), "\n{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(end: End, stderr: &str) -> String {
        told_by(&Classes::default(), end, stderr)
    }

    fn told_by(classes: &Classes, end: End, stderr: &str) -> String {
        match of("./script.sh", end, &Words::from(stderr), classes, &Secrets::default()) {
            Ok(output) => format!("output {}", String::from_utf8_lossy(&output)),
            Err(failure) => format!("{failure} after {:?}", failure.wait()),
        }
    }

    fn exit(code: i32, stderr: &str) -> String {
        told(End::Exited(code, b"7".to_vec()), stderr)
    }

    #[test]
    fn exit_codes_are_classes() {
        insta::assert_snapshot!(exit(0, "only chatter"), @"output 7");
        insta::assert_snapshot!(exit(75, "busy\n"), @"resource_unavailable: `./script.sh` ended with exit status 75 (EX_TEMPFAIL: try again later): busy after None");
        insta::assert_snapshot!(exit(77, ""), @"auth_failure: `./script.sh` ended with exit status 77 (EX_NOPERM: no permission) after None");
        insta::assert_snapshot!(exit(1, "a\nb\n\n"), @"unknown: `./script.sh` ended with exit status 1: b after None");
    }

    #[test]
    fn signals_are_classes_also_as_shells_say_them() {
        insta::assert_snapshot!(told(End::Signalled(9), ""), @"out_of_memory: `./script.sh` was killed by SIGKILL, as the system does when memory is short after None");
        let status = ExitStatus::from_raw(139 << 8);
        insta::assert_snapshot!(told(End::of(status, Vec::new()), ""), @"unknown: `./script.sh` was killed by SIGSEGV after None");
    }

    #[test]
    fn the_last_line_goes_before_the_exit_code() {
        let line = r#"{"class": "rate_limited", "retry_after": "30s", "message": "slower, please"}"#;
        for code in [0, 1, 65] {
            assert_eq!(exit(code, &format!("chatter\n{line}\n")), "rate_limited: slower, please after Some(30s)");
        }
        assert!(exit(1, &format!("{line}\nchatter")).starts_with("unknown: "), "it is not the last line");
        insta::assert_snapshot!(exit(1, r#"{"class": "rate_limited", "retry_after": 1.5}"#), @r#"rate_limited: `./script.sh` ended with exit status 1: {"class": "rate_limited", "retry_after": 1.5} after Some(1.5s)"#);
        insta::assert_snapshot!(exit(0, r#"{"class": "rate_limited", "message": "half \ud83d", "retry_after": 1e999, "detail": 1e999}"#), @r#"rate_limited: "half \ud83d" after None"#);
        for (seconds, wait) in
            [("\"30\"", "Some(30s)"), ("\" 1.5 \"", "Some(1.5s)"), ("\"-1\"", "None"), ("\"1.2.3\"", "None")]
        {
            let line = format!(r#"{{"class": "rate_limited", "message": "m", "retry_after": {seconds}}}"#);
            assert_eq!(exit(1, &format!("chatter\n\u{feff}{line}\n")), format!("rate_limited: m after {wait}"));
        }
        insta::assert_snapshot!(exit(1, r#"{"class": "crashed", "message": "m", "retry_after": -1}"#), @"unknown: m after None");
        insta::assert_snapshot!(exit(1, r#"{"class": "nonsense", "message": "m"}"#), @"unknown: m after None");
    }

    #[test]
    fn the_file_s_classes_go_before_what_others_mean() {
        use FailureClass as C;
        let classes = [(3, C::RateLimited), (65, C::ResourceUnavailable), (137, C::Unknown)].into_iter().collect();
        let exit = |code, stderr: &str| told_by(&classes, End::Exited(code, Vec::new()), stderr);
        insta::assert_snapshot!(exit(3, "slower"), @"rate_limited: `./script.sh` ended with exit status 3: slower after None");
        insta::assert_snapshot!(exit(65, ""), @"resource_unavailable: `./script.sh` ended with exit status 65 after None");
        insta::assert_snapshot!(exit(66, ""), @"invalid_input: `./script.sh` ended with exit status 66 (EX_NOINPUT: no input file) after None");
        insta::assert_snapshot!(exit(3, r#"{"class": "unknown", "message": "m"}"#), @"unknown: m after None");
        // A signal and an exit code that stands for it are the same.
        let killed = "unknown: `./script.sh` was killed by SIGKILL after None";
        assert_eq!(told_by(&classes, End::Signalled(9), ""), killed);
        assert_eq!(told_by(&classes, End::of(ExitStatus::from_raw(137 << 8), Vec::new()), ""), killed);
    }

    #[test]
    fn what_goes_too_far_is_told() {
        insta::assert_snapshot!(told(End::OutOfTime("30 s".to_owned()), ""), @"network_timeout: the stage ran longer than its timeout of 30 s after None");
        insta::assert_snapshot!(told(End::TooMuch(100), ""), @"invalid_input: the command printed more than 100 bytes of output; keep big things in files and hand on their names after None");
    }
}

#[cfg(test)]
mod fuzz;
