//! The narrator's room: one scene's narration as captions on the clock.

use piton::{Failure, Input, StageContext};
use serde::{Deserialize, Serialize};

use crate::caption::{self, Caption};
use crate::request::Request;
use crate::scene::Scene;
use crate::simulate;

#[derive(Debug, Deserialize)]
pub(crate) struct Given {
    input: Request,
    item: Scene,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Narrated {
    pub(crate) scene: u32,
    pub(crate) captions: Vec<Caption>,
}

pub(crate) async fn narration(Input(given): Input<Given>, ctx: StageContext) -> Result<Narrated, Failure> {
    simulate::pass(&given.input.simulate, &ctx).await?;
    Ok(Narrated { scene: given.item.id, captions: caption::captions(&given.item) })
}
