//! Why a process of a warm stage ends.

use super::super::verdict::End;
use super::origin::Origin;
use crate::events::program;
use crate::stage::secrets::Secrets;

/// Why a process ends.
pub(super) enum Why {
    /// It has had no job for so long, in words.
    Idle(String),
    HasDone(u32),
    Replaced,
    Stopping,
    /// By itself, between two jobs or with one.
    Died(End),
    /// For what it did.
    Broken(String),
}

impl Why {
    /// Writes it into the log. Whether the program may be asked to end.
    pub(super) fn is_told(&self, origin: &Origin, jobs: u32, secrets: &Secrets) -> bool {
        let Origin { workflow, stage, worker, .. } = origin;
        let jobs = u64::from(jobs);
        let (why, is_well) = match self {
            Why::Idle(time) => (format!("it had no job for {time}"), true),
            Why::HasDone(jobs) => (format!("it has done its {jobs} jobs"), true),
            Why::Replaced => ("another version of the workflow needs its place".to_owned(), true),
            Why::Stopping => ("its worker stops".to_owned(), true),
            Why::Died(End::Exited(0, _)) => ("it ended by itself between two jobs".to_owned(), true),
            Why::Died(end) => (format!("it died between two jobs: {}", end.in_words()), false),
            Why::Broken(why) => (why.clone(), false),
        };
        let why = secrets.hide_in_beginning(&why, true, usize::MAX);
        let tell = if is_well { program::ended } else { program::broken };
        tell(workflow, stage, worker, jobs, &why);
        is_well
    }
}
