//! Time that passes in the database of a test: all that is on record there is moved into the past.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::{Store, StoreError};

/// What is not moved: the schema's own history, workers and what one of them does for all, which would seem to be silent for as
/// long, and the audit, which nobody changes.
const LEFT: [&str; 5] = ["migrations", "function_set", "workers", "leases", "audit"];

/// Deadlocks with commits that are sent again.
const TRIED: usize = 20;

impl Store {
    /// Moves every time on record into the past by that span: what is due, deadlines, rate limits, and how long anything has
    /// waited. Of tables where a time is part of a unique key, none: rows would meet on their way.
    pub(crate) async fn advance(&self, span: Duration) -> Result<(), StoreError> {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        for left in (0..TRIED).rev() {
            match self.move_all(micros).await {
                // deadlock_detected
                Err(error) if error.code().as_deref() == Some("40P01") && left > 0 => {}
                moved => return moved,
            }
        }
        Ok(())
    }

    async fn move_all(&self, micros: i64) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let updates: Vec<String> = sqlx::query_scalar(
            "select format('update piton.%I set %s', c.relname,
                           string_agg(format('%1$I = %1$I - $1 * interval ''1 microsecond''', a.attname), ', '))
             from pg_class c
             join pg_attribute a on a.attrelid = c.oid and a.atttypid = 'timestamptz'::regtype and not a.attisdropped
             where c.relnamespace = 'piton'::regnamespace and c.relkind = 'r' and c.relname <> all ($1)
               and not exists (
                   select from pg_index i
                   join pg_attribute k on k.attrelid = i.indrelid and k.attnum = any (i.indkey)
                   where i.indrelid = c.oid and i.indisunique and k.atttypid = 'timestamptz'::regtype)
             group by c.oid, c.relname
             order by c.relname",
        )
        .bind(&LEFT[..])
        .fetch_all(&mut *transaction)
        .await?;
        for update in updates {
            // Made of the catalog's own names, quoted.
            sqlx::query(AssertSqlSafe(update)).bind(micros).execute(&mut *transaction).await?;
        }
        // The ticks of schedules are others then, though they may come at the same time.
        sqlx::query("update piton.run_keys set key = 'moved/' || gen_random_uuid() where key like 'schedule/%'")
            .execute(&mut *transaction)
            .await?;
        // Workers look at once.
        sqlx::query("select pg_notify('piton_jobs', '')").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// How long it is until something is due; `None` where something can go on now, or nothing is ever due.
    pub(crate) async fn idle_until_due(&self) -> Result<Option<Duration>, StoreError> {
        let millis: Option<i64> = sqlx::query_scalar(
            "select ceil(extract(epoch from min(due.at) - clock_timestamp()) * 1000)::int8
             from (
                 select due_at as at from piton.jobs where state = 'scheduled'
                 union all
                 select deadline from piton.waits where outcome is null
                 union all
                 select l.next_at from piton.stage_limits l
                 where l.next_at > clock_timestamp()
                   and exists (select from piton.jobs j where j.state = 'limited' and j.limit_id = l.id)) as due
             where not exists (select from piton.jobs where state in ('ready', 'running', 'suspect'))",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(millis.and_then(|millis| u64::try_from(millis).ok()).filter(|millis| *millis > 0).map(Duration::from_millis))
    }
}
