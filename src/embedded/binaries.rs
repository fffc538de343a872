//! The Postgres binaries that are there.

use super::error::EmbeddedError;
use super::settings::Programs;
use super::{installed, packages};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Postgres 13 and later: SPEC section 11.
const OLDEST_MAJOR: u32 = 13;

/// Where systems put one folder of binaries per version: the parent, and what follows the version's folder.
const VERSIONED: [(&str, &str); 8] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/usr/libexec", ""),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
    ("/Library/PostgreSQL", "bin"),
];

/// A folder that holds `initdb` and `postgres` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The folder.
    pub dir: PathBuf,
    /// The major version, 13 or later.
    pub major: u32,
}

impl Binaries {
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The Postgres that comes first in: `PG_BIN_DIR`, `pg_config --bindir`, `PATH`, the folders where Debian, Fedora, Alpine,
/// Homebrew and Postgres.app put them, highest version first, what Piton has downloaded, then packages of Python and Node.
///
/// # Errors
/// [`EmbeddedError::BinDirUnusable`] if `PG_BIN_DIR` is set and wrong; [`EmbeddedError::NoBinaries`] if nothing fits.
pub fn find_binaries() -> Result<Binaries, EmbeddedError> {
    find_preferring(&BTreeSet::new(), Programs::default_folder().ok().as_deref())
}

/// Like [`find_binaries`], with downloads in `programs`, but a version that has data already comes before all others (except
/// `PG_BIN_DIR`, which is an order): the user's runs must not vanish because a newer Postgres was installed beside the old one.
pub(crate) fn find_preferring(with_data: &BTreeSet<u32>, programs: Option<&Path>) -> Result<Binaries, EmbeddedError> {
    if let Some(dir) = std::env::var_os("PG_BIN_DIR").filter(|dir| !dir.is_empty()) {
        return ordered(Path::new(&dir));
    }
    // Asking Python where its packages are takes as long as starting the server does, so it comes last.
    let places: [&dyn Fn() -> Vec<PathBuf>; 3] =
        [&system_dirs, &|| programs.map_or_else(Vec::new, downloaded_dirs), &installed::dirs];
    let mut found = Found::default();
    for place in places {
        found.add(place(), with_data);
        if with_data.is_empty() && !found.fit.is_empty() || found.has_best(with_data) {
            break; // Nothing that follows can be better.
        }
    }
    let too_old = found.too_old.into_iter().collect();
    best_of(found.fit, with_data).ok_or(EmbeddedError::NoBinaries { too_old, not_downloaded: None })
}

/// Whether there is a download in `programs` that runs.
pub(super) async fn are_downloaded(programs: &Path) -> Result<bool, EmbeddedError> {
    let programs = programs.to_path_buf();
    let looked =
        tokio::task::spawn_blocking(move || downloaded_dirs(&programs).iter().any(|dir| major_of(dir).is_ok()));
    looked.await.map_err(|_| EmbeddedError::SearchInterrupted)
}

/// The major version in `dir`, or why it does not run.
pub(super) async fn run_from(dir: PathBuf) -> Result<Result<u32, String>, EmbeddedError> {
    let tried = tokio::task::spawn_blocking(move || major_of(&dir));
    tried.await.map_err(|_| EmbeddedError::SearchInterrupted)
}

#[derive(Default)]
struct Found {
    fit: Vec<Binaries>,
    too_old: BTreeSet<u32>,
}

impl Found {
    fn add(&mut self, dirs: Vec<PathBuf>, with_data: &BTreeSet<u32>) {
        let mut seen = BTreeSet::new();
        for dir in dirs {
            if lacks(&dir).is_some() || !seen.insert(dir.canonicalize().unwrap_or_else(|_| dir.clone())) {
                continue; // Many ways may lead to one folder.
            }
            match major_of(&dir) {
                Ok(major) if major < OLDEST_MAJOR => {
                    self.too_old.insert(major);
                }
                Ok(major) => self.fit.push(Binaries { dir, major }),
                Err(_) => {}
            }
            if self.has_best(with_data) {
                break;
            }
        }
    }

