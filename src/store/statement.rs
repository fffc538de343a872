//! The statement of a stage with `sql`: in the transaction that ends its attempt, with the rights of its role, for a limited time.

use std::time::Duration;

use futures_util::TryStreamExt;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::StoreError;

/// A statement, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// With `$1` and so on; every row that comes back is the text of a JSON object.
    pub(crate) text: String,
    pub(crate) parameters: Vec<String>,
    pub(crate) returns_rows: bool,
    pub(crate) role: String,
    pub(crate) timeout: Duration,
    /// Of all rows together.
    pub(crate) most_bytes: usize,
}

/// What it returned.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Box<RawValue>>,
    /// How many rows it returned, or changed.
    pub(crate) count: u64,
}

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) enum StatementFailure {
    NoSuchRole {
        /// Whose member the role of the file is to have.
        user: String,
    },
    /// The role may do more than a stage should.
    TooMighty(&'static str),
    NotAMember {
        user: String,
    },
    TooManyBytes,
    Sql(StoreError),
}

impl From<sqlx::Error> for StatementFailure {
    fn from(error: sqlx::Error) -> Self {
        StatementFailure::Sql(error.into())
    }
}

/// Whoever can write into Piton's tables can have any program run by workers; so can who makes roles.
const ROLE: &str = "
    select current_user::text, r.oid is not null, coalesce(r.rolsuper or r.rolcreaterole, false),
           coalesce((select bool_or(pg_catalog.has_table_privilege(r.oid, c.oid, 'insert, update, delete, truncate'))
                     from pg_catalog.pg_class c
                     where c.relnamespace = 'piton'::regnamespace and c.relkind in ('r', 'p')), false),
           coalesce(pg_catalog.pg_has_role(current_user, r.oid, 'member'), false)
    from (select) as one
    left join pg_catalog.pg_roles r on r.rolname = $1";

/// Until the end of the transaction, or until the engine takes it over. What is a literal must be one for the server, too.
const BECOME: &str = "
    select pg_catalog.set_config('standard_conforming_strings', 'on', true),
           pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('role', $2, true)";

impl Statement {
    /// Runs it. Whatever it returns, nothing is committed yet.
    pub(crate) async fn run(&self, connection: &mut PgConnection) -> Result<Answer, StatementFailure> {
        self.become_role(connection).await?;
        if self.returns_rows {
            return self.rows(connection).await;
        }
        let mut query = sqlx::query(AssertSqlSafe(self.text.clone())).persistent(false);
        for parameter in &self.parameters {
            query = query.bind(parameter);
        }
        let done = query.execute(connection).await?;
        Ok(Answer { rows: Vec::new(), count: done.rows_affected() })
    }

    async fn become_role(&self, connection: &mut PgConnection) -> Result<(), StatementFailure> {
        let (user, exists, is_mighty, writes_ours, is_member): (String, bool, bool, bool, bool) =
            sqlx::query_as(ROLE).bind(&self.role).fetch_one(&mut *connection).await?;
        match (exists, is_mighty, writes_ours, is_member) {
            (false, ..) => return Err(StatementFailure::NoSuchRole { user }),
            (true, true, ..) => return Err(StatementFailure::TooMighty("is a superuser, or makes roles")),
            (true, false, true, _) => return Err(StatementFailure::TooMighty("can change Piton's own tables")),
            (true, false, false, false) => return Err(StatementFailure::NotAMember { user }),
            (true, false, false, true) => {}
        }
        let timeout = i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX);
        sqlx::query(BECOME).bind(timeout.to_string()).bind(&self.role).execute(connection).await?;
        Ok(())
    }

    /// No more of them than an output may have.
    async fn rows(&self, connection: &mut PgConnection) -> Result<Answer, StatementFailure> {
        let mut query = sqlx::query_scalar::<_, String>(AssertSqlSafe(self.text.clone())).persistent(false);
        for parameter in &self.parameters {
            query = query.bind(parameter);
        }
        let (mut rows, mut bytes, mut found) = (Vec::new(), 0, query.fetch(connection));
        while let Some(row) = found.try_next().await? {
            bytes += row.len();
            if bytes > self.most_bytes {
                return Err(StatementFailure::TooManyBytes);
            }
            let row = RawValue::from_string(row)
                .map_err(|error| StoreError::Damaged(format!("a row that is no JSON: {error}")));
            rows.push(row.map_err(StatementFailure::Sql)?);
        }
        let count = rows.len() as u64;
        Ok(Answer { rows, count })
    }
}
