//! Who runs this process.

use nix::unistd::{User, geteuid};

/// Its name, as the system knows it; without one there, its number.
pub(crate) fn os_user() -> String {
    let user = geteuid();
    User::from_uid(user).ok().flatten().map_or_else(|| format!("uid {user}"), |user| user.name)
}
