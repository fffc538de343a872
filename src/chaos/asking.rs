//! The program of the stage `ask`: it asks the service of the campaign, which answers later with the token that it is given.

use std::io;

use serde::Deserialize;
use serde_json::json;

use super::load::{AGAIN, LoadError, variable};
use super::workload::RunInput;
use crate::store::StoreError;
use crate::store::chaos_rows::Asked;
use crate::store::connect::Server;

#[derive(Debug, Deserialize)]
struct Given {
    input: RunInput,
}

/// Asks, however often the server has to be reached for that. Returns what the program says last.
pub(crate) async fn ask(server: &Server) -> Result<String, LoadError> {
    let given: Given = serde_json::from_reader(io::stdin())?;
    let asked = Asked {
        key: variable("PITON_IDEMPOTENCY_KEY")?,
        run: variable("PITON_RUN")?,
        seed: given.input.seed.cast_signed(),
        token: variable("PITON_CALLBACK_TOKEN")?,
    };
    while let Err(error) = asked.keep(server).await {
        if !matches!(error, StoreError::Away(_)) {
            return Err(error.into());
        }
        tokio::time::sleep(AGAIN).await;
    }
    Ok(json!({"wait": {"handle": asked.run}}).to_string())
}
