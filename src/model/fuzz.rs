//! Properties of input from outside: a few hundred cases with all other tests, and a minute of them on request (`cargo test
//! --release --lib -- --ignored fuzz`). The few are the same every time, so that a failure belongs to the change that made it;
//! the minute finds new ones.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

const LONG: Duration = Duration::from_secs(60);

/// A few hundred cases.
pub(crate) fn shortly<S: Strategy>(cases: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    run(&cases, &property, RngSeed::Fixed(0));
}

/// As many as there are in a minute.
pub(crate) fn for_a_minute<S: Strategy>(cases: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: Debug,
{
    let end = Instant::now() + LONG;
    while Instant::now() < end {
        run(&cases, &property, RngSeed::Random);
    }
}

fn run<S: Strategy>(cases: &S, property: &impl Fn(S::Value) -> Result<(), TestCaseError>, seed: RngSeed)
where
    S::Value: Debug,
{
    let config = Config { failure_persistence: None, rng_seed: seed, ..Config::default() };
    if let Err(failed) = TestRunner::new(config).run(cases, property) {
        panic!("{failed}");
    }
}

/// Texts that are made of these pieces, and of some that nobody thought of.
pub(crate) fn pieces(known: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(known).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[ -~]{0,5}",
    ];
    prop::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

/// The text with some damage.
pub(crate) fn damaged(text: String, known: &'static [&'static str]) -> impl Strategy<Value = String> {
    let damage = (any::<prop::sample::Index>(), 0usize..12, pieces(known, 4));
    prop::collection::vec(damage, 1..6).prop_map(move |damages| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, taken, put) in damages {
            let at = at.index(chars.len() + 1);
            chars.splice(at..(at + taken).min(chars.len()), put.chars());
        }
        chars.into_iter().collect()
    })
}
