//! In the place of the private Postgres, in a program that was built without it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::config;
use crate::model::feature::left_out;

/// There is none.
pub(crate) enum Cluster {}

/// What a caller decided about it.
pub(crate) struct Settings {
    pub(crate) root: PathBuf,
    pub(crate) programs: Option<Programs>,
    pub(crate) supervisor: SupervisorCommand,
    pub(crate) linger: Duration,
    pub(crate) server_options: Vec<(String, String)>,
}

pub(crate) struct Programs {
    pub(crate) folder: PathBuf,
    pub(crate) download: Option<fn(&str)>,
}

pub(crate) struct SupervisorCommand {
    pub(crate) exe: PathBuf,
    pub(crate) args: Vec<OsString>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EmbeddedError {
    #[error("no database is named: set DATABASE_URL; {}", left_out("a private Postgres", "embedded"))]
    LeftOut,
}

impl Settings {
    /// The data folder, in which other things are as well.
    pub(crate) fn default_root() -> Result<PathBuf, EmbeddedError> {
        config::data_folder().ok_or(EmbeddedError::LeftOut)
    }
}

impl Programs {
    pub(crate) fn default_folder() -> Result<PathBuf, EmbeddedError> {
        Settings::default_root().map(|root| Programs::folder_in(&root))
    }

    pub(crate) fn folder_in(root: &Path) -> PathBuf {
        root.join("programs")
    }
}

impl Cluster {
    pub(crate) async fn start(_: Settings) -> Result<Cluster, EmbeddedError> {
        Err(EmbeddedError::LeftOut)
    }

    pub(crate) fn first_start(&self) -> bool {
        match *self {}
    }

    pub(crate) fn folder(&self) -> &Path {
        match *self {}
    }

    pub(crate) fn other_majors(&self) -> &[u32] {
        match *self {}
    }

    pub(crate) fn options(&self, _: &str) -> PgConnectOptions {
        match *self {}
    }

    pub(crate) fn url(&self, _: &str) -> String {
        match *self {}
    }

    pub(crate) async fn stop(self) {
        match self {}
    }
}

/// No process of this program is started as one.
pub(crate) fn run_supervisor(_: &[OsString]) -> ExitCode {
    ExitCode::FAILURE
}
