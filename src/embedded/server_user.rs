//! The user that the server runs as when we are root, since Postgres refuses to be root.

use super::error::EmbeddedError;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user to drop to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUser {
    name: String,
    uid: u32,
    gid: u32,
}

impl ServerUser {
    /// Nobody else if we are not root. As root: whoever owns the data already, else `postgres`, else `nobody`
    /// (`initdb` wants its user to be in /etc/passwd).
    pub(crate) fn of(data: &Path) -> Result<Option<Self>, EmbeddedError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        if let Some(owner) = fs::metadata(data).ok().filter(|metadata| metadata.uid() != 0) {
            return Ok(Some(Self { name: format!("with id {}", owner.uid()), uid: owner.uid(), gid: owner.gid() }));
        }
        Self::of_new_data()
    }

    /// The same where there is no data yet.
    pub(crate) fn of_new_data() -> Result<Option<Self>, EmbeddedError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(EmbeddedError::file("read", "/etc/passwd"))?;
        choose(&passwd).map(Some).ok_or(EmbeddedError::NoServerUser)
    }

    /// Makes a command run as this user, without root's groups.
    pub(crate) fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file or a folder to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        chown(path, Some(self.uid), Some(self.gid)).map_err(EmbeddedError::file("change the owner of", path))
    }

    /// Says which parent of `folder`, or itself, bars this user; else the server's own complaint would be all there is.
    pub(crate) fn check_can_enter(&self, folder: &Path) -> Result<(), EmbeddedError> {
        let real = folder.canonicalize().map_err(EmbeddedError::file("find", folder))?;
        let mut way: Vec<&Path> = real.ancestors().collect();
        way.reverse();
        for step in way {
            let metadata = fs::metadata(step).map_err(EmbeddedError::file("read", step))?;
            if !self.may_enter(metadata.uid(), metadata.gid(), metadata.mode()) {
                let (folder, mode) = (step.to_path_buf(), metadata.mode() & 0o7777);
                return Err(EmbeddedError::CannotEnter { folder, mode, user: self.name.clone() });
            }
        }
        Ok(())
    }

    fn may_enter(&self, owner: u32, group: u32, mode: u32) -> bool {
        let bit = match (owner == self.uid, group == self.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        mode & bit != 0
    }
}

fn choose(passwd: &str) -> Option<ServerUser> {
    ["postgres", "nobody"].into_iter().find_map(|wanted| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| *name == wanted)?;
            let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
            let gid = fields.next()?.parse().ok()?;
            Some(ServerUser { name: format!("`{name}`"), uid, gid })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533::/:/bin/false\npostgres:x:101:104::/:/bin/sh\n";

    #[test]
    fn root_becomes_postgres_or_else_nobody() {
        let ids = |passwd: &str| choose(passwd).map(|user| (user.name, user.uid, user.gid));
        assert_eq!(ids(PASSWD), Some(("`postgres`".to_owned(), 101, 104)));
        assert_eq!(ids(&PASSWD.replace("postgres", "postfix")), Some(("`nobody`".to_owned(), 65534, 65533)));
        assert_eq!(ids("root:x:0:0:root:/root:/bin/bash\npostgres:x:0:0::/:/bin/sh\n"), None);
    }

    #[test]
    fn the_owners_bit_counts_before_the_groups_and_the_groups_before_the_others() {
        let user = ServerUser { name: "`postgres`".to_owned(), uid: 101, gid: 104 };
        assert!(user.may_enter(0, 0, 0o711));
        assert!(!user.may_enter(0, 0, 0o700));
        assert!(user.may_enter(101, 0, 0o700));
        assert!(!user.may_enter(101, 104, 0o077));
        assert!(user.may_enter(0, 104, 0o750));
        assert!(!user.may_enter(0, 104, 0o701));
    }
}
