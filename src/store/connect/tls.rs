//! TLS as libpq does it: what each `sslmode` checks, and with which certificates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::{AddressError, TlsError};
use super::settings::SessionSettings;
use super::trust::{self, Checks};
use crate::bounded;

/// "Do you speak TLS?", in the words of Postgres.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    /// `allow` too: both take what the server gives, and TLS is the better of the two.
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// `sslrootcert`.
#[derive(Debug, Clone)]
pub(super) enum Roots {
    /// Those that this machine trusts.
    System,
    File(PathBuf),
    /// The certificates themselves, where sqlx took them too.
    Text(String),
}

/// How a server proves itself, and we ourselves to it.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    roots: Roots,
    /// Certificate and key.
    client: Option<(PathBuf, PathBuf)>,
    sni: bool,
    oldest_is_13: bool,
    newest_is_12: bool,
}

impl Tls {
    pub(super) fn of(said: &SessionSettings) -> Result<Tls, AddressError> {
        let modes = [
            ("disable", Mode::Disable),
            ("allow", Mode::Prefer),
            ("prefer", Mode::Prefer),
            ("require", Mode::Require),
            ("verify-ca", Mode::VerifyCa),
            ("verify-full", Mode::VerifyFull),
        ];
        let mode = said.word("sslmode", &modes)?;
        let system = said.text("sslrootcert") == Some("system");
        if system && mode.is_some_and(|mode| mode != Mode::VerifyFull) {
            return Err(said.wrong("sslrootcert", "with sslrootcert=system write sslmode=verify-full"));
        }
        let roots = match said.text("sslrootcert") {
            Some("system") => Some(Roots::System),
            Some(text) if text.trim_start().starts_with("-----BEGIN") => Some(Roots::Text(text.to_owned())),
            Some(file) => Some(Roots::File(file.into())),
            None => of_home("root.crt").map(Roots::File),
        };
        let mode = match mode {
            None if system => Mode::VerifyFull,
            // libpq's rule: whoever gave the authority's certificate wants it checked.
            Some(Mode::Require) if roots.is_some() => Mode::VerifyCa,
            mode => mode.unwrap_or(Mode::Prefer),
        };
        let versions = [("TLSv1", 10), ("TLSv1.1", 11), ("TLSv1.2", 12), ("TLSv1.3", 13)];
        let oldest = said.word("ssl_min_protocol_version", &versions)?.unwrap_or(12);
        let newest = said.word("ssl_max_protocol_version", &versions)?.unwrap_or(13);
        if newest < 12 || oldest > newest {
            return Err(said.wrong("ssl_max_protocol_version", "Piton speaks TLSv1.2 and TLSv1.3"));
        }
        Ok(Tls {
            mode,
            roots: roots.unwrap_or(Roots::System),
            client: client(said)?,
            sni: said.switch("sslsni", true)?,
            oldest_is_13: oldest == 13,
            newest_is_12: newest == 12,
        })
    }

