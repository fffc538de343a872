//! The arguments of `piton top`.

use std::time::Duration;

use clap::Args;

use crate::model::actor;
use crate::workflow::duration;

#[derive(Debug, Clone, Args)]
pub(crate) struct TopArgs {
    /// How often to read the database. If that takes long, it is read less often, so that reading takes at most a fifth of the
    /// time.
    #[arg(long, default_value = "1s", value_parser = duration::parse)]
    pub(crate) every: Duration,
    /// Who makes the decisions here [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}
