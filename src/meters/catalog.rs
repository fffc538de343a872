//! Every metric of Piton.

use super::{BATCHES, Kind, MOMENTS, Meter, SPANS, Source};

macro_rules! meters {
    ($($constant:ident = $source:ident $kind:expr, $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(crate) const $constant: Meter =
            Meter { name: $name, kind: $kind, labels: &[$($label),*], help: $help, source: Source::$source };)+
        /// All of them, in the order of the documentation.
        pub(crate) const ALL: &[Meter] = &[$($constant),+];
    };
}

meters! {
    // Flow: what this process did.
    RUNS_STARTED = Process Kind::Counter, "piton_runs_started_total" ["workflow"]
        "Runs whose first stage was begun by this worker.";
    RUNS_DONE = Process Kind::Counter, "piton_runs_done_total" ["workflow"]
        "Runs whose last stage was committed by this worker.";
    JOBS_STARTED = Process Kind::Counter, "piton_jobs_started_total" ["workflow", "stage"]
        "Jobs whose first attempt was begun by this worker.";
    JOBS_FINISHED = Process Kind::Counter, "piton_jobs_finished_total" ["workflow", "stage", "outcome"]
        "Jobs that ended in a commit of this worker: done or dead_lettered.";
    ATTEMPTS = Process Kind::Counter, "piton_attempts_total" ["workflow", "stage", "outcome"]
        "Attempts that ended: done, retried, dead_lettered, released (handed back), cancelled, fenced (its claim held no more) or lost (counted by the worker that recovered it).";
    FAILURES = Process Kind::Counter, "piton_failures_total" ["workflow", "stage", "class"]
        "Failed attempts by failure class.";
    RETRIES = Process Kind::Counter, "piton_retries_total" ["workflow", "stage", "class"]
        "Retries that were scheduled, by the class of the failure before them.";
    DEAD_LETTERED = Process Kind::Counter, "piton_dead_lettered_total" ["workflow", "stage", "class"]
        "Jobs given up, by failure class.";
    JOB_WAIT = Process Kind::Histogram(SPANS), "piton_job_wait_seconds" ["workflow", "stage"]
        "From the moment a job could be claimed to its claim, in seconds; 0 where it was handed on.";
    ATTEMPT_DURATION = Process Kind::Histogram(SPANS), "piton_attempt_duration_seconds" ["workflow", "stage"]
        "How long attempts ran, in seconds, whatever their end.";
    CLAIM_DURATION = Process Kind::Histogram(MOMENTS), "piton_claim_duration_seconds" []
        "How long claims took in the database, in seconds.";
    CLAIM_BATCH = Process Kind::Histogram(BATCHES), "piton_claim_batch_size" []
        "Jobs that a claim found.";
    COMMIT_DURATION = Process Kind::Histogram(MOMENTS), "piton_commit_duration_seconds" []
        "How long commits took in the database, in seconds.";
    COMMIT_BATCH = Process Kind::Histogram(BATCHES), "piton_commit_batch_size" []
        "Attempts that a commit ended.";
    SLOTS = Process Kind::Gauge, "piton_slots" ["state"]
        "Slots of this worker: busy, free, or lent to a process that runs a suspect. There are fewer than were asked for while this process may not open enough files.";
    RESULTS_WAITING = Process Kind::Gauge, "piton_results_waiting" []
        "Attempts that have ended and whose commit has not landed yet; they are kept in memory.";
    RECOVERIES = Process Kind::Counter, "piton_recoveries_total" ["action"]
        "Jobs that this worker took from workers that were gone: resumed, restarted or dead_lettered.";
    STAGES_MISSING = Process Kind::Gauge, "piton_stages_missing" ["workflow"]
        "Stages that this worker leaves to others, for it has no handler, program or variable for them.";
    SUSPECTED = Process Kind::Counter, "piton_crash_suspects_total" ["workflow", "stage"]
        "Jobs that this worker found in a process that had died, and that wait to run alone.";
    DATABASE_ERRORS = Process Kind::Counter, "piton_database_errors_total" ["part"]
        "Statements that had no answer and are sent again, by the part of the worker that waits: claim, inputs, commit, look, session, snapshot or health.";
    CONNECTIONS = Process Kind::Gauge, "piton_database_connections" ["state"]
        "Connections of this worker's pool: idle or in_use.";
    CONNECTIONS_MAX = Process Kind::Gauge, "piton_database_connections_max" []
        "Connections that this worker's pool may open.";
    RECONNECTS = Process Kind::Counter, "piton_database_reconnects_total" []
        "Times that this worker's own session was lost and opened again.";
    NOTIFICATIONS = Process Kind::Counter, "piton_notifications_total" []
        "Notifications of new jobs that reached this worker.";
    LOOP_LAG = Process Kind::Histogram(MOMENTS), "piton_loop_lag_seconds" []
        "How late a timer of this process fired, in seconds: handlers that compute without awaiting hold it up.";
    SNAPSHOT_LEADER = Process Kind::Gauge, "piton_snapshot_leader" []
        "1 while this worker takes the snapshot of the database's state, else 0.";
    CLEANUP_DELETED = Process Kind::Counter, "piton_cleanup_deleted_total" ["what", "type"]
        "Runs (with all that is known of them) and artifacts that cleanup has deleted, by their state or type.";
    CLEANUP_BYTES = Process Kind::Counter, "piton_cleanup_bytes_total" ["what", "type"]
        "Size of the artifacts, and of the outputs of the runs, that cleanup has deleted, in bytes.";
    CLEANUP_ERRORS = Process Kind::Counter, "piton_cleanup_errors_total" ["what", "type"]
        "What cleanup could not delete; piton.cleanup_items tells why.";
    LIVE = Process Kind::Gauge, "piton_live" []
        "1 while every part of this worker runs and none stands still, else 0: restart it.";
    READY = Process Kind::Gauge, "piton_ready" []
        "1 while this worker claims and has what stages need, else 0: while it waits for its database, migrates or shuts down, and while it cannot write to its temporary folder or its artifact store, or open files.";
    COMPONENT_STATUS = Process Kind::Gauge, "piton_component_status" ["component", "status"]
        "1 for the status that the component of this worker has (healthy, degraded or unhealthy), 0 for the others. Use max.";
    COMPONENT_VALUE = Process Kind::Gauge, "piton_component_value" ["component", "measure"]
        "What was measured of the component: seconds, or a share from 0 to 1. More is worse.";
    COMPONENT_THRESHOLD = Process Kind::Gauge, "piton_component_threshold" ["component", "measure", "status"]
        "The value from which on the component is degraded, or unhealthy.";
    CHECK_AGE = Process Kind::Gauge, "piton_component_check_age_seconds" ["component"]
        "Seconds since the component was last checked.";
    CHECK_DURATION = Process Kind::Gauge, "piton_component_check_duration_seconds" ["component"]
        "How long the last check of the component took, in seconds.";
    SERIES_LEFT_OUT = Process Kind::Gauge, "piton_series_left_out" []
        "Series of workflows and stages that this worker does not show, because there are more than --metrics-series; 0 while all are shown.";
    BUILD_INFO = Process Kind::Gauge, "piton_build_info" ["version"]
        "1, with the version of this program.";

    // State: what is in the database.
    SNAPSHOT_AGE = Database Kind::Gauge, "piton_snapshot_age_seconds" []
        "Seconds since the state in the database was read. All metrics of the state are as old.";
    SNAPSHOT_DURATION = Database Kind::Gauge, "piton_snapshot_duration_seconds" []
        "How long it took to read the state, in seconds.";
    JOBS = Database Kind::Gauge, "piton_jobs" ["workflow", "stage", "state"]
        "Live jobs: ready, running, scheduled (due later), suspect (waiting to run alone) or limited (set aside: their stage has a limit, is paused, or some workers cannot run it). Where there are more than 20,000 in a state, they are estimated.";
    JOBS_DUE_SOON = Database Kind::Gauge, "piton_jobs_due_soon" ["workflow"]
        "Scheduled jobs that are due within a minute.";
    JOBS_RETRY_WAIT = Database Kind::Gauge, "piton_jobs_retry_wait" ["workflow"]
        "Jobs that wait to be tried again.";
    OLDEST_READY = Database Kind::Gauge, "piton_oldest_ready_age_seconds" ["workflow"]
        "Seconds that the job has waited which has been claimable for longest; 0 when none is, or while something of the workflow is paused.";
    RUNS = Database Kind::Gauge, "piton_runs" ["workflow", "state"]
        "Runs that are not finished: running or blocked.";
    WORKFLOW_CURRENT = Database Kind::Gauge, "piton_workflow_current_info" ["workflow", "version"]
        "1, with the current version of the workflow: the first twelve digits of its digest.";
    OLDEST_RUN = Database Kind::Gauge, "piton_oldest_run_age_seconds" ["workflow"]
        "Seconds since the oldest run that is running was started; 0 when none is.";
    PAST_DEADLINE = Database Kind::Gauge, "piton_runs_past_deadline" []
        "Runs whose deadline passed within the last 24 hours: they were cancelled, or are about to be.";
    CLEANUP_AGE = Database Kind::Gauge, "piton_cleanup_age_seconds" []
        "Seconds since a cleanup was last through; since the schema was made, where there was none yet.";
    ARTIFACT_BYTES = Database Kind::Gauge, "piton_artifact_bytes" ["type"]
        "Size of what is in the artifact store, by type, in bytes; estimated where there are more than some 20,000 artifacts.";
    PAUSES = Database Kind::Gauge, "piton_pauses" []
        "What is paused: workflows, stages, or everything. piton.pauses_overview tells.";
    DEAD_LETTERS = Database Kind::Gauge, "piton_dead_letters" ["class", "resolution"]
        "Dead letters: all that are pending (more than 20,000 are estimated), and those retried or dismissed within the last 24 hours.";
    WORKERS = Database Kind::Gauge, "piton_workers" ["state"]
        "Workers: alive, stopping, silent (not heard of for longer than their lease, and not taken for lost yet) or lost within the last hour. Where the last one dies, nobody shows this metric.";
    UNEXPLAINED = Database Kind::Gauge, "piton_unexplained_jobs" []
        "Runs and jobs that wait for nothing that is named. Always 0; anything else is a defect, and piton.unexplained_jobs tells which. The oldest runs are looked at less often than the newest: 50000 with every snapshot.";
    WORK_LEFT = Database Kind::Gauge, "piton_work_left_seconds" ["workflow"]
        "Worker-seconds of work that more workers could do: jobs that are ready, running, or due within a minute, and all later stages of their runs, by the measured time of each stage with its retries. What is paused, has to wait for a limit or waits for a retry is left out, with what is behind it. Estimated: the items of stages that are not split yet, from earlier runs. The signal to scale by.";
    EMPTY = Database Kind::Gauge, "piton_empty_seconds" ["workflow"]
        "Seconds until nothing of the workflow is left, its later stages too, at the pace of the last minutes and if nothing comes in; +Inf where it does not empty at this rate (piton throughput tells why), 0 where nothing is left.";
    TABLE_BYTES = Database Kind::Gauge, "piton_table_bytes" ["table"]
        "Size of the table without its indexes, in bytes.";
    INDEX_BYTES = Database Kind::Gauge, "piton_index_bytes" ["table"]
        "Size of the table's indexes, in bytes.";
    DEAD_ROWS = Database Kind::Gauge, "piton_dead_rows" ["table"]
        "Dead rows of the table, as Postgres estimates them.";
    DATABASE_BYTES = Database Kind::Gauge, "piton_database_bytes" []
        "Size of the whole database, in bytes.";
    OLDEST_SNAPSHOT = Database Kind::Gauge, "piton_oldest_snapshot_age_seconds" ["holder"]
        "Age of the oldest snapshot that keeps dead rows from being cleaned up, in seconds, where it is known: held by a session or by a prepared transaction. piton.snapshot_holders tells more.";
    OLDEST_SNAPSHOT_TRANSACTIONS = Database Kind::Gauge, "piton_oldest_snapshot_transactions" ["holder"]
        "Transactions that were begun since the oldest snapshot that keeps dead rows from being cleaned up, by who holds it: session, prepared (a prepared transaction), slot (replication) or standby.";
}
