//! What this process asks of its operating system: which program it is, how many files it may open, regular files, removing
//! folders, and copies of this process.

pub(crate) mod descriptors;
pub(crate) mod fork;
pub(crate) mod regular;
pub(crate) mod tree;
