//! Which version of a workflow is current: made so by whoever is first with it, or outright, and turned back by nobody by chance.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{Process, SOON, World, stdout, until};
use crate::scrape::until_scraped;
use crate::workflows::WORK;

/// A stage that so many attempts may run of at once.
fn narrow(limit: u32) -> String {
    format!("name = \"narrow\"\n[stages.call]\nrust = \"work\"\nconcurrency = {limit}\n")
}

/// Files as one machine has them.
struct Machine<'w> {
    world: &'w World,
    folder: String,
}

impl Machine<'_> {
    fn with<'w>(world: &'w World, name: &str, files: &[&str]) -> Machine<'w> {
        let folder = world.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, text) in files.iter().enumerate() {
            std::fs::write(folder.join(format!("{number}.toml")), text).unwrap();
        }
        Machine { world, folder: folder.to_str().unwrap().to_owned() }
    }

    fn pod(&self, name: &str) -> Process {
        let arguments = ["worker", "--name", name, "--workflows", &self.folder, "--metrics", "off"];
        Process::spawn(self.world.command(arguments), self.world.path(&format!("{name}.log")))
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.world.command(arguments);
        command.args(["--workflows", &self.folder]).env("USER", "anna").output().unwrap()
    }
}

/// First digits of the current version, its limit, and how many versions there are.
async fn current(world: &World) -> (String, i32, i64) {
    let sql =
        "select v.version, l.concurrency, (select count(*) from piton.versions_overview o where o.workflow = 'narrow')
               from piton.versions_overview v
               join piton.workflows w on w.name = v.workflow
               join piton.stage_limits l on l.workflow_id = w.id
               where v.current and v.workflow = 'narrow'";
    sqlx::query_as(sql).fetch_one(&world.pool).await.unwrap()
}

/// The changes of current versions on record.
async fn audit(world: &World) -> Vec<String> {
    let sql =
        "select concat_ws(' ', actor, face, verb, subject, left(detail ->> 'from', 12), left(detail ->> 'to', 12),
                                detail ->> 'reason')
               from piton.audit where subject_kind = 'workflow' order by id";
    sqlx::query_scalar(sql).fetch_all(&world.pool).await.unwrap()
}

#[tokio::test]
async fn twenty_pods_half_way_through_a_rollout_make_the_new_version_current_once() {
    let world = World::with(&[]).await;
    let (old, new) = (Machine::with(&world, "old", &[&narrow(1)]), Machine::with(&world, "new", &[&narrow(5)]));
    let laptop = Machine::with(&world, "laptop", &[&narrow(1), WORK]);
    old.pod("pod-0").says("worker_started").await;
    let (first, limit, versions) = current(&world).await;
    assert_eq!((limit, versions), (1, 1));
    assert_eq!(audit(&world).await, [""; 0], "the first version changes nothing");

    // Old and new ones start at the same moment, most of them twice, in every order that the machine comes up with.
    let mut pods = Vec::new();
    for round in 0..2 {
        for number in 0..10 {
            let machine = if (number + round) % 3 == 0 { &new } else { &old };
            pods.push(machine.pod(&format!("pod-{round}-{number}")));
        }
    }
    for pod in &pods {
        pod.says("worker_started").await;
    }
    let (second, limit, versions) = current(&world).await;
    assert_ne!(first, second);
    assert_eq!((limit, versions), (5, 2));
    let told = pods.iter().filter(|pod| pod.log().contains("the current version of narrow is")).count();
    assert!(told > 0, "an old pod that starts behind the new ones says so");
    for pod in pods {
        pod.kill();
    }
    for (number, machine) in [&old, &new, &old, &old, &new, &old].into_iter().enumerate() {
        machine.pod(&format!("late-{number}")).says("worker_started").await;
        assert_eq!(current(&world).await, (second.clone(), 5, 2), "after pod {number}");
    }
    stdout(&laptop.run(&["start", "work"]));
    stdout(&laptop.run(&["run", "work"]));
    assert_eq!(current(&world).await, (second.clone(), 5, 2), "after the laptop");
    let audit = audit(&world).await;
    assert_eq!(audit.len(), 1, "{audit:?}");
    assert!(
        audit[0].starts_with("pod-")
            && audit[0].ends_with(&format!(" worker deploy narrow {first} {second} first seen")),
        "{audit:?}"
    );
}

