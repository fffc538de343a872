//! The catalogue of artifacts: announced before they are written, complete afterwards, visible with a checkpoint.

use chrono::{DateTime, Utc};
use sqlx::types::Uuid;

use super::fence::{fence, fences};
use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::artifact::{ArtifactName, ArtifactType};
use crate::model::claim::Claim;
use crate::model::id::{RunId, RunKey};

/// An artifact that is about to be written.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    pub(crate) id: Uuid,
    pub(crate) name: ArtifactName,
    pub(crate) declared: ArtifactType,
    /// Its address, below what this database has of the store.
    pub(crate) below: String,
    pub(crate) content_type: Option<String>,
}

/// An artifact that can be read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Whole {
    pub(crate) id: Uuid,
    /// The key of its run.
    pub(crate) run: i64,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) bytes: i64,
    pub(crate) digest: Vec<u8>,
    /// Who made it.
    pub(crate) stage: String,
    pub(crate) item: i32,
}

/// An artifact that a stage has kept; empty where it has kept none.
#[derive(Debug, sqlx::FromRow)]
struct Kept {
    id: Option<Uuid>,
    run: i64,
    name: Option<String>,
    address: Option<String>,
    bytes: Option<i64>,
    digest: Option<Vec<u8>>,
    item: Option<i32>,
}

impl Kept {
    fn whole(self, stage: &str) -> Option<Whole> {
        Some(Whole {
            id: self.id?,
            run: self.run,
            name: self.name?,
            address: self.address?,
            bytes: self.bytes?,
            digest: self.digest?,
            stage: stage.to_owned(),
            item: self.item?,
        })
    }
}

/// An artifact of a run, for people.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
pub(crate) struct ArtifactRow {
    pub(crate) artifact: Uuid,
    pub(crate) stage: String,
    pub(crate) item: Option<i32>,
    pub(crate) attempt: i32,
    pub(crate) name: String,
    pub(crate) r#type: String,
    pub(crate) visible: bool,
    pub(crate) bytes: Option<i64>,
    pub(crate) digest: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) address: String,
    pub(crate) worker: Option<String>,
    #[sqlx(try_from = "Moment")]
    pub(crate) created_at: DateTime<Utc>,
}

/// Which artifacts of a run are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) run: RunId,
    /// Also those that are not visible.
    pub(crate) all: bool,
    /// Of that name; or with that id, visible or not.
    pub(crate) name: Option<&'a str>,
    pub(crate) stage: Option<&'a str>,
    pub(crate) item: Option<i32>,
    pub(crate) most: i64,
}

impl Store {
    /// Puts an artifact on record before its bytes are written, and tells its address; `None` when the claim no longer holds,
    /// and nothing was recorded. May be sent again.
    pub(crate) async fn announce_artifact(
        &self,
        claim: &Claim,
        artifact: &Announced,
    ) -> Result<Option<String>, StoreError> {
        let address = sqlx::query_scalar_with(include_str!("sql/artifact.sql"), fence(claim)?)
            .bind(artifact.id)
            .bind(artifact.name.as_str())
            .bind(artifact.declared.as_str())
            .bind(&artifact.below)
            .bind(&artifact.content_type)
            .fetch_one(&self.pool)
            .await?;
        Ok(address)
    }

    /// All of its bytes are written; `false` when its attempt is known to be over. May be sent again.
    pub(crate) async fn artifact_is_whole(&self, id: Uuid, bytes: u64, digest: &[u8; 32]) -> Result<bool, StoreError> {
        let done = sqlx::query("update piton.artifacts set bytes = $2, digest = $3 where id = $1 and type = 'pending'")
            .bind(id)
            .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
            .bind(&digest[..])
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// An artifact by its id, if all of it was written.
    pub(crate) async fn artifact(&self, id: Uuid) -> Result<Option<Whole>, StoreError> {
        Ok(sqlx::query_as(
            "select a.id, a.run_id as run, a.name, a.address, a.bytes, a.digest,
                    case when a.stage < 0 then '' else coalesce(v.definition -> 'stages' -> a.stage::int4 ->> 'name', '#' || a.stage) end as stage,
                    a.item
             from piton.artifacts a
             join piton.runs r on r.id = a.run_id
             join piton.workflow_versions v on v.id = r.version_id
             where a.id = $1 and a.digest is not null",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Artifacts that the stage of that name has kept in this attempt's run, by item and name; only those of that name, if one is
    /// given. Of a stage that goes item by item over the same items, those of the attempt's own item. `None` where the workflow has
    /// no such stage.
    pub(crate) async fn kept_by(
        &self,
        claim: &Claim,
        stage: &str,
        name: Option<&str>,
    ) -> Result<Option<Vec<Whole>>, StoreError> {
        let sql = include_str!("sql/kept_by.sql");
        let query = sqlx::query_as(sql).bind(claim.key.run.0).bind(stage).bind(name);
        let rows: Vec<Kept> = query.bind(claim.key.stage).bind(claim.key.item).fetch_all(&self.pool).await?;
        let is_known = !rows.is_empty();
        Ok(is_known.then(|| rows.into_iter().filter_map(|row| row.whole(stage)).collect()))
    }

    /// Artifacts of a run, by stage, item, attempt and name.
    pub(crate) async fn artifacts(&self, asked: Asked<'_>) -> Result<Vec<ArtifactRow>, StoreError> {
        Ok(sqlx::query_as(
            "select artifact, stage, item, attempt, name, type, visible, bytes, digest, content_type, address, worker,
                    created_at
             from (
                 select o.*, a.stage as place from piton.artifacts_overview o join piton.artifacts a on a.id = o.artifact
                 where o.run = $1
             ) as o
             where case when $3::text is null then $2 or visible else name = $3 and visible or artifact::text = $3 end
               and ($4::text is null or stage = $4) and ($5::int4 is null or item = $5)
             order by place, item nulls first, attempt, name, artifact
             limit $6",
        )
        .bind(asked.run.0)
        .bind(asked.all)
        .bind(asked.name)
        .bind(asked.stage)
        .bind(asked.item)
        .bind(asked.most)
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many artifacts of a run are visible.
    pub(crate) async fn artifact_count(&self, run: RunKey) -> Result<i64, StoreError> {
        let sql = "select count(*) from piton.artifacts
                   where run_id = $1 and type not in ('pending', 'failed', 'orphan', 'dead_letter')";
        Ok(sqlx::query_scalar(sql).bind(run.0).fetch_one(&self.pool).await?)
    }

    /// The commit of these attempts did not land: nobody will ask for their artifacts. What became visible by an earlier
    /// commit stays so.
    pub(crate) async fn orphan_artifacts(&self, claims: &[Claim]) -> Result<(), StoreError> {
        sqlx::query_with(
            "update piton.artifacts a set type = 'orphan'
             from unnest($1::int8[], $2::int8[], $3::int2[], $4::int4[], $5::int4[], $6::int8[],
                         $7::int8[])
                 as c (run_id, job_id, stage, item, attempt, worker_id, token)
             where a.run_id = any(array[c.run_id]) and a.stage = c.stage and a.item = c.item and a.attempt = c.attempt
               and a.job_id = c.job_id and a.worker_id = c.worker_id and a.token = c.token
               and (a.type = 'pending') is true",
            fences(claims)?,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
