//! An answer whose head has come, and whose body is read as it was before it was packed.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::GzipDecoder;
use futures_util::TryStreamExt;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::io::{AsyncBufReadExt, AsyncRead};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::model::failure::Failure;

/// Codings of a body, by the registry of HTTP. Any other word says nothing about it.
const CODINGS: [&str; 9] = ["br", "compress", "dcb", "dcz", "deflate", "gzip", "x-compress", "x-gzip", "zstd"];

/// What was asked for, under both of its names.
const GZIP: [&str; 2] = ["gzip", "x-gzip"];

pub(super) struct Opened {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Bytes of the body, where they are known.
    pub(super) length: Option<u64>,
    /// Its errors are failures.
    pub(super) body: Pin<Box<dyn AsyncRead + Send>>,
}

impl Opened {
    /// Unpacks gzip, and refuses what is packed in another way.
    pub(super) async fn of(mut response: Response) -> Result<Opened, Failure> {
        let (status, length) = (response.status(), response.content_length());
        let mut headers = std::mem::take(response.headers_mut());
        // Its class is that of a connection that broke off, not that of a file which cannot be read.
        let pieces = response.bytes_stream().map_err(|error| io::Error::other(Failure::from(error)));
        let mut packed = Box::pin(StreamReader::new(pieces));
        let codings = codings(&headers);
        // Nothing is packed where there is nothing, whatever the head says.
        if codings.is_empty() || packed.fill_buf().await.map_err(failure)?.is_empty() {
            return Ok(Opened { status, headers, length, body: packed });
        }
        if !matches!(&*codings, [only] if GZIP.contains(&only.as_str())) {
            return Err(refused(&codings));
        }
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        let mut gzip = GzipDecoder::new(packed);
        // A gzip may be several, one after another, as `cat a.gz b.gz` makes it.
        gzip.multiple_members(true);
        let pieces = ReaderStream::new(gzip).map_err(|error| io::Error::other(failure(error)));
        Ok(Opened { status, headers, length: None, body: Box::pin(StreamReader::new(pieces)) })
    }
}

/// What a body that could not be read to its end means.
pub(super) fn failure(error: io::Error) -> Failure {
    error
        .downcast::<Failure>()
        .unwrap_or_else(|error| Failure::resource_unavailable(format!("the server's gzip cannot be unpacked: {error}")))
}

/// How the body is packed, in the order in which it was done.
fn codings(headers: &HeaderMap) -> Vec<String> {
    let said = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let words = said.flat_map(|value| value.split(',')).map(|word| word.trim().to_ascii_lowercase());
    words.filter(|word| CODINGS.contains(&word.as_str())).collect()
}

fn refused(codings: &[String]) -> Failure {
    Failure::invalid_input(format!(
        "the server sent its body as `{}`, though it was asked for gzip or plain; ask for plain alone with \
         headers = {{ accept-encoding = \"identity\" }}",
        codings.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn codings_are_known_by_any_case_and_in_several_headers() {
        let of = |said: &[&'static str]| {
            let mut headers = HeaderMap::new();
            said.iter().for_each(|said| _ = headers.append(CONTENT_ENCODING, HeaderValue::from_static(said)));
            codings(&headers).join("+")
        };
        assert_eq!(of(&["GZIP"]), "gzip");
        assert_eq!(of(&["identity, X-Gzip", "br"]), "x-gzip+br");
        assert_eq!(of(&["", "utf-8", "identity"]), "");
        insta::assert_snapshot!(refused(&["gzip".to_owned(), "br".to_owned()]).to_string(), @r#"invalid_input: the server sent its body as `gzip, br`, though it was asked for gzip or plain; ask for plain alone with headers = { accept-encoding = "identity" }"#);
    }
}
