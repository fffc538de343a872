//! A file that was fetched, and the names under which attempts have it: a clone where the file system makes clones, else a hard
//! link, else a copy.
//!
//! A program could write into a link, and so into the fetched file (it is read-only, and root may all the same). Each write
//! changes the time of modification, of which all fetched files have the same one, and the time of change, which no program can
//! set. So a file with another time of modification or another size is no longer passed on; and one whose time of change is not
//! that of the last link made or deleted here is read again and held against its digest, since the time of modification can be set
//! back.

use std::fs::{self, File, FileTimes, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
#[cfg(target_os = "linux")]
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::system::regular;

/// How often, and after what time, a lock is tried again that may be held for long.
const MOST_TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_micros(50);

/// What a fetched file can be read by.
pub(super) const MODE: u32 = 0o444;

/// A fetched file.
#[derive(Debug)]
pub(super) struct CachedFile {
    path: PathBuf,
    pub(super) bytes: u64,
    digest: Vec<u8>,
    /// After the last link that was made or deleted here. Locked while one is.
    seen: Mutex<Stamp>,
}

/// Which file it is, and when anything about it has changed last: no program can set that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(about: &Metadata) -> Stamp {
        Stamp { inode: about.ino(), changed: (about.ctime(), about.ctime_nsec()) }
    }
}

/// A file as an attempt has it. When this is dropped, it is gone.
#[derive(Debug)]
pub(crate) struct GivenFile {
    path: PathBuf,
    bytes: u64,
    /// Where both are the same file.
    shared: Option<Arc<CachedFile>>,
}

impl CachedFile {
    /// What was just fetched, verified and closed.
    pub(super) fn new(path: PathBuf, bytes: u64, digest: Vec<u8>) -> io::Result<CachedFile> {
        File::open(&path)?.set_times(FileTimes::new().set_modified(made()))?;
        let seen = Mutex::new(Stamp::of(&path.symlink_metadata()?));
        Ok(CachedFile { path, bytes, digest, seen })
    }

    /// Puts it under another name, too. `None` where it is no longer what was fetched.
    pub(super) fn pass_on(self: &Arc<Self>, to: &Path) -> io::Result<Option<GivenFile>> {
        let mut seen = self.seen();
        if !self.is_whole(&self.path, &mut seen) {
            return Ok(None);
        }
        let shared = same(&self.path, to)?.then(|| self.clone());
        if shared.is_some() {
            *seen = Stamp::of(&self.path.symlink_metadata()?);
        }
        Ok(Some(GivenFile { path: to.to_owned(), bytes: self.bytes, shared }))
    }

    /// Gives it away: nobody else is to have it.
    pub(super) fn hand_over(&self, to: &Path) -> io::Result<GivenFile> {
        if fs::rename(&self.path, to).is_err() {
            copy(&self.path, to)?;
            self.delete();
        }
        Ok(GivenFile { path: to.to_owned(), bytes: self.bytes, shared: None })
    }

    /// What attempts have of it stays theirs.
    pub(super) fn delete(&self) {
        fs::remove_file(&self.path).ok();
    }

    fn seen(&self) -> MutexGuard<'_, Stamp> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it holds what was fetched, as one of its names shows it.
    fn is_whole(&self, name: &Path, seen: &mut Stamp) -> bool {
        let Ok(about) = name.symlink_metadata() else { return false };
        if !has_stayed(&about, self.bytes) {
            return false;
        }
        let stamp = Stamp::of(&about);
        if stamp == *seen {
            return true;
        }
        let is_right = digest_of(name).is_ok_and(|digest| digest == self.digest);
        // While it was read, somebody may have written again.
        let is_right = is_right && name.symlink_metadata().is_ok_and(|about| Stamp::of(&about) == stamp);
        if is_right {
            *seen = stamp;
        }
        is_right
    }
}

impl GivenFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it holds what it held, whoever may have written into it; what was deleted meanwhile was not written into. May read
    /// all of it.
    pub(crate) fn is_untouched(&self) -> bool {
        let Ok(about) = self.path.symlink_metadata() else { return true };
        match &self.shared {
            None => has_stayed(&about, self.bytes),
            Some(cached) => cached.is_whole(&self.path, &mut cached.seen()),
        }
    }
}

impl Drop for GivenFile {
    fn drop(&mut self) {
        let Some(cached) = &self.shared else { return };
        // Links take microseconds. Where somebody reads all of it, the next one to use it does so again.
        let mut tries = (0..MOST_TRIES).map(|_| {
            cached.seen.try_lock().or_else(|_| {
                std::thread::sleep(BETWEEN_TRIES);
                cached.seen.try_lock()
            })
        });
        let Some(mut seen) = tries.find_map(Result::ok) else { return };
        let is_known = cached.path.symlink_metadata().is_ok_and(|about| Stamp::of(&about) == *seen);
        if fs::remove_file(&self.path).is_ok()
            && is_known
            && let Ok(about) = cached.path.symlink_metadata()
        {
            *seen = Stamp::of(&about);
        }
    }
}

/// The modification time of every file that is handed out.
fn made() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

