//! The states of a run and an attempt. The CHECKs of the schema repeat them; a test keeps them in step.

use std::fmt;

macro_rules! states {
    ($(#[$doc:meta])* $vis:vis enum $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
        #[serde(rename_all = "snake_case")]
        $vis enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every state, in the order of the chart.
            $vis const ALL: &[$name] = &[$($name::$variant),+];

            /// The word for it in the database, in metrics and on the screen.
            $vis const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The state of that word.
            #[allow(dead_code, reason = "not every word is read back")]
            $vis fn from_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|s| s.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use states;

states! {
    /// Where a run is.
    pub(crate) enum RunState {
        /// It has live jobs.
        Running = "running",
        /// A dead letter of it is pending; what does not depend on it goes on.
        Blocked = "blocked",
        /// Every stage has its checkpoint.
        Done = "done",
        /// A dead letter of it was dismissed; its other jobs were cancelled.
        Failed = "failed",
        /// Somebody ended it, or its deadline has passed.
        Cancelled = "cancelled",
    }
}

states! {
    /// Where a run is, as people are shown it: one whose start is put off is not running.
    #[derive(serde::Deserialize)]
    #[cfg_attr(feature = "api", derive(utoipa::ToSchema), schema(as = RunState))]
    #[non_exhaustive]
    pub enum ShownState {
        /// Nothing of it has begun, and nothing may before its time.
        Scheduled = "scheduled",
        /// It has live jobs.
        Running = "running",
        /// A dead letter of it is pending; what does not depend on it goes on.
        Blocked = "blocked",
        /// Every stage has its checkpoint.
        Done = "done",
        /// A dead letter of it was dismissed; its other jobs were cancelled.
        Failed = "failed",
        /// Somebody ended it, or its deadline has passed.
        Cancelled = "cancelled",
    }
}

states! {
    /// How an attempt ended that left no checkpoint.
    #[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
    pub(crate) enum AttemptOutcome {
        /// It returned a failure, panicked, or ran out of time.
        Failed = "failed",
        /// Its worker was lost under it.
        Lost = "lost",
        /// Its worker handed it back while shutting down; no failure is counted.
        Released = "released",
        /// Its run ended while it ran.
        Cancelled = "cancelled",
    }
}

states! {
    /// What became of a dead letter.
    #[derive(serde::Deserialize)]
    #[cfg_attr(feature = "api", derive(utoipa::ToSchema))]
    pub(crate) enum Resolution {
        /// Nothing yet; its run is blocked.
        Pending = "pending",
        /// Nothing yet, and its run goes on without its job: its stage is optional.
        Tolerated = "tolerated",
        /// Its job goes on.
        Retried = "retried",
        /// Its run has failed.
        Dismissed = "dismissed",
    }
}

impl RunState {
    /// Whether anything can still happen to the run by itself.
    pub(crate) fn is_ended(self) -> bool {
        match self {
            // Someone may retry the dead letter.
            RunState::Running | RunState::Blocked => false,
            RunState::Done | RunState::Failed | RunState::Cancelled => true,
        }
    }
}

impl ShownState {
    /// The state on record of such a run.
    pub(crate) fn on_record(self) -> RunState {
        match self {
            ShownState::Scheduled | ShownState::Running => RunState::Running,
            ShownState::Blocked => RunState::Blocked,
            ShownState::Done => RunState::Done,
            ShownState::Failed => RunState::Failed,
            ShownState::Cancelled => RunState::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::FailureClass;
    use crate::model::health::{Component, Status};
    use crate::model::wait::{WaitKind, WaitOutcome};

    const ENGINE: &str = include_str!("../../migrations/0001_create_the_engine.sql");
    const SKIPS: &str = include_str!("../../migrations/0058_skip_stages.sql");
    const RUNS: &str = include_str!("../../migrations/0013_let_people_decide.sql");
    const WAITS: &str = include_str!("../../migrations/0056_let_jobs_wait.sql");
    const ROUNDS: &str = include_str!("../../migrations/0070_repeat_stages.sql");
    const SERVICES: &str = include_str!("../../migrations/0061_let_services_answer.sql");
    const HEALTH: &str = include_str!("../../migrations/0012_keep_how_workers_were.sql");

    fn check(column: &str, words: impl Iterator<Item = &'static str>) -> String {
        let quoted: Vec<String> = words.map(|word| format!("'{word}'")).collect();
        format!("{column} in ({})", quoted.join(", "))
    }

    #[test]
    fn the_schema_knows_the_same_words() {
        for (schema, expected) in [
            (RUNS, check("state", RunState::ALL.iter().map(|s| s.as_str()))),
            (HEALTH, check("component", Component::ALL.iter().map(|c| c.as_str()))),
            (HEALTH, check("status", Status::ALL.iter().map(|s| s.as_str()))),
            (SKIPS, check("resolution", Resolution::ALL.iter().map(|r| r.as_str()))),
            (ROUNDS, check("class", FailureClass::ALL.iter().map(|c| c.as_str()))),
            (WAITS, check("kind", WaitKind::ALL.iter().map(|k| k.as_str()))),
            (SERVICES, check("outcome", WaitOutcome::ALL.iter().map(|o| o.as_str()))),
            (ENGINE, check("outcome", AttemptOutcome::ALL.iter().map(|s| s.as_str()))),
        ] {
            let schema = schema.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(schema.contains(&expected), "the schema does not say: {expected}");
        }
    }
}