#[tokio::test]
async fn what_is_started_from_a_file_follows_the_file_and_says_where_another_version_is_current() {
    let world = World::with(&[]).await;
    let (old, new) =
        (Machine::with(&world, "old", &[&narrow(1), WORK]), Machine::with(&world, "new", &[&narrow(5), WORK]));
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let first = old.run(&["start", "narrow"]);
    assert_eq!(said(&first), "");
    let (old_version, ..) = current(&world).await;
    assert_eq!(
        world.count("select count(*) from piton.workflows").await,
        1,
        "nothing but what is started is registered"
    );
    assert_eq!(said(&new.run(&["start", "narrow"])), "");
    let (new_version, ..) = current(&world).await;
    let items = world.path("items.jsonl");
    std::fs::write(&items, "{}\n{}\n").unwrap();
    let commands: &[&[&str]] = &[
        &["start", "narrow"],
        &["run", "narrow"],
        &["batch", "start", "b", "narrow", "--input", items.to_str().unwrap()],
    ];
    for command in commands {
        let output = old.run(command);
        stdout(&output);
        let note = format!("note: the current version of narrow is {new_version} since ");
        let here = format!(
            " by anna, and not that of the file here, {old_version}, which is started here. Make it current with:  "
        );
        let said = said(&output);
        assert!(
            said.contains(&note) && said.contains(&here) && said.contains("workflows deploy narrow\n"),
            "{command:?}: {said}"
        );
        assert_eq!(current(&world).await, (new_version.clone(), 5, 2));
    }
    // From SQL it is the current one.
    sqlx::query("select piton.start_run('narrow')").execute(&world.pool).await.unwrap();
    let of = "select array_agg(left(workflow_version, 12) order by run) from piton.runs_overview";
    let versions: Vec<String> = sqlx::query_scalar(of).fetch_one(&world.pool).await.unwrap();
    let (o, n) = (&old_version, &new_version);
    assert_eq!(versions.iter().collect::<Vec<_>>(), [o, n, o, o, o, o, n]);
    // `run` works on everything this machine has; what it does not start it does not deploy.
    let none = sqlx::query("select piton.start_run('work')").execute(&world.pool).await.unwrap_err().to_string();
    assert!(none.contains("no version of workflow \"work\" is deployed"), "{none}");
    new.pod("w1").says("worker_started").await;
    sqlx::query("select piton.start_run('work')").execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn a_version_is_deployed_and_rolled_back_outright_and_that_is_on_record() {
    let world = World::with(&[]).await;
    let machine = Machine::with(&world, "files", &[&narrow(1)]);
    let mut versions = Vec::new();
    for limit in 1..=3 {
        std::fs::write(Path::new(&machine.folder).join("0.toml"), narrow(limit)).unwrap();
        let said = stdout(&machine.run(&["workflows", "deploy", "narrow"]));
        let (version, now, _) = current(&world).await;
        assert_eq!(i64::from(now), i64::from(limit));
        assert_eq!(said, format!("The current version of narrow is {version}.\n"));
        versions.push(version);
    }
    let [one, two, three] = &versions[..] else { panic!("{versions:?}") };
    let run = stdout(&machine.run(&["start", "narrow"])).trim().to_owned();
    let roll_back = |arguments: &[&str]| machine.run(&[&["workflows", "rollback", "narrow"], arguments].concat());
    stdout(&roll_back(&["--reason", "it stutters"]));
    assert_eq!(current(&world).await, (two.clone(), 2, 3));
    let shown = stdout(&machine.run(&["show", &run]));
    assert!(shown.contains(&format!("It follows version {three} of narrow; the current one is {two}.")), "{shown}");
    let shown: Value = serde_json::from_str(&stdout(&machine.run(&["show", &run, "--json"]))).unwrap();
    assert!(shown["version"].as_str().unwrap().starts_with(three.as_str()), "{shown}");
    // A pod with the file that was rolled back from, and a start from it, change nothing.
    machine.pod("w1").says("worker_started").await;
    stdout(&machine.run(&["start", "narrow"]));
    assert_eq!(current(&world).await, (two.clone(), 2, 3));
    stdout(&roll_back(&["--by", "bob"]));
    assert_eq!(current(&world).await, (one.clone(), 1, 3), "once more goes back further");
    let nothing = roll_back(&[]);
    assert_eq!(nothing.status.code(), Some(1));
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    let words = "error: no version of workflow \"narrow\" is on record from before its current one; see them with:  ";
    assert!(said.starts_with(words) && said.ends_with(" workflows versions narrow\n"), "{said}");
    stdout(&roll_back(&["--to", &three[..8]]));
    stdout(&machine.run(&["workflows", "deploy", "narrow", "--digest", two]));
    stdout(&machine.run(&["workflows", "deploy", "narrow", "--digest", two]));
    let file = Path::new(&machine.folder).join("0.toml");
    std::fs::write(&file, narrow(9)).unwrap();
    stdout(&machine.run(&["workflows", "deploy", file.to_str().unwrap()]));
    let (four, limit, count) = current(&world).await;
    assert_eq!((limit, count), (9, 4));
    let expected = [
        format!("anna cli deploy narrow {one} {two}"),
        format!("anna cli deploy narrow {two} {three}"),
        format!("anna cli rollback narrow {three} {two} it stutters"),
        format!("bob cli rollback narrow {two} {one}"),
        format!("anna cli rollback narrow {one} {three}"),
        format!("anna cli deploy narrow {three} {two}"),
        format!("anna cli deploy narrow {two} {four}"),
    ];
    assert_eq!(audit(&world).await, expected);

    let wrong = machine.run(&["workflows", "deploy", "narrow", "--digest", "abcdef012345"]);
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.starts_with("error: workflow \"narrow\" has no version abcdef012345. There are: "), "{said}");
    let wrong = machine.run(&["workflows", "deploy", "narrow", "--digest", "latest"]);
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("named by the first 6 to 64 digits of its digest"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn list_and_show_say_which_version_is_current_since_when_and_by_whom() {
    let world = World::with(&[]).await;
    let machine = Machine::with(&world, "files", &[&narrow(1)]);
    let lists = |words: &str| {
        for command in [&["workflows", "list"][..], &["workflows", "show", "narrow"]] {
            let said = stdout(&machine.run(command));
            assert!(said.contains(words), "{words}: {said}");
        }
    };
    lists("no version of it is deployed; the file is version ");
    stdout(&machine.run(&["start", "narrow"]));
    let (version, ..) = current(&world).await;
    lists(&format!("current: version {version} since "));
    lists(" by anna, as in the file");
    std::fs::write(Path::new(&machine.folder).join("0.toml"), narrow(2)).unwrap();
    lists(" by anna; the file is version ");
    let listed: Value = serde_json::from_str(&stdout(&machine.run(&["workflows", "list", "--json"]))).unwrap();
    assert_eq!(
        (&listed[0]["current"]["version"], &listed[0]["current"]["current_by"]),
        (&json!(version), &json!("anna"))
    );
    let versions = stdout(&machine.run(&["workflows", "versions", "narrow"]));
    assert!(
        versions.starts_with(&format!("{version}  registered ")) && versions.contains("current since "),
        "{versions}"
    );
    // Files are looked at without a database, too.
    let mut command = world.command(["workflows", "list", "--workflows", &machine.folder]);
    let alone = stdout(&command.env_remove("DATABASE_URL").output().unwrap());
    assert!(alone.starts_with("narrow") && !alone.contains("version"), "{alone}");
    let mut command = world.command(["workflows", "list", "--workflows", &machine.folder]);
    let away = command.env("DATABASE_URL", "postgres://127.0.0.1:9/none").output().unwrap();
    assert!(String::from_utf8_lossy(&away.stderr).contains("note: cannot tell which versions are current"), "{away:?}");
    assert!(stdout(&away).starts_with("narrow"));
}

#[tokio::test]
async fn a_metric_shows_the_current_version() {
    let world = World::with(&[&narrow(1)]).await;
    let worker = world.worker("w1", &["--snapshot-every", "300ms"]);
    worker.says("worker_started").await;
    let mut before = String::new();
    for limit in [2, 3] {
        world.write_workflows(&[&narrow(limit)]);
        world.start("narrow", "{}");
        let (version, ..) = current(&world).await;
        assert_ne!(version, before);
        until_scraped(&worker, "the current version is shown, and no other", |scrape| {
            scrape.sum("piton_workflow_current_info", &[("workflow", "narrow"), ("version", &version)]) == 1.0
                && scrape.sum("piton_workflow_current_info", &[]) == 1.0
        })
        .await;
        before = version;
    }
}

#[tokio::test]
async fn limits_and_pauses_hold_for_versions_that_are_not_deployed() {
    let world = World::with(&[]).await;
    let (old, new) = (Machine::with(&world, "old", &[&narrow(1)]), Machine::with(&world, "new", &[&narrow(2)]));
    stdout(&new.run(&["start", "narrow"]));
    sqlx::query("select piton.pause('costs', 'narrow', 'call')").execute(&world.pool).await.unwrap();
    // Registered only: its stages are known to claims all the same.
    let other = Machine::with(&world, "other", &[&narrow(7), WORK]);
    stdout(&other.run(&["run", "work"]));
    stdout(&old.run(&["workflows", "deploy", "narrow"]));
    stdout(&old.run(&["workflows", "rollback", "narrow"]));
    let (_, limit, versions) = current(&world).await;
    assert_eq!((limit, versions), (2, 3));
    assert_eq!(world.count("select count(*) from piton.limited_stages").await, 3);
    assert_eq!(world.count("select count(*) from piton.paused_stages").await, 3);
    let pod = new.pod("w1");
    pod.says("worker_started").await;
    sqlx::query("select piton.resume('narrow', 'call')").execute(&world.pool).await.unwrap();
    until(SOON, "it goes on", async || world.count("select count(*) from piton.runs where state = 'done'").await == 2)
        .await;
}
