//! The writers' room: from the run's input to drafts of a story, each in timed scenes.

use piton::{Failure, Input, StageContext};
use serde::{Deserialize, Serialize};

use crate::compose;
use crate::manuscript;
use crate::request::{Request, Subject};
use crate::scene::Draft;
use crate::simulate;

#[derive(Debug, Deserialize)]
pub(crate) struct Given {
    input: Request,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Script {
    pub(crate) title: String,
    pub(crate) drafts: Vec<Draft>,
}

pub(crate) async fn script(Input(given): Input<Given>, ctx: StageContext) -> Result<Script, Failure> {
    simulate::pass(&given.input.simulate, &ctx).await?;
    Ok(write(&given.input.subject()?))
}

fn write(subject: &Subject) -> Script {
    match subject {
        Subject::Topic(topic) => Script { title: compose::title(topic), drafts: compose::drafts(topic) },
        Subject::Manuscript(text) => Script { title: manuscript::title(text), drafts: manuscript::drafts(text) },
    }
}
