//! Short crash campaigns. `piton chaos --seconds 1800` is the long one.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{World, stdout};

fn chaos(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_piton"));
    command.arg("chaos").args(arguments).env_remove("DATABASE_URL");
    command
}

#[test]
fn whatever_goes_wrong_no_promise_is_broken() {
    let report: Value =
        serde_json::from_str(&stdout(&chaos(&["--seed", "1", "--seconds", "30", "--json"]).output().unwrap())).unwrap();
    assert_eq!(report["broken"], Value::Array(Vec::new()));
    let faults: u64 = report["faults"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert!(faults >= 20, "{report}");
    assert!(report["runs"].as_u64() >= Some(50), "{report}");
}

#[test]
fn who_only_lost_the_database_loses_no_attempt() {
    let faults = ["--faults", "crash,outage,terminate,delay", "--pause", "2s"];
    let output = chaos(&[&["--seed", "6", "--seconds", "30", "--json"], &faults[..]].concat()).output().unwrap();
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let counted = report["counted"].as_array().unwrap();
    assert!(counted.iter().all(|count| count["what"] != "attempts lost"), "{report}");
    assert!(report["faults"]["outage"].as_u64() > Some(0) && report["faults"]["crash"].as_u64() > Some(0), "{report}");
}

/// Workers of one name, deaths that are no evidence, connections that never speak again, and commits that are lost.
#[test]
fn whoever_takes_a_name_dies_with_others_or_loses_its_past_mixes_nothing_up() {
    let faults = "twin,group-kill,term-then-kill,blackhole,rewind";
    let arguments = ["--seed", "5", "--seconds", "24", "--pause", "1s", "--workers", "3", "--json", "--faults", faults];
    let report: Value = serde_json::from_str(&stdout(&chaos(&arguments).output().unwrap())).unwrap();
    assert_eq!(report["broken"], Value::Array(Vec::new()));
    for fault in faults.split(',') {
        assert!(report["faults"][fault].as_u64() > Some(0), "{fault}: {report}");
    }
    assert!(report["lost"].as_u64() >= Some(50), "a failover loses what it is to lose: {report}");
    for fault in ["group-kill", "blackhole", "rewind"] {
        assert!(report["costs"][fault]["times"].as_u64() > Some(0), "{fault}: {report}");
    }
}

#[tokio::test]
async fn a_campaign_can_be_about_a_workflow_of_ones_own_and_says_how_to_play_it_again() {
    let world = World::with(&["name = 'own'\n[stages.greet]\ncommand = ['sh', '-c', 'sleep 0.2; echo 1']"]).await;
    let folder = world.path("workflows");
    let arguments = ["chaos", "--workflow", "own", "--workflows", folder.to_str().unwrap(), "--seconds", "8"];
    let output = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), arguments).output().unwrap();
    let said = stdout(&output);
    assert!(said.starts_with("Chaos with seed "), "{said}");
    assert!(said.contains(" --seconds 8 --seed ") && said.ends_with("No promise was broken.\n"), "{said}");
}
