//! Who is let in: by token, or on the machine itself where none is set.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri};

use super::problem::Problem;
use super::tokens::{Caller, Scope, Tokens};

/// Where the document is, which everybody may read.
pub(super) const DOCUMENT: &str = "/v1/admin/openapi.json";

const ASK: &str = "Bearer realm=\"piton\"";
const UNKNOWN: &str = "Bearer realm=\"piton\", error=\"invalid_token\"";
const TOO_LITTLE: &str = "Bearer realm=\"piton\", error=\"insufficient_scope\"";

/// Where tokens are needed, and there are none.
#[derive(Debug, thiserror::Error)]
#[error(
    "at {0} others could reach the admin API, and no token is set: set PITON_API_OPERATOR_TOKEN (and \
     PITON_API_READER_TOKEN for those who only look) to the output of `openssl rand -hex 32`, or listen at 127.0.0.1"
)]
pub(crate) struct Unguarded(SocketAddr);

/// Decides about every request.
#[derive(Debug)]
pub(crate) struct Access {
    tokens: Tokens,
    listen: IpAddr,
}

impl Access {
    /// Off the loopback address there must be a token.
    pub(crate) fn at(listen: SocketAddr, tokens: Tokens) -> Result<Access, Unguarded> {
        if tokens.is_empty() && !listen.ip().is_loopback() {
            return Err(Unguarded(listen));
        }
        Ok(Access { tokens, listen: listen.ip() })
    }

    /// Who asks, if they may.
    pub(super) fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Caller, Problem> {
        if self.tokens.is_empty() {
            // A page that a browser on this machine shows can reach it under a name of its own.
            self.check_host(uri, headers)?;
            return Ok(Caller::anybody());
        }
        if uri.path() == DOCUMENT {
            return Ok(Caller { scope: Scope::Reader, ..Caller::anybody() });
        }
        let caller = self.caller(headers)?;
        let looks = matches!(*method, Method::GET | Method::HEAD);
        if caller.scope == Scope::Reader && !looks {
            return Err(Problem::forbidden("this token may look, and change nothing")
                .hint("Ask with a token of PITON_API_OPERATOR_TOKEN.")
                .challenge(TOO_LITTLE));
        }
        Ok(caller.clone())
    }

    fn caller(&self, headers: &HeaderMap) -> Result<&Caller, Problem> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Err(Problem::unauthorized("this needs a token")
                .hint("Send it as a header: Authorization: Bearer TOKEN.")
                .challenge(ASK));
        };
        let secret = header.to_str().ok().and_then(bearer);
        secret.and_then(|secret| self.tokens.caller(secret)).ok_or_else(|| {
            Problem::unauthorized("this is no token that is known here")
                .hint("Send it as a header: Authorization: Bearer TOKEN.")
                .challenge(UNKNOWN)
        })
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let named = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let is_here = |host: &str| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let ip = host.parse::<IpAddr>();
            host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback() || ip == self.listen)
        };
        let here = named.is_some_and(|named| is_here(named.host())) && uri.host().is_none_or(is_here);
        if here {
            return Ok(());
        }
        Err(Problem::wrong_host("without a token, this answers to localhost and its addresses alone")
            .hint("Ask at http://127.0.0.1, or set PITON_API_OPERATOR_TOKEN."))
    }
}

/// The token of a header, whose scheme may be written in any case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, secret) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(access: &Access, method: Method, uri: &str, headers: &[(&'static str, &str)]) -> Result<String, String> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let admitted = access.admit(&method, &uri.parse().unwrap(), &headers);
        admitted.map(|caller| caller.name.to_string()).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn off_the_loopback_address_a_token_is_needed() {
        for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:127.0.0.1]:1"] {
            assert!(Access::at(open.parse().unwrap(), Tokens::default()).is_err(), "{open}");
        }
        for closed in ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1"] {
            assert!(Access::at(closed.parse().unwrap(), Tokens::default()).is_ok(), "{closed}");
        }
    }

    #[test]
    fn without_a_token_only_names_of_this_machine_are_answered() {
        let access = Access::at("127.0.0.1:7487".parse().unwrap(), Tokens::default()).unwrap();
        for host in ["localhost", "LOCALHOST:7487", "127.0.0.1:9", "[::1]:7487"] {
            assert_eq!(asks(&access, Method::POST, "/", &[("host", host)]).as_deref(), Ok("api"), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:7487", "10.0.0.1", "", "127.0.0.1.nip.io"] {
            assert!(asks(&access, Method::GET, "/", &[("host", host)]).is_err(), "{host}");
        }
        assert!(asks(&access, Method::GET, "/", &[]).is_err());
        assert!(asks(&access, Method::GET, "http://evil.example/", &[("host", "localhost")]).is_err());
    }

    #[test]
    fn readers_look_and_operators_change() {
        let (reader, operator) = ("r".repeat(20), "o".repeat(20));
        let mut tokens = Tokens::default();
        tokens.add(Scope::Reader, &format!("rita:{reader}"), "").unwrap();
        tokens.add(Scope::Operator, &format!("otto:{operator}"), "").unwrap();
        let access = Access::at("0.0.0.0:1".parse().unwrap(), tokens).unwrap();
        let with = |method, token: &str| asks(&access, method, "/v1/admin/runs", &[("authorization", token)]);
        assert_eq!(with(Method::GET, &format!("Bearer {reader}")).as_deref(), Ok("rita"));
        assert_eq!(with(Method::HEAD, &format!("bearer {operator}")).as_deref(), Ok("otto"));
        assert_eq!(with(Method::DELETE, &format!("Bearer {operator}")).as_deref(), Ok("otto"));
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE] {
            assert!(with(method, &format!("Bearer {reader}")).unwrap_err().contains("forbidden"));
        }
        for wrong in ["", "Bearer", &reader, &format!("Basic {reader}"), "Bearer x", &format!("Bearer {reader} ")] {
            assert!(with(Method::GET, wrong).unwrap_err().contains("unauthorized"), "{wrong}");
        }
        assert!(asks(&access, Method::GET, DOCUMENT, &[]).is_ok());
        assert!(asks(&access, Method::GET, "/v1/admin/openapi.json/", &[]).is_err());
    }
}
