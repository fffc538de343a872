//! Which build this program is of: what tells a new deploy from a restart.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::OnceLock;

use crate::model::digest;

/// Pieces that are read of the program, spread over all of it, and their length. A program may have hundreds of megabytes, and
/// another build is another one nearly everywhere; linkers also put a digest of it all into its first page.
const PIECES: u64 = 256;
const LENGTH: u64 = 4096;

/// The version of Piton, and digits that tell this program from others of that version.
pub(crate) fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let version = env!("CARGO_PKG_VERSION");
        match program().and_then(digits) {
            Ok(digits) => format!("{version}+{digits}"),
            Err(error) => {
                tracing::debug!("the program cannot be read, so that builds of version {version} look alike: {error}");
                version.to_owned()
            }
        }
    })
}

fn program() -> io::Result<File> {
    // The program that runs, also where another one lies in its place by now.
    File::open("/proc/self/exe").or_else(|_| File::open(std::env::current_exe()?))
}

fn digits(mut program: impl Read + Seek) -> io::Result<String> {
    let length = program.seek(SeekFrom::End(0))?;
    let mut read = length.to_be_bytes().to_vec();
    for piece in 0..PIECES {
        program.seek(SeekFrom::Start(length / PIECES * piece))?;
        program.by_ref().take(LENGTH).read_to_end(&mut read)?;
    }
    Ok(digest::hex(&digest::of_bytes(&read)[..4]))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_program_has_the_same_digits_and_another_one_has_others() {
        let of = |bytes: &[u8]| digits(Cursor::new(bytes)).expect("digits");
        let mut program = vec![7; 3 << 20];
        let first = of(&program);
        assert_eq!((first.len(), &of(&program)), (8, &first));
        program[(2 << 20) - 100..(2 << 20) + 20_000].fill(8);
        assert_ne!(of(&program), first);
        assert_ne!(of(&[&program[..], &[0]].concat()), of(&program), "its length counts");
        assert_eq!(of(b"").len(), 8);

        assert!(name().starts_with(concat!(env!("CARGO_PKG_VERSION"), "+")));
    }
}
