//! Other servers that workflows depend on, named when the worker starts.

use std::str::FromStr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, Url};
use tokio::net::TcpStream;

use crate::model::health::{Finding, Measure};
use crate::model::quoted::quoted;

/// Longest wait for one of them.
const LIMIT: Duration = Duration::from_secs(8);

/// A server that has to answer.
#[derive(Debug, Clone)]
pub(crate) struct External {
    name: String,
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    /// Any answer will do but that of a server that says that it fails.
    Http(Url),
    /// A connection will do: host and port.
    Tcp(String),
}

impl FromStr for External {
    type Err = String;

    fn from_str(text: &str) -> Result<External, String> {
        let shape = "give NAME=URL, such as voices=https://voices.example/health or mail=tcp://mail.example:25";
        let (name, target) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(shape)?;
        let url: Url = target.parse().map_err(|error| format!("`{}` is no URL ({error}); {shape}", quoted(target)))?;
        let target = match (url.scheme(), url.host_str(), url.port()) {
            ("http" | "https", Some(_), _) => Target::Http(url),
            ("tcp", Some(host), Some(port)) => Target::Tcp(format!("{host}:{port}")),
            _ => return Err(shape.to_owned()),
        };
        Ok(External { name: name.to_owned(), target })
    }
}

impl External {
    async fn ask(&self, client: &Client) -> Result<Duration, String> {
        let begun = Instant::now();
        let asked = async {
            match &self.target {
                Target::Http(url) => {
                    // The URL may hold a secret.
                    let answer = client.get(url.clone()).send().await.map_err(|e| e.without_url().to_string())?;
                    let status = answer.status();
                    if status.is_server_error() { Err(format!("it answers with {status}")) } else { Ok(()) }
                }
                Target::Tcp(address) => {
                    TcpStream::connect(address).await.map(|_| ()).map_err(|error| error.to_string())
                }
            }
        };
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(())) => Ok(begun.elapsed()),
            Ok(Err(error)) => Err(format!("{}: {error}", self.name)),
            Err(_) => Err(format!("{}: no answer within {} s", self.name, LIMIT.as_secs())),
        }
    }
}

/// All of them at once; `None` where none is named.
pub(super) async fn check(externals: &[External]) -> Option<Finding> {
    if externals.is_empty() {
        return None;
    }
    let client = match Client::builder().build() {
        Ok(client) => client,
        Err(error) => return Some(Finding::failure(error)),
    };
    let answers = join_all(externals.iter().map(|external| external.ask(&client))).await;
    let failures: Vec<&str> = answers.iter().filter_map(|answer| answer.as_ref().err().map(String::as_str)).collect();
    if !failures.is_empty() {
        return Some(Finding::failure(failures.join("; ")));
    }
    let timed = answers.iter().zip(externals).filter_map(|(took, external)| Some((*took.as_ref().ok()?, external)));
    let (slowest, external) = timed.max_by_key(|(took, _)| *took)?;
    let about = Some(external.name.clone());
    Some(Finding { about, ..Finding::value(Measure::ExternalLatency, slowest.as_secs_f64()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_server_is_refused() {
        for wrong in ["", "x", "=http://a", "x=a", "x=ftp://a", "x=tcp://a", "x=file:///a"] {
            assert!(wrong.parse::<External>().unwrap_err().contains("give NAME=URL"), "{wrong}");
        }
        assert!("x=https://a/b?c=d".parse::<External>().is_ok() && "x=tcp://a:1".parse::<External>().is_ok());
    }
}
