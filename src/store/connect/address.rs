//! Where the database is and how to connect to it: a connection string, checked as a whole.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rand::seq::SliceRandom;
use sqlx::postgres::PgConnectOptions;

use super::error::AddressError;
use super::options;
use super::os_user::os_user;
use super::password_file::{self, Whose};
use super::settings::SessionSettings;
use super::tls::Tls;

/// Postgres' port.
const PORT: u16 = 5432;
/// Longest wait for a server that does not say no.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp {
        /// The name that its certificate must bear.
        host: String,
        /// Where it is, when that is not to be looked up.
        at: Option<std::net::IpAddr>,
        port: u16,
    },
    /// The folder of its socket.
    Unix { folder: PathBuf, port: u16 },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp { host, port, .. } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Place::Unix { folder, port } => write!(f, "{}", folder.join(format!(".s.PGSQL.{port}")).display()),
        }
    }
}

/// Which of several servers will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// When a connection on which nothing comes back is asked whether it lives, and given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) count: u32,
}

/// Where the database is. No text of it shows the password.
#[derive(Clone)]
pub(crate) struct Address {
    /// One at least.
    pub(super) places: Vec<Place>,
    pub(super) target: Target,
    pub(super) user: String,
    password: Option<String>,
    pub(super) database: String,
    application_name: String,
    /// SessionSettings of the session.
    session: Vec<(String, String)>,
    statement_cache: Option<usize>,
    /// `None` waits as long as the system does.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) keepalive: Option<Keepalive>,
    pub(super) user_timeout: Option<Duration>,
    pub(super) tls: Tls,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// What stands in a URL as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// As `psql` takes it, without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let database = encoded(&self.database);
        match self.places.as_slice() {
            [Place::Unix { folder, port }] => {
                let (folder, user) = (encoded(&folder.to_string_lossy()), encoded(&self.user));
                write!(f, "postgresql:///{database}?host={folder}&port={port}&user={user}")
            }
            places => {
                let places: Vec<String> = places.iter().map(Place::to_string).collect();
                write!(f, "postgresql://{}@{}/{database}", encoded(&self.user), places.join(","))
            }
        }
    }
}

impl Address {
    /// Reads `url`, and the environment for what it does not say.
    pub(crate) fn parse(url: &str) -> Result<Address, AddressError> {
        Address::of(url, |name| std::env::var(name).ok())
    }

    pub(super) fn of(url: &str, variable: impl Fn(&str) -> Option<String> + Copy) -> Result<Address, AddressError> {
        let said = SessionSettings::gather(url, variable)?;
        let user = said.text("user").map_or_else(os_user, str::to_owned);
        let database = said.text("dbname").unwrap_or(&user).to_owned();
        let mut places = places(&said)?;
        let words = [("disable", false), ("random", true)];
        if said.word("load_balance_hosts", &words)? == Some(true) {
            places.shuffle(&mut rand::rng());
        }
        let name = said.text("application_name").or_else(|| said.text("fallback_application_name"));
        Ok(Address {
            target: target(&said, places.len())?,
            password: password(&said, &places, &database, &user)?,
            application_name: name.unwrap_or("piton").to_owned(),
            session: options::settings(&said)?,
            statement_cache: said.number("statement-cache-capacity")?.and_then(|number| usize::try_from(number).ok()),
            connect_timeout: connect_timeout(&said)?,
            keepalive: keepalive(&said)?,
            user_timeout: user_timeout(&said)?,
            tls: Tls::of(&said)?,
            places,
            user,
            database,
        })
    }

    /// What sqlx is told; where the server is comes from whoever knows how it is reached.
    pub(super) fn session(&self) -> PgConnectOptions {
        let mut options = PgConnectOptions::new_without_pgpass()
            .username(&self.user)
            .database(&self.database)
            .application_name(&self.application_name)
            // PgBouncer refuses that setting, and nothing here needs more digits than a server gives by itself.
            .extra_float_digits(None);
        // One that is empty is a setting too, and PgBouncer refuses it.
        if !self.session.is_empty() {
            options = options.options(self.session.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        }
        if let Some(password) = &self.password {
            options = options.password(password);
        }
        if let Some(capacity) = self.statement_cache {
            options = options.statement_cache_capacity(capacity);
        }
        options
    }

    /// Whether there is nothing to choose and no network in between.
    pub(super) fn socket(&self) -> Option<(&Path, u16)> {
        match self.places.as_slice() {
            [Place::Unix { folder, port }] if self.target == Target::Any => Some((folder, *port)),
            _ => None,
        }
    }
}

/// The name of whoever runs this, as sqlx finds it.
fn places(said: &SessionSettings) -> Result<Vec<Place>, AddressError> {
    let (hosts, addresses, ports) = (said.list("host"), said.list("hostaddr"), said.list("port"));
    let many = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(said.wrong("hostaddr", "write as many addresses as there are hosts"));
    }
    if ports.len() > 1 && ports.len() != many {
        return Err(said.wrong("port", "write one port for all hosts, or one for each"));
    }
    let place = |number: usize| {
        let text = ports.get(number).or(ports.first()).copied().unwrap_or_default();
        let port = if text.is_empty() { Ok(PORT) } else { text.parse() };
        let port = port.ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| said.wrong("port", "write a number from 1 to 65535"))?;
        let at = addresses.get(number).filter(|text| !text.is_empty()).map(|text| text.parse()).transpose();
        let at = at.map_err(|_| said.wrong("hostaddr", "write an IP address"))?;
        let host = hosts.get(number).copied().filter(|host| !host.is_empty());
        Ok(match (host, at) {
            (Some(folder), _) if folder.starts_with('/') => Place::Unix { folder: folder.into(), port },
            (Some(folder), _) if folder.starts_with('@') => {
                let cure = "abstract sockets are not supported; write a host, or the folder of a socket";
                return Err(said.wrong("host", cure));
            }
            (Some(host), at) => Place::Tcp { host: host.to_owned(), at, port },
            (None, Some(at)) => Place::Tcp { host: at.to_string(), at: Some(at), port },
            (None, None) => usual(port),
        })
    };
    (0..many).map(place).collect()
}

