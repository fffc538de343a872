//! The arguments of `piton top`.

use std::time::Duration;

use clap::Args;

use crate::model::actor;
use crate::workflow::duration;

#[derive(Debug, Clone, Args)]
pub(crate) struct TopArgs {
    /// Between two looks at the database. Where a look takes long, looks are rarer, so that they take a fifth of the time at
    /// most.
    #[arg(long, default_value = "1s", value_parser = duration::parse)]
    pub(crate) every: Duration,
    /// Who decides what is decided here [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}
