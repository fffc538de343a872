//! Where a worker, or `piton callbacks`, listens for services that call back.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::args::CallbackArgs;
use crate::callbacks;
use crate::stage::variables;
use crate::store::Store;
use crate::worker::is_runner;

/// The callbacks of a worker, from its start on.
pub(super) struct Listening(Option<TcpListener>);

impl Listening {
    /// Says where services reach them, and takes the address. A process that runs suspects has the same arguments, and takes none.
    pub(super) async fn start(args: &CallbackArgs) -> anyhow::Result<Listening> {
        if let Some(url) = url(args)? {
            variables::callback_url_is(url);
        }
        match args.callbacks {
            Some(address) if !is_runner() => Ok(Listening(Some(bind(address).await?))),
            Some(_) | None => Ok(Listening(None)),
        }
    }

    /// Answers until told to stop.
    pub(super) fn serve(self, store: Store, stop: CancellationToken) {
        if let Some(listener) = self.0 {
            tokio::spawn(callbacks::serve(listener, store, async move { stop.cancelled().await }));
        }
    }
}

/// What is in the URLs of callbacks before `/v1/callbacks`.
fn url(args: &CallbackArgs) -> anyhow::Result<Option<String>> {
    match (&args.callback_url, args.callbacks) {
        (Some(url), _) => Ok(Some(url.clone())),
        (None, Some(address)) if address.ip().is_unspecified() || address.port() == 0 => {
            bail!("services do not know where {address} is: say what they reach it at with --callback-url https://...")
        }
        (None, Some(address)) => Ok(Some(format!("http://{address}"))),
        (None, None) => Ok(None),
    }
}

pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("callbacks cannot be answered at {address}"))
}