    fn has_best(&self, with_data: &BTreeSet<u32>) -> bool {
        with_data.last().is_some_and(|best| self.fit.iter().any(|binaries| binaries.major == *best))
    }
}

/// The highest version that has data, else the first found.
fn best_of(found: Vec<Binaries>, with_data: &BTreeSet<u32>) -> Option<Binaries> {
    let first = found.first().cloned();
    let kept =
        found.into_iter().filter(|binaries| with_data.contains(&binaries.major)).max_by_key(|binaries| binaries.major);
    kept.or(first)
}

fn ordered(dir: &Path) -> Result<Binaries, EmbeddedError> {
    let unusable = |problem| EmbeddedError::BinDirUnusable { dir: dir.to_path_buf(), problem };
    let major = major_of(dir).map_err(unusable)?;
    if major < OLDEST_MAJOR {
        return Err(unusable(format!("it holds Postgres {major}, and Piton needs {OLDEST_MAJOR} or later")));
    }
    let dir = std::path::absolute(dir).map_err(EmbeddedError::file("find", dir))?;
    Ok(Binaries { dir, major })
}

/// The folders where systems put it, best first.
fn system_dirs() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = pg_config_dir().into_iter().collect();
    dirs.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).filter(|dir| dir.is_absolute()));
    for (parent, tail) in VERSIONED {
        dirs.extend(versioned_dirs(Path::new(parent), tail));
    }
    dirs
}

/// What was downloaded, also by other releases of Piton, newest version first.
fn downloaded_dirs(programs: &Path) -> Vec<PathBuf> {
    let mut downloads: Vec<PathBuf> = match fs::read_dir(programs) {
        Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
        Err(_) => Vec::new(),
    };
    downloads.retain(|path| path.file_name().is_some_and(packages::is_download));
    downloads.sort();
    let packages = packages::of_this_platform();
    downloads.iter().rev().flat_map(|dir| packages.iter().map(|package| dir.join(package.bin_dir()))).collect()
}

fn pg_config_dir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let dir = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(dir.trim())).filter(|dir| dir.is_absolute())
}

/// `<parent>/*/<tail>` for each folder whose name speaks of Postgres or is a version, highest version first.
fn versioned_dirs(parent: &Path, tail: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((version_in_name(entry.file_name().to_str()?)?, entry.path().join(tail)))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

/// `16`, `postgresql@16`, `postgresql16`, `pgsql-16` name version 16; `postgresql` and `latest` name none in particular (0).
fn version_in_name(name: &str) -> Option<u32> {
    let version = ["postgresql", "pgsql", "latest", ""].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    match version.trim_start_matches(['@', '-']) {
        "" => Some(0),
        version => version.split('.').next()?.parse().ok(),
    }
}

fn lacks(dir: &Path) -> Option<&'static str> {
    ["initdb", "postgres"].into_iter().find(|program| !dir.join(program).is_file())
}

/// The major version in `dir`, or what is wrong with it.
fn major_of(dir: &Path) -> Result<u32, String> {
    if let Some(program) = lacks(dir) {
        return Err(format!("there is no `{program}` in it"));
    }
    let output = Command::new(dir.join("postgres"))
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("its `postgres` cannot be run ({error})"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    parse_major(&text)
        .ok_or_else(|| format!("its `postgres --version` says {:?}", [text.trim(), complaint.trim()].concat()))
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or `... 18beta1`, or `... 19devel`.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.strip_prefix("postgres (PostgreSQL) ")?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries(major: u32) -> Binaries {
        Binaries { dir: format!("/usr/lib/postgresql/{major}/bin").into(), major }
    }

    #[test]
    fn a_version_with_data_comes_before_a_newer_one() {
        let found = vec![binaries(18), binaries(16), binaries(15)];
        let best = |with_data: &[u32]| best_of(found.clone(), &with_data.iter().copied().collect()).map(|b| b.major);
        assert_eq!(best(&[]), Some(18));
        assert_eq!(best(&[15]), Some(15));
        assert_eq!(best(&[15, 16]), Some(16));
        assert_eq!(best(&[14]), Some(18), "its binaries are gone: the caller says that its data is left beside");
        assert_eq!(best_of(Vec::new(), &BTreeSet::from([15])), None);
    }

    #[test]
    fn versions_are_read_as_postgres_prints_them() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_major("postgres: not today\n"), None);
    }

    #[test]
    fn versions_are_read_from_the_names_that_systems_give_folders() {
        let named =
            ["16", "postgresql@16", "postgresql16", "pgsql-16", "9.6", "postgresql", "latest"].map(version_in_name);
        assert_eq!(named, [Some(16), Some(16), Some(16), Some(16), Some(9), Some(0), Some(0)]);
        assert_eq!(["share", "local", "postgresql-common"].map(version_in_name), [None; 3]);
    }
}
