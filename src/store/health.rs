//! Health: what a check of the queue reads, and the history of components.

use chrono::{DateTime, Utc};

use super::moment::Moment;
use super::{Store, StoreError};
use crate::model::health::{Component, Status};

/// Heads of queues that a check looks at.
const HEADS: i64 = 1000;

/// A component of a worker is in another state than before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) at: DateTime<Utc>,
    pub(crate) component: Component,
    /// `None` for the first check of a boot.
    pub(crate) was: Option<Status>,
    pub(crate) status: Status,
    /// Why it is not healthy.
    pub(crate) reason: Option<String>,
}

impl Store {
    /// Seconds that a job has waited which could be claimed; 0 when there is none.
    pub(crate) async fn oldest_ready(&self) -> Result<f64, StoreError> {
        Ok(sqlx::query_scalar(include_str!("sql/oldest_ready.sql")).bind(HEADS).fetch_one(&self.pool).await?)
    }

    /// Adds to the history, and takes away what is older than it is kept.
    pub(crate) async fn record_health(&self, worker: &str, changes: &[Change]) -> Result<(), StoreError> {
        sqlx::query(
            "with old as (
                 delete from piton.health_history where id in (
                     select id from piton.health_history where at < now() - interval '30 days' order by at limit 1000)
             )
             insert into piton.health_history (at, worker, component, was, status, reason)
             select c.at, $1, c.component, c.was, c.status, c.reason
             from unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[])
                  as c (at, component, was, status, reason)",
        )
        .bind(worker)
        .bind(changes.iter().map(|c| Moment(c.at)).collect::<Vec<_>>())
        .bind(changes.iter().map(|c| c.component.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|c| c.was.map(Status::as_str)).collect::<Vec<_>>())
        .bind(changes.iter().map(|c| c.status.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|c| c.reason.as_deref()).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
