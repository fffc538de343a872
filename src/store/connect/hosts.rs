//! Which of several servers to connect to: the first that answers and has the requested attributes.

use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

use super::address::{Address, Place, Target};
use super::dial::{NOT_NOW, Unreachable, Wire, dial};

/// The servers of an address, and which of them would do last time.
#[derive(Debug)]
pub(super) struct Hosts {
    pub(super) address: Address,
    last: AtomicUsize,
    /// One search at a time, so that a host that does not answer costs its wait once.
    searching: tokio::sync::Mutex<()>,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy)]
struct Kind {
    standby: bool,
    read_only: bool,
}

impl Kind {
    /// Why it will not do.
    fn unfit(self, target: Target) -> Option<&'static str> {
        match target {
            Target::ReadWrite if self.standby => Some("it is a standby"),
            Target::ReadWrite if self.read_only => Some("it is read-only"),
            Target::ReadOnly if !self.standby && !self.read_only => Some("it can be written to"),
            Target::Primary if self.standby => Some("it is a standby"),
            Target::Standby | Target::PreferStandby if !self.standby => Some("it is the primary"),
            _ => None,
        }
    }
}

impl Hosts {
    pub(super) fn new(address: Address) -> Hosts {
        Hosts { address, last: AtomicUsize::new(0), searching: tokio::sync::Mutex::const_new(()) }
    }

    /// A connection to the server that will do. `session` connects to a server of that number, to ask it what it is.
    pub(super) async fn find(&self, session: impl Fn(usize) -> PgConnectOptions) -> Result<(Wire, Place), Unreachable> {
        if let ([place], Target::Any) = (self.address.places.as_slice(), self.address.target) {
            return Ok((dial(&self.address, place).await?, place.clone()));
        }
        let _searching = self.searching.lock().await;
        match self.first_of(self.address.target, &session).await {
            Err(_) if self.address.target == Target::PreferStandby => self.first_of(Target::Any, &session).await,
            found => found,
        }
    }

    /// A connection to that one fell silent: the next search begins with the others, for it may cost a long wait.
    pub(super) fn passes_over(&self, place: &Place) {
        let many = self.address.places.len();
        if let Some(number) = self.address.places.iter().position(|other| other == place) {
            // Of several connections that die, one is enough.
            self.last.compare_exchange(number, (number + 1) % many, Ordering::Relaxed, Ordering::Relaxed).ok();
        }
    }

    /// Begins with the one that would do last time.
    async fn first_of(
        &self,
        target: Target,
        session: &impl Fn(usize) -> PgConnectOptions,
    ) -> Result<(Wire, Place), Unreachable> {
        let (many, last) = (self.address.places.len(), self.last.load(Ordering::Relaxed));
        let (mut code, mut reasons) = (NOT_NOW.to_owned(), Vec::new());
        for number in (0..many).map(|step| (last + step) % many) {
            let Some(place) = self.address.places.get(number) else { continue };
            match self.try_one(number, place, target, session).await {
                Ok(wire) => {
                    self.last.store(number, Ordering::Relaxed);
                    return Ok((wire, place.clone()));
                }
                Err(error) => {
                    code = error.code;
                    reasons.push(error.reason);
                }
            }
        }
        Err(Unreachable { code, reason: reasons.join("; ") })
    }

    async fn try_one(
        &self,
        number: usize,
        place: &Place,
        target: Target,
        session: &impl Fn(usize) -> PgConnectOptions,
    ) -> Result<Wire, Unreachable> {
        let kind = ask(&session(number)).await.map_err(|error| unasked(place, &error))?;
        if let Some(why) = kind.unfit(target) {
            return Err(Unreachable { code: NOT_NOW.to_owned(), reason: format!("{place} will not do: {why}") });
        }
        dial(&self.address, place).await
    }
}

/// A server that was reached says why not in its own words; one that was not, in those of `dial`.
fn unasked(place: &Place, error: &sqlx::Error) -> Unreachable {
    let Some(database) = error.as_database_error() else { return Unreachable::not_now(place, error) };
    let code = database.code().map_or_else(|| NOT_NOW.to_owned(), |code| code.into_owned());
    let reason = database.message();
    let ours = reason.starts_with("cannot connect to ");
    Unreachable { code, reason: if ours { reason.to_owned() } else { format!("{place}: {reason}") } }
}

async fn ask(session: &PgConnectOptions) -> Result<Kind, sqlx::Error> {
    let mut connection = PgConnection::connect_with(session).await?;
    let sql = "select pg_is_in_recovery()::int4, (current_setting('transaction_read_only') = 'on')::int4";
    // The simple protocol leaves no prepared statement behind in a pooler.
    let row = sqlx::raw_sql(sql).fetch_one(&mut connection).await?;
    let kind = Kind { standby: row.try_get::<i32, _>(0)? == 1, read_only: row.try_get::<i32, _>(1)? == 1 };
    connection.close().await.ok();
    Ok(kind)
}
