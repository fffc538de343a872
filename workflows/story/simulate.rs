//! The switches that make a stage slow or flaky on purpose, so that retries, timeouts and cancelling can be
//! watched on real work. Every handler passes through `pass` first.

use std::time::Duration;

use piton::{Failure, FailureClass, StageContext};
use serde::Deserialize;

use crate::seed::Seed;

const STAGES: [&str; 6] = ["script", "check", "critic", "narration", "picture", "assembly"];
/// How often a slow stage reports that it is alive, and looks whether it was cancelled.
const SLICE_MS: u64 = 100;

/// `simulate` in the run's input; without it nothing is slow and nothing fails.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Simulate {
    slow_ms: u64,
    fail: Option<String>,
    rate: Option<f64>,
    seed: u64,
    stages: Option<Vec<String>>,
}

/// Where a stage stands, as far as the dice are concerned.
struct Place<'a> {
    stage: &'a str,
    item: Option<u32>,
    attempt: u32,
}

/// Waits or fails as the run's input asks for.
pub(crate) async fn pass(simulate: &Simulate, ctx: &StageContext) -> Result<(), Failure> {
    let fails = simulate.fails()?;
    if !simulate.concerns(ctx.stage()) {
        return Ok(());
    }
    dawdle(simulate.slow_ms, ctx).await?;
    let place = Place { stage: ctx.stage(), item: ctx.item(), attempt: ctx.attempt() };
    match fails {
        Some((class, rate)) if simulate.strikes(rate, &place) => {
            let named = simulate.fail.as_deref().unwrap_or_default();
            Err(Failure::new(class, format!("simulated {named}")))
        }
        Some(_) | None => Ok(()),
    }
}

async fn dawdle(slow_ms: u64, ctx: &StageContext) -> Result<(), Failure> {
    let mut done = 0;
    while done < slow_ms {
        let slice = SLICE_MS.min(slow_ms - done);
        let cancelled = tokio::time::timeout(Duration::from_millis(slice), ctx.cancelled()).await.is_ok();
        if cancelled || ctx.is_cancelled() {
            return Err(Failure::resource_unavailable("stopped early: the stage was cancelled"));
        }
        done += slice;
        ctx.progress(done, slow_ms, "simulated slow work");
    }
    Ok(())
}

impl Simulate {
    /// The class and share of the failures that are asked for, checked even where this stage is not concerned.
    fn fails(&self) -> Result<Option<(FailureClass, f64)>, Failure> {
        let rate = self.rate.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&rate) {
            return Err(Failure::invalid_input(format!("`simulate.rate` is {rate}; it is a share, from 0 to 1")));
        }
        if let Some(stage) = self.unknown_stage() {
            return Err(Failure::invalid_input(format!(
                "`simulate.stages` names `{stage}`; the stages are {}",
                STAGES.join(", ")
            )));
        }
        match &self.fail {
            None => Ok(None),
            Some(class) => match class.parse::<FailureClass>() {
                Ok(class) => Ok(Some((class, rate))),
                Err(why) => Err(Failure::invalid_input(format!("`simulate.fail`: {why}"))),
            },
        }
    }

    fn unknown_stage(&self) -> Option<&str> {
        let mut named = self.stages.iter().flatten();
        named.find(|stage| !STAGES.contains(&stage.as_str())).map(String::as_str)
    }

    fn concerns(&self, stage: &str) -> bool {
        self.stages.as_ref().is_none_or(|stages| stages.iter().any(|named| named == stage))
    }

    /// The same seed, stage, item and attempt always decide the same way; another attempt throws again.
    fn strikes(&self, rate: f64, place: &Place<'_>) -> bool {
        let item = place.item.map(|item| item.to_string()).unwrap_or_default();
        let (seed, attempt) = (self.seed.to_string(), place.attempt.to_string());
        Seed::of(&[&seed, place.stage, &item, &attempt]).chance(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Simulate};

    fn simulate(json: &str) -> Simulate {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn nonsense_is_refused_and_an_empty_switch_does_nothing() {
        assert!(simulate("{}").fails().unwrap().is_none());
        for bad in [r#"{"rate": 1.5}"#, r#"{"rate": -0.1}"#, r#"{"fail": "sad"}"#, r#"{"stages": ["pictures"]}"#] {
            assert!(simulate(bad).fails().is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Simulate>(r#"{"slow": 5}"#).is_err());
    }

    #[test]
    fn the_rate_is_kept_and_every_throw_can_be_repeated() {
        let switch = simulate(r#"{"fail": "rate_limited", "rate": 0.3, "seed": 7}"#);
        let throw = |attempt| {
            let place = Place { stage: "picture", item: Some(3), attempt };
            switch.strikes(0.3, &place)
        };
        let struck = (0..2000).filter(|attempt| throw(*attempt)).count();
        assert!((500..700).contains(&struck), "{struck}");
        assert!((0..50).all(|attempt| throw(attempt) == throw(attempt)));
    }

    #[test]
    fn only_the_named_stages_are_concerned() {
        let switch = simulate(r#"{"stages": ["picture"]}"#);
        assert!(switch.concerns("picture") && !switch.concerns("script"));
        assert!(simulate("{}").concerns("script"));
    }
}
