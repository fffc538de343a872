//! How far a bench is: a bar on a terminal, lines in a pipe, on standard error.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::Teller;
use crate::bench::numbers::grouped;
use crate::cli::output::errln;

/// Between two lines of the same part.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Nothing, for `--json`.
pub(super) struct Silent;

impl Teller for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn at(&self, _: u64) {}
    fn end(&self) {}
}

/// One bar for the part that goes on.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new() -> Bar {
        let bar = ProgressBar::no_length();
        if let Ok(style) = ProgressStyle::with_template("  {msg:>8} {bar:40} {human_pos} of {human_len} {elapsed}") {
            bar.set_style(style);
        }
        Bar(bar)
    }
}

impl Teller for Bar {
    fn begin(&self, what: &str, of: u64) {
        self.0.set_message(what.to_owned());
        self.0.set_length(of);
        self.0.reset();
    }

    fn at(&self, done: u64) {
        self.0.set_position(done);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// A line for each part, and one now and then while it goes on.
#[derive(Default)]
pub(super) struct Lines(Mutex<Option<Part>>);

struct Part {
    what: String,
    of: u64,
    said: Instant,
}

impl Teller for Lines {
    fn begin(&self, what: &str, of: u64) {
        errln!("{what}: {} to do", grouped(of as f64, 0));
        let mut part = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *part = Some(Part { what: what.to_owned(), of, said: Instant::now() });
    }

    fn at(&self, done: u64) {
        let mut part = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = part.as_mut().filter(|part| part.said.elapsed() >= LINE_EVERY) {
            part.said = Instant::now();
            errln!("{}: {} of {}", part.what, grouped(done as f64, 0), grouped(part.of as f64, 0));
        }
    }

    fn end(&self) {}
}
