//! `piton artifacts get`: one artifact's bytes, checked against their digest.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::args::GetArgs;
use super::store::store as artifact_store;
use super::words::{MOST, no_such_run, place, size};
use crate::artifacts::{ArtifactReader, Expected};
use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, errln};
use crate::config;
use crate::model::artifact::in_a_line;
use crate::model::failure::Failure;
use crate::store::Store;
use crate::store::artifacts::{ArtifactRow, Asked};

/// Artifacts that an error names, where it is not clear which one is meant.
const NAMED: i64 = 5;
/// Bytes that are printed at once.
const PIECE: usize = 64 << 10;

pub(super) async fn get(store: &Store, global: &Global, args: &GetArgs) -> anyhow::Result<Exit> {
    let row = the_one(store, args).await?;
    let Some(found) = store.artifact(row.artifact).await? else {
        bail!("artifact `{}` was never written completely: its attempt ended before that", in_a_line(&row.name));
    };
    let Some(artifacts) = artifact_store(global, &args.store) else {
        bail!("no artifact store is known here; name it with --artifacts STORE, or set PITON_ARTIFACT_STORE");
    };
    let bytes = u64::try_from(found.bytes).unwrap_or_default();
    let expected = Expected { name: found.name, bytes, digest: found.digest, stage: found.stage, item: found.item };
    let reader = artifacts.get(&found.address, expected).await.map_err(|error| {
        anyhow!(
            "artifact `{}` cannot be read from {artifacts}: {error}\nName the artifact store of the workers with --artifacts STORE",
            in_a_line(&row.name)
        )
    })?;
    match args.to.as_deref() {
        Some("-") => to_standard_output(reader).await?,
        Some(file) => match target(Path::new(file))? {
            Target::File(file) => to_file(reader, &file, Over::Write).await?,
            Target::Stream(file) => to_stream(reader, &file).await?,
        },
        None => to_file(reader, Path::new(default_file(&row)?), Over::Refuse).await?,
    }
    Ok(Exit::Done)
}

/// The artifact that is meant.
async fn the_one(store: &Store, args: &GetArgs) -> anyhow::Result<ArtifactRow> {
    let asked = Asked {
        run: args.run,
        all: false,
        name: Some(&args.name),
        stage: args.stage.as_deref(),
        item: args.item,
        most: NAMED,
    };
    let mut rows = store.artifacts(asked).await?;
    if rows.is_empty() && args.name.contains('\\') {
        rows = as_listed(store, args).await?;
    }
    match rows.len() {
        0 => bail!("{}", none_of_that_name(store, args).await?),
        1 => Ok(rows.swap_remove(0)),
        _ => bail!("{}", several(args, &rows)),
    }
}

/// Those that a list shows under that name, with the escapes of what a line cannot hold.
async fn as_listed(store: &Store, args: &GetArgs) -> anyhow::Result<Vec<ArtifactRow>> {
    let (stage, item) = (args.stage.as_deref(), args.item);
    let listed = Asked { run: args.run, all: false, name: None, stage, item, most: MOST };
    let mut rows = store.artifacts(listed).await?;
    rows.retain(|row| in_a_line(&row.name) == args.name);
    rows.truncate(NAMED as usize);
    Ok(rows)
}

async fn none_of_that_name(store: &Store, args: &GetArgs) -> anyhow::Result<String> {
    if store.run(args.run).await?.is_none() {
        return Ok(no_such_run(args.run));
    }
    let of_stage = args.stage.as_deref().map_or_else(String::new, |stage| format!(" of stage `{stage}`"));
    let of_item = args.item.map_or_else(String::new, |item| format!(", item {item}"));
    Ok(format!(
        "the run has no artifact `{}`{of_stage}{of_item}; `{} artifacts list {}` lists those there are, and those of \
         attempts that came to nothing with --all: name them by their ids",
        in_a_line(&args.name),
        config::program(),
        args.run
    ))
}

fn several(args: &GetArgs, rows: &[ArtifactRow]) -> String {
    let options = rows.iter().map(|row| {
        let item = row.item.map_or_else(String::new, |item| format!(" --item {item}"));
        // As a shell takes it for one word.
        let name = args.name.replace('\'', r"'\''");
        format!("  {} artifacts get {} '{name}' --stage {}{item}", config::program(), args.run, row.stage)
    });
    let mut text = format!("several stages or items have an artifact `{}`; say which one:\n", in_a_line(&args.name));
    text.push_str(&options.collect::<Vec<_>>().join("\n"));
    text
}

