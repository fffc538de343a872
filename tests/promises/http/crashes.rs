//! Requests of workers that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::worker;
use crate::harness::{SOON, World, until};
use crate::http_server::HttpServer;

#[tokio::test]
async fn every_attempt_carries_the_same_key_wherever_the_worker_dies() {
    const SEEDS: u64 = 50;
    let world = World::with(&["name = \"ask\"\n[stages.ask]\nhttp = \"${API}/ask\"\n"]).await;
    let enough = Arc::new(AtomicBool::new(false));
    let answers = enough.clone();
    let server = HttpServer::start(move |_, wire| {
        if answers.load(Ordering::SeqCst) { wire.answer(200, &[], "7") } else { wire.wait_until_left() }
    });
    let url = server.url();
    let run = world.start("ask", "{}");
    for seed in 0..SEEDS {
        let before = server.requests().len();
        let victim = worker(&world, &[("API", &url)], &[]);
        until(SOON, "it is asked", async || server.requests().len() > before).await;
        let moment = StdRng::seed_from_u64(seed).random_range(0..40);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        victim.kill();
    }
    enough.store(true, Ordering::SeqCst);
    let _heir = worker(&world, &[("API", &url)], &[]);
    assert_eq!(world.ended(&run).await, "done");
    let requests = server.requests();
    assert!(requests.len() > SEEDS as usize);
    let key = format!("{run}:ask");
    assert!(requests.iter().all(|request| request.header("idempotency-key") == Some(&*key)));
    world.assert_nothing_is_left().await;
}
