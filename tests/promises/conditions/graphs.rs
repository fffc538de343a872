//! Random graphs of conditions, optional stages, quorums and races against a small model: the same skips, the same tolerated failures and
//! the same winners, whatever fails, is retried or killed on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::harness::{World, stdout};
use crate::redo::{fails, retry};

/// A stage, as its file says.
struct Stage {
    /// With whether it accepts the skip.
    needs: Vec<(usize, bool)>,
    goes_over: Option<Over>,
    /// It has a condition.
    asks: bool,
    optional: bool,
    /// It is fanned out, and content with those items that do not fail.
    quorum: bool,
    /// It races, and wins or not.
    races: Option<bool>,
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    Input,
    /// Field of a whole stage's output, or the items of a fanned-out one.
    Need(usize),
}

/// What becomes of a stage.
#[derive(Debug, Clone, PartialEq)]
enum End {
    Skipped,
    Done,
    /// Whether each item was skipped.
    Items(Vec<bool>),
}

struct Graph {
    name: String,
    stages: Vec<Stage>,
    items: usize,
    /// Of each stage whether its condition holds; of each item of a fan-out.
    holds: Vec<Vec<bool>>,
    /// Of each optional stage its jobs that fail.
    fails: Vec<BTreeSet<i32>>,
    text: String,
}

impl Graph {
    fn of(seed: u64) -> Graph {
        let mut dice = StdRng::seed_from_u64(seed);
        let (count, items) = (dice.random_range(2..9), dice.random_range(0..4));
        let mut graph = Graph {
            name: format!("c{seed}"),
            stages: Vec::new(),
            items,
            holds: Vec::new(),
            fails: Vec::new(),
            text: String::new(),
        };
        writeln!(graph.text, "name = '{}'", graph.name).unwrap();
        for _ in 0..count {
            match dice.random_bool(0.15) {
                true => graph.add_race(&mut dice),
                false => graph.add(&mut dice),
            }
        }
        graph
    }

    /// Stages that race, and the one that begins with the first of them: those that do not win fail, or are stopped.
    fn add_race(&mut self, dice: &mut StdRng) {
        let before = self.stages.len();
        let racers = dice.random_range(2..4);
        let winners = dice.random_range(1..racers);
        let lucky = dice.random_range(0..racers);
        for racer in 0..racers {
            let wins = (racer + lucky) % racers < winners;
            writeln!(self.text, "[stages.{}]\nrust = 'node'", self.stage(before + racer)).unwrap();
            self.holds.push(vec![true; self.items.max(1)]);
            self.fails.push((!wins).then_some(-1).into_iter().collect());
            let (needs, races) = (Vec::new(), Some(wins));
            self.stages.push(Stage { needs, goes_over: None, asks: false, optional: false, quorum: false, races });
        }
        let needs: Vec<usize> = (before..before + racers).collect();
        let listed: Vec<String> = needs.iter().map(|need| format!("'{}'", self.stage(*need))).collect();
        let name = self.stage(self.stages.len());
        writeln!(self.text, "[stages.{name}]\nrust = 'node'\nneeds = [{}]\nfirst = {winners}", listed.join(", "))
            .unwrap();
        self.holds.push(vec![true; self.items.max(1)]);
        self.fails.push(BTreeSet::new());
        let needs = needs.into_iter().map(|need| (need, true)).collect();
        self.stages.push(Stage { needs, goes_over: None, asks: false, optional: false, quorum: false, races: None });
    }

