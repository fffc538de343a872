//! What a program that has Piton as a library builds: what `docs/features.md` says, and nothing of what it leaves out.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

use crate::harness::stdout;

const PAGE: &str = include_str!("../../docs/features.md");

fn cargo(arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).args(["--locked", "--offline"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    stdout(&cargo.output().unwrap())
}

/// The crates that are built with these features, Piton among them.
fn crates(features: &str) -> BTreeSet<String> {
    let tree = ["tree", "--edges", "normal", "--prefix", "none", "--no-default-features", "--features", features];
    cargo(&tree).lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// Each feature with what it brings along.
fn features() -> BTreeMap<String, Vec<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: [Package; 1],
    }
    #[derive(Deserialize)]
    struct Package {
        features: BTreeMap<String, Vec<String>>,
    }
    let metadata: Metadata = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version=1"])).unwrap();
    let [package] = metadata.packages;
    package.features
}

#[test]
fn the_library_alone_has_no_face_no_cloud_and_no_server() {
    let built = crates("");
    let names: BTreeSet<&str> = built.iter().filter_map(|line| line.split(' ').next()).collect();
    let left_out = "anyhow axum clap crossterm h2 indicatif metrics-exporter-prometheus quick-xml ratatui tracing-subscriber utoipa";
    let all = crates("default");
    for name in left_out.split(' ') {
        assert!(!names.contains(name), "the library alone builds {name}");
        assert!(all.iter().any(|line| line.split(' ').next() == Some(name)), "nothing builds {name} any more");
    }
    assert!(names.contains("sqlx") && names.contains("reqwest"), "{names:?}");
}

#[test]
fn every_feature_is_on_its_page_with_the_number_of_its_crates() {
    let features = features();
    for name in features.keys() {
        let wanted = format!("| `{name}` | {} |", crates(name).len());
        assert!(PAGE.contains(&wanted), "docs/features.md wants a row that begins with `{wanted}`");
    }
    let wanted = format!("| none | {} |", crates("").len());
    assert!(PAGE.contains(&wanted), "docs/features.md wants a row that begins with `{wanted}`");
    assert_eq!(PAGE.matches("\n| `").count(), features.len(), "a row of a feature that is not there");
}

#[test]
fn whoever_names_no_feature_has_them_all() {
    let features = features();
    let missing: Vec<_> =
        features.keys().filter(|name| *name != "default" && !features["default"].contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
