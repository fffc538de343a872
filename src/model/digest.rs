//! The digest of stored bytes, so that what is read back is what was written (promise 8). Pure.

use sha2::{Digest, Sha256};

/// SHA-256 of a text.
pub(crate) fn of(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// SHA-256 of what stands in place of an output where a job was skipped: of the reason, so that none is taken away or put there.
pub(crate) fn of_skip(reason: &str) -> [u8; 32] {
    of(&format!("skipped: {reason}"))
}

/// Two hexadecimal digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
