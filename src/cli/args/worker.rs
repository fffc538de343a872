//! The arguments of commands that work on runs.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

use super::callbacks::CallbackArgs;
use crate::artifacts::Artifacts;
use crate::config;
use crate::health::External;
use crate::model::health::SetThreshold;
use crate::model::payload::PayloadLimits;
use crate::stage::file_cache;
use crate::telemetry::exporter::MOST_SERIES;
use crate::telemetry::server::Address;
use crate::worker::WorkerSettings;
use crate::workflow::duration;

#[derive(Debug, Clone, Args)]
pub(crate) struct WorkerArgs {
    /// Name of this worker. With a stable name, a restart takes its old jobs back at once. Two processes never work under one name:
    /// the second waits for the first [default: host, process id and a random part].
    #[arg(long, env = "PITON_WORKER_NAME", value_parser = config::given_worker_name)]
    pub(crate) name: Option<String>,
    /// Address at which it serves /metrics, or off [default: 127.0.0.1:7486, or any free port if that is taken].
    #[arg(long, env = "PITON_METRICS", value_name = "ADDRESS")]
    pub(crate) metrics: Option<Address>,
    /// Maximum number of series of workflows and stages that it exports; later ones are counted in piton_series_left_out.
    #[arg(long, env = "PITON_METRICS_SERIES", value_name = "N", default_value_t = MOST_SERIES)]
    pub(crate) metrics_series: u32,
    /// How often one of the workers reads the state of the database for the metrics.
    #[arg(long, env = "PITON_SNAPSHOT_EVERY", default_value = "15s", value_parser = duration::parse)]
    pub(crate) snapshot_every: Duration,
    /// How often one of the workers deletes what is past its retention.
    #[arg(long, env = "PITON_CLEANUP_EVERY", default_value = duration::format(WorkerSettings::CLEANUP_EVERY), value_parser = duration::parse)]
    pub(crate) cleanup_every: Duration,
    #[command(flatten)]
    pub(crate) callbacks: CallbackArgs,
    #[command(flatten)]
    pub(crate) health: CheckArgs,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CheckArgs {
    /// How often it checks the database, the artifact store, memory, disks and the queue.
    #[arg(long, env = "PITON_HEALTH_EVERY", default_value = "15s", value_parser = duration::parse)]
    pub(crate) health_every: Duration,
    /// When a component is degraded, and when unhealthy: COMPONENT.MEASURE=DEGRADED:UNHEALTHY, such as
    /// disk.used_share=0.8:0.9; may be given several times [default: as piton_component_threshold shows].
    #[arg(long, env = "PITON_HEALTH_THRESHOLDS", value_delimiter = ',', value_name = "THRESHOLD")]
    pub(crate) health_threshold: Vec<SetThreshold>,
    /// A server that workflows depend on, to be checked too: NAME=URL, such as voices=https://voices.example/health or
    /// mail=tcp://mail.example:25; may be given several times.
    #[arg(long, env = "PITON_EXTERNALS", value_delimiter = ',', value_name = "EXTERNAL")]
    pub(crate) external: Vec<External>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SettingsArgs {
    /// Number of stages that run at once.
    #[arg(long, env = "PITON_SLOTS", default_value_t = WorkerSettings::SLOTS,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(WorkerSettings::MOST_SLOTS)))]
    pub(crate) slots: u32,
    /// How often it looks for jobs that no notification announced, and for workers that are gone: 100ms to 1m.
    #[arg(long, env = "PITON_POLL", default_value = format!("{}ms", WorkerSettings::POLL.as_millis()), value_parser = poll)]
    pub(crate) poll: Duration,
    /// A worker without a heartbeat for this long is gone: 2s to 1d.
    #[arg(long, env = "PITON_LEASE", default_value = duration::format(WorkerSettings::LEASE), value_parser = lease)]
    pub(crate) lease: Duration,
    /// How long running stages may go on after the first signal.
    #[arg(long, env = "PITON_GRACE", default_value = duration::format(WorkerSettings::GRACE), value_parser = duration::parse)]
    pub(crate) grace: Duration,
    /// Maximum size of one run input or stage output, up to 256 MiB.
    #[arg(long, env = "PITON_PAYLOAD_LIMIT", default_value = PayloadLimits::default().payload_bytes.to_string(),
        value_parser = clap::value_parser!(u32).range(1..=256 << 20))]
    pub(crate) payload_limit: u32,
    /// Maximum size of all inputs of one stage together, such as 256MiB. A stage with inputs = "file" has no such limit.
    #[arg(long, env = "PITON_INPUT_LIMIT", default_value = written(PayloadLimits::default().stage_input_bytes as u64), value_parser = bytes)]
    pub(crate) input_limit: usize,
    /// Memory for the inputs of everything that runs at once; a stage that finds no room starts later.
    #[arg(long, env = "PITON_INPUT_MEMORY", default_value = written(PayloadLimits::default().input_memory_bytes as u64), value_parser = bytes)]
    pub(crate) input_memory: usize,
    /// Room for files of the artifact store that stages read, in the folder for temporary files; 0 keeps none.
    #[arg(long, env = "PITON_FILE_CACHE", default_value = written(file_cache::DEFAULT_BYTES), value_parser = bytes_or_none)]
    pub(crate) file_cache: usize,
    /// Bring the schema up to date before working, as `piton migrate` does; one process at a time does it.
    #[arg(long, env = "PITON_MIGRATE")]
    pub(crate) migrate: bool,
    #[command(flatten)]
    pub(crate) store: ArtifactStoreArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ArtifactStoreArgs {
    /// The artifact store, the same for all workers: a folder, or a bucket as s3://, gs:// or abfss:// [default: artifacts in the data
    /// folder].
    #[arg(long, env = "PITON_ARTIFACT_STORE", value_name = "STORE", value_parser = Artifacts::at)]
    pub(crate) artifacts: Option<Artifacts>,
}

/// Five heartbeats fit into a lease, and each of them may be slow.
pub(crate) fn lease(text: &str) -> Result<Duration, String> {
    let bounds = (WorkerSettings::SHORTEST_LEASE, WorkerSettings::LONGEST_LEASE);
    duration::parse_between(
        text,
        bounds,
        "a worker says five times in a lease that it is alive, and the network takes its time",
    )
}

fn poll(text: &str) -> Result<Duration, String> {
    let bounds = (Duration::from_millis(100), Duration::from_secs(60));
    duration::parse_between(
        text,
        bounds,
        "every look asks the database, and what was not notified waits for the next one",
    )
}

/// A size as [`bytes`] reads it.
fn written(bytes: u64) -> String {
    if bytes.is_multiple_of(1 << 30) { format!("{}GiB", bytes >> 30) } else { format!("{}MiB", bytes >> 20) }
}

/// A size as below, or 0 for nothing at all.
fn bytes_or_none(text: &str) -> Result<usize, String> {
    if text.trim() == "0" { Ok(0) } else { bytes(text) }
}

/// With or without a unit.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let read = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
    read.filter(|bytes| *bytes >= 1 << 10)
        .ok_or_else(|| "write a number and a unit, such as 64MiB; at least 1KiB".to_owned())
}
