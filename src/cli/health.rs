//! `piton health`: a worker's health, from its /metrics; for people and for probes. Needs no database.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;

use super::args::{Global, HealthArgs, HealthProbe};
use super::exit::Exit;
use crate::cli::output::outln;
use crate::config;
use crate::meters::Meter;
use crate::meters::catalog::{
    CHECK_AGE, CHECK_DURATION, COMPONENT_STATUS, COMPONENT_THRESHOLD, COMPONENT_VALUE, LIVE, READY,
};
use crate::model::health::{Component, Measure, Status};
use crate::model::quoted::quoted;
use crate::telemetry::server::{self, Address};
use crate::workflow::duration;

/// A worker that has not answered by then is as good as gone.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of what a worker serves.
const MOST_BYTES: usize = 64 << 20;

/// Where people find the address of a worker.
const NAMED_WHERE: &str = "each worker logs its own when it starts: metrics are at http://HOST:PORT/metrics";

/// How a worker is.
#[derive(Debug, Serialize)]
struct Health {
    live: bool,
    ready: bool,
    components: Vec<ComponentHealth>,
}

#[derive(Debug, Serialize)]
struct ComponentHealth {
    component: Component,
    status: Status,
    measures: Vec<Measured>,
    check_age_seconds: f64,
    check_duration_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Measured {
    measure: &'static str,
    #[serde(skip)]
    words: String,
    value: f64,
    degraded: f64,
    unhealthy: f64,
}

pub(crate) async fn health(global: Global, args: HealthArgs) -> anyhow::Result<Exit> {
    let address = address(&args.at)?;
    let asked = quoted(&address);
    let another = format!("ask another address with: {} health --at HOST:PORT; {NAMED_WHERE}", config::program());
    let silent = || format!("no worker answers at {asked}, and no other address was tried; {another}");
    let text = scrape(&address).await.map_err(|error| error.context(silent()))?;
    let health = Series::read(&text).health();
    let health = health.with_context(|| format!("what answers at {asked} is not a worker of this Piton; {another}"))?;
    if global.json {
        outln!("{}", serde_json::to_string(&health)?);
    } else {
        health.say();
    }
    Ok(if health.passes(args.probe) { Exit::Done } else { Exit::Failed })
}

/// Where a worker that listens there is reached from here. Another machine may be told by its name, as Prometheus has it.
fn address(at: &str) -> anyhow::Result<String> {
    let mut address = match at.parse() {
        Ok(Address::Off) => bail!("that worker serves no metrics, so its health is unknown"),
        Ok(Address::Default) => server::DEFAULT,
        Ok(Address::At(address)) => address,
        Err(_) => return Ok(at.to_owned()),
    };
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    Ok(address.to_string())
}

async fn scrape(address: &str) -> anyhow::Result<String> {
    // A proxy of the environment is for services, not for the worker beside this process.
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build()?;
    let mut response = client.get(format!("http://{address}/metrics")).send().await?.error_for_status()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            bail!("it sends more than {MOST_BYTES} bytes, which no worker does");
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

impl Health {
    fn passes(&self, probe: HealthProbe) -> bool {
        if probe.live {
            self.live
        } else if probe.ready {
            self.ready
        } else {
            self.live && self.ready && self.components.iter().all(|component| component.status != Status::Unhealthy)
        }
    }

    fn say(&self) {
        let word = |is| if is { "yes" } else { "no" };
        outln!("live      {}\nready     {}", word(self.live), word(self.ready));
        for ComponentHealth { component, status, measures, check_age_seconds, .. } in &self.components {
            let checked = format!("checked {} ago", seconds(check_age_seconds.round()));
            let said: Vec<String> = measures.iter().map(Measured::words).chain([checked]).collect();
            outln!("{component:<9} {status:<9}  {}", said.join(", "));
        }
        if self.components.iter().any(|component| component.status != Status::Healthy) {
            outln!(
                "\nWhy, by the worker's log or in SQL:\n  select * from piton.health_history order by at desc limit 20;"
            );
        }
    }
}

impl Measured {
    fn words(&self) -> String {
        let said: fn(f64) -> String = if self.measure.ends_with("_share") { percent } else { seconds };
        let [value, degraded, unhealthy] = [self.value, self.degraded, self.unhealthy].map(said);
        format!("{} {value} (degraded from {degraded}, unhealthy from {unhealthy})", self.words)
    }
}

fn seconds(seconds: f64) -> String {
    duration::words(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 1000.0).round() / 10.0)
}

/// The series of a worker by their names and the values of their labels, as they are written.
struct Series<'t>(BTreeMap<&'t str, f64>);

impl Series<'_> {
    fn read(text: &str) -> Series<'_> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter_map(|line| line.rsplit_once(' '));
        Series(series.filter_map(|(series, value)| Some((series, value.parse().ok()?))).collect())
    }

    fn of(&self, meter: &Meter, values: &[&str]) -> Option<f64> {
        let labels = meter.labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{value}\""));
        let labels = labels.collect::<Vec<_>>().join(",");
        let series = if labels.is_empty() { meter.name.to_owned() } else { format!("{}{{{labels}}}", meter.name) };
        self.0.get(series.as_str()).copied()
    }

    /// `None` where it is not a worker that serves them.
    fn health(&self) -> Option<Health> {
        let is = |meter| self.of(meter, &[]).map(|value| value == 1.0);
        let components = Component::ALL.iter().filter_map(|component| self.component(*component)).collect();
        Some(Health { live: is(&LIVE)?, ready: is(&READY)?, components })
    }

    /// `None` for one that the worker does not check, or has not checked yet.
    fn component(&self, component: Component) -> Option<ComponentHealth> {
        let name = component.as_str();
        let has = |status: &&Status| self.of(&COMPONENT_STATUS, &[name, status.as_str()]) == Some(1.0);
        let measures = Measure::ALL.iter().filter(|measure| measure.component() == component);
        Some(ComponentHealth {
            component,
            status: *Status::ALL.iter().find(has)?,
            measures: measures.filter_map(|measure| self.measured(*measure)).collect(),
            check_age_seconds: self.of(&CHECK_AGE, &[name])?,
            check_duration_seconds: self.of(&CHECK_DURATION, &[name])?,
        })
    }

    fn measured(&self, measure: Measure) -> Option<Measured> {
        let (component, name) = (measure.component().as_str(), measure.name());
        let threshold = |status: Status| self.of(&COMPONENT_THRESHOLD, &[component, name, status.as_str()]);
        Some(Measured {
            measure: name,
            words: measure.words(),
            // There is none while the component does not answer.
            value: self.of(&COMPONENT_VALUE, &[component, name]).filter(|value| value.is_finite())?,
            degraded: threshold(Status::Degraded)?,
            unhealthy: threshold(Status::Unhealthy)?,
        })
    }
}