    fn add(&mut self, dice: &mut StdRng) {
        let number = self.stages.len();
        let wanted = dice.random_range(0..4);
        let needs: BTreeSet<usize> =
            (0..wanted).filter(|_| number > 0).map(|_| dice.random_range(0..number.max(1))).collect();
        // Nothing else needs what races.
        let needs: BTreeSet<usize> = needs.into_iter().filter(|need| self.stages[*need].races.is_none()).collect();
        let needs: Vec<(usize, bool)> = needs.into_iter().map(|need| (need, dice.random_bool(0.5))).collect();
        let goes_over =
            dice.random_bool(0.35).then(|| needs.first().map_or(Over::Input, |(need, _)| Over::Need(*need)));
        let asks = dice.random_bool(0.5);
        let name = self.stage(number);
        let mark = |accepts: bool| if accepts { "?" } else { "" };
        let listed: Vec<String> =
            needs.iter().map(|(need, accepts)| format!("'{}{}'", self.stage(*need), mark(*accepts))).collect();
        writeln!(self.text, "[stages.{name}]\nrust = 'node'\nneeds = [{}]", listed.join(", ")).unwrap();
        let place = match goes_over {
            None => None,
            Some(Over::Input) => Some("input.items".to_owned()),
            Some(Over::Need(need)) if self.stages[need].goes_over.is_some() => Some(self.stage(need)),
            Some(Over::Need(need)) => Some(format!("{}.items", self.stage(need))),
        };
        if let Some(place) = &place {
            writeln!(self.text, "for_each = '{place}'").unwrap();
        }
        if asks {
            // Items of the input, or of a whole stage's output, are numbers; those of a fan-out are not.
            let is_number = !matches!(goes_over, Some(Over::Need(need)) if self.stages[need].goes_over.is_some());
            let condition = match (goes_over, is_number) {
                (Some(_), true) => format!("when = \"item in input.keeps.{name}\""),
                _ => format!("when = \"input.keeps.{name}[0] == 0\""),
            };
            writeln!(self.text, "{condition}").unwrap();
        }
        let one = dice.random_bool(0.6);
        let holds: Vec<bool> = (0..self.items.max(1))
            .map(|_| match (goes_over, place.is_some() && self.is_numbered(goes_over)) {
                (_, true) => dice.random_bool(0.6),
                _ => one,
            })
            .collect();
        self.holds.push(holds);
        let optional = dice.random_bool(0.3);
        if optional {
            writeln!(self.text, "optional = true").unwrap();
        }
        let quorum = !optional && goes_over.is_some() && self.items > 0 && dice.random_bool(0.5);
        let jobs = if goes_over.is_some() { 0..self.items as i32 } else { -1..0 };
        let mut fails: BTreeSet<i32> = jobs.filter(|_| (optional || quorum) && dice.random_bool(0.5)).collect();
        if quorum {
            // No array could meet a quorum of none.
            if fails.len() == self.items {
                fails.pop_first();
            }
            let share = 100 * (self.items - fails.len()) / self.items;
            writeln!(self.text, "at_least = 0.{share:02}\nmissing = 'lost'").unwrap();
        }
        self.fails.push(fails);
        self.stages.push(Stage { needs, goes_over, asks, optional, quorum, races: None });
    }

    /// Its items are the numbers of the input, whoever hands them on.
    fn is_numbered(&self, goes_over: Option<Over>) -> bool {
        match goes_over {
            None => false,
            Some(Over::Input) => true,
            Some(Over::Need(need)) => self.stages[need].goes_over.is_none(),
        }
    }

    fn stage(&self, number: usize) -> String {
        format!("{}s{number}", self.name)
    }

    /// What its runs are started on.
    fn input(&self) -> Value {
        let mut keeps = serde_json::Map::new();
        for (number, stage) in self.stages.iter().enumerate() {
            let kept: Vec<usize> = match self.is_numbered(stage.goes_over) {
                true => (0..self.items).filter(|item| self.holds[number][*item]).collect(),
                false => vec![usize::from(!self.holds[number][0])],
            };
            keeps.insert(self.stage(number), json!(kept));
        }
        json!({"items": (0..self.items).collect::<Vec<_>>(), "keeps": keeps})
    }

