//! What this process asks of its operating system: which program it is, how many files it may open, files that are what they
//! seem, and folders that are gone.

pub(crate) mod descriptors;
pub(crate) mod regular;
pub(crate) mod tree;
