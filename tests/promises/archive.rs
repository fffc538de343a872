//! The shipped workflow `archive`: a folder of documents becomes a page that can be searched, on workers that share no folder.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Process, SOON, World, stdout, until};
use crate::s3_server::S3Server;

const HOME: &str = env!("CARGO_MANIFEST_DIR");

/// A worker as on a machine of its own: what it writes is in a folder that no other one has.
fn worker(world: &World, name: &str) -> Process {
    let (temporary, folder) = (world.path(name), Path::new(HOME).join("workflows/archive"));
    std::fs::create_dir_all(&temporary).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_piton"));
    let mut command = world.command_of(program, ["worker", "--name", name, "--slots", "2", "--workflows"]);
    command.arg(folder).env("TMPDIR", temporary);
    command.current_dir(HOME);
    Process::spawn(command, world.path(&format!("{name}.log")))
}

fn start(world: &World, pause: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_piton"));
    let mut command =
        world.command_of(program, ["start", "archive", "--file", "workflows/archive/samples", "--set", pause]);
    command.args(["--workflows", "workflows/archive"]).current_dir(HOME);
    stdout(&command.output().unwrap()).trim().to_owned()
}

/// The page, as anybody gets it.
fn page(world: &World, run: &str) -> String {
    let into = world.path(&format!("{run}.html"));
    stdout(&world.command(["artifacts", "get", run, "report.html", "--to", into.to_str().unwrap()]).output().unwrap());
    std::fs::read_to_string(into).unwrap()
}

#[tokio::test]
async fn documents_become_the_same_page_whichever_worker_is_killed() {
    let bucket = S3Server::start();
    let mut world = World::with(&[]).await;
    world.environment = bucket.environment();
    // Undisturbed, and by one worker.
    let alone = worker(&world, "alone");
    let quiet = start(&world, "pause=0");
    assert_eq!(world.ended(&quiet).await, "done");
    let expected = page(&world, &quiet);
    alone.kill();
    for said in [
        "<h2>Why there are two tides a day</h2>",
        "<h2>Café at the old harbour</h2>",
        "The tide mill grinds",
        "6 documents",
    ] {
        assert!(expected.contains(said), "{said}: {expected}");
    }
    assert!(!expected.contains("never shown") && expected.contains("\"lighthouse\":{\"3\":1,\"4\":1}"), "{expected}");
    // Either is killed at any moment, as often as it takes.
    let run = start(&world, "pause=0.3");
    let mut workers = [Some(worker(&world, "north")), Some(worker(&world, "south"))];
    let mut deaths = 0;
    while world.state(&run).await == "running" {
        tokio::time::sleep(Duration::from_millis(rand::random_range(300..2000))).await;
        let which = usize::from(rand::random_bool(0.5));
        workers[which].take().unwrap().kill();
        workers[which] = Some(worker(&world, ["north", "south"][which]));
        deaths += 1;
        assert!(deaths < 100, "it never ends");
    }
    assert_eq!(world.ended(&run).await, "done");
    assert_eq!(page(&world, &run), expected);
    let lost = world.count("select count(*) from piton.attempts where outcome = 'lost'").await;
    assert!(lost > 0 && deaths > 2, "{lost} attempts were lost by {deaths} deaths");
    let done: Vec<String> = sqlx::query_scalar(
        "select distinct split_part(w.name, '/', 1) from piton.checkpoints k join piton.workers w on w.id = k.worker_id
         join piton.runs r on r.id = k.run_id where r.uuid = $1::uuid",
    )
    .bind(&run)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(["north".to_owned(), "south".to_owned()]));
    assert!(!world.path("artifacts").exists(), "there is no folder of artifacts either");
    for worker in workers.into_iter().flatten() {
        worker.signal("TERM");
    }
    world.assert_nothing_is_left().await;
}

#[tokio::test]
async fn a_document_that_cannot_be_read_blocks_its_run_and_says_which_it_is() {
    let world = World::with(&[]).await;
    std::fs::write(world.path("broken.odt"), "no archive").unwrap();
    let _worker = worker(&world, "w1");
    let program = Path::new(env!("CARGO_BIN_EXE_piton"));
    let file = world.path("broken.odt");
    let mut command = world.command_of(program, ["start", "archive", "--workflows", "workflows/archive", "--file"]);
    let run = stdout(&command.arg(file).current_dir(HOME).output().unwrap()).trim().to_owned();
    until(SOON, "it is blocked", async || world.state(&run).await == "blocked").await;
    let detail: (String, Value) =
        sqlx::query_as("select class, detail from piton.attempts").fetch_one(&world.pool).await.unwrap();
    assert_eq!(detail.0, "invalid_input");
    assert!(detail.1.to_string().contains("broken.odt cannot be read as what its name says"), "{detail:?}");
}

#[tokio::test]
async fn the_script_of_two_workers_makes_the_page_of_any_folder() {
    let bucket = S3Server::start();
    let mut world = World::with(&[]).await;
    world.environment = bucket.environment();
    let documents = world.path("documents");
    std::fs::create_dir(&documents).unwrap();
    for number in 0..4 {
        std::fs::write(
            documents.join(format!("{number}.txt")),
            format!("Number {number}\nIt is about zebra{number}s only."),
        )
        .unwrap();
    }
    let mut script = world.command_of(&Path::new(HOME).join("workflows/archive/two-workers.sh"), [&documents]);
    script.arg(world.path("page.html")).env("PITON", env!("CARGO_BIN_EXE_piton")).current_dir(HOME);
    let told = stdout(&script.output().unwrap());
    assert!(told.contains("killed 1 times so far") && told.contains("done"), "{told}");
    let page = std::fs::read_to_string(world.path("page.html")).unwrap();
    assert!(page.contains("4 documents") && page.contains("zebra"), "{page}");
    world.assert_nothing_is_left().await;
}
