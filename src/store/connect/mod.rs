//! Reaching the database: from a connection string to a connection that cannot be silent for long.
//!
//! ```text
//! DATABASE_URL ─▶ Address ─▶ Server ──────────── Unix socket ───────────────────▶ Postgres
//!                              └─ sqlx ─ Unix socket ─▶ Forwarder ─ TCP, TLS ───▶ Postgres
//! ```
//!
//! sqlx sets no option of its sockets, has no deadline for an answer, knows one host only, and verifies what libpq does
//! not. So a server behind TCP is reached through the forwarder, a part of this process that does all of this.

mod address;
mod away;
mod conclusion;
mod conninfo;
mod dial;
mod error;
mod flow;
mod forward;
mod frames;
mod handshake;
mod hosts;
mod keywords;
mod options;
mod os_user;
mod password_file;
mod relay;
mod server;
mod service;
mod settings;
mod tls;
mod trust;
mod uri;

pub(crate) use address::Address;
pub(crate) use away::{Suspicion, is_away, is_out_of_reach, is_wrong_address, suspicion};
pub(crate) use conclusion::{in_words, lacks_rights, message};
pub(crate) use error::OpenError;
pub(crate) use handshake::{Pooling, handshake};
pub(crate) use os_user::os_user;
pub(crate) use server::Server;
