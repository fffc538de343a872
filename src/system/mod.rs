//! What this process asks of its operating system: which program it is, how many files it may open, regular files, and removing
//! folders.

pub(crate) mod descriptors;
pub(crate) mod regular;
pub(crate) mod tree;
