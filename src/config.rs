//! What a process reads from its environment.

use std::path::{Path, PathBuf};

use crate::store::connect::os_user;
use crate::workflow::own::{Own, WARM_VARIABLE};

/// This machine's name, for worker names and rows.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// A name no other worker has, for those who give none: containers share host names, and their process ids repeat. It is not
/// stable over restarts: give workers of a deployment names, so that a restart takes the old boot's jobs back at once.
pub(crate) fn worker_name() -> String {
    format!("{}-{}-{:08x}", host_name(), std::process::id(), rand::random::<u32>())
}

/// A name that a worker may be given.
pub(crate) fn given_worker_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(
            "a name has 1 to 200 characters, and no control characters; leave it out for one of its own".to_owned()
        );
    }
    Ok(name.to_owned())
}

/// Who types, as far as the environment tells; for the record of who decided what.
pub(crate) fn user_name() -> String {
    let named = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    named.unwrap_or_else(os_user)
}

/// The stage whose program has started this one, be it by others in between, in words; its worker sets these variables. A warm
/// program starts before its jobs, and is told of none.
pub(crate) fn calling_stage() -> Option<String> {
    let told = |own: Own| std::env::var(own.variable()).ok();
    let of_a_job = told(Own::Id).and(told(Own::Attempt)).and_then(|_| told(Own::Stage));
    let warm = || std::env::var_os(WARM_VARIABLE).map(|_| "a warm stage of a worker".to_owned());
    of_a_job.map(|stage| format!("stage `{stage}` of a run")).or_else(warm)
}

/// The user's data folder for Piton: `$XDG_DATA_HOME/piton`, else `~/.local/share/piton` (on macOS
/// `~/Library/Application Support/piton`); for root `/var/lib/piton`, because the user of a private Postgres could not enter root's
/// home. `None` where the environment names no home.
pub(crate) fn data_folder() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let is_root = rustix::process::geteuid().is_root();
    data_folder_of(is_root, variable("XDG_DATA_HOME").as_deref(), variable("HOME").as_deref())
}

fn data_folder_of(is_root: bool, xdg_data_home: Option<&Path>, home: Option<&Path>) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/piton"));
    }
    let in_home = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    let parent = xdg_data_home.map(Path::to_path_buf).or_else(|| home.map(|home| home.join(in_home)))?;
    Some(parent.join("piton"))
}

/// How this program was called, for commands that are to be typed next.
pub(crate) fn program() -> String {
    // Tests are called something new with every build.
    let called = std::env::args().next().filter(|_| !cfg!(test));
    called.unwrap_or_else(|| "piton".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_where_the_user_keeps_data() {
        let (xdg, home) = (Path::new("/data"), Path::new("/home/ada"));
        assert_eq!(data_folder_of(true, Some(xdg), Some(home)), Some("/var/lib/piton".into()));
        assert_eq!(data_folder_of(false, Some(xdg), Some(home)), Some("/data/piton".into()));
        assert_eq!(data_folder_of(false, None, None), None);
        if cfg!(target_os = "linux") {
            assert_eq!(data_folder_of(false, None, Some(home)), Some("/home/ada/.local/share/piton".into()));
        }
    }

    #[test]
    fn two_workers_of_one_host_and_one_process_id_have_names_of_their_own() {
        assert_ne!(worker_name(), worker_name());
    }
}