    /// Asks the server for TLS and speaks it; gives the connection back where it is to go on without.
    pub(super) async fn over<S>(&self, mut stream: S, host: &str) -> Result<Spoken<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.mode == Mode::Disable {
            return Ok(Spoken::Plain(stream));
        }
        stream.write_all(&SSL_REQUEST).await.map_err(TlsError::Broken)?;
        // One byte and no more: what stood behind it would not be the server's word.
        match stream.read_u8().await.map_err(TlsError::Broken)? {
            b'S' => {}
            _ if self.mode == Mode::Prefer => return Ok(Spoken::Plain(stream)),
            _ => return Err(TlsError::NotSpoken),
        }
        let unusable = |what: &dyn std::fmt::Display| TlsError::Unusable(what.to_string());
        let name = ServerName::try_from(host.to_owned()).map_err(|error| unusable(&error))?;
        let connector = TlsConnector::from(Arc::new(self.config()?));
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(Spoken::Tls(Box::new(stream))),
            Err(error) => Err(trust::reason(&error).map_or(TlsError::Broken(error), TlsError::Untrusted)),
        }
    }

    /// What is wrong with the files, before anything is connected to.
    pub(super) fn check(&self) -> Result<(), AddressError> {
        if self.mode == Mode::Disable {
            return Ok(());
        }
        self.config().map(drop).map_err(|error| AddressError::new(error.to_string()))
    }

    /// Files are read each time: certificates are renewed under running workers.
    pub(super) fn config(&self) -> Result<ClientConfig, TlsError> {
        let versions: &[&rustls::SupportedProtocolVersion] = match (self.oldest_is_13, self.newest_is_12) {
            (true, _) => &[&TLS13],
            (false, true) => &[&TLS12],
            (false, false) => &[&TLS13, &TLS12],
        };
        let unusable = |error: rustls::Error| TlsError::Unusable(format!("TLS cannot be set up: {error}"));
        let of_the_program = CryptoProvider::get_default().cloned();
        let provider = of_the_program.unwrap_or_else(|| Arc::new(ring::default_provider()));
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions);
        let checks = match self.mode {
            Mode::Disable | Mode::Prefer | Mode::Require => Checks::Nothing,
            Mode::VerifyCa => Checks::Authority,
            Mode::VerifyFull => Checks::AuthorityAndName,
        };
        let verifier = trust::verifier(checks, &provider, || self.roots())?;
        let builder = builder.map_err(unusable)?.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate, &read(certificate, "sslcert")?)?;
                builder.with_client_auth_cert(chain, private_key(key)?).map_err(unusable)?
            }
        };
        config.enable_sni = self.sni;
        Ok(config)
    }

    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        match &self.roots {
            Roots::System => Ok(rustls_native_certs::load_native_certs().certs),
            Roots::File(file) => certificates(file, &read(file, "sslrootcert")?),
            Roots::Text(text) => certificates(Path::new("sslrootcert"), text.as_bytes()),
        }
    }
}

/// A connection, with TLS or without.
pub(super) enum Spoken<S> {
    Plain(S),
    Tls(Box<TlsStream<S>>),
}

/// A file in the folder where libpq looks.
fn of_home(name: &str) -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".postgresql").join(name)).filter(|file| file.is_file())
}

/// `sslcert` and `sslkey`, which go together.
fn client(said: &SessionSettings) -> Result<Option<(PathBuf, PathBuf)>, AddressError> {
    let words = [("disable", Some(false)), ("allow", None), ("require", Some(true))];
    let wanted = said.word("sslcertmode", &words)?.flatten();
    if wanted == Some(false) {
        return Ok(None);
    }
    let certificate = said.text("sslcert").map(PathBuf::from).or_else(|| of_home("postgresql.crt"));
    let key = said.text("sslkey").map(PathBuf::from).or_else(|| of_home("postgresql.key"));
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (Some(_), None) => Err(said.wrong("sslcert", "a certificate needs its key; write sslkey=FILE too")),
        (None, Some(_)) if said.text("sslkey").is_some() => {
            Err(said.wrong("sslkey", "a key needs its certificate; write sslcert=FILE too"))
        }
        _ if wanted == Some(true) => Err(said.wrong("sslcertmode", "write sslcert=FILE and sslkey=FILE too")),
        _ => Ok(None),
    }
}

fn read(file: &Path, keyword: &str) -> Result<Vec<u8>, TlsError> {
    bounded::file(file, bounded::SETTINGS)
        .map_err(|error| TlsError::Unusable(format!("{keyword}: {} cannot be read: {error}", file.display())))
}

fn certificates(file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(TlsError::Unusable(format!("{} holds no certificate; it should be a PEM file", file.display()))),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(file, "sslkey")?;
    if String::from_utf8_lossy(&text).contains("ENCRYPTED") {
        let file = file.display();
        return Err(TlsError::Unusable(format!(
            "sslkey: Piton reads no encrypted keys; write sslkey of a copy that only you can read, made by: \
             openssl pkey -in {file} -out {file}.plain"
        )));
    }
    let unusable = |_| TlsError::Unusable(format!("{} holds no private key; it should be a PEM file", file.display()));
    PrivateKeyDer::from_pem_slice(&text).map_err(unusable)
}
