//! Asks a database for the proof.

use super::BenchError;
use super::proof::{Expected, Proof};
use crate::store::bench::Observer;

/// Proves what is in the database; needs nothing but the database.
pub(crate) async fn prove(observer: &Observer, expected: Expected) -> Result<Proof, BenchError> {
    let row = observer.proof().await?;
    Proof::of(&row, expected).map_err(|wrong| BenchError::Unproved(wrong.join("\n  ")))
}
