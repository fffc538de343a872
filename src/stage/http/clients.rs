//! The HTTP clients of a worker: attempts whose stages connect in the same way share connections.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder};

use crate::model::failure::Failure;
use crate::workflow::definition::HttpStage;
use crate::workflow::template::Template;

/// Chooses who does the cryptography of TLS; once, before the first request of this process.
pub(crate) fn install_tls() {
    // A second time there is one already, and it is this one.
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// Made when they are first needed, and kept.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<HashMap<Way, Client>>);

impl Clients {
    /// The client for that stage.
    pub(super) fn of(&self, stage: &HttpStage) -> Result<Client, Failure> {
        let way = Way::of(stage);
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&way) {
            return Ok(client.clone());
        }
        let client = way.client()?;
        clients.insert(way, client.clone());
        Ok(client)
    }
}

/// How servers are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Way {
    connect_timeout: Duration,
    redirects: usize,
    /// Its requests have secrets in their headers, which are for one server only.
    has_secrets: bool,
}

impl Way {
    fn of(stage: &HttpStage) -> Way {
        Way {
            connect_timeout: stage.connect_timeout,
            redirects: usize::try_from(stage.redirects).unwrap_or(usize::MAX),
            has_secrets: stage.headers.values().flat_map(Template::variables).next().is_some(),
        }
    }

    fn client(self) -> Result<Client, reqwest::Error> {
        self.builder().build().or_else(|error| {
            // A machine without certificates can still call servers that need none.
            tracing::warn!("no server is trusted over TLS: {}", Failure::from(error).message());
            self.builder().tls_certs_only([]).build()
        })
    }

    fn builder(self) -> ClientBuilder {
        let redirects = match self.redirects {
            0 => Policy::none(),
            most => follow(most, self.has_secrets),
        };
        // The referer would tell the next server a secret in this one's URL.
        Client::builder().connect_timeout(self.connect_timeout).redirect(redirects).referer(false)
    }
}

/// Follows that many redirects; within one server, where `stay`.
fn follow(most: usize, stay: bool) -> Policy {
    let limited = Policy::limited(most);
    Policy::custom(move |attempt| if stay && leaves(&attempt) { attempt.stop() } else { limited.redirect(attempt) })
}

fn leaves(attempt: &Attempt<'_>) -> bool {
    attempt.previous().iter().any(|url| url.origin() != attempt.url().origin())
}
