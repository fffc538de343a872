//! A database that can be connected to, and the ways of doing it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::address::Address;
use super::error::AddressError;
use super::forward::{Forwarder, PATIENT, SWIFT};

/// What is in between stays as long as one of them lives.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    swift: PgConnectOptions,
    patient: PgConnectOptions,
    /// How it is called, without its password.
    name: Arc<str>,
    /// How long getting in may take, with every server that it is tried at.
    patience: Duration,
    /// How long it may owe an answer to a small statement; `None` where there is no network in between.
    silence: Option<Duration>,
    forwarder: Option<Arc<Forwarder>>,
    is_private: bool,
}

impl Server {
    /// Connects to nothing yet. A swift connection is given up when the server owes an answer for longer than `silence`.
    pub(crate) fn at(address: Address, silence: Duration) -> Result<Server, AddressError> {
        let name: Arc<str> = address.to_string().into();
        let many = u32::try_from(address.places.len()).unwrap_or(1);
        let patience = address.connect_timeout.unwrap_or(Duration::from_secs(60)) * many * 2 + Duration::from_secs(1);
        if let Some((folder, port)) = address.socket() {
            let session = address.session().host("localhost");
            let options = session.socket(folder).port(port).ssl_mode(PgSslMode::Disable);
            let (swift, patient) = (options.clone(), options);
            return Ok(Server { swift, patient, name, patience, silence: None, forwarder: None, is_private: false });
        }
        address.tls.check()?;
        let forwarder = Forwarder::start(address.clone(), silence)?;
        let (swift, patient) = (forwarder.options(&address, SWIFT), forwarder.options(&address, PATIENT));
        Ok(Server {
            swift,
            patient,
            name,
            patience,
            silence: Some(silence),
            forwarder: Some(Arc::new(forwarder)),
            is_private: false,
        })
    }

    /// A Postgres of our own, behind a socket of this machine.
    pub(crate) fn private(options: PgConnectOptions) -> Server {
        let options = options.application_name("piton").extra_float_digits(None);
        let patience = Duration::from_secs(10);
        let name = format!("the private Postgres, database {}", options.get_database().unwrap_or_default()).into();
        Server {
            swift: options.clone(),
            patient: options,
            name,
            patience,
            silence: None,
            forwarder: None,
            is_private: true,
        }
    }

    /// For small statements, whose answer is due soon.
    pub(crate) fn swift(&self) -> &PgConnectOptions {
        &self.swift
    }

    /// For statements that may take long.
    pub(crate) fn patient(&self) -> &PgConnectOptions {
        &self.patient
    }

    /// Whether there is a network in between.
    pub(crate) fn is_remote(&self) -> bool {
        self.forwarder.is_some()
    }

    /// Nobody stands between us and it.
    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }

    /// A URL that may be shown.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How long it may owe an answer to a small statement on a connection that is for long ones, too.
    pub(crate) fn silence(&self) -> Option<Duration> {
        self.silence
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }
}
