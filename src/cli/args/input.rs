//! The arguments for a run's input.

use clap::Args;

use crate::stage::run_files::LocalFile;

#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// File with the run's input as JSON; - for standard input [default: {}].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: Option<String>,
    /// Set one value of the input, such as --set topic="Deep sea" or --set simulate.rate=0.3; may be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Runs of higher priority are claimed first.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i16).range(-1000..=1000), allow_hyphen_values = true)]
    pub(crate) priority: i16,
    #[command(flatten)]
    pub(crate) trace: TraceArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FileArgs {
    /// File that the run begins on, by its own name or another one, or a folder with all files in it; they are uploaded, and listed
    /// in the input under `files`. May be given several times.
    #[arg(long = "file", value_name = "[NAME=]FILE", value_parser = LocalFile::parse)]
    pub(crate) file: Vec<LocalFile>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TraceArgs {
    /// W3C trace context that the run is part of and its stages get [default: the variables TRACEPARENT and TRACESTATE, if they hold
    /// one].
    #[arg(long)]
    pub(crate) traceparent: Option<String>,
    /// The tracestate that came with it.
    #[arg(long, requires = "traceparent")]
    pub(crate) tracestate: Option<String>,
}
