//! A server that does what its test says, also what no server should; it lives as long as its test.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Trusted by nobody who was not told to.
pub(crate) const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/promises/localhost.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/promises/localhost.key");

/// Bytes of a body; a longer one is not read, and the script answers early, as servers do.
const MOST: usize = 16 << 20;

/// What a client sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as they were sent.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// The value of the only header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "`{name}` was sent twice: {:?}", self.headers);
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the server does with a request. The connection stays open after `Ok`.
type Script = dyn Fn(&Request, &mut Wire) -> io::Result<()> + Send + Sync;

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    /// Every connection that was accepted, to be shut down at the end.
    accepted: Mutex<Vec<TcpStream>>,
    stopping: AtomicBool,
}

pub(crate) struct HttpServer {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Seen>,
    accepting: Option<JoinHandle<()>>,
}

impl HttpServer {
    pub(crate) fn start(script: impl Fn(&Request, &mut Wire) -> io::Result<()> + Send + Sync + 'static) -> HttpServer {
        HttpServer::on("http", Arc::new(script), |stream| Ok(Box::new(stream)))
    }

    /// With [`CERTIFICATE`].
    pub(crate) fn start_tls(
        script: impl Fn(&Request, &mut Wire) -> io::Result<()> + Send + Sync + 'static,
    ) -> HttpServer {
        let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
        let key = PrivateKeyDer::from_pem_file(KEY).unwrap();
        let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        HttpServer::on("https", Arc::new(script), move |stream| {
            let session = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            Ok(Box::new(StreamOwned::new(session, stream)))
        })
    }

    fn on(
        scheme: &'static str,
        script: Arc<Script>,
        open: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + 'static,
    ) -> HttpServer {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = seen.clone();
        let accepting = std::thread::spawn(move || accept(&listener, &shared, &script, open));
        HttpServer { address, scheme, seen, accepting: Some(accepting) }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What was asked so far, in the order it came.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Those whose path begins with that.
    pub(crate) fn requests_to(&self, path: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.target.starts_with(path)).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.accepted.lock().unwrap().len()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.seen.stopping.store(true, Ordering::SeqCst);
        // The connection wakes the thread that accepts; those it has accepted end with their sockets.
        TcpStream::connect(self.address).ok();
        self.accepting.take().unwrap().join().ok();
    }
}

fn accept(
    listener: &TcpListener,
    seen: &Arc<Seen>,
    script: &Arc<Script>,
    open: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>>,
) {
    let mut serving = Vec::new();
    while let Ok((socket, _)) = listener.accept() {
        if seen.stopping.load(Ordering::SeqCst) {
            break;
        }
        seen.accepted.lock().unwrap().push(socket.try_clone().unwrap());
        let (seen, script) = (seen.clone(), script.clone());
        let stream = open(socket.try_clone().unwrap());
        serving.push(std::thread::spawn(move || {
            // A client that hangs up, or a script that does: the connection is over.
            stream.and_then(|stream| Wire { stream, socket: socket.try_clone()? }.serve(&seen, &*script)).ok();
            socket.shutdown(Shutdown::Both).ok();
        }));
    }
    for socket in seen.accepted.lock().unwrap().iter() {
        socket.shutdown(Shutdown::Both).ok();
    }
    for thread in serving {
        thread.join().ok();
    }
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// One connection, from the server's side.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    socket: TcpStream,
}

impl Wire {
    fn serve(&mut self, seen: &Seen, script: &Script) -> io::Result<()> {
        while let Some(request) = self.request()? {
            seen.requests.lock().unwrap().push(request.clone());
            script(&request, self)?;
        }
        Ok(())
    }

    /// The next request, or nothing when the client has hung up.
    fn request(&mut self) -> io::Result<Option<Request>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            if self.stream.read(&mut byte)? == 0 {
                return Ok(None);
            }
            if byte[0].is_ascii_control() && !byte[0].is_ascii_whitespace() {
                self.say("HTTP/1.1 400 Bad Request\r\n\r\n")?;
                return self.hang_up();
            }
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        let (first, rest) = head.split_once("\r\n").unwrap_or_default();
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers: Vec<(String, String)> = rest.lines().filter_map(header).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, n)| n.parse().ok());
        let mut body = vec![0; length.filter(|length| *length <= MOST).unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        Ok(Some(Request { method, target, headers, body }))
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// An answer as it should be; `headers` are whole lines.
    pub(crate) fn answer(&mut self, status: u16, headers: &[&str], body: impl AsRef<[u8]>) -> io::Result<()> {
        let body = body.as_ref();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        self.say(format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\n\r\n", body.len()))?;
        self.say(body)
    }

    /// Whether the client hangs up within that time; what it sends meanwhile is not looked at.
    pub(crate) fn is_left_within(&mut self, time: Duration) -> io::Result<bool> {
        self.socket.set_read_timeout(Some(time))?;
        match self.stream.read(&mut [0; 64 * 1024]) {
            Ok(0) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says nothing until the client has had enough.
    pub(crate) fn wait_until_left(&mut self) -> io::Result<()> {
        while !self.is_left_within(Duration::from_secs(60))? {}
        Ok(())
    }

    /// Ends the connection.
    pub(crate) fn hang_up<T>(&self) -> io::Result<T> {
        Err(io::Error::from(ErrorKind::ConnectionAborted))
    }
}
