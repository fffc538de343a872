//! Who gets in: callers with a token, or, if none is configured, this machine.

use std::net::{IpAddr, SocketAddr};

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri};

use super::extract::says_json;
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
            if !looks(method) {
                check_page(method, headers)?;
            }
            return Ok(Caller::anybody());
        }
        if uri.path() == DOCUMENT {
            return Ok(Caller { scope: Scope::Reader, ..Caller::anybody() });
        }
        let caller = self.caller(headers)?;
        if caller.scope == Scope::Reader && !looks(method) {
            return Err(Problem::forbidden("this token may read, but not change anything")
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
            Problem::unauthorized("this token is not known here")
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
        Err(Problem::wrong_host("without a token, only requests to localhost are answered")
            .hint("Ask at http://127.0.0.1, or set PITON_API_OPERATOR_TOKEN."))
    }
}

/// It changes nothing.
fn looks(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Without a token, whoever can send a request can change something, and every page that a browser on this machine shows
/// can
/// send one. But a browser says which page it is, and asks before a page of another site sends JSON.
fn check_page(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let sends = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    if sends && !says_json(headers) {
        return Err(Problem::not_json("without a token, a request that changes something has to be application/json")
            .hint("Send it with the header: Content-Type: application/json."));
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own = |origin: &str| {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some() && host == text(HOST.as_str())
    };
    let is_another = text(ORIGIN.as_str()).is_some_and(|origin| !is_own(origin))
        || text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    if is_another {
        return Err(Problem::another_site("without a token, a page of another site cannot change anything here")
            .hint("Ask with a program, or set PITON_API_OPERATOR_TOKEN and send it."));
    }
    Ok(())
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
            let json = ("content-type", "application/json");
            assert_eq!(asks(&access, Method::POST, "/", &[("host", host), json]).as_deref(), Ok("api"), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:7487", "10.0.0.1", "", "127.0.0.1.nip.io"] {
            assert!(asks(&access, Method::GET, "/", &[("host", host)]).is_err(), "{host}");
        }
        assert!(asks(&access, Method::GET, "/", &[]).is_err());
        assert!(asks(&access, Method::GET, "http://evil.example/", &[("host", "localhost")]).is_err());
    }

    #[test]
    fn without_a_token_no_page_of_another_site_changes_anything() {
        let access = Access::at("127.0.0.1:7487".parse().unwrap(), Tokens::default()).unwrap();
        let json = ("content-type", "application/json; charset=utf-8");
        let asks = |method: Method, more: &[(&'static str, &str)]| {
            let headers = [&[("host", "localhost:7487")], more].concat();
            asks(&access, method, "/v1/admin/cleanup/preview", &headers)
        };
        let another = [
            ("origin", "http://evil.example"),
            ("origin", "http://localhost:3000"),
            ("origin", "http://127.0.0.1:7487"),
            ("origin", "null"),
            ("origin", "file://"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ];
        for header in another {
            for method in [Method::POST, Method::DELETE, Method::PUT, Method::OPTIONS] {
                assert!(
                    asks(method.clone(), &[header, json]).unwrap_err().contains("another-site"),
                    "{method} {header:?}"
                );
            }
            assert!(asks(Method::GET, &[header]).is_ok(), "it cannot read what it gets");
        }
        for said in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
            assert!(asks(Method::POST, &[("content-type", said)]).unwrap_err().contains("unsupported-media-type"));
        }
        assert!(asks(Method::POST, &[]).unwrap_err().contains("unsupported-media-type"));
        assert!(asks(Method::POST, &[json]).is_ok() && asks(Method::DELETE, &[]).is_ok(), "as programs ask");
        let own = [("origin", "http://localhost:7487"), ("sec-fetch-site", "same-origin"), json];
        assert!(asks(Method::POST, &own).is_ok());
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
