//! A Prometheus of a test's own.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::harness::{Process, SOON, until};
use crate::scrape::get;

pub(crate) struct Prometheus {
    address: String,
    _process: Process,
}

impl Prometheus {
    /// Scrapes these workers every second, and goes by the rules in `grafana/alerts.yml`.
    pub(crate) async fn start(folder: &Path, workers: &[String]) -> Prometheus {
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/grafana/alerts.yml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [{rules:?}]\n\
             scrape_configs: [{{job_name: piton, static_configs: [{{targets: {workers:?}}}]}}]\n"
        );
        let address = free_address();
        // Of its own: a test may start a second one before it ends the first.
        let home = folder.join(format!("prometheus-{}", address.rsplit(':').next().unwrap()));
        std::fs::create_dir(&home).unwrap();
        let file = home.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::spawn(command, home.join("log"));
        process.says("Server is ready").await;
        Prometheus { address, _process: process }
    }

    /// The data of an answer; fails where there is an error instead.
    pub(crate) fn ask(&self, path: &str) -> Value {
        let answer: Value = serde_json::from_str(&get(&self.address, path)).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// The series of an expression at this moment.
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let encoded = utf8_percent_encode(expression, NON_ALPHANUMERIC);
        self.ask(&format!("/api/v1/query?query={encoded}"))["result"].as_array().unwrap().clone()
    }

    /// Waits until it has scraped everyone.
    pub(crate) async fn scrapes(&self, workers: usize) {
        until(SOON, "all are scraped", async || self.query("up == 1").len() == workers).await;
    }

    /// Whether the alert fires, or will once it has lasted; of that component.
    pub(crate) fn notices(&self, alert: &str, component: &str) -> bool {
        let alerts = self.ask("/api/v1/alerts");
        let mut labels = alerts["alerts"].as_array().unwrap().iter().map(|told| &told["labels"]);
        labels.any(|labels| labels["alertname"] == alert && labels["component"] == component)
    }
}

/// One that nobody listens at.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
