//! A shell in the folder and environment of a program.

use std::path::Path;

use anyhow::Context;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::folder::TryFolder;
use crate::cli::exit::Exit;
use crate::cli::output::errln;
use crate::stage::command;
use crate::stage::handler::Offer;
use crate::workflow::definition::CommandStage;

/// Opens it, and waits until it is left.
pub(super) async fn open(
    stage: &CommandStage,
    offer: &Offer,
    folder: &TryFolder,
    input: &Path,
) -> anyhow::Result<Exit> {
    let prepared = command::prepare(stage, offer, folder.path(), input).await.map_err(anyhow::Error::msg)?;
    errln!(
        "The input is in input.json, the files are in inputs; ./{} runs the program as a worker would. `exit` leaves the shell.",
        prepared.script.file_name().unwrap_or_default().to_string_lossy()
    );
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into());
    // Ctrl-C is for what runs in the shell.
    let _interrupts = signal(SignalKind::interrupt())?;
    let mut command = Command::new(&shell);
    command.env_clear().envs(&prepared.env).current_dir(folder.path());
    // Nothing of an attempt, but a shell that is typed in needs it.
    command.envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
    let status = command.status().await;
    status.with_context(|| format!("cannot start the shell {}; name another one in SHELL", shell.to_string_lossy()))?;
    errln!("Nothing was recorded. Everything is in {}", folder.path().display());
    Ok(Exit::Done)
}
