//! What this process asks of its operating system: how many files it may open, and files that are what they seem.

pub(crate) mod descriptors;
pub(crate) mod regular;
