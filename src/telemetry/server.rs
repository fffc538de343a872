//! `/metrics`: a small server of its own, for Prometheus and for `piton health`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connections;
use super::exporter::Exporter;
use crate::system::descriptors;

/// Where the metrics of a worker are, when nobody says otherwise.
pub(crate) const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7486);

/// Where the metrics of a worker are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    /// Nowhere.
    Off,
    /// At [`DEFAULT`], or where there is room when another worker of this machine is there.
    Default,
    /// There, and nowhere else.
    At(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Off => f.write_str("off"),
            Address::Default => DEFAULT.fmt(f),
            Address::At(address) => address.fmt(f),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        match text {
            "off" => Ok(Address::Off),
            text => text.parse().map(Address::At).map_err(|_| {
                format!("give an address and a port, such as {DEFAULT} or 0.0.0.0:{}, or `off`", DEFAULT.port())
            }),
        }
    }
}

/// Takes the address; `None` where there is none to take.
pub(crate) async fn bind(address: Address) -> std::io::Result<Option<TcpListener>> {
    let listener = match address {
        Address::Off => return Ok(None),
        Address::At(address) => TcpListener::bind(address).await?,
        Address::Default => match TcpListener::bind(DEFAULT).await {
            Ok(listener) => listener,
            Err(error) => {
                let listener = TcpListener::bind((DEFAULT.ip(), 0)).await?;
                tracing::warn!("{DEFAULT} is taken ({error}): give this worker an address with --metrics");
                listener
            }
        },
    };
    Ok(Some(listener))
}

/// Answers until told to stop.
pub(crate) async fn serve(listener: TcpListener, exporter: Arc<Exporter>, stop: CancellationToken) {
    if let Ok(address) = listener.local_addr() {
        tracing::info!("metrics are at http://{address}/metrics");
    }
    let scrape = async move || ([(CONTENT_TYPE, "text/plain; version=0.0.4")], exporter.render());
    let router = Router::new().route("/metrics", get(scrape));
    let most = descriptors::for_clients(descriptors::limit());
    connections::serve(listener, router, most, stop.cancelled()).await;
}
