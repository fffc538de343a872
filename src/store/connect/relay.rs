//! One connection of sqlx, relayed to a server until either end closes it or the server falls silent.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::UnixStream;

use super::dial::Wire;
use super::flow::{Flow, Flows, Silence};
use super::frames::Frames;

/// What one read takes.
const CHUNK: usize = 32 * 1024;
/// "Are you there?": the server answers that it is ready, whatever it is in the middle of.
const SYNC: [u8; 5] = [b'S', 0, 0, 0, 4];
/// A packet that begins a session is no longer than that in Postgres either.
const LONGEST_STARTUP: usize = 10_000;

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// Whoever used it is done with it.
    Client,
    /// The server closed it.
    Closed,
    /// The network says that nobody is there.
    Broken(io::Error),
    /// The server owed an answer for that long; without a time, it did not say any more that it is there.
    Silent(Option<Duration>),
}

/// What ends a connection, and what is known of it then.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) how: End,
    /// Cancels the statement that the server may still be at.
    pub(super) key: Option<[u8; 8]>,
    /// A last word can stand where the server's words ended.
    pub(super) is_between: bool,
}

/// The packet that begins a session, which is read whole before anybody is connected to.
pub(super) async fn startup(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let length = client.read_u32().await? as usize;
    if !(8..=LONGEST_STARTUP).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut packet = vec![0; length];
    packet[..4].copy_from_slice(&u32::try_from(length).unwrap_or_default().to_be_bytes());
    client.read_exact(&mut packet[4..]).await?;
    Ok(packet)
}

/// Carries both ways. `all` are the connections to the same database.
pub(super) async fn carry(
    client: &mut UnixStream,
    server: Wire,
    startup: &[u8],
    silence: Silence,
    all: &Flows,
) -> Ended {
    let flow = Arc::new(Flow::new(silence));
    all.add(Arc::downgrade(&flow));
    let frames = Mutex::new(Frames::default());
    let (mut from_server, mut to_server) = split(server);
    let (mut from_client, mut to_client) = client.split();
    let up = async {
        if let Err(error) = send(&mut to_server, startup).await {
            return End::Broken(error);
        }
        up(&mut from_client, &mut to_server, &flow).await
    };
    let how = tokio::select! {
        how = up => how,
        how = down(&mut from_server, &mut to_client, &flow, &frames) => how,
        limit = flow.is_silent(all) => End::Silent(limit),
    };
    // The server is to learn that nobody reads any more; one that is gone is not waited for.
    tokio::time::timeout(Duration::from_millis(100), to_server.shutdown()).await.ok();
    let frames = frames.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ended { how, key: frames.key(), is_between: frames.is_between() }
}

async fn send(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    // TLS keeps back what is not a record yet.
    to.flush().await
}

async fn up(client: &mut (impl AsyncRead + Unpin), server: &mut (impl AsyncWrite + Unpin), flow: &Flow) -> End {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = tokio::select! {
            read = client.read(&mut chunk) => read,
            () = flow.ping.notified() => {
                if flow.may_ping() && let Err(error) = send(server, &SYNC).await {
                    return End::Broken(error);
                }
                continue;
            }
        };
        match read {
            Ok(0) | Err(_) => return End::Client,
            Ok(read) => {
                flow.asks();
                if let Err(error) = send(server, &chunk[..read]).await {
                    return End::Broken(error);
                }
            }
        }
    }
}

async fn down(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    flow: &Flow,
    frames: &Mutex<Frames>,
) -> End {
    let (mut chunk, mut on) = (vec![0; CHUNK], Vec::with_capacity(CHUNK));
    loop {
        let read = match server.read(&mut chunk).await {
            Ok(0) => return End::Closed,
            Ok(read) => read,
            // What a server that speaks TLS does when it ends without a word.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return End::Closed,
            Err(error) => return End::Broken(error),
        };
        on.clear();
        let (pinged, mut ours) = (flow.is_pinged(), flow.is_pinged());
        let ready = {
            let mut frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
            frames.pass(&chunk[..read], &mut ours, &mut on);
            frames.is_ready()
        };
        if pinged && !ours {
            flow.ponged();
        }
        if on.is_empty() {
            continue;
        }
        flow.hears(ready);
        if client.write_all(&on).await.is_err() {
            return End::Client;
        }
        flow.has_handed_over();
    }
}

/// A last word in the server's stead: an error that ends the session, as Postgres would write it.
pub(super) async fn last_word(client: &mut UnixStream, code: &str, reason: &str) {
    let mut body = Vec::new();
    for (field, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', code), (b'M', reason)] {
        body.push(field);
        // A nul would end the text.
        body.extend(text.bytes().filter(|byte| *byte != 0));
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or_default();
    let message = [b"E".as_slice(), &length.to_be_bytes(), &body].concat();
    // Whoever asked may be gone.
    client.write_all(&message).await.ok();
    client.shutdown().await.ok();
}
