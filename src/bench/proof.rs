//! The proof that nothing was lost and nothing is there twice. Pure; `store/sql/bench_proof.sql` does the counting.

use serde::{Deserialize, Serialize};

use crate::store::bench::ProofRow;

/// What was proved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proof {
    pub(crate) runs_done: u64,
    /// Runs that wait, each with one live job and the checkpoints before it.
    pub(crate) runs_waiting: u64,
    pub(crate) checkpoints: u64,
}

/// What there should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expected {
    /// Runs that were started, where that is known.
    pub(crate) runs: Option<u64>,
    /// None of them was left behind on purpose.
    pub(crate) all_done: bool,
}

impl Proof {
    /// What was proved, or what is wrong.
    pub(crate) fn of(row: &ProofRow, expected: Expected) -> Result<Proof, Vec<String>> {
        let count = |n: i64| n.unsigned_abs();
        let mut wrong = Vec::new();
        let mut none_of = |n: i64, what: &str| {
            if n != 0 {
                wrong.push(format!("{what}: {n}"));
            }
        };
        none_of(row.failed, "runs that failed");
        none_of(row.missing, "missing checkpoints of finished stages and items");
        none_of(row.unexpected, "checkpoints that should not be there");
        none_of(row.twice, "stages and items with more than one checkpoint");
        none_of(row.damaged, "checkpoints that do not hold what their digests say");
        none_of(row.misnumbered, "jobs whose attempts are not numbered 1, 2, 3 …");
        none_of(row.adrift, "runs that go on without exactly one live job");
        none_of(row.jobs_astray, "jobs left of runs that are over");
        none_of(row.joins_left, "joins left");
        if expected.all_done {
            none_of(row.waiting, "runs that are not done");
        }
        if let Some(runs) = expected.runs
            && runs != count(row.runs)
        {
            wrong.push(format!("runs that were started: {runs}, runs that are there: {}", row.runs));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Proof { runs_done: count(row.done), runs_waiting: count(row.waiting), checkpoints: count(row.checkpoints) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_is_said_with_its_number() {
        let expected = Expected { runs: Some(3), all_done: true };
        let right = ProofRow { runs: 3, done: 3, checkpoints: 15, ..ProofRow::default() };
        assert_eq!(Proof::of(&right, expected), Ok(Proof { runs_done: 3, runs_waiting: 0, checkpoints: 15 }));
        let wrong = ProofRow { runs: 2, done: 1, waiting: 1, missing: 2, ..right };
        let said = Proof::of(&wrong, expected).expect_err("wrong").join("\n");
        insta::assert_snapshot!(said, @r"
        missing checkpoints of finished stages and items: 2
        runs that are not done: 1
        runs that were started: 3, runs that are there: 2
        ");
    }
}