    /// The model; `fail` where optional jobs fail that are to.
    fn ends(&self, fail: bool) -> Vec<End> {
        let mut ends: Vec<End> = Vec::new();
        for (number, stage) in self.stages.iter().enumerate() {
            let is_skipped = |need: usize| ends[need] == End::Skipped;
            let lacks = stage.needs.iter().any(|(need, accepts)| is_skipped(*need) && !accepts);
            let has_none = !stage.needs.is_empty() && stage.needs.iter().all(|(need, _)| is_skipped(*need));
            let fails = |item: i32| fail && self.fails[number].contains(&item);
            let holds = |item: usize| !stage.asks || self.holds[number][item];
            let runs = |item: usize, asked: usize| holds(asked) && !fails(item as i32);
            ends.push(match stage.goes_over {
                None if stage.races.is_some() => {
                    if stage.races == Some(true) {
                        End::Done
                    } else {
                        End::Skipped
                    }
                }
                _ if lacks || has_none => End::Skipped,
                None if holds(0) && !fails(-1) => End::Done,
                None => End::Skipped,
                Some(Over::Input) => End::Items((0..self.items).map(|item| !runs(item, item)).collect()),
                Some(Over::Need(need)) => match &ends[need] {
                    End::Skipped => End::Items(Vec::new()),
                    End::Done => End::Items((0..self.items).map(|item| !runs(item, item)).collect()),
                    End::Items(before) => {
                        let accepts = stage.needs.iter().any(|(other, accepts)| *other == need && *accepts);
                        End::Items(
                            before
                                .iter()
                                .enumerate()
                                .map(|(item, skipped)| (*skipped && !accepts) || !runs(item, 0))
                                .collect(),
                        )
                    }
                },
            });
        }
        ends
    }

    /// Checkpoints by stage and item, with whether each is a skip.
    fn checkpoints(&self, fail: bool) -> BTreeMap<(i16, i32), bool> {
        let mut expected = BTreeMap::new();
        for (stage, end) in (0i16..).zip(self.ends(fail)) {
            expected.insert((stage, -1), end == End::Skipped);
            if let End::Items(items) = end {
                expected.extend((0i32..).zip(items).map(|(item, skipped)| ((stage, item), skipped)));
            }
        }
        expected
    }

    /// A job that runs, and is to fail.
    fn victim(&self, dice: &mut StdRng) -> Option<(usize, i32)> {
        let ends = self.ends(true);
        let is_fanned = |stage: i16| matches!(ends[stage as usize], End::Items(_));
        let run: Vec<(i16, i32)> = self
            .checkpoints(true)
            .into_iter()
            .filter(|((stage, item), skipped)| !skipped && (*item >= 0 || !is_fanned(*stage)))
            .filter(|((stage, _), _)| {
                let Stage { optional, quorum, races, .. } = &self.stages[*stage as usize];
                !optional && !quorum && races.is_none()
            })
            .map(|(job, _)| job)
            .collect();
        (!run.is_empty()).then(|| run[dice.random_range(0..run.len())]).map(|(stage, item)| (stage as usize, item))
    }
}

async fn found(world: &World, run: &str) -> BTreeMap<(i16, i32), bool> {
    let rows: Vec<(i16, i32, bool)> = sqlx::query_as(
        "select k.stage, k.item, k.skipped is not null from piton.checkpoints k join piton.runs r on r.id = k.run_id
         where r.uuid = $1::uuid",
    )
    .bind(run)
    .fetch_all(&world.pool)
    .await
    .unwrap();
    rows.into_iter().map(|(stage, item, skipped)| ((stage, item), skipped)).collect()
}

