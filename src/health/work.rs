//! What a worker has done, and has to do.

/// What a worker's work came to so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Claims that were tried.
    pub(crate) rounds: u64,
    /// There is something to claim, and a slot for it.
    pub(crate) is_due: bool,
    /// Attempts that were handed over, and those of them that have begun.
    pub(crate) handed_over: u64,
    pub(crate) begun: u64,
}
