//! Which programs and places this machine has.

use std::env::split_paths;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::fill;
use crate::workflow::definition::{Stage, StageKind};
use crate::workflow::template::Template;

/// Where the system looks for programs without a PATH.
const WITHOUT_PATH: &str = "/bin:/usr/bin";

/// Where a stage looks for programs and places, as far as that is known before a run.
struct Around {
    dir: PathBuf,
    path: OsString,
}

impl Around {
    fn of(kind: &StageKind) -> Option<Around> {
        let (dir, path) = match kind {
            StageKind::Command(command) => (command.dir.as_ref(), command.env.get("PATH")),
            StageKind::Http(request) => (request.dir.as_ref(), None),
            StageKind::Rust { .. }
            | StageKind::Sql(_)
            | StageKind::Sleep(_)
            | StageKind::Signal(_)
            | StageKind::Run(_) => (None, None),
        };
        let dir = dir.map_or(Some(String::new()), fill::known)?.into();
        // It is started with the stage's own variables, and looked for in its PATH.
        let path = match path {
            Some(own) => OsString::from(fill::known(own)?),
            None => std::env::var_os("PATH").unwrap_or_else(|| WITHOUT_PATH.into()),
        };
        Some(Around { dir, path })
    }

    fn has_program(&self, name: &str) -> bool {
        if name.contains('/') { is_program(&self.dir.join(name)) } else { is_in(&self.path, &self.dir, name) }
    }

    fn has(&self, wanted: &str) -> bool {
        if !wanted.contains('/') {
            return self.has_program(wanted);
        }
        access(self.dir.join(wanted), Access::READ_OK).is_ok()
    }
}

/// The program of a command, where it is known before a run which one it is and it is not here.
pub(crate) fn missing_program(kind: &StageKind) -> Option<&str> {
    let StageKind::Command(command) = kind else { return None };
    let program = command.argv.first()?;
    let name = fill::known(program)?;
    let found = Around::of(kind)?.has_program(&name);
    (!found).then_some(program.as_str())
}

/// What a stage requires and is not here, as it stands in the file.
pub(crate) fn missing_requirements(stage: &Stage) -> Vec<&str> {
    if stage.requires.is_empty() {
        return Vec::new();
    }
    let Some(around) = Around::of(&stage.kind) else { return Vec::new() };
    let is_missing = |wanted: &&Template| fill::known(wanted).is_some_and(|wanted| !around.has(&wanted));
    stage.requires.iter().filter(is_missing).map(Template::as_str).collect()
}

fn is_in(path: &OsStr, dir: &Path, name: &str) -> bool {
    split_paths(path).any(|folder| is_program(&dir.join(folder).join(name)))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
