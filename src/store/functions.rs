//! The SQL functions of the schema: one file each in `migrations/functions`, put into the database whenever one has changed.
//!
//! Tables change by forward migrations and functions by diffs of their files. So that an older binary never puts an
//! older function over a newer one, a changed function ships with a new migration, which names the digest of all of
//! them: a binary that does not know the newest migration leaves them alone.

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnection;

use super::schema::{OLDEST_BINARY, SchemaError};
use super::{Store, StoreError};

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../migrations/functions/", $name, ".sql")))),+]
    };
}

/// Names and texts, in the order in which they are put there.
const FUNCTIONS: &[(&str, &str)] = files![
    "new_id",
    "new_key",
    "stage_names",
    "check_input",
    "finish",
    "input_at",
    "input_fits",
    "fit_input",
    "check_time",
    "finite",
    "can_begin",
    "open_queues",
    "is_measure",
    "is_sound_throughput",
    "is_sound_stage_times",
    "clock",
    "span_words",
    "some_of",
    "workers_overview",
    "quoted",
    "check_said",
    "check_reason",
    "refuse_workflow",
    "trace_parent",
    "trace_state",
    "wake_workers",
    "start_run_of",
    "begin_on_file",
    "run_under",
    "is_same_json",
    "is_same_input",
    "start_run",
    "start_run_once",
    "start_runs",
    "list_files",
    "start_run_on_files",
    "stages_of",
    "stages_behind",
    "arrivals_missing",
    "wait_is_spent",
    "run_output",
    "end_child_wait",
    "answer_parent",
    "begin_child",
    "end_children",
    "settle_children",
    "callback_token",
    "callback_digest",
    "refuse_callback",
    "callback_named",
    "open_callback",
    "wake",
    "signal",
    "answer_callback",
    "complete",
    "fail",
    "heartbeat",
    "callback_token_of",
    "cancel_jobs",
    "arrive",
    "settle_quorum",
    "forget_stages",
    "races_of",
    "stop_stages",
    "settle_race",
    "move_to_the_past",
    "renew_joins",
    "bear_items",
    "round_stages",
    "next_round",
    "begin_round",
    "another_round",
    "redo",
    "refuse_dead_letter",
    "refuse_stage",
    "redo_place",
    "redo_dead_letters",
    "correct_input",
    "retry_dead_letters",
    "retry_dead_letter",
    "dismiss_dead_letter",
    "force_dead_letter",
    "refuse_run",
    "end_run",
    "cancel_run",
    "end_overdue_runs",
    "batch_named",
    "refuse_batch",
    "refit_batch",
    "open_batch",
    "add_to_batch",
    "seal_batch",
    "feed_batch",
    "feed_batches",
    "start_batch",
    "discard_batch",
    "stop_batch",
    "cancel_batch_runs",
    "cancel_batch",
    "retry_batch",
    "batch_results",
    "batches_overview",
    "renew_limited_stages",
    "renew_paused_stages",
    "leave_stages",
    "limit_room",
    "worker_room",
    "live_jobs",
    "work_left",
    "throughput_overview",
    "settle_throughput",
    "limit_heads",
    "limit_share",
    "claim_limited",
    "renew_limits",
    "limits_between",
    "note_schedule",
    "same_times",
    "stop_schedule",
    "renew_schedules",
    "change_current",
    "deploy_if_new",
    "make_current",
    "renew_stages",
    "version_named",
    "deploy_workflow",
    "rollback_workflow",
    "pin_batch",
    "versions_overview",
    "limits_overview",
    "schedule_named",
    "tick_input",
    "failed_in_a_row",
    "fire_schedule",
    "fire_schedules",
    "pause_schedule",
    "resume_schedule",
    "trigger_schedule",
    "set_schedule",
    "drop_schedule",
    "schedules_overview",
    "queue_named",
    "pause",
    "resume",
    "pauses_overview",
    "runs_overview",
    "queue_depth",
    "attempts_overview",
    "outputs_overview",
    "rounds_overview",
    "dead_letters_overview",
    "causes_overview",
    "renew_fingerprints",
    "retry_preview",
    "holds",
    "outlook_overview",
    "stages_waiting",
    "waits_overview",
    "why_waiting",
    "live_waits",
    "waiting_overview",
    "run_waits",
    "recoveries",
    "unexplained_live",
    "unexplained_runs",
    "unexplained_jobs",
    "store_owner",
    "settle_artifacts",
    "artifacts_overview",
    "snapshot_holders",
    "retention_rules",
    "protection",
    "cleanup_due",
    "keep",
    "hold_run",
    "release_run",
    "plan_cleanup",
    "plan_next_cleanup",
    "begin_cleanup",
    "clean_runs",
    "clean_batches",
    "clean_records",
    "take_artifacts",
    "artifacts_deleted",
    "cleanups_overview",
    "limit_words",
    "changes",
    "storage_stats",
    "outlook_state",
    "state",
    "roles",
];

