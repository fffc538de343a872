//! Rows that make no sense, and times that are none, as the admin API meets them.

use serde_json::json;

use super::client::Api;
use crate::harness::World;
use crate::hostile;

#[tokio::test]
async fn a_row_that_makes_no_sense_hides_nothing_from_the_api() {
    let world = hostile::world().await;
    let hostile = hostile::fill(&world).await;
    let api = Api::of(&world).await;
    for path in [
        "/runs?limit=1000",
        "/recovery",
        "/recovery/jobs",
        "/dead-letters",
        "/dead-letters/stats",
        "/why",
        "/workers",
        "/workflows",
        "/cleanup",
        "/batches",
        "/pauses",
    ] {
        api.get(path).good();
    }
    for run in &hostile {
        for part in ["", "/why", "/checkpoints", "/artifacts"] {
            api.get(&format!("/runs/{run}{part}")).good();
        }
    }
    assert!(!api.process.log().contains("panicked"), "{}", api.process.log());
}

#[tokio::test]
async fn the_api_refuses_times_that_are_none() {
    let world: World = hostile::world().await;
    let api = Api::of(&world).await;
    for key in ["run_at", "deadline"] {
        for time in ["infinity", "1969-12-31T23:59:59Z", "+262142-01-01T00:00:00Z", "-4713-01-01T00:00:00Z"] {
            let answer = api.post("/runs", &json!({"workflow": "work", key: time}));
            assert!(matches!(answer.status, 400 | 422), "{key} {time}: {answer:?}");
            assert!(answer.body.contains("lies between the years 1970 and 9999"), "{answer:?}");
        }
    }
    let filtered = api.get("/dead-letters?since=0001-01-01T00:00:00Z");
    assert!(matches!(filtered.status, 400 | 422), "{filtered:?}");
    assert_eq!(world.count("select count(*) from piton.runs").await, 1);
}
