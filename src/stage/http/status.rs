//! What a status means. Pure.

use reqwest::StatusCode;

use super::retry_after::Again;
use crate::model::failure::FailureClass;
use crate::stage::answer::quoted;

/// The class of a status that is no success (SPEC section 3), where the file gives it none.
pub(super) fn class(status: StatusCode, again: &Again) -> FailureClass {
    match status.as_u16() {
        408 | 504 | 524 => FailureClass::NetworkTimeout,
        429 => FailureClass::RateLimited,
        // This is how many servers refuse a client that is too fast.
        403 if again.after.is_some() || again.is_used_up => FailureClass::RateLimited,
        401 | 403 | 407 => FailureClass::AuthFailure,
        // Too early: the same request may be sent again.
        425 | 500..=599 => FailureClass::ResourceUnavailable,
        // Busy, locked, too large just now: the server itself asks for the same request later.
        400..=499 if again.after.is_some() => FailureClass::ResourceUnavailable,
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_status_has_a_class() {
        let class_of = |code, again| class(StatusCode::from_u16(code).expect("a status"), again).as_str();
        let never = Again::default();
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
            assert_eq!(class_of(code, &never), expected, "{code}");
        }
        let later = Again { after: Some(Duration::ZERO), ..never };
        let used_up = Again { is_used_up: true, reset: Some(Duration::ZERO), ..never };
        for (code, when_later, when_used_up) in [
            (301, "invalid_input", "invalid_input"),
            (400, "resource_unavailable", "invalid_input"),
            (401, "auth_failure", "auth_failure"),
            (403, "rate_limited", "rate_limited"),
            (404, "resource_unavailable", "invalid_input"),
            (407, "auth_failure", "auth_failure"),
            (413, "resource_unavailable", "invalid_input"),
            (423, "resource_unavailable", "invalid_input"),
            (429, "rate_limited", "rate_limited"),
            (503, "resource_unavailable", "resource_unavailable"),
        ] {
            assert_eq!((class_of(code, &later), class_of(code, &used_up)), (when_later, when_used_up), "{code}");
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
