//! What a status means. Pure.

use reqwest::StatusCode;

use crate::model::failure::FailureClass;
use crate::stage::answer::quoted;

/// The class of a status that is no success (SPEC section 3).
pub(super) fn class(status: StatusCode) -> FailureClass {
    match status.as_u16() {
        408 | 504 | 524 => FailureClass::NetworkTimeout,
        429 => FailureClass::RateLimited,
        401 | 403 | 407 => FailureClass::AuthFailure,
        // Too early: the same request may be sent again.
        425 | 500..=599 => FailureClass::ResourceUnavailable,
        _ => FailureClass::InvalidInput,
    }
}

/// Where a redirect leads, and whether the stage follows any.
pub(super) struct Target {
    pub(super) to: String,
    pub(super) follows: bool,
}

/// The status in words, where it points to, and the beginning of what the server said.
pub(super) fn message(status: StatusCode, target: Option<&Target>, body: &str) -> String {
    let mut text = format!("the server answered {status}");
    if let Some(Target { to, follows }) = target.filter(|_| status.is_redirection()) {
        let why = if *follows {
            "a request with secrets stays with its server, and a form with files is sent once"
        } else {
            "redirects are followed with redirects = 3"
        };
        text += &format!(" to {}; {why}", quoted(to));
    }
    match body.trim() {
        "" => text,
        said => format!("{text}: {}", quoted(said)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_class() {
        let class_of = |code: u16| StatusCode::from_u16(code).map(class).map(FailureClass::as_str).unwrap_or("none");
        for (code, expected) in [
            (301, "invalid_input"),
            (400, "invalid_input"),
            (401, "auth_failure"),
            (403, "auth_failure"),
            (404, "invalid_input"),
            (408, "network_timeout"),
            (422, "invalid_input"),
            (429, "rate_limited"),
            (500, "resource_unavailable"),
            (503, "resource_unavailable"),
            (504, "network_timeout"),
        ] {
            assert_eq!(class_of(code), expected, "{code}");
        }
    }

    #[test]
    fn the_message_says_what_the_server_said() {
        let said = |code: u16, target: Option<&Target>, body| {
            message(StatusCode::from_u16(code).expect("a status"), target, body)
        };
        let there = |follows| Some(Target { to: "/there".into(), follows });
        insta::assert_snapshot!(said(503, None, " busy\n"), @"the server answered 503 Service Unavailable: busy");
        insta::assert_snapshot!(said(304, None, ""), @"the server answered 304 Not Modified");
        insta::assert_snapshot!(said(301, there(false).as_ref(), ""), @"the server answered 301 Moved Permanently to /there; redirects are followed with redirects = 3");
        insta::assert_snapshot!(said(307, there(true).as_ref(), ""), @"the server answered 307 Temporary Redirect to /there; a request with secrets stays with its server, and a form with files is sent once");
    }
}