/// Where a server of this machine is when nothing is said: the socket that is there, else TCP.
fn usual(port: u16) -> Place {
    let folders = ["/var/run/postgresql", "/private/tmp", "/tmp"].map(PathBuf::from);
    let there = folders.into_iter().find(|folder| folder.join(format!(".s.PGSQL.{port}")).exists());
    there.map_or_else(
        || Place::Tcp { host: "localhost".to_owned(), at: None, port },
        |folder| Place::Unix { folder, port },
    )
}

/// Among several servers Piton wants the one that can be written to, unless it is told otherwise: a standby is of no use to
/// a worker.
fn target(said: &SessionSettings, places: usize) -> Result<Target, AddressError> {
    let words = [
        ("any", Target::Any),
        ("read-write", Target::ReadWrite),
        ("read-only", Target::ReadOnly),
        ("primary", Target::Primary),
        ("standby", Target::Standby),
        ("prefer-standby", Target::PreferStandby),
    ];
    let default = if places > 1 { Target::ReadWrite } else { Target::Any };
    Ok(said.word("target_session_attrs", &words)?.unwrap_or(default))
}

/// The one that was given, else that of the password file.
fn password(
    said: &SessionSettings,
    places: &[Place],
    database: &str,
    user: &str,
) -> Result<Option<String>, AddressError> {
    if let Some(password) = said.text("password") {
        return Ok(Some(password.to_owned()));
    }
    let file = said.text("passfile").map(PathBuf::from);
    let Some(file) = file.or_else(|| std::env::home_dir().map(|home| home.join(".pgpass"))) else { return Ok(None) };
    let of = |place: &Place| {
        let (host, port) = match place {
            Place::Tcp { host, port, .. } => (host.clone(), *port),
            Place::Unix { folder, port } if is_usual(folder) => ("localhost".to_owned(), *port),
            Place::Unix { folder, port } => (folder.to_string_lossy().into_owned(), *port),
        };
        password_file::password(&file, Whose { host: &host, port, database, user })
    };
    let mut passwords: Vec<Option<String>> = places.iter().map(of).collect();
    passwords.dedup();
    match <[Option<String>; 1]>::try_from(passwords) {
        Ok([password]) => Ok(password),
        Err(_) => Err(AddressError::new(format!(
            "{} has another password for each of the hosts; give them the same one, or write password=",
            file.display()
        ))),
    }
}

fn is_usual(folder: &Path) -> bool {
    matches!(folder.to_str(), Some("/var/run/postgresql" | "/tmp"))
}

/// 0 and less are no limit, as with libpq.
fn connect_timeout(said: &SessionSettings) -> Result<Option<Duration>, AddressError> {
    Ok(match said.number("connect_timeout")? {
        None => Some(CONNECT_TIMEOUT),
        Some(seconds) => u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs),
    })
}

/// A connection that carries nothing is found dead in 13 s; 0 leaves a value to the system, as with libpq.
fn keepalive(said: &SessionSettings) -> Result<Option<Keepalive>, AddressError> {
    let seconds = |name, default| Ok(said.number(name)?.and_then(|n| u64::try_from(n).ok()).unwrap_or(default));
    let keepalive = Keepalive {
        idle: Duration::from_secs(seconds("keepalives_idle", 4)?),
        interval: Duration::from_secs(seconds("keepalives_interval", 3)?),
        count: u32::try_from(seconds("keepalives_count", 3)?).unwrap_or(3),
    };
    Ok(said.switch("keepalives", true)?.then_some(keepalive))
}

