//! A private Postgres for when `DATABASE_URL` is not set: installed binaries, a folder of the user's, no set-up.
//!
//! Every process that uses the cluster is a *client* of it. One more process, the *supervisor* (this same program
//! started again in a session of its own), runs the server and stops it when the last client is gone, however it died.
//! They agree through three locked files, which the kernel lets go of when a process ends:
//!
//! | file | held | by |
//! |---|---|---|
//! | `start.lock` | alone, briefly | whoever starts the server, or stops it |
//! | `clients.lock` | shared | each client, as long as it lives; alone by the supervisor while it stops the server |
//! | `supervisor.lock` | alone | the one supervisor, as long as it lives |
//!
//! They are taken in this order. Where no Postgres is installed, `download` gets one first, under a lock of its own. The data survives everything that Postgres survives: `fsync` stays on, and a killed
//! server recovers at the next start.

mod binaries;
mod cluster;
mod connection;
mod download;
mod error;
mod folder;
mod initdb;
mod installed;
mod launch;
mod locks;
mod log_file;
mod not_downloaded;
mod orders;
mod package_client;
mod packages;
mod pid_file;
mod program;
mod server;
mod server_user;
mod settings;
mod standby;
mod supervisor;
mod throwaway;
mod throwaway_folder;
mod unfinished;

pub use binaries::{Binaries, find_binaries};
pub use cluster::Cluster;
pub use error::EmbeddedError;
pub use not_downloaded::NotDownloaded;
pub use settings::{Programs, Settings, SupervisorCommand};
pub(crate) use standby::{can_be_copied, copy_data};
pub use supervisor::run_supervisor;
pub(crate) use throwaway::Throwaway;
pub(crate) use throwaway_folder::ThrowawayFolder;
