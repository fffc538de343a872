//! A PgBouncer of a test's own, in front of a server of its own.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::harness::{SOON, folder, until};
use crate::server::{Server, free_port, server_user};

pub(crate) struct PgBouncer {
    _folder: TempDir,
    child: Child,
    port: u16,
}

/// Version of the program, if there is one.
fn version(program: &str) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(1)?.to_owned();
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// A PgBouncer before or from 1.21 on, which is the first that carries prepared statements; `None`, having said why, where
/// there is none. `PITON_TEST_PGBOUNCER` names one beside the installed one.
pub(crate) fn find(carries: bool) -> Option<String> {
    let named = std::env::var("PITON_TEST_PGBOUNCER").ok();
    let programs = named.into_iter().chain(["pgbouncer".to_owned(), "/usr/sbin/pgbouncer".to_owned()]);
    let found = programs.into_iter().find(|program| version(program).is_some_and(|v| (v >= (1, 21)) == carries));
    if found.is_none() {
        let which = if carries { "1.21 or later" } else { "before 1.21" };
        eprintln!("skipped: there is no PgBouncer {which}; PITON_TEST_PGBOUNCER may name one");
    }
    found
}

impl PgBouncer {
    /// `mode` is its `pool_mode`, with further settings behind it.
    pub(crate) async fn start(program: &str, server: &Server, mode: &str) -> PgBouncer {
        let (folder, port) = (folder(), free_port());
        let file = folder.path().join("pgbouncer.ini");
        let users = folder.path().join("users.txt");
        std::fs::write(&users, "\"piton\" \"\"\n").unwrap();
        let text = format!(
            "[databases]\n* = host={} port=5432\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\nserver_tls_sslmode = disable\npool_mode = {mode}\n",
            server.socket().display(),
            users.display(),
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        let log = std::fs::File::create(PathBuf::from(folder.path()).join("log")).unwrap();
        command.arg(&file).current_dir("/").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // It refuses to run as root.
        if let Some((user, group)) = server_user() {
            command.uid(user).gid(group);
        }
        let child = command.spawn().unwrap();
        let bouncer = PgBouncer { _folder: folder, child, port };
        let up = async || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        until(SOON, "the pooler is up", up).await;
        bouncer
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://piton@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
