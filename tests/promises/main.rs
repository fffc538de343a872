//! Piton's promises, each as a test on real processes and a real Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod alerts;
mod bench;
mod chaos;
mod command_line;
mod commands;
mod crashes;
mod dead_letters;
mod embedded;
mod fairness;
mod flow;
mod full_batches;
mod grafana;
mod harness;
mod health;
mod house;
mod http;
mod http_server;
mod idle;
mod integrity;
mod lanes;
mod logs;
mod metrics;
mod nothing_lost;
mod outages;
mod plans;
mod prometheus;
mod recoveries;
mod recovery_times;
mod redo;
mod retries;
mod scrape;
mod server;
mod shipped;
mod shutdown;
mod sql;
mod stages;
mod state_metrics;
mod steps;
mod story;
mod suspects;
mod traces;
mod trouble;
mod workflow_files;
mod workflows;
