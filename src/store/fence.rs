//! The fence of a claim (promise 2), as the first seven parameters of a statement: run, job, stage, item, attempt, worker and token.

use sqlx::Arguments;
use sqlx::postgres::PgArguments;

use super::StoreError;
use super::commit::ClaimColumns;
use crate::model::claim::Claim;

/// Of one claim.
pub(super) fn fence(claim: &Claim) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    let mut add = || {
        arguments.add(claim.key.run.0)?;
        arguments.add(claim.key.job)?;
        arguments.add(claim.key.stage)?;
        arguments.add(claim.key.item)?;
        arguments.add(claim.key.attempt)?;
        arguments.add(claim.worker.0)?;
        arguments.add(claim.key.token.0)
    };
    add().map_err(sqlx::Error::Encode)?;
    Ok(arguments)
}

/// Of several, each parameter an array.
pub(super) fn fences<'c>(claims: impl IntoIterator<Item = &'c Claim>) -> Result<PgArguments, StoreError> {
    let columns = ClaimColumns::of(claims.into_iter());
    let mut arguments = PgArguments::default();
    let add = || {
        arguments.add(columns.run)?;
        arguments.add(columns.job)?;
        arguments.add(columns.stage)?;
        arguments.add(columns.item)?;
        arguments.add(columns.attempt)?;
        arguments.add(columns.worker)?;
        arguments.add(columns.token)
    };
    add().map_err(sqlx::Error::Encode)?;
    Ok(arguments)
}
