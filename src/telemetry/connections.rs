//! An HTTP server for clients that may be slow, broken or hostile: a request's head is due within a time limit, an answer that
//! is not read is given up, and the number of connections is limited. A new one takes the place of the one that has been idle
//! longest, so that requests which never come keep nobody out.

mod clients;
mod patient;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tower::ServiceExt;

use self::clients::Clients;
use self::patient::Patient;

/// From the moment that a connection is made, or idle, to the end of the next request's head.
const HEAD: Duration = Duration::from_secs(10);
/// Longest wait for a client to take the next part of an answer.
const STALL: Duration = Duration::from_secs(30);
/// After an error that is no client's: no descriptor was left, and one will be closed.
const AGAIN: Duration = Duration::from_millis(50);

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Answers until `stopped`, and then to those who have asked already.
pub(crate) async fn serve(listener: TcpListener, router: Router, most: usize, stopped: impl Future<Output = ()>) {
    let (clients, shutdown) = (Clients::new(most), GracefulShutdown::new());
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_the_client(&error) => continue,
            Err(_) => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        // Where all of them are being answered, a new one is closed.
        let Some(client) = clients.seat() else { continue };
        let (router, asks) = (router.clone(), client.clone());
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let (answer, asks) = (router.clone().oneshot(request), asks.clone());
            async move {
                let _asking = asks.asking();
                answer.await
            }
        });
        let patient = Patient::new(stream, client.clone(), STALL);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD);
        let connection = shutdown.watch(http.serve_connection(TokioIo::new(patient), service));
        tokio::spawn(async move {
            tokio::select! {
                // What is wrong with a connection is its client's affair.
                _ = connection => {}
                () = client.made_room() => {}
            }
        });
    }
    drop(listener);
    shutdown.shutdown().await;
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use axum::routing::get;

    use super::*;

    async fn server(most: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let slow = get(|| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            "late"
        });
        let router = Router::new().route("/", get(|| async { "here" })).route("/slow", slow);
        tokio::spawn(async move { serve(listener, router, most, std::future::pending()).await });
        address
    }

    fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // A connection that was closed is broken for whoever writes, and reset for whoever reads.
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok();
        answer
    }

    /// One that has sent half of a head.
    fn half(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost:").unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    fn is_closed(mut stream: TcpStream) -> bool {
        let mut rest = Vec::new();
        // The end, with or without a word, and not the timeout of this test.
        !matches!(stream.read_to_end(&mut rest), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_that_never_come_keep_nobody_out_and_are_closed() {
        let address = server(8).await;
        let halves: Vec<TcpStream> = (0..100).map(|_| half(address)).collect();
        assert!(ask(address, "/").ends_with("here"));
        let closed = tokio::task::spawn_blocking(|| halves.into_iter().all(is_closed)).await.unwrap();
        assert!(closed);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_being_answered_is_not_sent_away() {
        let address = server(2).await;
        let slow: Vec<_> = (0..2).map(|_| std::thread::spawn(move || ask(address, "/slow"))).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(ask(address, "/"), "", "both places are taken by requests");
        for asked in slow {
            assert!(asked.join().unwrap().ends_with("late"));
        }
        assert!(ask(address, "/").ends_with("here"));
    }
}
