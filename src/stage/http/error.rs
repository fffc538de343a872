//! Requests that got no answer, as failures.

use std::error::Error;

use super::status;
use crate::model::failure::{Failure, FailureClass};

/// By what went wrong; the URL is left out, for it may hold a secret. A status turned into an error keeps its class.
impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let class = if let Some(status) = error.status() {
            status::class(status)
        } else if error.is_timeout() {
            FailureClass::NetworkTimeout
        } else if error.is_builder() || error.is_redirect() {
            FailureClass::InvalidInput
        } else {
            FailureClass::ResourceUnavailable
        };
        Failure::new(class, whole(&error))
    }
}

/// The message with its causes, each once.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
