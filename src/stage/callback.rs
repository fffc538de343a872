//! How a service that a stage asks calls back: with the token of the job's wait, which is on record before the service is asked.

use std::fmt;

use super::variables;

/// Where, and with what, the service that a stage asks answers. The same for every attempt of the job until its wait has failed or timed
/// out; one that waits anew has another one.
#[derive(Clone, PartialEq, Eq)]
pub struct Callback {
    token: String,
    url: Option<String>,
}

/// Variables that programs find it in.
pub(crate) const URL_VARIABLE: &str = "PITON_CALLBACK_URL";
pub(crate) const TOKEN_VARIABLE: &str = "PITON_CALLBACK_TOKEN";
/// Header that servers find it in.
pub(crate) const HEADER: &str = "piton-callback";

impl Callback {
    pub(crate) fn new(token: String) -> Callback {
        let url = variables::callback_url().map(|base| url(base, &token));
        Callback { token, url }
    }

    /// What opens the wait: for `piton.complete` and the like. A secret between Piton and the service.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Where the service posts its answer; `None` where this worker was not told the public address of the callbacks
    /// (`--callback-url`).
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

/// The token is in no log.
impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback(…)")
    }
}

fn url(base: &str, token: &str) -> String {
    format!("{}/v1/callbacks/{token}", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_ends_with_the_token() {
        for base in ["https://piton.example", "https://piton.example/"] {
            assert_eq!(url(base, "1.0.-1.ab"), "https://piton.example/v1/callbacks/1.0.-1.ab");
        }
        assert_eq!(url("http://a/below/", "t"), "http://a/below/v1/callbacks/t");
    }

    #[test]
    fn a_token_is_not_printed() {
        assert_eq!(format!("{:?}", Callback::new("secret".to_owned())), "Callback(…)");
    }
}
