//! Whatever is handed over, no more of it is read than can be used, and no more is in memory than was said.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{SOON, World, stdout, until};
use crate::workflows::WORK;

/// The plain program with so many kilobytes of address space: more is an end by a signal.
fn within(world: &World, kilobytes: u32, arguments: &[&str]) -> Command {
    let limit = format!("ulimit -v {kilobytes} && exec \"$@\"");
    let mut all = vec!["-c", &limit, "sh", env!("CARGO_BIN_EXE_piton")];
    all.extend(arguments);
    world.command_of(Path::new("sh"), all)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Files of up to a megabyte that cost as much as they can, with what is said of each.
fn costly() -> Vec<(&'static str, String, &'static str)> {
    let stage = "name = \"n\"\n[stages.a]\nfor_each = \"input\"\n";
    let many = |count: usize, piece: &dyn Fn(usize) -> String| {
        (0..count).fold(String::new(), |mut text, at| {
            text.push_str(&piece(at));
            text
        })
    };
    let command = |argument: &str| format!("{stage}command = [\"x\", \"{argument}\"]\n");
    vec![
        ("places", command(&"{{item}}".repeat(100_000)), "no mistakes"),
        ("places that are nowhere", command(&many(80_000, &|at| format!("{{{{a{at}}}}}"))), "80000 mistakes"),
        ("one place that is nowhere", command(&"{{here}}".repeat(100_000)), "1 mistake"),
        ("arguments", format!("{stage}command = [\"x\"{}]\n", ", \"{{item}}\"".repeat(70_000)), "no mistakes"),
        ("variables", command(&"${HOME}".repeat(100_000)), "no mistakes"),
        (
            "unknown keys on one line",
            format!("{stage}command = [\"x\"]\nretry = {{ {} }}", many(60_000, &|at| format!("k{at} = 1, ")) + "z = 1"),
            "60001 mistakes",
        ),
        (
            "wrong variables",
            format!("{stage}command = [\"x\"]\nenv = {{ {} }}", many(60_000, &|at| format!("k{at} = 1, ")) + "z = 1"),
            "60001 mistakes",
        ),
        ("unknown stages", format!("{stage}command = [\"x\"]\nneeds = [{}]", "\"zz\", ".repeat(199)), "mistakes"),
        ("brackets", format!("name = {}", "[".repeat(1_000_000)), "mistake"),
        ("dots", format!("{} = 1", "a.".repeat(500_000) + "a"), "mistake"),
        ("one long line that is no TOML", format!("x = {}", "\u{e9}".repeat(500_000)), "mistake"),
    ]
}

#[tokio::test]
async fn a_workflow_file_of_a_megabyte_costs_no_gigabytes() {
    let world = World::with(&[]).await;
    for (name, text, verdict) in costly() {
        assert!(text.len() <= 1 << 20, "{name} has {} bytes", text.len());
        std::fs::write(world.path("f.toml"), text).unwrap();
        for more in [&[][..], &["--json"]] {
            let begun = Instant::now();
            let output =
                within(&world, 1_000_000, &[&["workflows", "check", "f.toml"], more].concat()).output().unwrap();
            let said = said(&output);
            assert!(output.status.code().is_some(), "{name}: {} {:.300}", output.status, said);
            assert!(begun.elapsed() < Duration::from_secs(60), "{name} took {:?}", begun.elapsed());
            if more.is_empty() {
                assert!(said.contains(verdict), "{name}: {:.300} … {}", said, &said[said.len().saturating_sub(100)..]);
                assert!(said.len() < 1 << 20, "{name}: {} bytes were said", said.len());
            }
        }
    }
}

/// Standard input that never ends.
fn endless() -> Stdio {
    std::fs::File::open("/dev/zero").unwrap().into()
}

#[tokio::test]
async fn nothing_that_is_named_is_read_without_an_end() {
    let world = World::with(&[WORK]).await;
    let cases: [&[&str]; 8] = [
        &["start", "work", "--input", "/dev/zero"],
        &["start", "work", "--input", "-"],
        &["run", "work", "--input", "/dev/zero"],
        &["batch", "start", "nightly", "work", "--input", "/dev/zero"],
        &["batch", "start", "nightly", "work", "--input", "-"],
        &["workflows", "check", "/dev/zero"],
        &["retry-policy", "simulate", "/dev/zero"],
        &["api", "--listen", "127.0.0.1:0", "--operator-tokens", "/dev/zero"],
    ];
    for case in cases {
        let output = within(&world, 2_000_000, case).stdin(endless()).output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{case:?}: {said}");
        assert!(said.contains("more than") || said.contains("limit"), "{case:?}: {said}");
    }
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (mut answer, _) = server.accept().unwrap();
        answer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        while answer.write_all(&[b'#'; 1 << 16]).is_ok() {}
    });
    let output = within(&world, 2_000_000, &["health", "--at", &address]).output().unwrap();
    assert!(output.status.code() == Some(1), "{}", said(&output));
    let url = "postgresql://127.0.0.1:1/x?sslmode=verify-full&sslrootcert=/dev/zero";
    let output = within(&world, 2_000_000, &["runs", "--database-url", url]).output().unwrap();
    assert!(output.status.code() == Some(1) && said(&output).contains("more than"), "{}", said(&output));
    assert_eq!(world.count("select count(*) from piton.runs").await, 0);
}

