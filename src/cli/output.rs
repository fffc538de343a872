//! Everything that commands print. If the reader has gone, the rest of the output is dropped, and the exit code stays that of
//! what was done. If standard output cannot be written for another reason, such as a full disk, the command fails.

use std::error::Error;
use std::fmt::{self, Arguments};
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use super::exit::Exit;
use crate::model::quoted::turns;

/// As `println!`, which panics where it cannot write.
macro_rules! outln {
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}

/// As `print!`, which panics where it cannot write.
macro_rules! out {
    ($($text:tt)*) => { $crate::cli::output::text(format_args!($($text)*)) };
}

/// As `eprintln!`, which panics where it cannot write.
macro_rules! errln {
    ($($text:tt)*) => { $crate::cli::output::error_line(format_args!($($text)*)) };
}

pub(crate) use {errln, out, outln};

/// The most of what could not be written that the error quotes, in characters.
const QUOTED: usize = 200;

/// Why standard output takes no more, and the first line that was lost.
static FAILURE: OnceLock<Failure> = OnceLock::new();

/// What is done all the same, for the error that tells of a failure.
static KEPT: OnceLock<String> = OnceLock::new();

#[derive(Debug)]
struct Failure {
    error: io::Error,
    lost: Option<String>,
}

/// Standard output, for what is written piece by piece.
#[derive(Debug)]
pub(crate) struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        attempt(|stdout| stdout.write(bytes), || None)
    }

    fn flush(&mut self) -> io::Result<()> {
        attempt(|stdout| stdout.flush(), || None)
    }
}

/// Says what is not lost where standard output cannot be written, and how to see it.
pub(crate) fn keep(what: String) {
    KEPT.get_or_init(|| what);
}

/// A line on standard output; whether it could be written is known at the end of the command.
pub(crate) fn line(line: Arguments<'_>) {
    text(format_args!("{line}\n"));
}

/// A text on standard output, likewise.
pub(crate) fn text(text: Arguments<'_>) {
    let text = harmless(text.to_string());
    let first_line = || text.lines().next().map(|line| line.chars().take(QUOTED).collect());
    attempt(|stdout| stdout.write_all(text.as_bytes()), first_line).ok();
}

/// Nothing that somebody else has said may move a terminal's cursor, or turn the direction of what is written.
fn harmless(text: String) -> String {
    let harms = |c: char| c.is_control() && c != '\n' && c != '\t' || turns(c);
    if text.contains(harms) { text.replace(harms, "\u{fffd}") } else { text }
}

/// One line on standard error. Where that is closed, nobody is left to read it.
pub(crate) fn error_line(text: Arguments<'_>) {
    writeln!(io::stderr(), "{}", harmless(text.to_string())).ok();
}

/// The same of what has colours of its own: mistakes in files, beside their lines.
pub(crate) fn coloured_line(text: &Coloured) {
    writeln!(io::stderr(), "{text}").ok();
}

/// An error in colours, where a terminal shows it. Whoever makes it sees to it that nothing else in it moves a cursor.
#[derive(Debug)]
pub(crate) struct Coloured(pub(crate) String);

impl fmt::Display for Coloured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Coloured {}

/// What a command's end means, given what became of its output.
pub(crate) fn conclude(ended: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    Output.flush().ok();
    let Some(failure) = FAILURE.get() else { return ended };
    let kind = failure.error.kind();
    match ended {
        Err(error) if io_kind(&error) != Some(kind) => Err(error),
        Ok(exit) if kind == ErrorKind::BrokenPipe => Ok(exit),
        Err(_) if kind == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Ok(_) | Err(_) => Err(failure.told()),
    }
}

/// The same for what something else has written. A reader that has gone is no error.
pub(crate) fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure { error, lost: None }.told()),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl Failure {
    fn told(&self) -> anyhow::Error {
        let Failure { error, lost } = self;
        let lost = lost.as_ref().map_or_else(String::new, |lost| format!("; what it should have said first: {lost}"));
        let kept = KEPT.get().map_or_else(String::new, |kept| format!("\n{kept}"));
        anyhow::anyhow!("standard output cannot be written: {error}{lost}{kept}")
    }
}

fn attempt<T>(
    write: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<T>,
    lost: impl FnOnce() -> Option<String>,
) -> io::Result<T> {
    if let Some(failure) = FAILURE.get() {
        return Err(failure.error.kind().into());
    }
    write(&mut io::stdout().lock()).map_err(|error| {
        let kind = error.kind();
        if kind != ErrorKind::Interrupted {
            FAILURE.get_or_init(|| Failure { error, lost: lost() });
        }
        kind.into()
    })
}

fn io_kind(error: &anyhow::Error) -> Option<ErrorKind> {
    error.chain().find_map(|cause| {
        let own = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        own.or_else(|| cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind))
    })
}