fn has_stayed(about: &Metadata, bytes: u64) -> bool {
    about.is_file() && about.len() == bytes && about.modified().is_ok_and(|modified| modified == made())
}

fn digest_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut hash = Sha256::new();
    io::copy(&mut io::BufReader::with_capacity(1 << 20, regular::open(path)?), &mut HashWriter(&mut hash))?;
    Ok(hash.finalize().to_vec())
}

struct HashWriter<'h>(&'h mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same file under another name; whether both share what is written into one.
fn same(from: &Path, to: &Path) -> io::Result<bool> {
    if clone(from, to).is_ok() {
        return Ok(false);
    }
    if fs::hard_link(from, to).is_ok() {
        return Ok(true);
    }
    copy(from, to)?;
    Ok(false)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    File::open(to)?.set_times(FileTimes::new().set_modified(made()))
}

/// A file of its own that shares its blocks with the other, where the file system can.
#[cfg(target_os = "linux")]
fn clone(from: &Path, to: &Path) -> io::Result<()> {
    let made = || {
        let into = File::options().write(true).create_new(true).open(to)?;
        rustix::fs::ioctl_ficlone(&into, File::open(from)?)?;
        into.set_permissions(fs::Permissions::from_mode(MODE))?;
        into.set_times(FileTimes::new().set_modified(self::made()))
    };
    made().inspect_err(|error| {
        // Somebody else's stays.
        if error.kind() != io::ErrorKind::AlreadyExists {
            fs::remove_file(to).ok();
        }
    })
}

#[cfg(not(target_os = "linux"))]
fn clone(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Here {
        folder: tempfile::TempDir,
        cached: Arc<CachedFile>,
    }

    /// A fetched file of five bytes, wherever temporary files are, or in that folder.
    fn here(below: Option<&str>) -> Here {
        let folder = below.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
        let path = folder.path().join("cached");
        fs::write(&path, "right").unwrap();
        let digest = digest_of(&path).unwrap();
        Here { cached: Arc::new(CachedFile::new(path, 5, digest).unwrap()), folder }
    }

    impl Here {
        fn give(&self, name: &str) -> Option<GivenFile> {
            self.cached.pass_on(&self.folder.path().join(name)).unwrap()
        }

        /// Over what is there, with the time of modification that it had.
        fn forge(&self, name: &str, text: &str) {
            let mut file = File::options().write(true).open(self.folder.path().join(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.set_times(FileTimes::new().set_modified(made())).unwrap();
        }
    }

    #[test]
    fn links_that_come_and_go_leave_a_file_as_it_was() {
        let here = here(None);
        let (a, b) = (here.give("a").unwrap(), here.give("b").unwrap());
        assert!(a.is_untouched() && b.is_untouched());
        drop(a);
        assert!(!here.folder.path().join("a").exists());
        let seen = *here.cached.seen();
        assert_eq!(seen, Stamp::of(&here.cached.path.symlink_metadata().unwrap()), "it need not be read again");
        assert!(b.is_untouched() && here.give("c").is_some());
        fs::remove_file(b.path()).unwrap();
        assert!(b.is_untouched() && here.give("d").is_some(), "what is deleted was not written into");
    }

    #[test]
    fn what_was_written_into_is_never_passed_on_whatever_its_times_say() {
        let here = here(None);
        let (a, b) = (here.give("a").unwrap(), here.give("b").unwrap());
        // The system counts times of change in steps of some milliseconds.
        std::thread::sleep(Duration::from_millis(20));
        here.forge("a", "wrong");
        if a.shared.is_some() {
            assert!(!a.is_untouched() && !b.is_untouched(), "nor was it what either of them should have read");
            assert!(here.give("c").is_none());
            here.forge("a", "right");
            assert!(here.give("d").is_some(), "it is what was fetched");
        }
        std::thread::sleep(Duration::from_millis(20));
        let plain = File::options().append(true).open(here.folder.path().join("b")).unwrap().write_all(b"!");
        plain.unwrap();
        assert!(!b.is_untouched());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn where_no_link_can_be_made_it_is_a_copy() {
        let (here, other) = (here(Some("/dev/shm")), tempfile::tempdir().unwrap());
        let to = other.path().join("copy");
        let given = here.cached.pass_on(&to).unwrap().unwrap();
        assert!(given.is_untouched() && fs::read_to_string(&to).unwrap() == "right");
        let is_elsewhere = other.path().metadata().unwrap().dev() != here.folder.path().metadata().unwrap().dev();
        assert_eq!(given.shared.is_none(), is_elsewhere);
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&to, "wrong").unwrap();
        assert!(!given.is_untouched() && here.give("a").is_some_and(|here| here.is_untouched()) == is_elsewhere);
    }

    #[test]
    fn what_is_given_away_is_with_one_only() {
        let (here, other) = (here(None), tempfile::tempdir().unwrap());
        let given = here.cached.hand_over(&other.path().join("given")).unwrap();
        assert!(given.is_untouched() && !here.cached.path.exists());
        assert!(here.give("a").is_none());
        File::options().append(true).open(given.path()).unwrap().write_all(b"!").unwrap();
        assert!(!given.is_untouched());
    }
}
