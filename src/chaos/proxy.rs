//! A proxy between a worker and Postgres that lets pass what it is told to.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// How late everything is where it comes late.
const LATE: Duration = Duration::from_millis(60);
const PIECE: usize = 64 * 1024;

/// What passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Open,
    /// Everything, late.
    Late,
    /// Nothing, and nobody is told.
    Silent,
    /// Connections are broken, and new ones refused.
    Cut,
    /// Every packet is dropped. Connections that meet it never carry anything again, and neither side is told: the worker's
    /// stays open as long as the worker holds it, the server's until the server gives it up.
    Dropped,
}

/// A port of its own that leads to Postgres. Dropped, it breaks every connection.
pub(super) struct Proxy {
    port: u16,
    link: watch::Sender<Link>,
    /// Whatever its link: nobody reaches Postgres.
    outage: watch::Sender<bool>,
    _listener: AbortOnDropHandle<()>,
}

/// What a connection needs to know.
#[derive(Clone)]
struct Way {
    server: PathBuf,
    given_up_after: Duration,
    link: watch::Receiver<Link>,
    outage: watch::Receiver<bool>,
}

impl Proxy {
    /// The server gives up a connection that carries nothing any more after that time.
    pub(super) async fn to(server: PathBuf, given_up_after: Duration) -> std::io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let link = watch::Sender::new(Link::Open);
        let outage = watch::Sender::new(false);
        let way = Way { server, given_up_after, link: link.subscribe(), outage: outage.subscribe() };
        let listening = tokio::spawn(listen(listener, way));
        Ok(Proxy { port, link, outage, _listener: AbortOnDropHandle::new(listening) })
    }

    pub(super) fn is_open(&self) -> bool {
        *self.link.borrow() == Link::Open && !*self.outage.borrow()
    }

    pub(super) fn set_outage(&self, outage: bool) {
        self.outage.send_replace(outage);
    }

    pub(super) fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

async fn listen(listener: TcpListener, way: Way) {
    loop {
        // A connection that broke before it was accepted is its worker's affair.
        let Ok((worker, _)) = listener.accept().await else { continue };
        if *way.link.borrow() == Link::Cut || *way.outage.borrow() || worker.set_nodelay(true).is_err() {
            continue;
        }
        let way = way.clone();
        tokio::spawn(async move { pass(worker, way).await });
    }
}

/// Until either side ends it, or it is cut.
async fn pass(mut worker: TcpStream, way: Way) {
    let Way { server, given_up_after, link, mut outage } = way;
    if *link.borrow() == Link::Dropped {
        return hold(worker, link).await;
    }
    // A server that is down refuses; so does this, by dropping the connection.
    let Ok(mut server) = UnixStream::connect(server).await else { return };
    let (worker_reads, worker_writes) = worker.split();
    let (server_reads, server_writes) = server.split();
    let (mut cut, mut dropped) = (link.clone(), link.clone());
    tokio::select! {
        () = carry(worker_reads, server_writes, link.clone()) => return,
        () = carry(server_reads, worker_writes, link.clone()) => return,
        _ = cut.wait_for(|link| *link == Link::Cut) => return,
        _ = outage.wait_for(|outage| *outage) => return,
        ended = dropped.wait_for(|link| *link == Link::Dropped) => if ended.is_err() { return },
    }
    let server_waits = async {
        tokio::select! {
            () = tokio::time::sleep(given_up_after) => {}
            () = gone(link.clone()) => {}
        }
        drop(server);
    };
    tokio::join!(hold(worker, link.clone()), server_waits);
}

/// Swallows what the worker sends, until it has ended the connection.
async fn hold(mut worker: TcpStream, link: watch::Receiver<Link>) {
    let swallow = async {
        let mut piece = vec![0; PIECE];
        while let Ok(1..) = worker.read(&mut piece).await {}
    };
    tokio::select! {
        () = swallow => {}
        () = gone(link) => {}
    }
}

/// The proxy is gone.
async fn gone(mut link: watch::Receiver<Link>) {
    while link.changed().await.is_ok() {}
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut link: watch::Receiver<Link>) {
    let mut piece = vec![0; PIECE];
    loop {
        let Ok(read @ 1..) = from.read(&mut piece).await else { return };
        // The proxy is gone when waiting fails, and so is the connection.
        let Ok(now) = link.wait_for(|link| *link != Link::Silent).await.map(|link| *link) else { return };
        match now {
            Link::Open | Link::Silent | Link::Cut => {}
            Link::Late => tokio::time::sleep(LATE).await,
            // Lost; the connection is held, and not ended.
            Link::Dropped => continue,
        }
        if to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn it_carries_falls_silent_and_cuts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server");
        let server = UnixListener::bind(&path).expect("a socket");
        let proxy = Proxy::to(path, Duration::from_millis(300)).await.expect("a port");
        let mut worker = TcpStream::connect(("127.0.0.1", proxy.port)).await.expect("a connection");
        let (mut session, _) = server.accept().await.expect("a session");
        worker.write_all(b"one").await.expect("sent");
        let mut piece = [0; 8];
        assert_eq!(session.read(&mut piece).await.expect("read"), 3);
        proxy.set(Link::Silent);
        worker.write_all(b"two").await.expect("sent");
        let heard = tokio::time::timeout(Duration::from_millis(100), session.read(&mut piece)).await;
        assert!(heard.is_err(), "nothing passes");
        proxy.set(Link::Open);
        assert_eq!(session.read(&mut piece).await.expect("read"), 3);
        proxy.set(Link::Cut);
        assert_eq!(session.read(&mut piece).await.expect("the end"), 0);
    }

    #[tokio::test]
    async fn a_connection_whose_packets_were_dropped_is_never_ended_and_never_heard_of_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server");
        let server = UnixListener::bind(&path).expect("a socket");
        let proxy = Proxy::to(path, Duration::from_millis(1_500)).await.expect("a port");
        let mut worker = TcpStream::connect(("127.0.0.1", proxy.port)).await.expect("a connection");
        let (mut session, _) = server.accept().await.expect("a session");
        let mut piece = [0; 8];
        let a_moment = Duration::from_millis(100);
        proxy.set(Link::Dropped);
        let mut another = TcpStream::connect(("127.0.0.1", proxy.port)).await.expect("a connection");
        for connection in [&mut worker, &mut another] {
            connection.write_all(b"lost").await.expect("sent");
            assert!(tokio::time::timeout(a_moment, connection.read(&mut piece)).await.is_err(), "nobody is told");
        }
        proxy.set(Link::Open);
        session.write_all(b"lost").await.expect("sent");
        assert!(tokio::time::timeout(a_moment, worker.read(&mut piece)).await.is_err(), "it carries nothing again");
        // What reached the server before it gave the connection up: nothing.
        assert!(!matches!(session.read(&mut piece).await, Ok(1..)), "the server gives it up");
        let mut new = TcpStream::connect(("127.0.0.1", proxy.port)).await.expect("a connection");
        let (mut session, _) = server.accept().await.expect("a session");
        new.write_all(b"new").await.expect("sent");
        assert_eq!(session.read(&mut piece).await.expect("read"), 3);
    }
}
