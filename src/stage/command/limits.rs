//! What a program is limited to.

use std::ffi::OsString;
use std::fmt;
use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::system::descriptors;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of memory.
    pub(super) memory: Option<u64>,
    /// Descriptors: what this process itself was started with, before it raised its own limit.
    pub(super) descriptors: Option<u64>,
}

/// As a word: the two numbers, or nothing in the place of one.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |limit: Option<u64>| limit.map_or_else(String::new, |limit| limit.to_string());
        write!(f, "{},{}", number(self.memory), number(self.descriptors))
    }
}

impl Limits {
    pub(super) fn read(word: &OsString) -> Option<Limits> {
        let (memory, descriptors) = word.to_str()?.split_once(',')?;
        Some(Limits { memory: memory.parse().ok(), descriptors: descriptors.parse().ok() })
    }

    /// Of this process, which is about to become the program.
    pub(super) fn set(self) -> io::Result<()> {
        if let Some(soft) = self.descriptors {
            descriptors::set(soft);
        }
        if let Some(bytes) = self.memory {
            setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_were_written() {
        for memory in [None, Some(1 << 30)] {
            for descriptors in [None, Some(1024)] {
                let limits = Limits { memory, descriptors };
                assert_eq!(Limits::read(&limits.to_string().into()), Some(limits));
            }
        }
        assert_eq!(Limits::read(&"1024".into()), None);
    }
}
