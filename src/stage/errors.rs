//! Errors that handlers often meet, as failures, so that `?` classifies them. Others are beside their source: I/O and JSON in
//! `model/failure.rs`, requests in `stage/http/error.rs`.

use tokio::time::error::Elapsed;

use crate::model::failure::{Failure, FailureClass};
use crate::store::{StoreError, words_of_postgres};
use crate::system::descriptors;

impl From<Elapsed> for Failure {
    fn from(error: Elapsed) -> Failure {
        Failure::network_timeout(format!("something in the stage took too long: {error}"))
    }
}

/// A database of the user's own: away is retried, refused credentials and refused data are not.
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        let lacks = descriptors::lacking(&error);
        let code = error.as_database_error().and_then(|db| db.code().map(|code| code.into_owned()));
        let class = match code.as_deref().map(|code| (code.get(..2).unwrap_or_default(), code)) {
            // invalid authorization, insufficient privilege
            Some(("28", _) | (_, "42501")) => FailureClass::AuthFailure,
            // data exception, integrity constraint violation
            Some(("22" | "23", _)) => FailureClass::InvalidInput,
            Some(("53", "53200")) => FailureClass::OutOfMemory,
            Some(_) | None => match StoreError::from(error) {
                StoreError::Away(error) => {
                    return Failure::resource_unavailable(words(&error)).for_lack_of(lacks);
                }
                StoreError::Refused(error) => return Failure::unknown(words(&error)),
                StoreError::Damaged(said) => return Failure::unknown(said),
            },
        };
        Failure::new(class, words(&error))
    }
}

fn words(error: &sqlx::Error) -> String {
    words_of_postgres(error).unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_question_mark_classifies_what_handlers_often_meet() {
        async fn late() -> Result<(), Failure> {
            Ok(tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await?)
        }
        fn class(failure: impl Into<Failure>) -> FailureClass {
            failure.into().class()
        }
        assert_eq!(late().await.map_err(class), Err(FailureClass::NetworkTimeout));
        assert_eq!(class(sqlx::Error::PoolTimedOut), FailureClass::ResourceUnavailable);
        assert_eq!(class(sqlx::Error::RowNotFound), FailureClass::Unknown);
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(class(refused), FailureClass::ResourceUnavailable);
        assert_eq!(class(serde_json::from_str::<u8>("x").expect_err("no JSON")), FailureClass::InvalidInput);
    }
}
