//! A secret of a stage's environment is in nothing that is kept or shown, whatever a program or a file is called after it.

use std::path::Path;

use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::api::client::Api;
use crate::harness::{Process, SOON, World, until};
use crate::scrape;

/// No words, so that no piece of them is anywhere else.
const KEY: &str = "k9Q\"zXw7-Lm2%Vp4éRt8_Hd5";
const LINES: &str = "Zq8wUr5t\"Bn3x\n  Hj6kMw2xPf9d\nTy4vGc7bEs1n\n";

/// Each way to let one slip: a script that is called with the word.
const SLIPS: &str = r#"
case "$1" in
  line) printf 'using the key\n%s\n' "$LINES" >&2; exit 1 ;;
  piece) printf '%s\n' "$LINES" | sed -n '2s/^ */no /p' >&2; exit 1 ;;
  class) quoted=$(printf %s "$KEY" | sed 's/"/\\"/g')
         printf '{"class": "auth_failure", "message": "%s is refused"}\n' "$quoted" >&2; exit 1 ;;
  escaped) printf '{"class": "auth_failure", "message": "no %s"}\n' "$(printf %s "$KEY" | sed 's/"/\\"/g; s/é/\\u00e9/')" >&2; exit 1 ;;
  tail) printf %s "$KEY" >&2; head -c 65526 /dev/zero | tr '\0' x >&2; exit 1 ;;
  many) for i in $(seq 4000); do printf %s "$KEY" >&2; done; exit 1 ;;
  long) printf '{"class": "unknown", "message": "' >&2; head -c 8180 /dev/zero | tr '\0' x >&2
        printf '%s"}\n' "$(printf %s "$KEY" | sed 's/"/\\"/g')" >&2; exit 1 ;;
  output) printf %s "$KEY" ;;
  url) printf 'GET /?key=%s\n' "$(printf %s "$KEY" | sed 's/%/%25/g; s/"/%22/g; s/é/%C3%A9/')" >&2; exit 1 ;;
  late) printf '%s\n' "$LINES" >&2; sleep 600 ;;
  left) mkdir "$PITON_ARTIFACTS/$KEY"; : > "$PITON_ARTIFACTS/$KEY/$KEY.txt"; : > "$PITON_ARTIFACTS/$LINES"; exit 1 ;;
  kept) mkdir "$PITON_ARTIFACTS/$KEY"; echo 1 > "$PITON_ARTIFACTS/$KEY/$KEY.txt"; echo 2 > "$PITON_ARTIFACTS/\${KEY}"
        echo null ;;
esac
"#;

const WAYS: [&str; 12] =
    ["line", "piece", "class", "escaped", "tail", "many", "long", "output", "url", "late", "left", "kept"];

const WORKFLOW: &str = r#"
name = "slips"
retry = { max_retries = 0 }
[stages.slips]
for_each = "input.ways"
command = ["sh", "slips.sh", "{{item}}"]
timeout = "6s"
env = { KEY = "${API_KEY}" }
pass_env = ["LINES"]
[stages.nowhere]
command = ["true"]
dir = "/nowhere/${API_KEY}"
[stages.nothing]
command = ["/nowhere/${API_KEY}/{{input.file}}", "x"]
[stages.unsent]
http = "http://127.0.0.1:1/?key=${API_KEY}"
files = { file = "input.file" }
dir = "/nowhere/${API_KEY}"
"#;

/// Failures of the workflow, and what it may succeed with.
const FAILS: i64 = 11 + 3;

fn worker(world: &World) -> Process {
    std::fs::write(world.path("slips.sh"), SLIPS).unwrap();
    let folder = world.path("workflows");
    let arguments = ["worker", "--name", "w1", "--workflows", folder.to_str().unwrap(), "--log", "trace"];
    let mut command = world.command_of(Path::new(env!("CARGO_BIN_EXE_piton")), arguments);
    command.env("API_KEY", KEY).env("LINES", LINES).env("NO_PROXY", "*");
    Process::spawn(command, world.path("w1.log"))
}

/// Every piece of a secret of six characters, as it is and as JSON and URLs have it.
fn pieces() -> Vec<String> {
    let lines = LINES.lines().map(str::trim).chain([KEY]);
    let forms = lines.flat_map(|line| {
        let json = line.replace('"', "\\\"");
        let url = line.replace('%', "%25").replace('"', "%22").replace('é', "%C3%A9");
        [line.to_owned(), json.replace('é', "\\u00e9"), json, url]
    });
    let forms = forms.map(|form| form.chars().collect::<Vec<char>>());
    forms.flat_map(|form| form.windows(6).map(|piece| piece.iter().collect()).collect::<Vec<String>>()).collect()
}

fn assert_has_no_piece(place: &str, text: &str) {
    for piece in pieces() {
        let at = text.find(&piece).map(|at| text[..at].char_indices().rev().nth(80).map_or(0, |(at, _)| at)..at + 6);
        assert!(at.is_none(), "{place}: {}", &text[at.unwrap()]);
    }
}

