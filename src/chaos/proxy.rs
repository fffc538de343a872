//! What stands between a worker and Postgres, and lets pass what it is told to.

use std::path::{Path, PathBuf};
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
}

/// A port of its own that leads to Postgres. Dropped, it breaks every connection.
pub(super) struct Proxy {
    port: u16,
    link: watch::Sender<Link>,
    /// Whatever its link: nobody reaches Postgres.
    outage: watch::Sender<bool>,
    _listener: AbortOnDropHandle<()>,
}

impl Proxy {
    pub(super) async fn to(server: PathBuf) -> std::io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let link = watch::Sender::new(Link::Open);
        let outage = watch::Sender::new(false);
        let listening = tokio::spawn(listen(listener, server, link.subscribe(), outage.subscribe()));
        Ok(Proxy { port, link, outage, _listener: AbortOnDropHandle::new(listening) })
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

async fn listen(listener: TcpListener, server: PathBuf, link: watch::Receiver<Link>, outage: watch::Receiver<bool>) {
    loop {
        // A connection that broke before it was accepted is its worker's affair.
        let Ok((worker, _)) = listener.accept().await else { continue };
        if *link.borrow() == Link::Cut || *outage.borrow() || worker.set_nodelay(true).is_err() {
            continue;
        }
        let (server, link, outage) = (server.clone(), link.clone(), outage.clone());
        tokio::spawn(async move { pass(worker, &server, link, outage).await });
    }
}

/// Until either side ends it, or it is cut.
async fn pass(worker: TcpStream, server: &Path, link: watch::Receiver<Link>, mut outage: watch::Receiver<bool>) {
    // A server that is down refuses; so does this, by dropping the connection.
    let Ok(server) = UnixStream::connect(server).await else { return };
    let (worker_reads, worker_writes) = worker.into_split();
    let (server_reads, server_writes) = server.into_split();
    let mut cut = link.clone();
    tokio::select! {
        () = carry(worker_reads, server_writes, link.clone()) => {}
        () = carry(server_reads, worker_writes, link) => {}
        _ = cut.wait_for(|link| *link == Link::Cut) => {}
        _ = outage.wait_for(|outage| *outage) => {}
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut link: watch::Receiver<Link>) {
    let mut piece = vec![0; PIECE];
    loop {
        let Ok(read @ 1..) = from.read(&mut piece).await else { return };
        // The proxy is gone when waiting fails, and so is the connection.
        let Ok(now) = link.wait_for(|link| *link != Link::Silent).await.map(|link| *link) else { return };
        if now == Link::Late {
            tokio::time::sleep(LATE).await;
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
        let proxy = Proxy::to(path).await.expect("a port");
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
}
