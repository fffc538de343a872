//! Disks: how full the ones are that this worker writes to.

use std::path::{Path, PathBuf};

use rustix::fs::statvfs;

use crate::model::health::{Finding, Measure};

/// The fullest of the disks that hold these folders. One that is not there yet will be made where its parent is.
pub(super) fn check(folders: &[PathBuf]) -> Finding {
    let disks = folders.iter().filter_map(|folder| Some((used(folder)?, folder)));
    let Some((share, folder)) = disks.max_by(|(a, _), (b, _)| a.total_cmp(b)) else {
        return Finding::failure("no disk tells how full it is");
    };
    Finding { about: Some(folder.display().to_string()), ..Finding::value(Measure::DiskUsed, share) }
}

/// As `df` counts: what is kept back for root is neither used nor free.
fn used(folder: &Path) -> Option<f64> {
    let disk = folder.ancestors().find_map(|folder| statvfs(folder).ok())?;
    let used = disk.f_blocks.saturating_sub(disk.f_bfree);
    let whole = used + disk.f_bavail;
    (whole > 0).then(|| used as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_its_parent() {
        let root = tempfile::tempdir().unwrap();
        let (here, later) = (used(root.path()).unwrap(), used(&root.path().join("a/b")).unwrap());
        assert!((here - later).abs() < 0.1 && (0.0..=1.0).contains(&here), "{here} {later}");
    }
}
