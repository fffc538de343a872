//! What a run is started with.

use clap::Args;

#[derive(Debug, Clone, Args)]
pub(crate) struct InputArgs {
    /// File with the run's input as JSON; - for standard input [default: {}].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: Option<String>,
    /// Set one value of the input, such as --set topic="Deep sea" or --set simulate.rate=0.3; may be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Runs of higher priority are claimed first.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i16).range(-1000..=1000), allow_hyphen_values = true)]
    pub(crate) priority: i16,
    #[command(flatten)]
    pub(crate) trace: TraceArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct TraceArgs {
    /// Trace context of the W3C that the run is part of, handed on to its stages [default: the variables TRACEPARENT and
    /// TRACESTATE, where they hold one].
    #[arg(long)]
    pub(crate) traceparent: Option<String>,
    /// What came with it for those who trace.
    #[arg(long, requires = "traceparent")]
    pub(crate) tracestate: Option<String>,
}