/// Nothing is written over that nobody named.
fn default_file(row: &ArtifactRow) -> anyhow::Result<&str> {
    let file = row.name.rsplit('/').next().unwrap_or(&row.name);
    let shown = in_a_line(file);
    // Also a link that leads nowhere.
    if Path::new(file).symlink_metadata().is_ok() {
        bail!("there is a file `{shown}` here; name another one, or this one, with --to FILE (- prints it)");
    }
    let size = size(row.bytes.unwrap_or_default());
    errln!("{} of {}, {size}: into {shown}", in_a_line(&row.name), place(row));
    Ok(file)
}

async fn to_standard_output(mut reader: ArtifactReader) -> anyhow::Result<()> {
    let (mut out, mut piece) = (Output, vec![0; PIECE]);
    loop {
        match reader.read(&mut piece).await.map_err(Failure::from)? {
            0 => return out.flush().context("standard output"),
            count => out.write_all(&piece[..count]).context("standard output")?,
        }
    }
}

/// Where the bytes go that a name stands for.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// A file that is there, or will be.
    File(PathBuf),
    /// A device, a pipe or a socket: it is written into, and stays what it is.
    Stream(PathBuf),
}

/// A link stays a link: what it leads to is meant.
fn target(named: &Path) -> anyhow::Result<Target> {
    let shown = named.display();
    let kind = match named.metadata() {
        Ok(about) => about.file_type(),
        Err(_) if named.is_symlink() => bail!("`{shown}` is a link that leads nowhere; name the file itself"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Target::File(named.to_owned())),
        Err(error) => return Err(error).with_context(|| format!("cannot write {shown}")),
    };
    if kind.is_dir() {
        bail!("`{shown}` is a folder; name a file in it");
    }
    if kind.is_socket() {
        bail!("`{shown}` is a socket, which only its own program can write into; name a file (- prints it)");
    }
    // What a shell has opened for this process may be a file, which others write into, too.
    if !kind.is_file() || named.starts_with("/dev") || named.starts_with("/proc") {
        return Ok(Target::Stream(named.to_owned()));
    }
    Ok(named.canonicalize().map_or_else(|_| Target::Stream(named.to_owned()), Target::File))
}

/// What happens to a file of that name that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Write,
    Refuse,
}

/// The file is there when all of it is right, and as it was before until then.
async fn to_file(mut reader: ArtifactReader, file: &Path, over: Over) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As the file that is there, or as any new one of this user.
    let permissions = file.metadata().map_or_else(|_| Permissions::from_mode(0o666), |there| there.permissions());
    let part = tempfile::Builder::new()
        .permissions(permissions)
        .tempfile_in(folder)
        .with_context(|| format!("cannot write into the folder {}", folder.display()))?;
    let mut writer = tokio::fs::File::from_std(part.reopen()?);
    tokio::io::copy(&mut reader, &mut writer).await.map_err(Failure::from)?;
    writer.flush().await?;
    let there = match over {
        Over::Write => part.persist(file),
        Over::Refuse => part.persist_noclobber(file),
    };
    there.with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

async fn to_stream(mut reader: ArtifactReader, file: &Path) -> anyhow::Result<()> {
    let into = || format!("cannot write into {}", file.display());
    let mut writer = tokio::fs::OpenOptions::new().append(true).open(file).await.with_context(into)?;
    tokio::io::copy(&mut reader, &mut writer).await.map_err(Failure::from)?;
    writer.flush().await.with_context(into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_and_what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        std::os::unix::fs::symlink("nothing", at("nowhere")).unwrap();
        std::os::unix::fs::symlink("/dev/null", at("device")).unwrap();
        assert_eq!(target(&at("new")).unwrap(), Target::File(at("new")));
        assert_eq!(target(&at("file")).unwrap(), Target::File(at("file")));
        assert_eq!(target(&at("link")).unwrap(), Target::File(at("file")));
        assert_eq!(target(Path::new("/dev/null")).unwrap(), Target::Stream("/dev/null".into()));
        let opened = std::fs::File::open(at("file")).unwrap();
        let opened = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&opened)));
        assert_eq!(target(&opened).unwrap(), Target::Stream(opened));
        assert_eq!(target(&at("device")).unwrap(), Target::Stream(at("device")));
        let said = |name: &str| target(&at(name)).unwrap_err().to_string();
        assert!(said("nowhere").ends_with("is a link that leads nowhere; name the file itself"));
        assert!(said("").ends_with("is a folder; name a file in it"));
    }
}