#[tokio::test]
async fn every_graph_of_conditions_ends_as_the_model_says_whatever_happens_on_the_way() {
    const GRAPHS: u64 = 60;
    let graphs: Vec<Graph> = (0..GRAPHS).map(Graph::of).collect();
    let texts: Vec<&str> = graphs.iter().map(|graph| graph.text.as_str()).collect();
    let world = World::with(&texts).await;
    let mut dice = StdRng::seed_from_u64(GRAPHS);
    // One job of every other graph fails at first, and is retried from it, or from a stage before it.
    let victims: Vec<Option<(usize, i32)>> =
        graphs.iter().enumerate().map(|(at, graph)| graph.victim(&mut dice).filter(|_| at % 2 == 0)).collect();
    let line = |graph: &Graph, stage: usize, item: i32| format!("{} {item}", graph.stage(stage));
    let of_graph = |graph: &Graph| -> Vec<String> {
        graph
            .fails
            .iter()
            .enumerate()
            .flat_map(|(stage, items)| items.iter().map(move |item| (stage, *item)))
            .map(|(stage, item)| line(graph, stage, item))
            .collect()
    };
    let optional: Vec<String> = graphs.iter().flat_map(of_graph).collect();
    let died =
        graphs.iter().zip(&victims).filter_map(|(graph, victim)| victim.map(|(stage, item)| line(graph, stage, item)));
    let lines: Vec<String> = died.chain(optional.iter().cloned()).collect();
    fails(&world, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut runs = Vec::new();
    let mut worker = world.worker("w1", &["--slots", "8"]);
    for graph in &graphs {
        runs.push(world.start(&graph.name, &graph.input().to_string()));
        if runs.len() % 15 == 0 {
            worker.signal("KILL");
            worker = world.worker("w1", &["--slots", "8"]);
        }
    }
    for ((run, graph), victim) in runs.iter().zip(&graphs).zip(&victims) {
        let expected = if victim.is_some() { "blocked" } else { "done" };
        assert_eq!(world.ended(run).await, expected, "{}\n{}", graph.text, graph.input());
    }
    // What is optional goes on failing.
    fails(&world, &optional.iter().map(String::as_str).collect::<Vec<_>>());
    for (at, (graph, victim)) in graphs.iter().zip(&victims).enumerate() {
        let Some((stage, _)) = victim else { continue };
        let from = if at % 4 == 0 {
            vec!["--from-beginning".to_owned()]
        } else {
            vec!["--from".to_owned(), graph.stage(*stage)]
        };
        let arguments: Vec<&str> =
            ["--workflow", &graph.name].into_iter().chain(from.iter().map(String::as_str)).collect();
        retry(&world, &arguments);
    }
    for (run, graph) in runs.iter().zip(&graphs) {
        assert_eq!(world.ended(run).await, "done", "{}\n{}", graph.text, graph.input());
        assert_eq!(found(&world, run).await, graph.checkpoints(true), "{}\n{}", graph.text, graph.input());
    }
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
    let lost =
        "select count(*) from piton.checkpoints where skipped like 'it was given up:%' and output::text = '\"lost\"'";
    assert!(world.count(lost).await > 10, "items have what stands in their place");
    let raced = graphs.iter().flat_map(|graph| &graph.stages).filter(|stage| stage.races == Some(false)).count();
    assert!(raced > 10, "{raced} lost a race");

    // What was tolerated is retried at last, and the runs are brought up to date behind it.
    fails(&world, &[]);
    let mut tolerated = 0;
    for (run, graph) in runs.iter().zip(&graphs) {
        let racers = graph.stages.iter().enumerate().filter(|(_, stage)| stage.races.is_some());
        let racers: Vec<String> = racers.map(|(number, _)| graph.stage(number)).collect();
        while let Some(letter) = next_tolerated(&world, run, &racers).await {
            tolerated += 1;
            retry(&world, &[&letter]);
            assert_eq!(world.ended(run).await, "done", "{}\n{}", graph.text, graph.input());
        }
        assert_eq!(found(&world, run).await, graph.checkpoints(false), "{}\n{}", graph.text, graph.input());
    }
    assert!(tolerated > 10, "{tolerated} were tolerated");
    world.assert_nothing_is_left().await;
    stdout(&world.command(["verify", "--all"]).output().unwrap());
    drop(worker);
}

/// A race that is decided is not run again by one who lost it.
async fn next_tolerated(world: &World, run: &str, racers: &[String]) -> Option<String> {
    sqlx::query_scalar(
        "select id::text from piton.dead_letters_overview
         where run = $1::uuid and resolution = 'tolerated' and stage <> all($2) order by dead_at limit 1",
    )
    .bind(run)
    .bind(racers)
    .fetch_optional(&world.pool)
    .await
    .unwrap()
}
