//! A process, distinguishable from every other one.

/// Names a process: on its machine by number and start, elsewhere for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its host's name. Several machines may have the same one.
    pub(crate) host: String,
    /// The running system and the namespace that process ids are of; `None` where that is not known.
    pub(crate) machine: Option<String>,
    pub(crate) pid: i32,
    /// When it started, in the system's ticks: process ids come again.
    pub(crate) started: Option<i64>,
}
