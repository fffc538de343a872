//! Which runs have started which, for people.

use serde::Serialize;
use sqlx::types::Uuid;

use super::{Store, StoreError};
use crate::model::id::{RunId, RunKey};

/// The stage that started a run.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct ParentRow {
    /// Its run.
    pub(crate) run: Uuid,
    pub(crate) workflow: String,
    pub(crate) stage: String,
    /// Of a fanned-out stage.
    pub(crate) item: Option<i32>,
    /// It does not wait for the end, and does not end it.
    pub(crate) detached: bool,
}

/// A run that was started below another.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct ChildRow {
    pub(crate) run: Uuid,
    pub(crate) workflow: String,
    pub(crate) state: String,
    /// The run whose stage started it.
    pub(crate) parent: Uuid,
    /// Name of that stage.
    pub(crate) stage: String,
    /// Of a fanned-out stage.
    pub(crate) item: Option<i32>,
    pub(crate) detached: bool,
    /// 1 for a child, 2 for a child of one.
    pub(crate) depth: i32,
}

/// What has become of the children of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Family {
    pub(crate) parent: Option<ParentRow>,
    /// How many children are in which state.
    pub(crate) counts: Vec<(String, i64)>,
    /// Those that are shown, each below the one that started it: at every level the unfinished ones first.
    pub(crate) children: Vec<ChildRow>,
}

impl Family {
    /// Children, without those of theirs.
    pub(crate) fn count(&self) -> i64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

impl Store {
    /// Whose stage started the run, and what was started below it: `most` of that are named.
    pub(crate) async fn family(&self, run: RunKey, most: i64) -> Result<Family, StoreError> {
        let parent = sqlx::query_as(
            "select p.uuid as run, w.name as workflow, coalesce(v.stage_names[r.parent_stage + 1], '#' || r.parent_stage) as stage,
                    nullif(r.parent_item, -1) as item, r.detached
             from piton.runs r
             join piton.runs p on p.id = r.parent_id
             join piton.workflow_versions v on v.id = p.version_id
             join piton.workflows w on w.id = v.workflow_id
             where r.id = $1",
        );
        let parent = parent.bind(run.0).fetch_optional(&self.pool).await?;
        let counts =
            sqlx::query_as("select state, count(*) from piton.runs where parent_id = $1 group by state order by state");
        let counts: Vec<(String, i64)> = counts.bind(run.0).fetch_all(&self.pool).await?;
        let children = if counts.is_empty() { Vec::new() } else { self.children(run, most).await? };
        Ok(Family { parent, counts, children })
    }

    /// Level by level as many as are shown, and then each below the one that started it.
    async fn children(&self, run: RunKey, most: i64) -> Result<Vec<ChildRow>, StoreError> {
        let sql = "with recursive tree (id, depth, path) as (
                       select $1::int8, 0, array[]::int8[]
                       union all
                       select c.id, t.depth + 1, t.path || c.place || c.id
                       from tree t
                       cross join lateral (
                           select r.id, (r.finished_at is not null)::int4::int8 as place from piton.runs r
                           where r.parent_id = t.id order by 2, 1 limit $2
                       ) as c
                       where t.depth < 16
                   ),
                   shown as (select * from tree offset 1 limit $2)
                   select r.uuid as run, w.name as workflow, r.state, p.uuid as parent,
                          coalesce(n.stage_names[r.parent_stage + 1], '#' || r.parent_stage) as stage, nullif(r.parent_item, -1) as item,
                          r.detached, s.depth
                   from shown s
                   join piton.runs r on r.id = s.id
                   join piton.workflow_versions v on v.id = r.version_id
                   join piton.workflows w on w.id = v.workflow_id
                   join piton.runs p on p.id = r.parent_id
                   join piton.workflow_versions n on n.id = p.version_id
                   order by s.path";
        Ok(sqlx::query_as(sql).bind(run.0).bind(most).fetch_all(&self.pool).await?)
    }

    /// The run whose stage started that one.
    pub(crate) async fn parent_of(&self, run: RunId) -> Result<Option<RunId>, StoreError> {
        let sql = "select p.uuid from piton.runs r join piton.runs p on p.id = r.parent_id where r.uuid = $1";
        let found: Option<Uuid> = sqlx::query_scalar(sql).bind(run.0).fetch_optional(&self.pool).await?;
        Ok(found.map(RunId))
    }

    /// The runs that its stages have started, the first one first.
    pub(crate) async fn children_of(&self, run: RunId) -> Result<Vec<RunId>, StoreError> {
        let sql = "select c.uuid from piton.runs c where c.parent_id = (select r.id from piton.runs r where r.uuid = $1) order by c.id";
        let found: Vec<Uuid> = sqlx::query_scalar(sql).bind(run.0).fetch_all(&self.pool).await?;
        Ok(found.into_iter().map(RunId).collect())
    }
}