#[tokio::test]
async fn no_piece_of_a_secret_is_kept_or_shown_anywhere() {
    let world = World::with(&[WORKFLOW]).await;
    let worker = worker(&world);
    let run = world.start("slips", &json!({"ways": WAYS, "file": "x"}).to_string());
    until(SOON, "all of it has ended", async || {
        world.count("select count(*) from piton.dead_letters").await == FAILS
            && world.count("select count(*) from piton.artifacts where type = 'output'").await == 2
    })
    .await;

    let messages: Vec<(i16, String)> = sqlx::query_as("select stage, message from piton.attempts order by stage, item")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    let said = |stage: usize, at: usize| {
        messages.iter().filter(|(s, _)| usize::from(s.unsigned_abs()) == stage).nth(at).unwrap().1.clone()
    };
    assert_eq!(said(0, 0), "`sh` ended with exit status 1: ${LINES}");
    assert_eq!(said(0, 1), "`sh` ended with exit status 1: no ${LINES}");
    assert_eq!(said(0, 2), "${API_KEY} is refused");
    assert_eq!(said(0, 3), "no ${API_KEY}");
    assert!(said(1, 0).contains(" in `/nowhere/${API_KEY}`"), "{}", said(1, 0));
    assert_eq!(
        said(2, 0).replace("${API_KEY}", "KEY"),
        "cannot start `/nowhere/KEY/x`: No such file or directory (os error 2)"
    );
    assert!(said(3, 0).starts_with("cannot read `/nowhere/${API_KEY}`: "), "{}", said(3, 0));
    let tail = sqlx::query_scalar("select detail ->> 'stderr' from piton.attempts where stage = 0 and item = 4");
    let tail: String = tail.fetch_one(&world.pool).await.unwrap();
    assert_eq!(tail, "${API_KEY}".to_owned() + &"x".repeat(65_526), "it is hidden, and nothing else");

    let names = sqlx::query_scalar("select name from piton.artifacts where item = 11 order by name");
    let names: Vec<String> = names.fetch_all(&world.pool).await.unwrap();
    assert_eq!(names, ["${API_KEY}/${API_KEY}.txt", "${KEY}"], "and both were kept");
    assert_eq!(world.count("select count(*) from piton.artifacts where type = 'failed'").await, 2);

    everything_in_sql(&world).await;
    everything_on_the_command_line(&world, &run).await;
    everything_of_the_api(&world, &run).await;
    let metrics = scrape::text(&scrape::address(&worker));
    assert!(metrics.contains("piton_"));
    assert_has_no_piece("metrics", &metrics);
    everything_in(&world.path("artifacts"));
    let log = worker.log();
    assert!(log.contains("DEBUG") && log.contains("${API_KEY}"));
    assert_has_no_piece("the log", &log);
}

async fn everything_in_sql(world: &World) {
    let relations: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = 'piton' and c.relkind in ('r', 'p', 'v', 'm')",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    assert!(relations.len() > 30, "{relations:?}");
    for relation in relations {
        let sql = AssertSqlSafe(format!("select coalesce(string_agg(t::text, ' '), '') from {relation} t"));
        let text: String = sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap();
        assert_has_no_piece(&relation, &text.replace("\"\"", "\""));
    }
}

async fn everything_on_the_command_line(world: &World, run: &str) {
    let letters = sqlx::query_scalar("select id::text from piton.dead_letters").fetch_all(&world.pool).await.unwrap();
    let letters: Vec<String> = letters;
    let mut asked: Vec<Vec<&str>> = vec![
        vec!["runs"],
        vec!["show", run],
        vec!["why", run],
        vec!["verify", run],
        vec!["artifacts", "list", run, "--all"],
        vec!["dead-letter", "list"],
        vec!["dead-letter", "stats"],
        vec!["workflows", "show", "slips"],
    ];
    asked.extend(letters.iter().map(|letter| vec!["dead-letter", "show", letter]));
    for arguments in asked {
        for json in [&[][..], &["--json"]] {
            let output = world.command(arguments.iter().chain(json)).output().unwrap();
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(!said.is_empty(), "{arguments:?}");
            assert_has_no_piece(&arguments.join(" "), &said);
        }
    }
}

async fn everything_of_the_api(world: &World, run: &str) {
    let api = Api::of(world).await;
    let letters = api.get("/dead-letters").good();
    let letters =
        letters["dead_letters"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned());
    let mut paths: Vec<String> = letters.map(|letter| format!("/dead-letters/{letter}")).collect();
    assert_eq!(paths.len() as i64, FAILS);
    paths.extend(["", "/artifacts?all=true", "/checkpoints"].map(|more| format!("/runs/{run}{more}")));
    paths.extend(["/dead-letters", "/dead-letters/stats", "/runs", "/workers", "/workflows/slips"].map(str::to_owned));
    for path in paths {
        let answer = api.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        assert_has_no_piece(&path, &answer.body);
    }
    assert_has_no_piece("the API's log", &api.process.log());
}

fn everything_in(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert_has_no_piece("the artifact store", path.to_str().unwrap());
        if path.is_dir() {
            everything_in(&path);
        }
    }
}
