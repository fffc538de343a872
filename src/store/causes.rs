//! Dead letters counted by cause.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::conditions::ConditionColumns;
use super::dead_letters::{Filter, bound, filtered};
use super::moment::{MaybeMoment, Moment};
use super::{Store, StoreError};
use crate::model::condition::InputPath;
use crate::model::state::Resolution;

/// What the causes are told apart by, beside themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum By {
    /// By workflow and stage.
    #[default]
    Stage,
    Workflow,
    Batch,
    /// By the hour in which they were given up.
    Hour,
    /// By what stands at that place of the runs' inputs.
    Input(InputPath),
}

impl By {
    fn word(&self) -> &'static str {
        match self {
            By::Stage => "stage",
            By::Workflow => "workflow",
            By::Batch => "batch",
            By::Hour => "hour",
            By::Input(_) => "input",
        }
    }

    fn path(&self) -> Option<&[String]> {
        match self {
            By::Input(path) => Some(path.keys()),
            By::Stage | By::Workflow | By::Batch | By::Hour => None,
        }
    }
}

impl std::str::FromStr for By {
    type Err = String;

    fn from_str(word: &str) -> Result<By, String> {
        match word {
            "stage" => Ok(By::Stage),
            "workflow" => Ok(By::Workflow),
            "batch" => Ok(By::Batch),
            "hour" => Ok(By::Hour),
            path if path.starts_with("input") => {
                path.parse().map(By::Input).map_err(|error: crate::model::condition::NoCondition| error.to_string())
            }
            _ => Err("causes are counted by stage, workflow, batch, hour, or a path such as input.tenant".to_owned()),
        }
    }
}

/// Dead letters of one cause.
#[derive(Debug, Clone, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = CauseGroup))]
pub(crate) struct Group {
    /// Where they are counted by stage, workflow or batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workflow: Option<String>,
    /// Where they are counted by stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<String>,
    /// Where they are counted by batch; left out of runs that are in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<String>,
    /// Where they are counted by the hour: its beginning.
    #[sqlx(try_from = "MaybeMoment")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hour: Option<DateTime<Utc>>,
    /// Where they are counted by a path in the inputs: what stands there, as text; left out where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    pub(crate) class: String,
    pub(crate) fingerprint: String,
    pub(crate) count: i64,
    /// How many runs they are of.
    pub(crate) runs: i64,
    #[sqlx(try_from = "Moment")]
    pub(crate) first_at: DateTime<Utc>,
    #[sqlx(try_from = "Moment")]
    pub(crate) last_at: DateTime<Utc>,
    /// Of the last one.
    pub(crate) message: String,
    /// The last one.
    pub(crate) example_id: Uuid,
}

/// All of them together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = CauseTotals))]
pub(crate) struct Totals {
    pub(crate) count: i64,
    pub(crate) runs: i64,
    pub(crate) causes: i64,
    /// Different stages, workflows, batches, hours, or values at the path.
    pub(crate) groups: i64,
}

/// The keys, for whatever it is counted by.
macro_rules! keyed {
    ($batch:literal) => {
        concat!(
            "select case when $11 in ('stage', 'workflow', 'batch') then d.workflow end as workflow,
                    case when $11 = 'stage' then d.stage end as stage, ",
            $batch,
            " as batch,
                    case when $11 = 'hour' then date_trunc('hour', d.dead_at) end as hour,
                    case when $11 = 'input' then left(piton.input_at(d.run_input, $12::text[]), 200) end as value,
                    d.class, d.fingerprint, d.run, d.dead_at, d.id"
        )
    };
}

macro_rules! grouped {
    ($keyed:expr) => {
        concat!(
            "with keyed as materialized (",
            $keyed,
            "), counted as (
                select workflow, stage, batch, hour, value, class, fingerprint, count(*) as count, count(distinct run) as runs,
                       min(dead_at) as first_at, max(dead_at) as last_at, (array_agg(id order by dead_at desc, id desc))[1] as example_id
                from keyed group by 1, 2, 3, 4, 5, 6, 7),
             all_of_them as materialized (
                select sum(count)::int8 as all_count, (select count(distinct run) from keyed) as all_runs,
                       count(distinct fingerprint) as all_causes, count(distinct (workflow, stage, batch, hour, value)) filter (
                           where case $11 when 'batch' then batch is not null when 'input' then value is not null else true end) as all_groups
                from counted)
             select c.*, left(m.message, 2000) as message, a.*
             from counted c join piton.dead_letters m on m.id = c.example_id cross join all_of_them a
             order by c.count desc, c.last_at desc, c.fingerprint, c.workflow, c.stage, c.batch, c.hour, c.value limit $13"
        )
    };
}

/// Items of batches are not found by their runs: what is not counted by batch does not look for them.
macro_rules! plain {
    () => {
        filtered!(keyed!("null::text"), "", "")
    };
}

macro_rules! by_batch {
    () => {
        filtered!(
            keyed!("b.name"),
            "left join piton.batch_items i on i.run = d.run left join piton.batches b on b.id = i.batch_id",
            ""
        )
    };
}

/// A group as its row tells it, with all of them beside it.
#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    group: Group,
    all_count: i64,
    all_runs: i64,
    all_causes: i64,
    all_groups: i64,
}

impl Store {
    /// By cause, the most frequent first, and at most that many; and all of them together.
    pub(crate) async fn causes(&self, filter: &Filter, by: &By, most: i64) -> Result<(Vec<Group>, Totals), StoreError> {
        let sql = if *by == By::Batch { grouped!(by_batch!()) } else { grouped!(plain!()) };
        let asked = bound!(sqlx::query_as(sql), filter).bind(by.word()).bind(by.path()).bind(most);
        let rows: Vec<Row> = asked.fetch_all(&self.pool).await?;
        let totals = rows.first().map_or_else(Totals::default, |row| Totals {
            count: row.all_count,
            runs: row.all_runs,
            causes: row.all_causes,
            groups: row.all_groups,
        });
        Ok((rows.into_iter().map(|row| row.group).collect(), totals))
    }
}
