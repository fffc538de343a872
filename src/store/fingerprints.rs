//! Brings fingerprints that an older Piton wrote up to date.

use sqlx::types::Uuid;

use super::{Store, StoreError};
use crate::model::failure::FailureClass;
use crate::model::fingerprint;

/// Dead letters that one statement renews: their rows are locked for moments only.
const AT_ONCE: i64 = 500;

type Place = (i64, i16, i32);

#[derive(sqlx::FromRow)]
struct Old {
    run_id: i64,
    stage: i16,
    item: i32,
    id: Uuid,
    class: String,
    message: String,
    fingerprint: String,
}

impl Store {
    /// Renews those of all dead letters that are pending; tells how many there were. May be cut short at any time, and may run
    /// on several processes at once.
    pub(crate) async fn renew_fingerprints(&self) -> Result<i64, StoreError> {
        let (mut renewed, mut after) = (0, None);
        loop {
            let old = self.old_fingerprints(after).await?;
            let Some(last) = old.last() else { return Ok(renewed) };
            after = Some((last.run_id, last.stage, last.item));
            let ids: Vec<Uuid> = old.iter().map(|letter| letter.id).collect();
            let names: Vec<String> = old.iter().map(Old::renewed).collect();
            let sql = "select piton.renew_fingerprints($1, $2)";
            renewed += sqlx::query_scalar::<_, i64>(sql).bind(ids).bind(names).fetch_one(&self.pool).await?;
        }
    }

    /// In the order of the index of those that are pending, behind that one.
    async fn old_fingerprints(&self, after: Option<Place>) -> Result<Vec<Old>, StoreError> {
        let (run, stage, item) = after.unwrap_or((i64::MIN, i16::MIN, i32::MIN));
        let sql = "select d.run_id, d.stage, d.item, d.id, d.class, left(d.message, 8000) as message, d.fingerprint
                   from piton.dead_letters d
                   where d.resolution = 'pending' and (d.run_id, d.stage, d.item) > ($1, $2, $3) and length(d.fingerprint) = 16
                   order by d.run_id, d.stage, d.item limit $4";
        Ok(sqlx::query_as(sql).bind(run).bind(stage).bind(item).bind(AT_ONCE).fetch_all(&self.pool).await?)
    }
}

impl Old {
    fn renewed(&self) -> String {
        let class = FailureClass::from_word(&self.class).unwrap_or(FailureClass::Unknown);
        fingerprint::renewed(&self.fingerprint, class, &self.message)
    }
}