/// Bytes that nobody acknowledges for that long are a dead connection.
fn user_timeout(said: &SessionSettings) -> Result<Option<Duration>, AddressError> {
    Ok(match said.number("tcp_user_timeout")? {
        None => Some(Duration::from_secs(12)),
        Some(ms) => u64::try_from(ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Result<Address, AddressError> {
        Address::of(url, |_| None)
    }

    fn refusal(url: &str) -> String {
        address(url).expect_err(url).to_string()
    }

    #[test]
    fn several_hosts_keep_their_ports() {
        let address = address("postgres://ada@a:1,b,c:3/runs?hostaddr=127.0.0.1,,::1").expect("well-formed");
        let places: Vec<String> = address.places.iter().map(Place::to_string).collect();
        assert_eq!(places, ["a:1", "b:5432", "c:3"]);
        assert_eq!(address.target, Target::ReadWrite, "Piton writes");
        assert_eq!(address.to_string(), "postgresql://ada@a:1,b:5432,c:3/runs");
    }

    #[test]
    fn no_text_of_an_address_shows_the_password() {
        let address = address("postgres://ada:s3cret@host/runs?sslpassword=hidden").expect("well-formed");
        assert_eq!(address.to_string(), "postgresql://ada@host:5432/runs");
        assert_eq!(format!("{address:?}"), "Address(postgresql://ada@host:5432/runs)");
    }

    #[test]
    fn a_password_that_is_cut_by_its_own_marks_is_refused_and_not_shown() {
        assert_eq!(
            refusal("postgres://ada:s3/cret@host/runs"),
            "DATABASE_URL has an @ behind its first /; in a user or a password write %2F for / and %40 for @"
        );
        assert_eq!(
            refusal("postgres://host/runs?user=ada?password=s3cret"),
            "DATABASE_URL has a ? between two parameters; write & there, or %3F for the character in a value"
        );
        assert!(address("postgres://ada:s3%2Fcret@host/runs?options=-c%20a=b").is_ok());
    }

    #[test]
    fn the_environment_fills_what_is_not_said() {
        let variable = |name: &str| match name {
            "PGHOST" => Some("db".to_owned()),
            "PGPORT" => Some("6000".to_owned()),
            "PGUSER" => Some("ada".to_owned()),
            "PGDATABASE" => Some("runs".to_owned()),
            _ => None,
        };
        let address = Address::of("postgres://?port=7000", variable).expect("well-formed");
        assert_eq!(address.to_string(), "postgresql://ada@db:7000/runs");
    }

    /// Golden: whoever writes them reads these.
    #[test]
    fn what_is_refused_is_refused_with_the_cure_and_without_the_value() {
        let cases = [
            (
                "mysql://ada:s3cret@h/x",
                "DATABASE_URL does not begin with postgres:// or postgresql://, and Piton runs on Postgres only; it looks \
                 like postgres://user:password@host:5432/name",
            ),
            (
                "localhost:5432",
                "DATABASE_URL is no Postgres address; it looks like postgres://user:password@host:5432/name",
            ),
            (
                "postgres://h/x?sslmod=s3cret",
                "DATABASE_URL says \"sslmod\", which is no parameter of a Postgres connection: did you mean sslmode?",
            ),
            (
                "postgres://h/x?pgbouncer=s3cret",
                "DATABASE_URL says \"pgbouncer\", which is no parameter of a Postgres connection: leave it out",
            ),
            (
                "postgres://h/x?sslmode=s3cret",
                "sslmode of DATABASE_URL is not understood: write one of disable, allow, prefer, require, verify-ca, \
                 verify-full",
            ),
            (
                "postgres://h/x?channel_binding=require",
                "channel_binding of DATABASE_URL asks for what Piton does not do: Piton has no channel binding; leave it \
                 out, and use sslmode=verify-full, which proves the server by its certificate",
            ),
            (
                "postgres://h/x?requirepeer=s3cret",
                "requirepeer of DATABASE_URL asks for what Piton does not do: Piton does not ask who runs the server; \
                 leave it out where only that user can make the socket",
            ),
            (
                "postgres://h/x?gssencmode=require",
                "gssencmode of DATABASE_URL asks for what Piton does not do: Piton does not speak GSSAPI; use \
                 sslmode=verify-full and a password or a client certificate",
            ),
            ("postgres://h:s3cret/x", "port of DATABASE_URL is not understood: write a number from 1 to 65535"),
            (
                "postgres://a,b/x?port=1,2,3",
                "port of DATABASE_URL is not understood: write one port for all hosts, or one for each",
            ),
            (
                "postgres://h/x?connect_timeout=s3",
                "connect_timeout of DATABASE_URL is not understood: write a whole number",
            ),
            (
                "postgres://h/x?sslrootcert=system&sslmode=require",
                "sslrootcert of DATABASE_URL is not understood: with sslrootcert=system write sslmode=verify-full",
            ),
        ];
        for (url, sentence) in cases {
            assert_eq!(refusal(url), sentence, "{url}");
        }
    }

    #[test]
    fn every_keyword_of_libpq_works_or_is_refused() {
        for keyword in super::super::keywords::KEYWORDS {
            if let super::super::keywords::Rule::Only(values, _) = keyword.rule {
                assert!(refusal(&format!("postgres://h/x?{}=s3cret", keyword.name)).contains(keyword.name));
                for value in values {
                    address(&format!("postgres://h/x?{}={value}", keyword.name)).expect(keyword.name);
                }
            }
        }
    }
}

#[cfg(test)]
mod fuzz;
