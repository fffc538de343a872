//! How big a workflow file may be.

/// Sizes that are enforced when a workflow file is read; over the limit is one mistake, however far over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes of one file. Default 1 MiB.
    pub(crate) max_file_bytes: usize,
    /// Stages of one workflow. Default 500; never more than 32,767, because the engine numbers them in 16 bits.
    pub(crate) max_stages: usize,
    /// Stages that one stage may need. Default 200.
    pub(crate) max_needs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_file_bytes: 1 << 20, max_stages: 500, max_needs: 200 }
    }
}

/// What the engine can number, whatever the limits say.
pub(crate) const MOST_STAGES: usize = i16::MAX as usize;
