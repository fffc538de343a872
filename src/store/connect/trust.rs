//! Whether to trust a server's certificate.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::error::TlsError;

/// What is checked of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checks {
    Nothing,
    Authority,
    AuthorityAndName,
}

pub(super) fn verifier(
    checks: Checks,
    provider: &Arc<CryptoProvider>,
    roots: impl Fn() -> Result<Vec<CertificateDer<'static>>, TlsError>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if checks == Checks::Nothing {
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        return Ok(Arc::new(Anyone { schemes }));
    }
    let roots = roots()?;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let authority = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone()).build();
    let authority = authority.map_err(|error| TlsError::Unusable(format!("no authority can be trusted: {error}")))?;
    Ok(Arc::new(Known { authority, roots, name_too: checks == Checks::AuthorityAndName }))
}

/// Why a certificate was not believed, and what to do; `None` for any other trouble.
pub(super) fn reason(error: &io::Error) -> Option<String> {
    const KNOW_IT: &str = "write sslrootcert=FILE with the certificate of its authority";
    let Error::InvalidCertificate(reason) = error.get_ref()?.downcast_ref::<Error>()? else { return None };
    Some(match reason {
        CertificateError::UnknownIssuer => format!("it is signed by an authority that is not known here; {KNOW_IT}"),
        CertificateError::Other(why) if is_own_authority(why) => {
            "it is self-signed and not known here; write sslrootcert=FILE with a copy of it".to_owned()
        }
        CertificateError::Other(why) if format!("{why:?}").contains("UnsupportedCertVersion") => {
            "it is older than X.509 v3 and cannot be verified; give the server a new one".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; give the server a new one".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is made out to another name; connect by that one, or write sslmode=verify-ca".to_owned()
        }
        other => format!("{other}; {KNOW_IT}"),
    })
}

/// webpki's word for a certificate that is an authority, and used as a server's. rustls does not name it.
fn is_own_authority(why: &OtherError) -> bool {
    format!("{why:?}").contains("CaUsedAsEndEntity")
}

/// Of `sslmode=prefer` and `require`: whoever answers is believed, as by libpq. So it does not matter either whether the key
/// is that of the certificate, which rustls cannot tell where the certificate is of a kind older than X.509 v3.
#[derive(Debug)]
struct Anyone {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// Of `sslmode=verify-ca` and `verify-full`.
#[derive(Debug)]
struct Known {
    authority: Arc<WebPkiServerVerifier>,
    roots: Vec<CertificateDer<'static>>,
    name_too: bool,
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.authority.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name_too => Ok(ServerCertVerified::assertion()),
            // A self-signed certificate that is its own authority, and was given to us as such. Its times were right: they
            // are looked at before.
            Err(Error::InvalidCertificate(CertificateError::Other(why)))
                if is_own_authority(&why) && self.roots.contains(certificate) =>
            {
                if self.name_too {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authority.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authority.supported_verify_schemes()
    }
}
