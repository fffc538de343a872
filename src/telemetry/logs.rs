//! Logs: where they go, and in which format.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For eyes.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// Logs go to `writer`, so that standard output stays the command's own. A second call changes nothing.
pub(crate) fn log_to<W>(filter: &str, format: LogFormat, writer: W) -> anyhow::Result<()>
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter).map_err(|e| anyhow::anyhow!("the log filter `{filter}`: {e}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_target(false).with_writer(writer);
    // It would tell of a log that cannot be written on standard error, and panic where that is closed, too.
    let layer = layer.log_internal_errors(false);
    let set = match format {
        LogFormat::Pretty => {
            use io::IsTerminal;
            registry.with(layer.compact().with_ansi(io::stderr().is_terminal())).try_init()
        }
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    if let Err(error) = set {
        tracing::debug!("logging was set up before: {error}");
    }
    Ok(())
}