/// SHA-256 over the texts.
pub(super) fn digest() -> [u8; 32] {
    let mut hash = Sha256::new();
    for (_, text) in FUNCTIONS {
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

impl Store {
    /// The functions in the database are those of this binary. Asked of a schema that is migrated.
    pub(super) async fn functions_fit(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("select digest = $1 from piton.function_set")
            .bind(&digest()[..])
            .fetch_one(&self.pool)
            .await?)
    }
}

/// Puts them there with the transaction that the migrations they need are in; tells whether they were others. `known` is
/// the newest migration of this binary.
///
/// A newer Piton has left its version there, and its functions stay.
pub(super) async fn put(known: i64, connection: &mut PgConnection) -> Result<bool, SchemaError> {
    let (found, there): (i64, Vec<u8>) =
        sqlx::query_as("select version, digest from piton.function_set for update").fetch_one(&mut *connection).await?;
    if found > known || there == digest() && roles_fit(&mut *connection).await? {
        return Ok(false);
    }
    for (_, text) in FUNCTIONS {
        sqlx::raw_sql(*text).execute(&mut *connection).await?;
    }
    sqlx::query("update piton.function_set set digest = $1, version = $2, oldest_binary = $3, applied_at = now()")
        .bind(&digest()[..])
        .bind(known)
        .bind(OLDEST_BINARY)
        .execute(connection)
        .await?;
    Ok(true)
}

/// The roles that there are have what the last function file gives them; somebody may have made one since. Where they
/// cannot be made, there is nothing to give.
async fn roles_fit(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let sql = "select not exists (select from pg_roles r
                                  where r.rolname in ('piton_reader', 'piton_operator', 'piton_worker')
                                    and not has_table_privilege(r.oid, 'piton.runs', 'select')
                                     or r.rolname = 'piton_stage'
                                    and not has_function_privilege(r.oid, to_regprocedure('piton.heartbeat(text, json)'), 'execute'))";
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");

    fn in_folder(folder: &str) -> Vec<String> {
        let files = std::fs::read_dir(folder).expect(folder).map(|file| file.expect(folder).path());
        let sql = files.filter(|path| path.extension().is_some_and(|e| e == "sql"));
        let mut names: Vec<String> =
            sql.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn every_file_is_in_the_binary() {
        let mut names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        names.sort();
        assert_eq!(in_folder(&format!("{FOLDER}/functions")), names, "list it in FUNCTIONS");
        let newest = in_folder(FOLDER).last().and_then(|name| name.split('_').next()?.parse().ok());
        assert_eq!(newest, Some(super::super::migrate::newest()), "sqlx read the folder too early: touch migrator.rs");
    }

    #[test]
    fn a_changed_function_ships_with_a_new_migration() {
        let migrations = in_folder(FOLDER).into_iter().rev();
        let texts =
            migrations.map(|name| std::fs::read_to_string(format!("{FOLDER}/{name}.sql")).expect("a migration"));
        let named = texts.into_iter().find_map(|text| Some(text.split_once("-- functions: ")?.1.trim().to_owned()));
        let found: String = digest().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            named.as_deref(),
            Some(found.as_str()),
            "a function changed. If the newest migration was never released, let it end with this line; otherwise \
             write a new one that does:\n-- functions: {found}"
        );
    }
}
