//! What a worker says at /metrics.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{Process, SOON, until};

/// Series, as they are written: `name{label="value"}`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scrape(pub(crate) BTreeMap<String, f64>);

impl Scrape {
    /// Asks the worker, once it serves.
    pub(crate) async fn of(worker: &Process) -> Scrape {
        worker.says("metrics are at http://").await;
        Scrape::read(&text(&address(worker)))
    }

    fn read(text: &str) -> Scrape {
        let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Scrape(
            series
                .map(|line| line.rsplit_once(' ').unwrap())
                .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
                .collect(),
        )
    }

    /// The sum of the series of that name with all of these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |series: &str, (label, value): &(&str, &str)| series.contains(&format!("{label}=\"{value}\""));
        let of_name = |series: &str| series.split('{').next() == Some(name);
        let series = self.0.iter().filter(|(series, _)| of_name(series) && labels.iter().all(|l| has(series, l)));
        series.map(|(_, value)| value).sum()
    }
}

impl std::iter::Sum for Scrape {
    fn sum<I: Iterator<Item = Scrape>>(scrapes: I) -> Scrape {
        let mut sum = Scrape::default();
        for (series, value) in scrapes.flat_map(|scrape| scrape.0) {
            *sum.0.entry(series).or_default() += value;
        }
        sum
    }
}

/// Where a worker said that its metrics are.
pub(crate) fn address(worker: &Process) -> String {
    let log = worker.log();
    let behind = log.rsplit("metrics are at http://").next().unwrap();
    behind.split('/').next().unwrap().to_owned()
}

/// What a worker serves.
pub(crate) fn text(address: &str) -> String {
    get(address, "/metrics")
}

/// The whole answer's body. Version 1.0 of the protocol has it in one piece.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.split(' ').nth(1) == Some("200"), "{path}: {head}\n{body}");
    body.to_owned()
}

/// Until a scrape is as expected.
pub(crate) async fn until_scraped(worker: &Process, what: &str, mut expected: impl FnMut(&Scrape) -> bool) {
    until(SOON, what, async || expected(&Scrape::of(worker).await)).await;
}
