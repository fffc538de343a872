//! One connection to one server, with every socket option that keeps it from being silent for ever.

use std::io;
use std::net::IpAddr;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use super::address::{Address, Place};
use super::error::TlsError;
use super::tls::Spoken;

/// A connection, whatever it goes through.
pub(super) type Wire = Box<dyn ReadWrite>;

pub(super) trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

/// Why there is no connection, in a sentence, and with the code that Postgres would give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreachable {
    pub(super) code: String,
    pub(super) reason: String,
}

/// `sqlclient_unable_to_establish_sqlconnection`: another time it may work.
pub(super) const NOT_NOW: &str = "08001";
/// `connection_failure`.
pub(super) const BROKEN: &str = "08006";
/// `invalid_authorization_specification`: no waiting mends it.
pub(super) const NEVER: &str = "28000";

impl Unreachable {
    pub(super) fn not_now(place: &Place, reason: impl std::fmt::Display) -> Unreachable {
        Unreachable { code: NOT_NOW.to_owned(), reason: format!("cannot connect to {place}: {reason}") }
    }

    fn of_tls(place: &Place, error: &TlsError) -> Unreachable {
        let code = if matches!(error, TlsError::Broken(_)) { NOT_NOW } else { NEVER };
        Unreachable { code: code.to_owned(), reason: format!("cannot connect to {place}: {error}") }
    }
}

/// Connects to that server of the address, with TLS where it is asked for.
pub(super) async fn dial(address: &Address, place: &Place) -> Result<Wire, Unreachable> {
    let Some(limit) = address.connect_timeout else { return connect(address, place).await };
    let late = |_| Unreachable::not_now(place, format!("no answer within {} s", limit.as_secs()));
    timeout(limit, connect(address, place)).await.map_err(late)?
}

async fn connect(address: &Address, place: &Place) -> Result<Wire, Unreachable> {
    let (host, at, port) = match place {
        Place::Tcp { host, at, port } => (host, *at, *port),
        Place::Unix { .. } => {
            let stream = UnixStream::connect(place.to_string()).await;
            return Ok(Box::new(stream.map_err(|error| Unreachable::not_now(place, of_io(&error)))?));
        }
    };
    let stream = tcp(address, place, host, at, port).await?;
    match address.tls.over(stream, host).await {
        Ok(Spoken::Plain(stream)) => Ok(Box::new(stream)),
        Ok(Spoken::Tls(stream)) => Ok(stream),
        // libpq's rule too: whoever only prefers TLS can do without.
        Err(TlsError::Broken(_)) if address.tls.mode == super::tls::Mode::Prefer => {
            Ok(Box::new(tcp(address, place, host, at, port).await?))
        }
        Err(error) => Err(Unreachable::of_tls(place, &error)),
    }
}

/// The first of its addresses that answers.
async fn tcp(
    address: &Address,
    place: &Place,
    host: &str,
    at: Option<IpAddr>,
    port: u16,
) -> Result<TcpStream, Unreachable> {
    let found = match at {
        Some(at) => vec![(at, port).into()],
        None => match lookup_host((host, port)).await {
            Ok(found) => found.collect(),
            Err(_) => return Err(Unreachable::not_now(place, "the name of the host does not resolve")),
        },
    };
    let mut last = "the name of the host has no address".to_owned();
    for at in found {
        match TcpStream::connect(at).await.and_then(|stream| set(address, stream)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = of_io(&error),
        }
    }
    Err(Unreachable::not_now(place, last))
}

/// Nagle waits for more to send; a peer that is gone is found out.
fn set(address: &Address, stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    if let Some(keepalive) = address.keepalive {
        let mut options = TcpKeepalive::new();
        // 0 leaves it to the system.
        if !keepalive.idle.is_zero() {
            options = options.with_time(keepalive.idle);
        }
        if !keepalive.interval.is_zero() {
            options = options.with_interval(keepalive.interval);
        }
        if keepalive.count > 0 {
            options = options.with_retries(keepalive.count);
        }
        socket.set_tcp_keepalive(&options)?;
    }
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(address.user_timeout)?;
    Ok(stream)
}

/// In few words, and without the number of the error.
pub(super) fn of_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to it".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_lowercase()
        }
    }
}
