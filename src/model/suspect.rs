//! Crash suspects: jobs whose process died. A death does not show which of the jobs in it was to blame; so each of them runs
//! alone, until it ends otherwise or has killed enough processes to be convicted (SPEC promise 6).

/// Processes that may die under one job: the first, in which others may have been to blame, and three that it had for
/// itself.
pub(crate) const MOST_DEATHS: i32 = 4;

/// Times that a job's own process may die together with the worker that started it. Whoever kills both is mostly somebody
/// else; but a job that has the system kill all of them must not go on for ever.
pub(crate) const MOST_GROUP_DEATHS: i32 = 20;

/// What is said of a job that is convicted.
pub(crate) const CONVICTED: &str =
    "the process died under it again and again, and at last it ran alone in a process of its own";

/// The same, where its process never died without the worker.
pub(crate) const CONVICTED_WITH_ITS_WORKER: &str =
    "it ran alone in a process of its own, and that process and the worker that started it died together, 20 times";

/// Suspects of one worker that run at once, each in a process and a slot of its own.
pub(crate) const MOST_RUNNERS: usize = 8;

/// What the end of a worker's process is evidence of, against the jobs it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Nothing: it was told to stop, was only cut off, or lives.
    None,
    /// One of them may have killed it.
    Process,
    /// It ran one of them alone, and the worker that had started it died too: whatever killed both was hardly the job.
    Group,
}

impl Evidence {
    /// As it stands in `piton.workers.death`.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Evidence::None => None,
            Evidence::Process => Some("process"),
            Evidence::Group => Some("group"),
        }
    }

    pub(crate) fn of_word(word: Option<&str>) -> Evidence {
        match word {
            Some("process") => Evidence::Process,
            Some("group") => Evidence::Group,
            Some(_) | None => Evidence::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_read_as_it_was_written() {
        for evidence in [Evidence::None, Evidence::Process, Evidence::Group] {
            assert_eq!(Evidence::of_word(evidence.word()), evidence);
        }
        assert!(CONVICTED_WITH_ITS_WORKER.ends_with(&format!("{MOST_GROUP_DEATHS} times")));
    }
}
