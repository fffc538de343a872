//! On whose behalf a program decides.

use crate::config;
use crate::model::actor::{Actor, Face};

/// In whose name a program decides: that of the user it runs as.
pub(super) fn actor(name: &str) -> Actor<'_> {
    Actor { name, face: Face::Library }
}

pub(super) fn name() -> String {
    config::user_name()
}
