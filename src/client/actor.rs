//! On whose behalf a program decides.

use crate::config;
use crate::model::actor::{Actor, Face};

/// On whose behalf a program decides: the user it runs as.
pub(super) fn actor(name: &str) -> Actor<'_> {
    Actor { name, face: Face::Library }
}

pub(super) fn name() -> String {
    config::user_name()
}