#[tokio::test]
async fn an_input_of_a_megabyte_may_have_a_line_end_behind_it() {
    let world = World::with(&[WORK]).await;
    let text = format!("{{\"text\": \"{}\"}}", "x".repeat((1 << 20) - 12));
    assert_eq!(text.len(), 1 << 20);
    world.start("work", &format!("\n{text}\r\n\n"));
    assert_eq!(world.count("select octet_length(input::text)::int8 from piton.runs").await, 1 << 20);
}

/// In the database, an output that says `poison` breaks something each time.
const POISON: &str = "
    create function poison() returns trigger language plpgsql as $$ begin
        if new.output::text like '%poison%' then raise exception 'as asked' using errcode = 'XX000'; end if;
        return new;
    end $$;
    create trigger poison before insert on piton.checkpoints for each row execute function poison()";

#[tokio::test]
async fn a_statement_that_always_fails_is_not_a_database_that_is_away() {
    let world = World::with(&["name = \"echo\"\n[stages.echo]\nrust = \"echo\"\n"]).await;
    world.deploy("echo");
    sqlx::raw_sql(POISON).execute(&world.pool).await.unwrap();
    sqlx::query("select piton.start_run('echo', json_build_object('n', case n when 3 then 'poison' else n::text end)) from generate_series(1, 20) n")
        .execute(&world.pool)
        .await
        .unwrap();
    let worker = world.worker("w1", &["--slots", "32"]);
    until(SOON, "the others land", async || {
        world.count("select count(*) from piton.runs where state = 'done'").await == 19
    })
    .await;
    until(SOON, "it is given up", async || {
        world.count("select count(*) from piton.runs where state = 'blocked'").await == 1
    })
    .await;
    let message: String =
        sqlx::query_scalar("select message from piton.dead_letters").fetch_one(&world.pool).await.unwrap();
    assert!(
        message.starts_with("the database refused the stage's result: the database refused: as asked"),
        "{message}"
    );
    drop(worker);
    world.assert_nothing_is_left().await;
}

/// One run, whose stages get the same 63 MiB.
fn heavy(stages: usize) -> String {
    let mut file = String::from(
        "name = \"heavy\"\n[stages.make]\ncommand = [\"sh\", \"-c\", \"seq 0 62 | sed '1s/^/[/;$!s/$/,/;$s/$/]/'\"]\n\
         [stages.blob]\nrust = \"blob\"\nneeds = [\"make\"]\nfor_each = \"make\"\n",
    );
    for stage in 0..stages {
        // It has its input for a while.
        let command = r#"["sh", "-c", "sleep 0.5; wc -c"]"#;
        write!(file, "[stages.s{stage}]\ncommand = {command}\noutput = \"text\"\nneeds = [\"blob\"]\n").unwrap();
    }
    file
}

async fn peak_of(world: &World, arguments: &[&str], stages: usize) -> u64 {
    let worker = world.worker("w1", arguments);
    let run = world.start("heavy", &json!({"bytes": (1 << 20) - 10}).to_string());
    until(SOON * 10, "it is done", async || world.state(&run).await == "done").await;
    let shown: Value =
        serde_json::from_str(&stdout(&world.command(["show", &run, "--json"]).output().unwrap())).unwrap();
    assert_eq!(shown["output"].as_object().unwrap().len(), stages);
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[tokio::test]
async fn inputs_that_find_no_room_in_memory_begin_later() {
    let world = World::with(&[&heavy(12)]).await;
    // Twelve at once would be 756 MiB and what is made of them.
    let peak = peak_of(&world, &["--slots", "16", "--input-memory", "130MiB"], 12).await;
    assert!(peak < 700, "{peak} MiB");
}

#[tokio::test]
#[ignore = "some minutes and 4 GB; cargo test --release --test promises -- --ignored --nocapture 512_slots"]
async fn a_worker_with_512_slots_and_inputs_of_63_mib_has_a_bound() {
    let world = World::with(&[&heavy(200)]).await;
    let peak = peak_of(&world, &["--slots", "512"], 200).await;
    println!("peak {peak} MiB");
    assert!(peak < 2048, "{peak} MiB");
}
