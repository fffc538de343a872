//! Requests without an answer, as failures.

use std::error::Error;

use super::retry_after::Again;
use super::status;
use crate::model::failure::{Failure, FailureClass};
use crate::model::resource::Resource;
use crate::system::descriptors;

/// By what went wrong; the URL is left out, for it may hold a secret. A status turned into an error keeps its class.
impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let class = if let Some(status) = error.status() {
            // Its headers are gone by now.
            status::class(status, &Again::default())
        } else if error.is_timeout() {
            FailureClass::NetworkTimeout
        } else if error.is_builder() || error.is_redirect() {
            FailureClass::InvalidInput
        } else {
            FailureClass::ResourceUnavailable
        };
        let lacks = descriptors::lacking(&error).or_else(|| {
            // The resolver of names does not always say why it has no answer.
            (error.is_connect() && descriptors::are_used_up()).then_some(Resource::Descriptors)
        });
        Failure::new(class, whole(&error)).for_lack_of(lacks)
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use super::super::install_tls;
    use super::*;

    /// Asks with `?`, as a handler does.
    async fn ask(url: &str) -> Result<String, Failure> {
        install_tls();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(200)).build()?;
        let response = client.get(url).send().await?.error_for_status()?;
        Ok(response.text().await?)
    }

    /// A server that gives one client this answer, and hangs up when the client does, or at once.
    fn server(answer: &'static str, at_once: bool) -> std::io::Result<String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let url = format!("http://{}/?key=s3cret", listener.local_addr()?);
        std::thread::spawn(move || -> std::io::Result<()> {
            let (mut client, _) = listener.accept()?;
            let mut head = [0; 4096];
            let _head = client.read(&mut head)?;
            client.write_all(answer.as_bytes())?;
            while !at_once && client.read(&mut head)? > 0 {}
            Ok(())
        });
        Ok(url)
    }

    #[tokio::test]
    async fn an_error_of_a_request_has_its_class_and_not_its_url() -> std::io::Result<()> {
        let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        for (url, class, said) in [
            (server("", false)?, FailureClass::NetworkTimeout, "operation timed out"),
            (server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", false)?, FailureClass::NetworkTimeout, "timed out"),
            (
                server("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true)?,
                FailureClass::ResourceUnavailable,
                "end of file",
            ),
            (
                server("HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n", false)?,
                FailureClass::RateLimited,
                "429 Slow down",
            ),
            (
                server("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", false)?,
                FailureClass::AuthFailure,
                "403 Forbidden",
            ),
            (format!("http://{closed}/?key=s3cret"), FailureClass::ResourceUnavailable, "Connection refused"),
            ("s3cret".to_owned(), FailureClass::InvalidInput, "builder error"),
        ] {
            let failure = ask(&url).await.expect_err("no answer");
            assert_eq!(failure.class(), class, "{failure}");
            assert!(failure.message().contains(said) && !failure.message().contains("s3cret"), "{failure}");
        }
        Ok(())
    }
}
