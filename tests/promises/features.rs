//! What a program that has Piton as a library builds: what `docs/features.md` says, and nothing of what it leaves out.

use std::collections::BTreeSet;
use std::process::Command;

use toml::Table;

use crate::harness::stdout;

const MANIFEST: &str = include_str!("../../Cargo.toml");
const PAGE: &str = include_str!("../../docs/features.md");

/// The crates that are built with these features, Piton among them.
fn crates(features: &str) -> BTreeSet<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--no-default-features"]);
    tree.args(["--features", features]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let tree = stdout(&tree.output().unwrap());
    tree.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// Each feature with those that it brings along.
fn features() -> Vec<(String, Vec<String>)> {
    let manifest: Table = MANIFEST.parse().unwrap();
    let features = manifest["features"].as_table().unwrap().iter();
    let brings = |list: &toml::Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|brought| brought.as_str().unwrap().to_owned()).collect()
    };
    features.map(|(name, list)| (name.clone(), brings(list))).collect()
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
    let named: Vec<String> = features().into_iter().map(|(name, _)| name).collect();
    for name in &named {
        let wanted = format!("| `{name}` | {} |", crates(name).len());
        assert!(PAGE.contains(&wanted), "docs/features.md wants a row that begins with `{wanted}`");
    }
    let wanted = format!("| none | {} |", crates("").len());
    assert!(PAGE.contains(&wanted), "docs/features.md wants a row that begins with `{wanted}`");
    assert_eq!(PAGE.matches("\n| `").count(), named.len(), "a row of a feature that is not there");
}

#[test]
fn whoever_names_no_feature_has_them_all() {
    let features = features();
    let (_, default) = features.iter().find(|(name, _)| name == "default").unwrap();
    let others: Vec<&String> = features.iter().map(|(name, _)| name).filter(|name| *name != "default").collect();
    let missing: Vec<_> = others.into_iter().filter(|name| !default.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
