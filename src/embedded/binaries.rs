//! The installed Postgres binaries.

use super::error::EmbeddedError;
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

/// The installed Postgres that comes first in: `PG_BIN_DIR`, `pg_config --bindir`, `PATH`, then the folders where
/// Debian, Fedora, Alpine, Homebrew and Postgres.app put them, highest version first.
///
/// # Errors
/// [`EmbeddedError::BinDirUnusable`] if `PG_BIN_DIR` is set and wrong; [`EmbeddedError::NoBinaries`] if nothing fits.
pub fn find_binaries() -> Result<Binaries, EmbeddedError> {
    find_preferring(&BTreeSet::new())
}

/// Like [`find_binaries`], but a version that has data already comes before all others (except `PG_BIN_DIR`, which is an
/// order): the user's runs must not vanish because a newer Postgres was installed beside the old one.
pub(crate) fn find_preferring(with_data: &BTreeSet<u32>) -> Result<Binaries, EmbeddedError> {
    if let Some(dir) = std::env::var_os("PG_BIN_DIR").filter(|dir| !dir.is_empty()) {
        return ordered(Path::new(&dir));
    }
    let mut too_old = BTreeSet::new();
    let mut found: Vec<Binaries> = Vec::new();
    for dir in candidate_dirs() {
        let Ok(major) = major_of(&dir) else { continue };
        if major < OLDEST_MAJOR {
            too_old.insert(major);
            continue;
        }
        found.push(Binaries { dir, major });
        if with_data.last() == Some(&major) {
            break; // Nothing that follows can be better.
        }
    }
    best_of(found, with_data).ok_or_else(|| EmbeddedError::NoBinaries { too_old: too_old.into_iter().collect() })
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

/// Folders worth a look, best first, each once however many ways lead to it.
fn candidate_dirs() -> Vec<PathBuf> {
    let mut dirs: Vec<PathBuf> = pg_config_dir().into_iter().collect();
    dirs.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).filter(|dir| dir.is_absolute()));
    for (parent, tail) in VERSIONED {
        dirs.extend(versioned_dirs(Path::new(parent), tail));
    }
    let mut seen = BTreeSet::new();
    dirs.retain(|dir| lacks(dir).is_none() && seen.insert(dir.canonicalize().unwrap_or_else(|_| dir.clone())));
    dirs
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
    parse_major(&text).ok_or_else(|| format!("its `postgres --version` says {:?}", text.trim()))
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
