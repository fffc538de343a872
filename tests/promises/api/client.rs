//! The admin API as a test asks it: over a socket, so that nothing mends what is sent.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Process, SOON, World};

pub(crate) const OPERATOR: &str = "operator-0123456789abcdef";
pub(crate) const READER: &str = "reader-0123456789abcdef";

/// A served API, and who asks it.
pub(crate) struct Api {
    pub(crate) process: Process,
    pub(crate) address: String,
    token: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// What was asked for.
    pub(crate) fn good(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.json()
    }

    /// What a problem says.
    pub(crate) fn problem_text(&self) -> String {
        self.problem();
        self.json()["detail"].as_str().unwrap_or_default().to_owned()
    }

    /// The kind of problem, with its status; all that a problem promises is checked.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status);
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        (self.status, problem["type"].as_str().unwrap().trim_start_matches("urn:piton:problem:").to_owned())
    }
}

impl Api {
    /// Serves it, as an operator called anna sees it.
    pub(crate) async fn of(world: &World) -> Api {
        let tokens =
            [("PITON_API_OPERATOR_TOKEN", format!("anna:{OPERATOR}")), ("PITON_API_READER_TOKEN", READER.into())];
        Api { token: Some(OPERATOR), ..Api::with(world, &tokens).await }
    }

    pub(crate) async fn with(world: &World, environment: &[(&str, String)]) -> Api {
        let mut command = world.command(["api", "--listen", "127.0.0.1:0", "--log", "debug"]);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let process = Process::spawn(command, world.path("api.log"));
        process.says("the admin API is at http://").await;
        let log = process.log();
        let behind = log.rsplit("the admin API is at http://").next().unwrap();
        Api { address: behind.split('/').next().unwrap().to_owned(), process, token: None }
    }

    pub(crate) fn by(&mut self, token: Option<&'static str>) {
        self.token = token;
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body)
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    /// Asks below /v1/admin.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.raw(&self.request(method, path, headers, body))
    }

    /// What is sent for that.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut head =
            format!("{method} /v1/admin{path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        if let Some(token) = self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        [head.as_bytes(), b"\r\n", body].concat()
    }

    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        self.begun(request).expect("an answer")
    }

    /// `None` where the connection was closed before anything came.
    pub(crate) fn begun(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(SOON + Duration::from_secs(5))).unwrap();
        // A server that refuses what comes may not read all of it.
        stream.write_all(request).ok();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        let text = String::from_utf8(bytes).unwrap();
        if text.is_empty() {
            return None;
        }
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(k, v)| (k.to_lowercase(), v.to_owned()));
        Some(Answer { status, headers: headers.collect(), body: body.to_owned() })
    }
}
