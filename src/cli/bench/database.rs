//! A database of the bench's own, on the server that it was given.

use anyhow::Context;

use crate::bench::target::Target;
use crate::cli::args::Global;
use crate::cli::database::Database;
use crate::cli::output::errln;
use crate::config;
use crate::store::Store;
use crate::store::bench::Observer;
use crate::store::connect::{Address, Pooling, Server};
use crate::worker::CONNECTIONS;

/// Names that are tried; more leftovers than that are for people to look at.
const NAMES: u32 = 100;

/// The database of one measure.
pub(super) struct BenchDatabase {
    name: String,
    url: String,
    pub(super) target: Target,
}

impl BenchDatabase {
    /// Makes an empty database under a name that is free.
    pub(super) async fn make(global: &Global, server: &Database) -> anyhow::Result<BenchDatabase> {
        for number in 1..=NAMES {
            let suffix = if number == 1 { String::new() } else { format!("_{number}") };
            let name = format!("piton_bench_{}{suffix}", std::process::id());
            let made = server.store.create_database(&name).await;
            if made.context("cannot make a database for the bench; use a role that may (createdb)")? {
                return BenchDatabase::at(global, server, &name);
            }
        }
        anyhow::bail!("databases piton_bench_… of earlier benches fill the server; drop them")
    }

    /// One that is there already.
    pub(super) fn at(global: &Global, server: &Database, name: &str) -> anyhow::Result<BenchDatabase> {
        let given = || global.database_url.as_deref().map(|url| of_database(url, name)).unwrap_or_default();
        let url = server.private_url(name).unwrap_or_else(given);
        let place = Server::at(Address::parse(&url)?, global.database_silence)?;
        let observer = Observer::open(&place);
        let target = Target { store: Store::open(place, Pooling::Session, CONNECTIONS), observer };
        Ok(BenchDatabase { name: name.to_owned(), url, target })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn close(&self) {
        self.target.observer.close().await;
        self.target.store.close().await;
    }

    /// Drops the database, or says where it is kept.
    pub(super) async fn leave(self, global: &Global, server: &Database, keep: bool) -> anyhow::Result<()> {
        let name = &self.name;
        if !keep {
            let dropped = server.store.drop_database(name).await;
            return dropped.with_context(|| {
                format!("cannot drop the bench's database; when the server is well again, type: drop database {name}")
            });
        }
        self.close().await;
        let folder = global.data_dir.as_ref().filter(|_| global.database_url.is_none());
        let place = folder.map_or_else(String::new, |folder| format!(" --data-dir '{}'", folder.display()));
        errln!(
            "Kept the database {name}. Prove it again, or look into it, and drop it when you are done:\n  \
             {program} bench{place} --prove {name}\n  psql '{url}'\n  drop database {name}",
            program = config::program(),
            url = without_password(&self.url),
        );
        Ok(())
    }
}

/// The same address with another database.
fn of_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, None), |(address, query)| (address, Some(query)));
    let authority = address.find("://").map_or(0, |at| at + "://".len());
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    let others: Vec<&str> =
        query.into_iter().flat_map(|q| q.split('&')).filter(|pair| !pair.starts_with("dbname=")).collect();
    let query = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    format!("{}/{name}{query}", &address[..end])
}

/// An address that may be shown.
fn without_password(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, query)| (url, query));
    let is_secret = |pair: &&str| pair.starts_with("password=") || pair.starts_with("sslpassword=");
    let shown: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_secret(pair)).collect();
    let query = if shown.is_empty() { String::new() } else { format!("?{}", shown.join("&")) };
    format!("{}{query}", without_password_of_user(url))
}

fn without_password_of_user(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    // The last one: a password may hold another.
    let Some((user, host)) = url[start..end].rsplit_once('@') else { return url.to_owned() };
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    format!("{}{user}@{host}{}", &url[..start], &url[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let shown = [
            "postgres://ada:s:e@cret@host:5433/runs?a=b&password=cret&sslpassword=cret",
            "postgres://ada@host",
            "postgresql:///piton?host=/run",
        ]
        .map(without_password);
        assert_eq!(
            shown,
            ["postgres://ada@host:5433/runs?a=b", "postgres://ada@host", "postgresql:///piton?host=/run"]
        );
    }

    #[test]
    fn only_the_database_changes() {
        let said = [
            "postgres://ada:secret@host:5433/runs?sslmode=require",
            "postgres://host",
            "postgres://host?user=ada&dbname=runs&port=1",
            "postgresql:///piton?host=/var/lib/run&user=piton",
        ]
        .map(|url| of_database(url, "b"));
        assert_eq!(
            said,
            [
                "postgres://ada:secret@host:5433/b?sslmode=require",
                "postgres://host/b",
                "postgres://host/b?user=ada&port=1",
                "postgresql:///b?host=/var/lib/run&user=piton",
            ]
        );
    }
}
