//! A folder of artifacts, where `object_store` leaves matters open: who can read it, and where links lead.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;

use super::error::ArtifactError;
use super::stored_file::StoredFile;
use crate::model::address;

/// Files that are found ahead of whoever asks for them.
const AHEAD: usize = 500;

/// What set-group-id and the like have beside who may read, write and enter.
const SPECIAL: u32 = 0o7000;

/// Makes the store's folder, for this user alone. The folders above it are as others make them.
pub(super) fn make(root: &Path) -> io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(root) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && root.is_dir() => Ok(()),
        made => made,
    }
}

/// Makes the folders on the way to a file. If that fails, the write that follows says why.
pub(super) fn make_way(root: &Path, file: &Path) {
    let Ok(mode) = mode_below(root) else { return };
    for folder in way(root, file) {
        if DirBuilder::new().mode(mode).create(&folder).is_err() {
            continue;
        }
        // A umask takes away what a group is to have.
        let kept = fs::metadata(&folder).and_then(|made| restrict(&folder, made.mode() & SPECIAL | mode));
        // It is to be there after a loss of power, like the file.
        let synced = folder.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all());
        if let Err(error) = kept.and(synced) {
            tracing::debug!("{} was made, and not as it should be: {error}", folder.display());
        }
    }
}

/// From here on nobody else can read a file or enter the folders on its way. Those that an older release made are closed, too.
pub(super) fn close(root: &Path, file: &Path) {
    let Ok(mode) = mode_below(root) else { return };
    let folders = way(root, file).into_iter().map(|folder| restrict_to(&folder, mode));
    for error in folders.chain([restrict(file, mode & 0o640)]).filter_map(Result::err) {
        // Of another user, who shares the store.
        tracing::debug!("something on the way to {} may be open to others: {error}", file.display());
    }
}

/// What is made here is this user's own. If the group may write into the store's folder, it is meant for the whole group.
fn mode_below(root: &Path) -> io::Result<u32> {
    Ok(if fs::metadata(root)?.mode() & 0o020 == 0 { 0o700 } else { 0o770 })
}

fn restrict_to(path: &Path, mode: u32) -> io::Result<()> {
    let found = fs::metadata(path)?.mode();
    let wanted = found & (SPECIAL | mode);
    if found & (SPECIAL | 0o777) == wanted { Ok(()) } else { restrict(path, wanted) }
}

fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// The folders below the store's own that lead to a file, the outermost first.
fn way(root: &Path, file: &Path) -> Vec<PathBuf> {
    let above = file.ancestors().skip(1).take_while(|folder| *folder != root);
    let mut way: Vec<PathBuf> = above.map(Path::to_owned).collect();
    way.reverse();
    way
}

/// Whether a link is on the way to a file: then it is somewhere else, and may be somebody else's.
pub(super) fn is_behind_a_link(root: &Path, file: &Path) -> bool {
    way(root, file).iter().any(|folder| folder.is_symlink())
}

/// Every file of an artifact. Links are neither followed nor reported.
pub(super) fn files(root: PathBuf) -> BoxStream<'static, Result<StoredFile, ArtifactError>> {
    let (found, files) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let tell = |file| found.blocking_send(file).map_err(|_| io::Error::from(ErrorKind::BrokenPipe));
        if let Err(error) = walk(&root, &mut |file| tell(Ok(file))) {
            // Where nobody listens any more, nobody hears it either.
            tell(Err(unread(error))).ok();
        }
    });
    stream::unfold(files, |mut files| async { Some((files.recv().await?, files)) }).boxed()
}

fn unread(error: io::Error) -> ArtifactError {
    ArtifactError::Store(object_store::Error::Generic { store: "folder", source: error.into() })
}

fn walk(root: &Path, tell: &mut impl FnMut(StoredFile) -> io::Result<()>) -> io::Result<()> {
    let mut folders = vec![root.join(address::ROOT)];
    while let Some(folder) = folders.pop() {
        if folder.is_symlink() {
            continue;
        }
        let entries = match fs::read_dir(&folder) {
            // None was kept yet, or its last file was deleted meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file()
                && let Some(file) = stored(root, &entry)?
            {
                tell(file)?;
            }
        }
    }
    Ok(())
}

/// `None` of one that is half done, or gone by now.
fn stored(root: &Path, entry: &fs::DirEntry) -> io::Result<Option<StoredFile>> {
    if entry.file_name().as_encoded_bytes().contains(&b'#') {
        return Ok(None);
    }
    let about = match entry.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        about => about?,
    };
    let path = entry.path();
    let address = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
    Ok(Some(StoredFile { address, bytes: about.len(), modified: about.modified()?.into() }))
}
