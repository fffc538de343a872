//! What a script's first line asks for, to say why it does not start: the system only says that something is not there.

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::order::Order;
use crate::model::artifact::in_a_line;
use crate::system::regular;

/// Bytes of a first line that are looked at, as the system does.
const LOOKED_AT: u64 = 256;

/// The interpreter of the program that was to be started, if it is a script whose interpreter is not there.
pub(super) fn missing(order: &Order) -> Option<String> {
    let script = script(order)?;
    let mut line = Vec::new();
    regular::follow(&script).ok()?.take(LOOKED_AT).read_to_end(&mut line).ok()?;
    let line = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii_start();
    // With the return of a line end as Windows has it, which the system takes for a part of the name.
    let name = line.split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    let interpreter = Path::new(std::ffi::OsStr::from_bytes(name));
    (!name.is_empty() && !interpreter.exists()).then(|| in_a_line(&interpreter.to_string_lossy()))
}

/// Where the system looks for it, too.
fn script(order: &Order) -> Option<PathBuf> {
    let program = order.argv.first()?;
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    let (_, path) = order.env.iter().find(|(name, _)| *name == "PATH")?;
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
