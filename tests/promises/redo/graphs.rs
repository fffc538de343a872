//! Random graphs: whichever stage dies, and from wherever it is retried, the run ends as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::harness::{World, stdout};
use crate::redo::{fails, retry};

/// A workflow, and what will be asked of it.
struct Graph {
    name: String,
    needs: Vec<Vec<usize>>,
    fanned: Vec<bool>,
    items: usize,
    text: String,
    /// The stage that dies, or one item of it.
    dies: (usize, i32),
}

impl Graph {
    fn of(seed: u64) -> Graph {
        let mut dice = StdRng::seed_from_u64(seed);
        let (name, stages, items) = (format!("g{seed}"), dice.random_range(2..8), dice.random_range(0..4));
        let mut graph =
            Graph { name, needs: Vec::new(), fanned: Vec::new(), items, text: String::new(), dies: (0, -1) };
        writeln!(graph.text, "name = '{}'", graph.name).unwrap();
        for stage in 0..stages {
            graph.add(stage, &mut dice);
        }
        let can_die: Vec<usize> = (0..stages).filter(|stage| !graph.fanned[*stage] || items > 0).collect();
        let dies = if can_die.is_empty() { 0 } else { can_die[dice.random_range(0..can_die.len())] };
        let item = if graph.fanned[dies] { dice.random_range(0..items.max(1)) as i32 } else { -1 };
        graph.dies = (dies, item);
        graph
    }

    /// Up to three needs, and a fan-out over one of them or over the input.
    fn add(&mut self, stage: usize, dice: &mut StdRng) {
        let wanted = dice.random_range(0..4);
        let needs: BTreeSet<usize> =
            (0..wanted).filter(|_| stage > 0).map(|_| dice.random_range(0..stage.max(1))).collect();
        let needs: Vec<usize> = needs.into_iter().collect();
        // The first stage is a whole one, so that each graph has one that can die.
        let source = (stage > 0 && dice.random_range(0..3) == 0).then(|| match needs.first() {
            None => "input.items".to_owned(),
            Some(need) if self.fanned[*need] => self.stage(*need),
            Some(need) => format!("{}.items", self.stage(*need)),
        });
        let listed: Vec<String> = needs.iter().map(|need| format!("'{}'", self.stage(*need))).collect();
        let (name, listed) = (self.stage(stage), listed.join(", "));
        writeln!(self.text, "[stages.{name}]\nrust = 'node'\nneeds = [{listed}]").unwrap();
        if let Some(source) = &source {
            writeln!(self.text, "for_each = '{source}'").unwrap();
        }
        self.needs.push(needs);
        self.fanned.push(source.is_some());
    }

    fn stage(&self, stage: usize) -> String {
        format!("{}s{stage}", self.name)
    }

    /// Stages that come after one, itself included.
    fn behind(&self, start: usize) -> BTreeSet<usize> {
        let mut behind = BTreeSet::from([start]);
        for (stage, needs) in self.needs.iter().enumerate() {
            if needs.iter().any(|need| behind.contains(need)) {
                behind.insert(stage);
            }
        }
        behind
    }

    /// From where its dead letter can be retried.
    fn origins(&self) -> Vec<usize> {
        (0..self.needs.len()).filter(|stage| self.behind(*stage).contains(&self.dies.0)).collect()
    }

    fn jobs(&self, stage: usize) -> Vec<i32> {
        if self.fanned[stage] { (0..self.items as i32).collect() } else { vec![-1] }
    }
}

#[tokio::test]
async fn whatever_is_done_again_the_run_ends_with_one_checkpoint_for_each_job() {
    const GRAPHS: u64 = 40;
    let graphs: Vec<Graph> = (0..GRAPHS).map(Graph::of).collect();
    let texts: Vec<&str> = graphs.iter().map(|graph| graph.text.as_str()).collect();
    let world = World::with(&texts).await;
    let _worker = world.worker("w1", &[]);
    let dying: Vec<String> =
        graphs.iter().map(|graph| format!("{} {}", graph.stage(graph.dies.0), graph.dies.1)).collect();
    fails(&world, &dying.iter().map(String::as_str).collect::<Vec<_>>());
    let mut runs = Vec::new();
    for graph in &graphs {
        let items: Vec<usize> = (0..graph.items).collect();
        runs.push(world.start(&graph.name, &json!({"items": items}).to_string()));
    }
    for run in &runs {
        assert_eq!(world.ended(run).await, "blocked");
    }
    fails(&world, &[]);
    let before = count(&world.journal());
    let mut dice = StdRng::seed_from_u64(GRAPHS);
    let mut again = Vec::new();
    for graph in &graphs {
        let origins = graph.origins();
        let origin = origins[dice.random_range(0..origins.len())];
        retry(&world, &["--workflow", &graph.name, "--from", &graph.stage(origin)]);
        again.push(origin);
    }
    for (run, graph) in runs.iter().zip(&graphs) {
        assert_eq!(world.ended(run).await, "done", "{}", graph.text);
    }
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
    let after = count(&world.journal());
    for ((graph, origin), run) in graphs.iter().zip(again).zip(&runs) {
        assert_one_checkpoint_for_each_job(&world, graph, run).await;
        let behind = graph.behind(origin);
        for (stage, item) in (0..graph.needs.len()).flat_map(|s| graph.jobs(s).into_iter().map(move |item| (s, item))) {
            let job = format!("{} {item}", graph.stage(stage));
            let (old, new) = (before.get(&job).copied().unwrap_or(0), after[&job]);
            let expected = if behind.contains(&stage) { old + 1 } else { 1 };
            assert_eq!(new, expected, "how often {job} began, retried from {origin}:\n{}", graph.text);
        }
    }
}

/// How often each job began.
fn count(journal: &[String]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for line in journal {
        let (job, _) = line.rsplit_once(' ').unwrap();
        *times.entry(job.to_owned()).or_default() += 1;
    }
    times
}

async fn assert_one_checkpoint_for_each_job(world: &World, graph: &Graph, run: &str) {
    let found: Vec<(i16, i32)> = sqlx::query_as(
        "select k.stage, k.item from piton.checkpoints k join piton.runs r on r.id = k.run_id
         where r.uuid = $1::uuid order by 1, 2",
    )
    .bind(run)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let mut expected = Vec::new();
    for stage in 0..graph.needs.len() {
        expected.extend(graph.fanned[stage].then_some((stage as i16, -1)));
        expected.extend(graph.jobs(stage).into_iter().map(|item| (stage as i16, item)));
    }
    assert_eq!(found, expected, "{}", graph.text);
}
