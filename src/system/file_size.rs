//! The limit of a file's size (`ulimit -f`, `LimitFSIZE=`), which kills a process that writes beyond it, unless it asks not to be.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::SIGXFSZ;

/// From now on such a write is an error (EFBIG), as one is to a full disk. The signal is caught rather than ignored: programs that
/// this process starts get the system's own way to take it back.
pub(crate) fn makes_errors() {
    // A system that refuses leaves it as it is.
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))) {
        tracing::debug!("a file over the limit of file sizes would end this process: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::process::Command;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;

    #[test]
    fn a_file_over_the_limit_is_an_error_here_and_the_death_of_a_program_that_does_not_ask() {
        makes_errors();
        let (file, before) = (tempfile::NamedTempFile::new().unwrap(), getrlimit(Resource::Fsize));
        // Of the soft limit only, which can be put back. Other tests write little at once, and get an error at worst.
        setrlimit(Resource::Fsize, Rlimit { current: Some(64 << 20), maximum: before.maximum }).unwrap();
        let refused = rustix::io::pwrite(&file, b"x", 64 << 20).unwrap_err();
        let script = "exec dd if=/dev/zero of=\"$0\" bs=1 count=1 seek=64M";
        let program = Command::new("sh").args(["-c", script]).arg(file.path()).output();
        setrlimit(Resource::Fsize, before).unwrap();
        assert_eq!(io::Error::from(refused).kind(), io::ErrorKind::FileTooLarge);
        let status = program.unwrap().status;
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(SIGXFSZ), "{status}");
    }
}
