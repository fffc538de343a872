//! Many runs with rounds, whose stages fail and whose workers are killed, beside a small model of them.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::harness::{SOON, World, stdout, until};

const AT_MOST: i64 = 3;

/// Every third attempt or so fails. All that the critic sees must be of its own round.
fn maze(then: &str) -> String {
    let fails = "[ $((($PITON_ROUND + $PITON_ATTEMPT + $2) % 3)) = 0 ] && exit 75; ";
    format!(
        r#"
name = "maze-{then}"
retry = {{ max_retries = 50, resource_unavailable = {{ max_retries = 50, base = "1ms" }} }}
[stages.draft]
command = ["sh", "-c", '{fails} echo $(($1 + 1))', "sh", "{{{{previous.draft | \"0\"}}}}", "{{{{input.seed}}}}"]
[stages.part]
needs = ["draft"]
for_each = "input.parts"
command = ["sh", "-c", '{fails} echo $1', "sh", "{{{{draft}}}}", "{{{{input.seed}}}}"]
[stages.side]
needs = ["draft"]
command = ["cat"]
[stages.critic]
needs = ["draft", "part", "side"]
command = ["sh", "-c", '{fails} echo "{{\"score\": $1}}"', "sh", "{{{{draft}}}}", "{{{{input.seed}}}}"]
[stages.critic.repeat]
from = "draft"
until = "critic.score >= input.wanted && part.all(p, p == draft) && side.draft == draft"
at_most = {AT_MOST}
then = "{then}"
[stages.print]
needs = ["critic", "part"]
command = ["cat"]
"#
    )
}

struct Walk {
    run: String,
    wanted: i64,
    parts: usize,
    keeps: bool,
}

impl Walk {
    /// The round that it ends with, once its dead letters are retried as often as is needed.
    fn rounds(&self) -> i64 {
        if self.keeps { self.wanted.min(AT_MOST) } else { self.wanted }
    }

    async fn check(&self, world: &World) {
        let (run, rounds) = (&self.run, self.rounds());
        let ask = async |sql: &'static str| -> Vec<i64> {
            sqlx::query_scalar(sql).bind(run).fetch_all(&world.pool).await.unwrap()
        };
        let over = ask(
            "select round::int8 from piton.rounds_overview where run::text = $1 and dead_letter is null order by 1",
        )
        .await;
        assert_eq!(over, (1..rounds).collect::<Vec<_>>(), "rounds of {run}, wanted {}", self.wanted);
        let past = "select count(*) from piton.round_checkpoints p join piton.runs r on r.id = p.run_id where r.uuid::text = $1";
        let of_one = 4 + self.parts as i64;
        assert_eq!(ask(past).await, [of_one * (rounds - 1)], "what is past of {run}");
        let drafts =
            "select (k.output #>> '{}')::int8 from piton.round_checkpoints k join piton.rounds o on o.id = k.round
                      join piton.runs r on r.id = k.run_id where r.uuid::text = $1 and k.stage = 0 order by o.round";
        assert_eq!(ask(drafts).await, (1..rounds).collect::<Vec<_>>(), "each round goes on from the one before");
        let now = "select (k.output #>> '{}')::int8 from piton.checkpoints k join piton.runs r on r.id = k.run_id
                   where r.uuid::text = $1 and (k.stage = 0 or k.stage = 1 and k.item >= 0)";
        assert_eq!(ask(now).await, vec![rounds; 1 + self.parts], "the last one stands");
    }
}

#[tokio::test]
async fn rounds_end_as_the_model_says_whatever_fails_and_whoever_is_killed() {
    const RUNS: usize = 24;
    let world = World::with(&[&maze("keep"), &maze("fail")]).await;
    let mut dice = StdRng::seed_from_u64(7);
    let walks: Vec<Walk> = (0..RUNS)
        .map(|at| {
            let (wanted, parts, keeps) = (dice.random_range(1..=5), dice.random_range(0..=3usize), at % 2 == 0);
            let items: Vec<usize> = (0..parts).collect();
            let input = json!({"wanted": wanted, "seed": dice.random_range(0..3), "parts": items});
            let workflow = if keeps { "maze-keep" } else { "maze-fail" };
            world.deploy(workflow);
            Walk { run: world.start(workflow, &input.to_string()), wanted, parts, keeps }
        })
        .collect();
    for seed in 0..10 {
        let victim = world.worker(&format!("w{}", seed % 2), &["--slots", "6"]);
        tokio::time::sleep(Duration::from_millis(dice.random_range(400..900))).await;
        victim.kill();
        assert_eq!(world.unexplained().await, [""; 0], "killed with seed {seed}");
    }
    let _worker = world.worker("w1", &["--slots", "6"]);
    // Whatever is blocked gets one round more, until it is done.
    until(12 * SOON, "all runs are done", async || {
        if world.count("select count(*) from piton.dead_letters where resolution = 'pending'").await > 0 {
            stdout(&world.command(["dead-letter", "retry", "--all"]).output().unwrap());
        }
        assert_eq!(world.unexplained().await, [""; 0]);
        world.count("select count(*) from piton.runs where state = 'done'").await == RUNS as i64
    })
    .await;
    for walk in &walks {
        walk.check(&world).await;
    }
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
}
