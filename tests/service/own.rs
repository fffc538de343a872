//! Logging, metrics and cryptography of the program's own, which are there before Piton is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rustls::crypto::{CryptoProvider, ring};

pub(crate) struct Own {
    log: Log,
    metrics: PrometheusHandle,
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn install() -> Own {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().json().with_writer(move || writer.clone()).init();
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    // Told apart by its one suite.
    let mut provider = ring::default_provider();
    provider.cipher_suites.truncate(1);
    provider.install_default().unwrap();
    Own { log, metrics }
}

impl Own {
    /// What of Piton has come here.
    pub(crate) fn tell(&self) {
        let log = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        println!("own log: {}", log.contains("worker_started"));
        let counted = "piton_jobs_finished_total{workflow=\"service\",stage=\"third\",outcome=\"done\"} 1";
        println!("own metrics: {}", self.metrics.render().contains(counted));
        println!("own cryptography: {}", CryptoProvider::get_default().unwrap().cipher_suites.len() == 1);
        println!("that was all");
    }
}
