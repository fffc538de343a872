//! Crash suspects: jobs under which a process died. Which of those beside it was to blame, a death does not tell; so each
//! of them runs alone, until it ends otherwise or has killed so many processes that it is convicted (SPEC promise 6).

/// Processes that may die under one job: the first, in which others may have been to blame, and three that it had for
/// itself.
pub(crate) const MOST_DEATHS: i32 = 4;

/// What is said of a job that is convicted.
pub(crate) const CONVICTED: &str =
    "the process died under it again and again, and at last it ran alone in a process of its own";

/// Suspects of one worker that run at once, each in a process and a slot of its own.
pub(crate) const SIDE_BY_SIDE: usize = 8;
