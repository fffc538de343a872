//! A package client that is installed here: it knows its registry, its proxies and its mirrors, so Piton need not.

use super::packages::{Kind, Package};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// For 55 MB at most; a client that hears nothing for a while gives up sooner, see [`Client::fetch`].
const FETCH_LIMIT: Duration = Duration::from_secs(300);
const UNPACK_LIMIT: Duration = Duration::from_secs(120);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How many of a client's last lines are shown: pip names the cause before what follows from it, npm in several lines.
const LINES: usize = 3;

/// How a client is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    kind: Kind,
    call: &'static [&'static str],
}

impl Client {
    /// The first that answers; `None` where there is none. A virtual environment may have a Python without pip, and a system
    /// may have pip under its other name only.
    pub(super) async fn find(kind: Kind) -> Option<Self> {
        let calls: &[&[&str]] = match kind {
            Kind::Pip => &[&["python3", "-m", "pip"], &["pip3"], &["pip"]],
            Kind::Npm => &[&["npm"]],
        };
        for call in calls {
            let client = Self { kind, call };
            if client.run(&["--version"], Path::new("/"), ANSWER_LIMIT).await.is_ok() {
                return Some(client);
            }
        }
        None
    }

    /// As people would type it.
    pub(super) fn shown(&self) -> String {
        self.call.join(" ")
    }

    /// Fetches the archive of a package into an empty folder, or repeats what the client said.
    pub(super) async fn fetch(&self, package: &Package, into: &Path) -> Result<PathBuf, String> {
        let pip = ["download", "--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input"];
        let pip_patience = ["--disable-pip-version-check", "--timeout=20", "--retries=2", "--dest=."];
        let npm = ["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination=."];
        let npm_patience = ["--fetch-timeout=20000", "--fetch-retries=2", "--fetch-retry-mintimeout=500"];
        let (options, patience, wanted) = match self.kind {
            Kind::Pip => (pip.to_vec(), pip_patience.to_vec(), format!("{}=={}", package.name, package.version)),
            Kind::Npm => (npm.to_vec(), npm_patience.to_vec(), format!("{}@{}", package.name, package.version)),
        };
        let arguments = [options, patience, vec![&wanted]].concat();
        self.run(&arguments, into, FETCH_LIMIT).await?;
        only_file(into).map_err(|error| format!("it ended well, and the file is not there: {error}"))
    }

    /// Unpacks an archive into a folder. Nothing in the archive is run, and no other package comes along; both clients keep
    /// to that folder, whatever paths an archive names.
    pub(super) async fn unpack(&self, archive: &Path, into: &Path) -> Result<(), String> {
        let (folder, archive) = (into.to_string_lossy(), archive.to_string_lossy());
        let options: &[&str] = match self.kind {
            Kind::Pip => &["install", "--no-index", "--no-deps", "--only-binary=:all:", "--no-compile", "--target"],
            Kind::Npm => &[
                "install",
                "--offline",
                "--ignore-scripts",
                "--global=false",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                "--prefix",
            ],
        };
        let arguments = [options, &[&*folder, &*archive]].concat();
        self.run(&arguments, into, UNPACK_LIMIT).await
    }

    /// Runs it in a folder of ours: what lies in the caller's, such as a `pip.py` or an `.npmrc`, has no say.
    async fn run(&self, arguments: &[&str], folder: &Path, limit: Duration) -> Result<(), String> {
        let (program, before) = self.call.split_first().ok_or("it has no name")?;
        let mut command = Command::new(program);
        command.args(before).args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
        // Meant for packages that are installed for Python to use; one of these would forbid a folder of our own.
        command.env("PIP_USER", "0").env("PIP_REQUIRE_VIRTUALENV", "0");
        match tokio::time::timeout(limit, command.output()).await {
            Ok(Ok(output)) if output.status.success() => Ok(()),
            Ok(Ok(output)) => Err(said(&output)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("it took more than {} s and was stopped", limit.as_secs())),
        }
    }
}

/// The last lines of a client that failed.
fn said(output: &Output) -> String {
    let text = [&output.stdout[..], b"\n", &output.stderr].concat();
    let lines = last_lines(&String::from_utf8_lossy(&text));
    if lines.is_empty() { format!("it failed ({})", output.status) } else { lines }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !is_noise(line))
        .map(|line| line.replace(char::is_control, " ").trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n  ")
}

/// npm follows the cause by a stack trace, the fields of an object, and the name of a log file.
fn is_noise(line: &str) -> bool {
    let Some(said) = line.strip_prefix("npm error") else { return false };
    said.starts_with("  ") || ["", "}"].contains(&said.trim()) || said.contains("A complete log of this run")
}

fn only_file(folder: &Path) -> io::Result<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    match (files.pop(), files.pop()) {
        (Some(file), None) => Ok(file),
        (None, _) => Err(io::Error::other("it left none")),
        (Some(_), Some(_)) => Err(io::Error::other("it left more than one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_client_said_the_last_lines_are_shown_without_control_characters() {
        let text = "npm error code EAI_AGAIN\nnpm error request failed, \u{1b}[31mreason: no name\n\
                    npm error     at emit (node:events:524:28)\nnpm error   code: 'EAI_AGAIN',\nnpm error }\nnpm error\n\n\
                    npm error A complete log of this run can be found in: /root/x.log\n";
        assert_eq!(last_lines(text), "npm error code EAI_AGAIN\n  npm error request failed,  [31mreason: no name");
        assert_eq!(last_lines("a\nb\nc\nd\n"), "b\n  c\n  d");
        assert_eq!(last_lines("\n"), "");
    }
}
