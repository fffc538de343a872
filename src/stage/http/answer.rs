//! A server's answer as a stage's output. Pure.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use serde_json::Value;

use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::model::text;
use crate::stage::answer;
use crate::stage::secrets::Secrets;
use crate::workflow::definition::{AnswerFormat, OutputFormat};

/// How a sentence about an answer begins that is no output.
const SENT: &str = "the server sent";

/// An answer that is a success.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn output(&self, format: AnswerFormat, most: usize, secrets: &Secrets) -> Result<Payload, Failure> {
        match format {
            // Nothing is what these statuses promise.
            AnswerFormat::Json if self.body.is_empty() && matches!(self.status.as_u16(), 204 | 205) => {
                self.read("null", OutputFormat::Json, most, secrets)
            }
            AnswerFormat::Json => self.read(self.text()?, OutputFormat::Json, most, secrets),
            AnswerFormat::Text => self.read(self.text()?, OutputFormat::Text, most, secrets),
            AnswerFormat::Response => self.whole(most, secrets),
            // It is not read as a whole.
            AnswerFormat::File => Err(Failure::unknown("the answer was to become a file")),
        }
    }

    fn read(&self, text: &str, format: OutputFormat, most: usize, secrets: &Secrets) -> Result<Payload, Failure> {
        answer::payload(text, format, SENT, most, secrets)
    }

    /// Status, headers and body as one object.
    fn whole(&self, most: usize, secrets: &Secrets) -> Result<Payload, Failure> {
        let read = |text, format| answer::payload_at(Some("body"), text, format, SENT, most, secrets);
        let body = match self.text()? {
            "" => read("null", OutputFormat::Json)?,
            text if self.is_json() => read(text, OutputFormat::Json)?,
            text => read(text, OutputFormat::Text)?,
        };
        let headers: Value = self.headers.keys().map(|name| (name.as_str(), self.header(name))).collect();
        let text = format!(r#"{{"status":{},"headers":{headers},"body":{}}}"#, self.status.as_u16(), body.as_str());
        self.read(&text, OutputFormat::Json, most, secrets)
    }

    /// A header's values as one text, as they could have been sent; cookies alone cannot be joined.
    fn header(&self, name: &HeaderName) -> Value {
        let values: Vec<String> = self.headers.get_all(name).iter().map(as_text).collect();
        if *name == SET_COOKIE { Value::from(values) } else { Value::from(values.join(", ")) }
    }

    fn is_json(&self) -> bool {
        let media_type = self.said(&CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        media_type == "application/json" || media_type == "text/json" || media_type.ends_with("+json")
    }

    /// The body, which is UTF-8.
    fn text(&self) -> Result<&str, Failure> {
        text::utf8(&self.body).map_err(|error| {
            let charset = self.charset().map_or_else(String::new, |said| format!(", and says it is `{said}`"));
            Failure::invalid_input(format!(
                "the server sent text that is not UTF-8: {error}{charset}; have it answer in UTF-8, or take the answer with a \
                 command and keep it as a file"
            ))
        })
    }

    /// The character set that the content type names.
    fn charset(&self) -> Option<String> {
        let named = |part: &str| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| answer::quoted(value.trim().trim_matches('"')))
        };
        self.said(&CONTENT_TYPE).split(';').skip(1).find_map(named)
    }

    fn said(&self, name: &HeaderName) -> String {
        self.headers.get(name).map(as_text).unwrap_or_default()
    }
}

/// What is not UTF-8 is Latin-1, as it was in the beginning.
fn as_text(value: &HeaderValue) -> String {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static [u8])], body: &[u8]) -> Answer {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a header")));
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| _ = headers.append(name, value));
        Answer { status: StatusCode::from_u16(status).expect("a status"), headers, body: body.to_owned() }
    }

    fn said(answer: &Answer, format: AnswerFormat) -> String {
        match answer.output(format, 1000, &Secrets::default()) {
            Ok(payload) => payload.as_str().to_owned(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn a_whole_response_is_status_headers_and_body() {
        let json: &[(&str, &[u8])] = &[
            ("content-type", b"Application/Problem+JSON; charset=utf-8"),
            ("etag", b"\"v1\""),
            ("x-name", b"Andr\xe9"),
            ("link", b"<a>"),
            ("link", b"<b>"),
            ("set-cookie", b"a=1, 2"),
        ];
        insta::assert_snapshot!(
            said(&answer(201, json, b"\xef\xbb\xbf{\"n\": 1.10}\r\n"), AnswerFormat::Response),
            @r#"{"status":201,"headers":{"content-type":"Application/Problem+JSON; charset=utf-8","etag":"\"v1\"","link":"<a>, <b>","set-cookie":["a=1, 2"],"x-name":"André"},"body":{"n": 1.10}}"#
        );
        let of = |headers, body: &[u8]| said(&answer(200, headers, body), AnswerFormat::Response);
        assert_eq!(of(&[], b"{}\r\n"), r#"{"status":200,"headers":{},"body":"{}"}"#);
        assert_eq!(
            of(&[("content-type", b"text/json")], b""),
            r#"{"status":200,"headers":{"content-type":"text/json"},"body":null}"#
        );
        assert!(
            of(&[("content-type", b"application/json")], b"<html>")
                .starts_with("invalid_input: the server sent `<html>`")
        );
        let refused = |body: &[u8]| of(&[("content-type", b"application/json")], body);
        insta::assert_snapshot!(refused(br#"{"k": ["a\u0000"]}"#), @r"invalid_input: the stage's output was refused: the string at `body.k.0` (character 10) holds a NUL character (\u0000), which Postgres cannot keep; remove or encode it");
        insta::assert_snapshot!(refused(br#""\ud800""#), @r"invalid_input: the stage's output was refused: the string at `body` (character 2) holds the lone surrogate \ud800, which is no character; write the whole pair, or remove it");
        insta::assert_snapshot!(refused(br#"{"\u0000": 1}"#), @r"invalid_input: the stage's output was refused: a key of `body` (character 3) holds a NUL character (\u0000), which Postgres cannot keep; remove or encode it");
        assert!(of(&[("x-large", &[b'x'; 900])], &[b'y'; 100]).contains("over the limit of 1000"));
    }

    #[test]
    fn nothing_is_null_where_the_status_says_so() {
        for (status, expected) in [(204, "null"), (205, "null")] {
            assert_eq!(said(&answer(status, &[], b""), AnswerFormat::Json), expected);
        }
        assert!(
            said(&answer(200, &[], b""), AnswerFormat::Json)
                .contains("the server sent nothing, but the output must be JSON")
        );
        assert_eq!(said(&answer(204, &[], b""), AnswerFormat::Text), "\"\"");
    }

    #[test]
    fn another_character_set_is_refused_by_its_name() {
        let latin = answer(200, &[("content-type", b"text/plain; Charset=\"iso-8859-1\"")], b"caf\xe9");
        insta::assert_snapshot!(said(&latin, AnswerFormat::Text), @"invalid_input: the server sent text that is not UTF-8: byte 4 is 0xE9, and says it is `iso-8859-1`; have it answer in UTF-8, or take the answer with a command and keep it as a file");
    }
}
