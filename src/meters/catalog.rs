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
        "Runs whose first stage this worker started.";
    RUNS_DONE = Process Kind::Counter, "piton_runs_done_total" ["workflow"]
        "Runs whose last stage this worker committed.";
    JOBS_STARTED = Process Kind::Counter, "piton_jobs_started_total" ["workflow", "stage"]
        "Jobs whose first attempt this worker started.";
    JOBS_FINISHED = Process Kind::Counter, "piton_jobs_finished_total" ["workflow", "stage", "outcome"]
        "Jobs that ended in a commit of this worker: done, skipped (items that were cancelled because enough others were done are counted, too), tolerated (given up, and the run went on: its stage is optional, or content with a part of its items) or dead_lettered.";
    ATTEMPTS = Process Kind::Counter, "piton_attempts_total" ["workflow", "stage", "outcome"]
        "Attempts that ended: done, skipped (its condition did not hold, or what it needs was skipped), tolerated (given up, and the run went on without it), retried, dead_lettered, waits (it goes on when its wait is over), released (handed back), cancelled, fenced (its claim no longer held) or lost (counted by the worker that recovered it).";
    FAILURES = Process Kind::Counter, "piton_failures_total" ["workflow", "stage", "class"]
        "Failed attempts by failure class.";
    RETRIES = Process Kind::Counter, "piton_retries_total" ["workflow", "stage", "class"]
        "Retries scheduled, by the class of the failure before them.";
    DEAD_LETTERED = Process Kind::Counter, "piton_dead_lettered_total" ["workflow", "stage", "class"]
        "Jobs given up, by failure class.";
    ROUNDS = Process Kind::Counter, "piton_rounds_begun_total" ["workflow", "stage"]
        "Rounds that began because the one before was not good enough, by the stage that decides.";
    FINISHES = Process Kind::Counter, "piton_program_finishes_total" ["workflow", "stage", "outcome"]
        "Attempts of programs with finish = true, by how piton.finish took part: finished (it was called and committed, and the program ended well), finished_then_failed (what the program did afterwards is ignored), taken_over (an attempt before it had finished; the program was not started), returned (the program printed its output instead), failed (neither), over (the attempt no longer held its job, so piton.finish is refused) or corrupt (what it finished with is not what was recorded).";
    POLLS = Process Kind::Counter, "piton_polls_total" ["workflow", "stage", "outcome"]
        "Polls of services that are asked again until they are done: working, done, failed (the service has, or knows nothing of the work any more) or missed (there was no answer that could be read).";
    CALLBACKS = Process Kind::Counter, "piton_callbacks_total" ["outcome"]
        "Requests of services that call back: completed, failed (the service has), heartbeat, late (answered before), unknown (the token opens nothing), invalid, limited (too many unknown tokens of one client) or unanswered (the database did not answer).";
    JOB_WAIT = Process Kind::Histogram(SPANS), "piton_job_wait_seconds" ["workflow", "stage"]
        "Seconds from the moment a job could be claimed to its claim; 0 if it was handed on.";
    ATTEMPT_DURATION = Process Kind::Histogram(SPANS), "piton_attempt_duration_seconds" ["workflow", "stage"]
        "How long attempts ran, in seconds, whatever their outcome.";
    CLAIM_DURATION = Process Kind::Histogram(MOMENTS), "piton_claim_duration_seconds" []
        "How long claims took in the database, in seconds.";
    CLAIM_BATCH = Process Kind::Histogram(BATCHES), "piton_claim_batch_size" []
        "Number of jobs that a claim found.";
    COMMIT_DURATION = Process Kind::Histogram(MOMENTS), "piton_commit_duration_seconds" []
        "How long commits took in the database, in seconds.";
    COMMIT_BATCH = Process Kind::Histogram(BATCHES), "piton_commit_batch_size" []
        "Number of attempts that a commit ended.";
    SLOTS = Process Kind::Gauge, "piton_slots" ["state"]
        "Slots of this worker: busy, free, or lent to a process that runs a suspect. There are fewer than configured while this process may not open enough files.";
    RESULTS_WAITING = Process Kind::Gauge, "piton_results_waiting" []
        "Attempts that have ended and are not committed yet; they are kept in memory.";
    RECOVERIES = Process Kind::Counter, "piton_recoveries_total" ["action"]
        "Jobs that this worker took from workers that were gone: resumed, restarted or dead_lettered.";
    STAGES_MISSING = Process Kind::Gauge, "piton_stages_missing" ["workflow"]
        "Stages that this worker leaves to others because it lacks their handler, program or variable, or something that they require.";
    WARM_PROCESSES = Process Kind::Gauge, "piton_warm_processes" ["workflow", "stage", "state"]
        "Processes of warm stages on this worker: starting, idle, busy or stopping.";
    WARM_STARTS = Process Kind::Counter, "piton_warm_starts_total" ["workflow", "stage", "outcome"]
        "Processes of warm stages that this worker started: ready, or failed (not ready in time, or ended before).";
    WARM_START_SECONDS = Process Kind::Histogram(SPANS), "piton_warm_start_seconds" ["workflow", "stage"]
        "How long processes of warm stages took until they were ready, in seconds.";
    SUSPECTED = Process Kind::Counter, "piton_crash_suspects_total" ["workflow", "stage"]
        "Jobs that this worker found in a dead process, and that now wait to run alone.";
    DATABASE_ERRORS = Process Kind::Counter, "piton_database_errors_total" ["part"]
        "Statements without an answer that are sent again, by the part of the worker that waits: claim, inputs, commit, look, session, snapshot or health.";
    CONNECTIONS = Process Kind::Gauge, "piton_database_connections" ["state"]
        "Connections of this worker's pools, also of its stages' own transactions: idle or in_use.";
    CONNECTIONS_MAX = Process Kind::Gauge, "piton_database_connections_max" []
        "Maximum number of connections of this worker's pools.";
    RECONNECTS = Process Kind::Counter, "piton_database_reconnects_total" []
        "How often this worker's own session was lost and opened again.";
    NOTIFICATIONS = Process Kind::Counter, "piton_notifications_total" []
        "Notifications of new jobs that reached this worker.";
    LOOP_LAG = Process Kind::Histogram(MOMENTS), "piton_loop_lag_seconds" []
        "How late a timer of this process fired, in seconds: handlers that compute without awaiting delay it.";
    SNAPSHOT_LEADER = Process Kind::Gauge, "piton_snapshot_leader" []
        "1 while this worker takes the snapshot of the database's state, else 0.";
    CLEANUP_DELETED = Process Kind::Counter, "piton_cleanup_deleted_total" ["what", "type"]
        "Runs (with everything recorded of them) and artifacts that cleanup has deleted, by their state or type.";
    CLEANUP_BYTES = Process Kind::Counter, "piton_cleanup_bytes_total" ["what", "type"]
        "Size of the artifacts, and of the outputs of the runs, that cleanup has deleted, in bytes.";
    CLEANUP_ERRORS = Process Kind::Counter, "piton_cleanup_errors_total" ["what", "type"]
        "What cleanup could not delete; piton.cleanup_items has the reasons.";
    FILE_CACHE_REQUESTS = Process Kind::Counter, "piton_file_cache_requests_total" ["result"]
        "Files of the artifact store that attempts of this worker read: hit (it had the file at hand) or miss (it fetched the file).";
    FILE_CACHE_FETCHED_BYTES = Process Kind::Counter, "piton_file_cache_fetched_bytes_total" []
        "Size of the files that this worker has fetched from the artifact store for its attempts, in bytes.";
    FILE_CACHE_EVICTED = Process Kind::Counter, "piton_file_cache_evicted_total" []
        "Fetched files that this worker has deleted to make room for others: many misses for many of them ask for a larger --file-cache.";
    FILE_CACHE_BYTES = Process Kind::Gauge, "piton_file_cache_bytes" []
        "Size of the fetched files that this worker has at hand, in bytes.";
    LIVE = Process Kind::Gauge, "piton_live" []
        "1 while every part of this worker runs and none stands still, else 0: restart it.";
    READY = Process Kind::Gauge, "piton_ready" []
        "1 while this worker claims and has what stages need, else 0: while it waits for its database, migrates or shuts down, and while it cannot write to its temporary folder or its artifact store, or open files.";
    COMPONENT_STATUS = Process Kind::Gauge, "piton_component_status" ["component", "status"]
        "1 for the status that the component of this worker has (healthy, degraded or unhealthy), 0 for the others. Use max.";
    COMPONENT_VALUE = Process Kind::Gauge, "piton_component_value" ["component", "measure"]
        "Last measured value of the component: seconds, or a share from 0 to 1. More is worse.";
    COMPONENT_THRESHOLD = Process Kind::Gauge, "piton_component_threshold" ["component", "measure", "status"]
        "The value at which the component becomes degraded, or unhealthy.";
    CHECK_AGE = Process Kind::Gauge, "piton_component_check_age_seconds" ["component"]
        "Seconds since the component was last checked.";
    CHECK_DURATION = Process Kind::Gauge, "piton_component_check_duration_seconds" ["component"]
        "How long the last check of the component took, in seconds.";
    SERIES_LEFT_OUT = Process Kind::Gauge, "piton_series_left_out" []
        "Series of workflows and stages that this worker does not export, because there are more than --metrics-series; 0 while it exports all.";
    BUILD_INFO = Process Kind::Gauge, "piton_build_info" ["version"]
        "1, with the version of this program.";

    // State: what is in the database.
    SNAPSHOT_AGE = Database Kind::Gauge, "piton_snapshot_age_seconds" []
        "Seconds since the state of the database was read. All metrics of the state are that old.";
    SNAPSHOT_DURATION = Database Kind::Gauge, "piton_snapshot_duration_seconds" []
        "How long it took to read the state, in seconds.";
    JOBS = Database Kind::Gauge, "piton_jobs" ["workflow", "stage", "state"]
        "Live jobs: ready, running, scheduled (due later), suspect (waiting to run alone), limited (set aside: their stage has a limit, is paused, or some workers cannot run it) or waiting (for something outside). Estimated above 20,000 in a state.";
    JOBS_DUE_SOON = Database Kind::Gauge, "piton_jobs_due_soon" ["workflow"]
        "Scheduled jobs that are due within a minute.";
    JOBS_RETRY_WAIT = Database Kind::Gauge, "piton_jobs_retry_wait" ["workflow"]
        "Jobs that wait for a retry.";
    WAITS = Database Kind::Gauge, "piton_waits" ["kind"]
        "Open waits: sleep, signal, callback, poll or run (another run). Up to 100,001 of a kind are counted.";
    OLDEST_WAIT = Database Kind::Gauge, "piton_oldest_wait_age_seconds" ["kind"]
        "Age of the oldest open wait in seconds; 0 if there is none.";
    WAITS_NEAR_TIMEOUT = Database Kind::Gauge, "piton_waits_near_timeout" ["kind"]
        "Open waits that time out within an hour; sleeps have no timeout.";
    OLDEST_READY = Database Kind::Gauge, "piton_oldest_ready_age_seconds" ["workflow"]
        "Age of the oldest claimable job in seconds; 0 if there is none, or while something of the workflow is paused.";
    RUNS = Database Kind::Gauge, "piton_runs" ["workflow", "state"]
        "Runs that are not finished: running or blocked.";
    WORKFLOW_CURRENT = Database Kind::Gauge, "piton_workflow_current_info" ["workflow", "version"]
        "1, with the current version of the workflow: the first twelve digits of its digest.";
    OLDEST_RUN = Database Kind::Gauge, "piton_oldest_run_age_seconds" ["workflow"]
        "Seconds since the oldest running run was started; 0 if there is none.";
    PAST_DEADLINE = Database Kind::Gauge, "piton_runs_past_deadline" []
        "Runs whose deadline passed within the last 24 hours: they were cancelled, or are about to be.";
    CLEANUP_AGE = Database Kind::Gauge, "piton_cleanup_age_seconds" []
        "Seconds since the last cleanup finished, or since the schema was created.";
    ARTIFACT_BYTES = Database Kind::Gauge, "piton_artifact_bytes" ["type"]
        "Size of the artifact store's contents, by type, in bytes; estimated above some 20,000 artifacts.";
    PAUSES = Database Kind::Gauge, "piton_pauses" []
        "Number of pauses: of workflows, stages, or everything. piton.pauses_overview lists them.";
    SCHEDULES = Database Kind::Gauge, "piton_schedules" ["state"]
        "Schedules: active, paused (by somebody, or no longer in the current version of their file) or stopped (by pause_after_failures, or because they cannot be read). piton.schedules_overview says why.";
    SCHEDULE_OVERDUE = Database Kind::Gauge, "piton_schedule_overdue_seconds" ["workflow"]
        "Seconds since the oldest tick of the workflow's schedules that should have been and that no worker has looked at; 0 if there is none, or while the workflow is paused.";
    DEAD_LETTERS = Database Kind::Gauge, "piton_dead_letters" ["class", "resolution"]
        "Dead letters: all pending ones (estimated above 20,000), and those tolerated, retried or dismissed within the last 24 hours.";
    WORKERS = Database Kind::Gauge, "piton_workers" ["state"]
        "Workers: alive, stopping, silent (no heartbeat for longer than their lease, and not counted as lost yet) or lost within the last hour. When the last worker dies, nobody exports this metric.";
    UNEXPLAINED = Database Kind::Gauge, "piton_unexplained_jobs" []
        "Runs and jobs that wait for nothing that is named. Always 0; anything else is a defect, and piton.unexplained_jobs lists them. The oldest runs are checked less often than the newest: 20000 with every snapshot.";
    WORK_LEFT = Database Kind::Gauge, "piton_work_left_seconds" ["workflow"]
        "Worker-seconds of work that more workers could do: jobs that are ready, running, or due within a minute, and all later stages of their runs, by the measured time of each stage with its retries. Paused jobs, and jobs that wait for a limit or a retry, are left out, with everything behind them. Estimated: the items of stages that are not split yet, from earlier runs. The signal to scale by.";
    EMPTY = Database Kind::Gauge, "piton_empty_seconds" ["workflow"]
        "Seconds until nothing of the workflow is left, with all later stages and the items of its batches, at the pace of the last minutes and if nothing comes in; +Inf if it does not empty at this rate (piton throughput shows why), 0 if nothing is left.";
    TABLE_BYTES = Database Kind::Gauge, "piton_table_bytes" ["table"]
        "Size of the table without its indexes, in bytes.";
    INDEX_BYTES = Database Kind::Gauge, "piton_index_bytes" ["table"]
        "Size of the table's indexes, in bytes.";
    DEAD_ROWS = Database Kind::Gauge, "piton_dead_rows" ["table"]
        "Dead rows of the table, as Postgres estimates them.";
    DATABASE_BYTES = Database Kind::Gauge, "piton_database_bytes" []
        "Size of the whole database, in bytes.";
    OLDEST_SNAPSHOT = Database Kind::Gauge, "piton_oldest_snapshot_age_seconds" ["holder"]
        "Age of the oldest snapshot that keeps dead rows from being vacuumed, in seconds, where it is known: held by a session or by a prepared transaction. piton.snapshot_holders has details.";
    OLDEST_SNAPSHOT_TRANSACTIONS = Database Kind::Gauge, "piton_oldest_snapshot_transactions" ["holder"]
        "Transactions begun since the oldest snapshot that keeps dead rows from being vacuumed, by its holder: session, prepared (a prepared transaction), slot (replication) or standby.";
}
