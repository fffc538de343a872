//! The table for the night in docs/operations.md: every line of it is typed, word for word, on the story that is shipped.

use std::process::Command;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row};

use crate::harness::{Process, SOON, World, example, stdout, until};
use crate::server::free_port;

const OPERATIONS: &str = include_str!("../../docs/operations.md");
const WORKFLOWS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/workflows");

/// What commands that begin so must say.
const SAY: &[(&str, &[&str])] = &[
    ("why RUN", &["script", "auth_failure: simulated auth_failure"]),
    ("why", &["story, script: ", "given up: auth_failure"]),
    ("workers", &["night: alive", "version "]),
    ("dead-letter stats --by", &["acme", "globex", "with 2 values of input.tenant"]),
    ("dead-letter stats --where", &["story/script", "auth_failure", "1 dead letter"]),
    ("dead-letter stats", &["story/script", "auth_failure", "rate_limited"]),
    ("runs --where", &["story", "blocked"]),
    ("dead-letter retry --fingerprint CAUSE --dry-run", &["story/script", "Nothing was changed."]),
    ("dead-letter retry --fingerprint CAUSE --where", &["Dead letters that were retried: 1."]),
    ("dead-letter retry --class rate_limited", &["Dead letters that were retried: 1."]),
    ("retry-policy simulate", &["script", "rate_limited", "dead jobs"]),
    ("throughput", &["story: ", " jobs done per minute"]),
    ("changes", &["story", "simulated auth_failure", "anna", "a mistake"]),
    ("batch show", &["BATCH", "story"]),
    ("cleanup preview", &["runs", "cancelled", "cleanup run --plan"]),
    ("show X", &["cancelled by anna", "a mistake"]),
    ("artifacts get Y captions.srt", &["captions.srt of assembly"]),
    ("health", &["ready", "database"]),
];

struct Night {
    // First, so that it ends before the world does.
    _worker: Process,
    world: World,
    /// What stands for the words in capitals.
    names: Vec<(&'static str, String)>,
}

impl Night {
    async fn new() -> Night {
        let mut world = World::with(&[]).await;
        world.environment = vec![("PITON_METRICS", format!("127.0.0.1:{}", free_port()))];
        let folder = world.path("workflows");
        std::fs::remove_dir(&folder).unwrap();
        std::os::unix::fs::symlink(WORKFLOWS, &folder).unwrap();
        let story = example("story");
        let arguments = ["worker", "--name", "night", "--log", "off", "--snapshot-every", "1s"];
        let worker = Process::spawn(world.command_of(&story, arguments), world.path("night.log"));
        let mut night = Night { _worker: worker, world, names: Vec::new() };
        let good = night.starts(&json!({"topic": "the last lighthouse keepers"}));
        let fails = |tenant: &str, class: &str| json!({"topic": "x", "tenant": tenant, "simulate": {"fail": class, "stages": ["script"]}});
        let bad = night.starts(&fails("acme", "auth_failure"));
        night.starts(&fails("globex", "auth_failure"));
        night.starts(&fails("globex", "rate_limited"));
        let cancelled = night.says("start story --at 1h").trim().to_owned();
        stdout(&night.command(&["cancel", &cancelled, "--reason", "a mistake", "--by", "anna"]).output().unwrap());
        std::fs::write(night.world.path("topics.jsonl"), "{\"topic\": \"a lighthouse\"}\n".repeat(2)).unwrap();
        night.says("batch start topics story --input topics.jsonl");
        until(SOON * 2, "all of it has happened", async || night.has_settled().await).await;
        let old =
            "update piton.runs set started_at = now() - interval '101 days', finished_at = now() - interval '100 days'
                   where state = 'cancelled'";
        sqlx::query(old).execute(&night.world.pool).await.unwrap();
        let causes: Value = serde_json::from_str(&night.says("dead-letter stats --json")).unwrap();
        let cause = causes.as_array().unwrap().iter().find(|cause| cause["class"] == "auth_failure").unwrap();
        let cause = cause["fingerprint"].as_str().unwrap().to_owned();
        let metrics = night.world.environment[0].1.clone();
        night.names = vec![
            ("HOST:PORT", metrics),
            ("RUN", bad),
            ("X", cancelled),
            ("Y", good),
            ("CAUSE", cause),
            ("BATCH", "topics".to_owned()),
        ];
        night
    }

    /// Retries do not wait, and all that was started has ended or was given up.
    async fn has_settled(&self) -> bool {
        let hurry = "update piton.jobs set due_at = now() where state = 'scheduled'";
        sqlx::query(hurry).execute(&self.world.pool).await.unwrap();
        let letters = self.world.count("select count(*) from piton.dead_letters").await;
        let told = self.says("throughput").contains("story: ");
        letters == 3 && told && self.world.count("select count(*) from piton.runs where state = 'running'").await == 0
    }

    fn starts(&self, input: &Value) -> String {
        std::fs::write(self.world.path("input.json"), input.to_string()).unwrap();
        self.says("start story --input input.json").trim().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.world.command_of(&example("story"), arguments)
    }

    fn says(&self, command: &str) -> String {
        stdout(&self.command(&command.split(' ').collect::<Vec<_>>()).output().unwrap())
    }

    /// With what the words in capitals stand for.
    fn named(&self, text: &str) -> String {
        let name = |word: &str| {
            let known = self.names.iter().find(|(name, _)| *name == word.trim_matches('\''));
            known.map_or_else(|| word.to_owned(), |(name, value)| word.replace(name, value))
        };
        text.split(' ').map(name).collect::<Vec<_>>().join(" ")
    }

    async fn types(&self, line: &str) {
        if line.starts_with("select ") {
            let rows = sqlx::query(AssertSqlSafe(self.named(line))).fetch_all(&self.world.pool).await.unwrap();
            let actors: Vec<String> = rows.iter().map(|row| row.get("actor")).collect();
            assert_eq!(actors, ["anna"], "{line}");
            return;
        }
        let command = line.strip_prefix("piton ").unwrap();
        let (_, words) = SAY.iter().find(|(begins, _)| command.starts_with(begins)).unwrap_or_else(|| panic!("{line}"));
        let typed = self.named(command);
        let output = self.command(&typed.split(' ').collect::<Vec<_>>()).output().unwrap();
        let said = stdout(&output) + &String::from_utf8_lossy(&output.stderr);
        for word in *words {
            assert!(said.contains(&self.named(word)), "`{line}` does not say {word:?}:\n{said}");
        }
    }
}

/// What the table says to type.
fn lines() -> Vec<&'static str> {
    let (_, section) = OPERATIONS.split_once("\n## At night\n").unwrap();
    let (_, table) = section.split_once("|---|---|\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect()
}

#[tokio::test]
async fn every_line_of_the_table_for_the_night_works_word_for_word_on_the_story() {
    let lines = lines();
    let is_typed = |begins: &str| lines.iter().any(|line| line.starts_with(&format!("piton {begins}")));
    assert!(lines.len() >= 16 && SAY.iter().all(|(begins, _)| is_typed(begins)), "{lines:#?}");
    let night = Night::new().await;
    for line in lines {
        night.types(line).await;
    }
    let captions = std::fs::read_to_string(night.world.path("captions.srt")).unwrap();
    assert!(captions.starts_with("1\n00:00:00,000 --> "), "{captions}");
}
