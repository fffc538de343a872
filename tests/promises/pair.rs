//! A Postgres with a copy of itself to fail over to, behind one address that leads to whichever serves.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tempfile::TempDir;

use crate::harness::{SOON, folder, until};
use crate::server::{program, server_user};

/// What the copy is, until it takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copy {
    /// A standby that commits do not wait for.
    Behind,
    /// A standby that has every commit before it is acknowledged.
    InStep,
    /// A base backup, as it is taken.
    Backup,
}

pub(crate) struct Pair {
    serving: Node,
    copy: Option<Node>,
    folder: TempDir,
}

impl Pair {
    /// Without a copy: it is made once the schema is there.
    pub(crate) async fn start() -> Pair {
        let folder = folder();
        let mut serving = Node::new(folder.path(), "a");
        let made = program("initdb")
            .args(["-U", "piton", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"])
            .arg(serving.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        serving.start().await;
        let pair = Pair { serving, copy: None, folder };
        pair.lead_to_who_serves();
        pair
    }

    /// Where clients find whichever of the two serves.
    pub(crate) fn url(&self) -> String {
        format!("postgresql:///postgres?host={}&user=piton", self.address().display())
    }

    pub(crate) async fn make(&mut self, kind: Copy) {
        let mut copy = Node::new(self.folder.path(), "b");
        let mut backup = program("pg_basebackup");
        backup.args(["-X", "stream", "-c", "fast", "-d"]).arg(self.serving.conninfo()).arg("-D").arg(copy.data());
        if kind != Copy::Backup {
            backup.arg("-R");
        }
        let made = backup.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        if kind != Copy::Backup {
            copy.start().await;
        }
        self.copy = Some(copy);
        if kind == Copy::InStep {
            let mut serving = self.serving.connect().await;
            serving.execute("alter system set synchronous_standby_names = '*'").await.unwrap();
            serving.execute("alter system set synchronous_commit = 'remote_apply'").await.unwrap();
            serving.execute("select pg_reload_conf()").await.unwrap();
            let in_step = "select exists (select from pg_stat_replication where sync_state = 'sync')
                                  and current_setting('synchronous_commit') = 'remote_apply'";
            until(SOON, "the standby is in step", async || self.ask(in_step).await == "true").await;
        }
    }

    /// From now on the standby hears of nothing more; it has all that was committed before.
    pub(crate) async fn cut_replication(&self) {
        let copy = self.copy.as_ref().unwrap();
        let written = self.ask("select pg_current_wal_lsn()").await;
        let sql = format!("select pg_last_wal_replay_lsn() >= '{written}'");
        until(SOON, "the standby has caught up", async || copy.ask(&sql).await == "true").await;
        let mut standby = copy.connect().await;
        standby.execute("alter system set primary_conninfo = ''").await.unwrap();
        standby.execute("select pg_reload_conf()").await.unwrap();
        let alone = "select not exists (select from pg_stat_wal_receiver where status = 'streaming')";
        until(SOON, "replication is cut", async || copy.ask(alone).await == "true").await;
    }

    /// Who serves crashes.
    pub(crate) fn crash(&mut self) {
        self.serving.stop();
    }

    /// The copy takes over: a standby is promoted, a backup is started.
    pub(crate) async fn fail_over(&mut self) {
        self.crash();
        let mut copy = self.copy.take().unwrap();
        if copy.child.is_none() {
            copy.start().await;
        } else {
            assert_eq!(copy.ask("select pg_promote()").await, "true");
        }
        self.serving = copy;
        self.lead_to_who_serves();
    }

    async fn ask(&self, sql: &str) -> String {
        self.serving.ask(sql).await
    }

    fn address(&self) -> PathBuf {
        self.folder.path().join("way")
    }

    /// In one step: there is never no address.
    fn lead_to_who_serves(&self) {
        let new = self.folder.path().join("way.new");
        std::os::unix::fs::symlink(&self.serving.place, &new).unwrap();
        std::fs::rename(&new, self.address()).unwrap();
    }
}

struct Node {
    /// Of its socket; its data are in there too.
    place: PathBuf,
    child: Option<Child>,
}

impl Node {
    fn new(folder: &Path, name: &str) -> Node {
        let place = folder.join(name);
        std::fs::create_dir(&place).unwrap();
        if let Some((user, group)) = server_user() {
            std::os::unix::fs::chown(&place, Some(user), Some(group)).unwrap();
        }
        Node { place, child: None }
    }

    fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    fn conninfo(&self) -> String {
        format!("host={} user=piton dbname=postgres", self.place.display())
    }

    async fn start(&mut self) {
        let child = program("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=", "-c", "wal_keep_size=512MB", "-c", "max_connections=200", "-c"])
            .arg(format!("unix_socket_directories={}", self.place.display()))
            .spawn()
            .unwrap();
        self.child = Some(child);
        until(SOON, "the server is up", async || self.options().connect().await.is_ok()).await;
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass().socket(&self.place).username("piton").database("postgres")
    }

    async fn connect(&self) -> PgConnection {
        self.options().connect().await.unwrap()
    }

    /// One value, as text.
    async fn ask(&self, sql: &str) -> String {
        let sql = AssertSqlSafe(format!("select value::text from ({sql}) as answer (value)"));
        sqlx::query_scalar(sql).fetch_one(&mut self.connect().await).await.unwrap()
    }

    /// At once, as a crash does; nothing more is sent to a standby.
    fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        Command::new("kill").args(["-QUIT", &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}
