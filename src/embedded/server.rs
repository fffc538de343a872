//! The Postgres server as its supervisor sees it.

use super::connection::PORT;
use super::error::EmbeddedError;
use super::folder::Folder;
use super::orders::Orders;
use super::pid_file::{self, Named};
use super::program;
use rustix::process::{Pid, Signal};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server that is neither up nor gone (it starts, recovers or stops without a supervisor) is waited for.
const UNDECIDED_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running server: a child of ours, or one that a killed supervisor left.
#[derive(Debug)]
pub(crate) enum Server {
    /// Started by this supervisor.
    Child(Child),
    /// Left by another.
    Adopted(Orphan),
}

/// A server that is not our child.
#[derive(Debug)]
pub(crate) struct Orphan {
    pid: Pid,
    folder: Folder,
}

impl Server {
    /// Adopts the server that runs already, else starts one. For the holder of the supervisor lock.
    pub(crate) fn adopt_or_start(orders: &Orders) -> Result<Self, EmbeddedError> {
        let folder = &orders.folder;
        let begun = Instant::now();
        loop {
            match (pid_file::named(folder), is_listening(folder)) {
                (Named::OurServer(pid), true) => {
                    return Ok(Self::Adopted(Orphan { pid, folder: folder.clone() }));
                }
                (Named::OurServer(_), false) if begun.elapsed() < UNDECIDED_LIMIT => sleep(LOOK_AGAIN),
                (Named::OurServer(_), false) => return Err(already_served(folder)),
                // Seen through a shared volume from another container, say: two servers on one data folder would ruin it.
                (Named::Nobody | Named::Stranger, true) => return Err(already_served(folder)),
                (Named::Stranger, false) => {
                    pid_file::disarm(folder)?;
                    return Self::start(orders);
                }
                (Named::Nobody, false) => return Self::start(orders),
            }
        }
    }

    fn start(orders: &Orders) -> Result<Self, EmbeddedError> {
        remove_stale_socket(&orders.folder)?;
        let mut command = program::command(&orders.postgres, &orders.folder)?;
        command.arg("-D").arg(orders.folder.data());
        for (name, value) in server_settings(orders) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command.spawn().map(Self::Child).map_err(EmbeddedError::run(&orders.postgres))
    }

    pub(crate) fn pid(&self) -> Pid {
        match self {
            Self::Child(child) => Pid::from_child(child),
            Self::Adopted(orphan) => orphan.pid,
        }
    }

    /// Blocks until the server is gone; whether it ended in peace, as far as that can be known.
    pub(crate) fn wait(&mut self) -> io::Result<bool> {
        match self {
            Self::Child(child) => Ok(child.wait()?.success()),
            Self::Adopted(Orphan { pid, folder }) => {
                while pid_file::is_server_of(*pid, &folder.data()) {
                    sleep(LOOK_AGAIN);
                }
                Ok(pid_file::named(folder) == Named::Nobody)
            }
        }
    }
}

/// How to end a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    /// Ends the sessions and writes a checkpoint.
    Fast,
    /// Ends at once; the next start recovers.
    Immediate,
}

/// Asks the server to end. That it is gone already is no failure.
pub(crate) fn end(server: Pid, ending: Ending) {
    let signal = match ending {
        Ending::Fast => Signal::INT,
        Ending::Immediate => Signal::QUIT,
    };
    rustix::process::kill_process(server, signal).ok();
}

fn already_served(folder: &Folder) -> EmbeddedError {
    let problem = io::Error::new(ErrorKind::AddrInUse, "a Postgres that is not under this supervisor uses it");
    EmbeddedError::file("use", folder.data())(problem)
}

fn is_listening(folder: &Folder) -> bool {
    UnixStream::connect(folder.socket()).is_ok()
}

/// The folder is ours alone and nothing listens there, so what lies there was left by a killed server.
fn remove_stale_socket(folder: &Folder) -> Result<(), EmbeddedError> {
    let socket = folder.socket();
    for path in [socket.with_extension(format!("{PORT}.lock")), socket] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(EmbeddedError::file("remove", &path)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The caller's settings count more than what is only a good start, and less than what makes the cluster private.
pub(super) fn server_settings(orders: &Orders) -> Vec<(String, String)> {
    let own = |settings: &[(&str, &str)]| -> Vec<(String, String)> {
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let mut settings = own(&[("max_connections", "200"), ("log_min_messages", "warning"), ("log_checkpoints", "off")]);
    settings.extend(orders.server_options.iter().cloned());
    settings.extend(own(&[
        ("listen_addresses", ""),
        ("port", &PORT.to_string()),
        ("unix_socket_permissions", "0700"),
        ("unix_socket_directories", &quoted(&orders.folder.run().to_string_lossy())),
    ]));
    settings
}

/// The setting is a list, and a path may hold a comma or a space.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_may_tune_the_server_and_not_open_it() {
        let options = [("max_connections", "500"), ("listen_addresses", "*")];
        let orders = Orders {
            folder: Folder::at("/data/pg15".into()),
            postgres: "/usr/bin/postgres".into(),
            linger: Duration::ZERO,
            server_options: options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        };
        let settings = server_settings(&orders);
        let last = |wanted: &str| settings.iter().rfind(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        assert_eq!(last("max_connections"), Some("500"));
        assert_eq!(last("listen_addresses"), Some(""));
        assert_eq!(last("unix_socket_directories"), Some("\"/data/pg15/run\""));
    }
}
