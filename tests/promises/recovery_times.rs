//! How soon the jobs of a worker that is gone are claimed by another. For a quiet machine, so not among the others.

use std::time::{Duration, SystemTime};

use crate::harness::{SOON, World, until};
use crate::workflows::WORK;

/// From the signal to the claim by the other worker, both with the settings of every worker.
async fn time_to_claim(world: &World, signal: &str, number: u32) -> Duration {
    let (victim, heir) = (format!("victim-{signal}-{number}"), format!("heir-{signal}-{number}"));
    let mut victim = world.worker(&victim, &[]);
    let run = world.start("work", r#"{"work_ms": 60000}"#);
    until(SOON, "it runs", async || claims(world, &run, 1).await.is_some()).await;
    let mut heir = world.worker(&heir, &[]);
    heir.says("worker started").await;
    // At any moment between two looks.
    tokio::time::sleep(Duration::from_millis(1000 + u64::from(number) * 370 % 1000)).await;
    let at = SystemTime::now();
    victim.signal(signal);
    let mut claimed = None;
    until(SOON, "the other one claims it", async || {
        claimed = claims(world, &run, 2).await;
        claimed.is_some()
    })
    .await;
    let time = claimed.unwrap().duration_since(at).unwrap();
    sqlx::query("select piton.force_dead_letter($1::uuid, 'work', 'measured')")
        .bind(&run)
        .execute(&world.pool)
        .await
        .unwrap();
    heir.signal("TERM");
    heir.says("shutting down").await;
    heir.signal("TERM");
    heir.exit_code().await;
    if victim.is_running() {
        victim.kill();
    }
    time
}

/// When the job was claimed for that attempt. The server runs here, so its clock is ours.
async fn claims(world: &World, run: &str, attempt: i32) -> Option<SystemTime> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "select extract(epoch from j.since)::float8 from piton.jobs j join piton.runs r on r.id = j.run_id
         where r.uuid = $1::uuid and j.state = 'running' and j.attempt = $2",
    )
    .bind(run)
    .bind(attempt)
    .fetch_optional(&world.pool)
    .await
    .unwrap();
    seconds.map(|seconds| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(seconds))
}

#[tokio::test]
#[ignore = "three minutes on a quiet machine; cargo test --release --test promises -- --ignored --nocapture recovery_times"]
async fn a_dead_worker_s_jobs_are_claimed_within_two_seconds_and_a_frozen_one_s_within_the_lease() {
    let world = World::with(&[WORK]).await;
    // Just after a start of the server everyone is given more time.
    let young = "select count(*) where pg_postmaster_start_time() > now() - interval '12 seconds'";
    until(SOON, "the server is no longer young", async || world.count(young).await == 0).await;
    let mut killed = Vec::new();
    for number in 0..20 {
        killed.push(time_to_claim(&world, "KILL", number).await);
    }
    killed.sort();
    println!("kill -9: median {:?}, longest {:?}, all {killed:?}", killed[10], killed[19]);
    let mut stopped = Vec::new();
    for number in 0..3 {
        stopped.push(time_to_claim(&world, "STOP", number).await);
    }
    println!("SIGSTOP: {stopped:?}");
    assert!(killed[10] < Duration::from_secs(2) && killed[19] < Duration::from_secs(5));
    assert!(stopped.iter().all(|time| *time < Duration::from_secs(17)));
}
