//! A Postgres of a test's own, to stop and start under running workers.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use piton::embedded::find_binaries;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

use crate::harness::{SOON, folder, until};

pub(crate) struct Server {
    folder: TempDir,
    child: Option<Child>,
    /// Further settings; without any it listens at its socket only.
    settings: Vec<String>,
    port: u16,
}

/// What a server of a test's own has beside the usual.
#[derive(Default)]
pub(crate) struct Beside<'a> {
    /// `name=value`
    pub(crate) settings: &'a [&'a str],
    /// Lines of pg_hba.conf that stand before its own.
    pub(crate) access: &'a str,
    /// Name and text of files in its data folder.
    pub(crate) files: &'a [(&'a str, String)],
}

/// A port of this machine that nobody listens at.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::with(Beside::default()).await
    }

    pub(crate) async fn with(beside: Beside<'_>) -> Server {
        Server::at_port(5432, beside).await
    }

    /// With a setting that names that port.
    pub(crate) async fn at_port(port: u16, beside: Beside<'_>) -> Server {
        let settings = beside.settings.iter().map(|setting| (*setting).to_owned()).collect();
        let server = Server { folder: folder(), child: None, settings, port };
        let data = server.folder.path().join("pg");
        std::fs::create_dir(&data).unwrap();
        if let Some((user, group)) = server_user() {
            std::os::unix::fs::chown(&data, Some(user), Some(group)).unwrap();
        }
        let made = program("initdb")
            .args(["-U", "piton", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"])
            .arg(data.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let data = data.join("data");
        let access = std::fs::read_to_string(data.join("pg_hba.conf")).unwrap();
        std::fs::write(data.join("pg_hba.conf"), format!("{}\n{access}", beside.access)).unwrap();
        for (name, text) in beside.files {
            let file = data.join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((user, group)) = server_user() {
                std::os::unix::fs::chown(&file, Some(user), Some(group)).unwrap();
            }
        }
        let mut server = server;
        server.resume().await;
        server
    }

    /// The folder of its socket.
    pub(crate) fn socket(&self) -> std::path::PathBuf {
        self.folder.path().join("pg")
    }

    pub(crate) fn url(&self) -> String {
        let port = if self.port == 5432 { String::new() } else { format!("&port={}", self.port) };
        format!("postgresql:///postgres?host={}&user=piton{port}", self.folder.path().join("pg").display())
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.url().parse().unwrap()
    }

    pub(crate) async fn resume(&mut self) {
        let data = self.folder.path().join("pg");
        let child = program("postgres")
            .arg("-D")
            .arg(data.join("data"))
            .args(["-c", "listen_addresses=", "-c"])
            .arg(format!("unix_socket_directories={}", data.display()))
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .spawn()
            .unwrap();
        self.child = Some(child);
        until(SOON, "the server is up", async || self.options().connect().await.is_ok()).await;
    }

    /// `INT` is a fast shutdown, `QUIT` an immediate one: a crash as far as the data is concerned.
    pub(crate) fn stop(&mut self, signal: &str) {
        let Some(mut child) = self.child.take() else { return };
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop("QUIT");
    }
}

/// A program of Postgres, as the server's user.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(find_binaries().unwrap().dir.join(name));
    command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some((user, group)) = server_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Postgres refuses to run as root; then it runs as the user its package made.
pub(crate) fn server_user() -> Option<(u32, u32)> {
    let id = |flag: &str, user: &str| {
        let output = Command::new("id").args([flag, user]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().ok()
    };
    let me = String::from_utf8(Command::new("id").arg("-u").output().unwrap().stdout).unwrap();
    (me.trim() == "0").then(|| ["postgres", "nobody"].into_iter().find_map(|u| Some((id("-u", u)?, id("-g", u)?))))?
}
