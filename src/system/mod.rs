//! What this process asks of its operating system: which program it is, how many files it may open and how large they may be,
//! regular files, removing folders, copies of this process, and other processes.

pub(crate) mod descriptors;
pub(crate) mod file_size;
pub(crate) mod fork;
pub(crate) mod processes;
pub(crate) mod regular;
pub(crate) mod tree;
