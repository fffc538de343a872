//! The alert rules fire when they should, are silent when they should, and ask for metrics that exist.

use std::path::Path;
use std::process::Command;

#[test]
fn alerts_fire_and_are_silent_as_their_unit_tests_say() {
    let promtool = Command::new("promtool").args(["test", "rules", "alerts_test.yml"]).current_dir(grafana()).output();
    let output = promtool.expect("promtool, of Debian's package prometheus");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn every_alert_is_tested_and_says_what_to_look_at_and_what_to_type() {
    let (rules, tests) = (read("alerts.yml"), read("alerts_test.yml"));
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "no test lets {name} fire");
        for annotation in ["summary:", "look_at:", "type:"] {
            assert!(alert.contains(annotation), "{name} has no {annotation}");
        }
    }
}

#[test]
fn every_metric_of_an_alert_exists() {
    let (rules, metrics) = (read("alerts.yml"), include_str!("../../docs/metrics.md"));
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for name in words.filter(|word| word.starts_with("piton_")) {
        assert!(metrics.contains(&format!("`{name}`")), "{name} is no metric");
    }
}

fn grafana() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(grafana().join(file)).unwrap()
}
