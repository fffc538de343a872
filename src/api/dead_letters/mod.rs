//! Dead letters: list, show, and decide about them. A verb is a file here.

mod dismiss;
mod force;
mod list;
mod preview;
mod retry;
mod routes;

use serde::{Deserialize, Serialize};
use sqlx::types::Uuid;
use utoipa::ToSchema;

pub(super) use self::routes::routes;
use super::Api;
use super::problem::Problem;
use super::words::{Text, Time, Where};
use super::workflows::refuse_unknown;
use crate::decide::{Chosen, NotChosen};
use crate::model::failure::FailureClass;
use crate::model::id::RunId;
use crate::model::state::Resolution;
use crate::store::dead_letters::Filter;

/// Which ones; what is left out leaves none out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterFilter, example = json!({"workflow": "story", "class": "rate_limited"}))]
struct FilterSaid {
    workflow: Option<Text>,
    stage: Option<Text>,
    class: Option<FailureClass>,
    #[schema(value_type = Option<Uuid>)]
    run: Option<RunId>,
    /// Of that cause, as the stats name it.
    fingerprint: Option<Text>,
    /// Given up then or later.
    since: Option<Time>,
    /// Of runs whose input holds all of these.
    #[serde(default, rename = "where")]
    conditions: Where,
}

impl FilterSaid {
    /// As the store has it; or that there is no such workflow, of which there would be no dead letters either.
    async fn filter(self, api: &Api, resolution: Resolution) -> Result<Filter, Problem> {
        let FilterSaid { workflow, stage, class, run, fingerprint, since, conditions } = self;
        refuse_unknown(api, workflow.as_ref().map(|name| name.0.as_str())).await?;
        let text = |text: Option<Text>| text.map(|text| text.0);
        Ok(Filter {
            resolution: Some(resolution),
            workflow: text(workflow),
            stage: text(stage),
            class: class.map(|class| class.as_str().to_owned()),
            run,
            fingerprint: text(fingerprint),
            since: since.map(|since| since.0),
            conditions: conditions.0,
        })
    }
}

/// Those that are pending and chosen by a filter, or all where that is said.
async fn those(api: &Api, filter: FilterSaid, all: bool) -> Result<Filter, Problem> {
    match Chosen::of(None, filter.filter(api, Resolution::Pending).await?, all) {
        Ok(Chosen::Those(filter)) => Ok(filter),
        Ok(Chosen::One(_)) | Err(NotChosen::OneAndMany | NotChosen::Nothing) => {
            Err(Problem::invalid("neither a filter nor \"all\" is given")
                .hint("Give a filter such as {\"workflow\": \"story\"}, or say \"all\": true."))
        }
    }
}

/// How many were retried.
#[derive(Debug, Serialize, ToSchema)]
struct Retried {
    #[schema(minimum = 0)]
    retried: i64,
}

/// How many were dismissed.
#[derive(Debug, Serialize, ToSchema)]
struct Dismissed {
    #[schema(minimum = 0)]
    dismissed: i64,
}

/// The dead letter that was made.
#[derive(Debug, Serialize, ToSchema)]
struct Forced {
    dead_letter: Uuid,
}
