//! The programs that are compared, built as they are now.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::process::Command;

use crate::case::System;
use crate::child;
use crate::stop::Stop;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// Where they are.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) piton: PathBuf,
    floor: PathBuf,
    apalis: PathBuf,
    sqlxmq: PathBuf,
    graphile: PathBuf,
}

impl Programs {
    pub(crate) async fn build(stop: &mut Stop) -> Result<Programs> {
        let here = Path::new(HERE);
        let root = here.join("../..");
        Ok(Programs {
            piton: build(&root, "piton", stop).await?,
            floor: build(here, "floor", stop).await?,
            apalis: build(here, "apalis", stop).await?,
            sqlxmq: build(here, "sqlxmq", stop).await?,
            graphile: build(here, "graphile", stop).await?,
        })
    }

    pub(crate) fn of(&self, system: System) -> &Path {
        match system {
            System::Piton => &self.piton,
            System::Floor => &self.floor,
            System::Apalis => &self.apalis,
            System::Sqlxmq => &self.sqlxmq,
            System::Graphile => &self.graphile,
        }
    }
}

/// What cargo says about each thing it built.
#[derive(Deserialize)]
struct Artifact {
    executable: Option<PathBuf>,
}

async fn build(package: &Path, binary: &str, stop: &mut Stop) -> Result<PathBuf> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--release", "--message-format", "json-render-diagnostics", "--bin", binary])
        .current_dir(package);
    // What `cargo run` tells this program about itself is no news for another build; some build scripts look at it, and
    // everything that stands on them would be compiled again.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    let said = child::output_shown(command, stop).await?;
    let artifacts = said.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    let mut programs = artifacts.filter_map(|artifact| artifact.executable);
    programs.next_back().with_context(|| format!("cargo built no {binary}"))
}
