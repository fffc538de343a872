//! An error with all its causes, as one sentence without repetition.

use crate::store::connect::in_words;

/// Causes that are told already are left out, and so is what sqlx adds of Postgres' source.
pub(super) fn in_one_sentence(error: &anyhow::Error) -> String {
    let mut sentence = String::new();
    for cause in error.chain() {
        let mut text = cause.to_string();
        let of_sqlx = cause.downcast_ref::<sqlx::Error>();
        if let Some(error) = of_sqlx {
            let words = in_words(error);
            sentence = sentence.replace(&text, &words);
            text = words;
        }
        // A cause often ends with the text of the next one.
        if !sentence.contains(&text) {
            if !sentence.is_empty() {
                sentence.push_str(": ");
            }
            sentence.push_str(&text);
        }
        if of_sqlx.is_some() {
            // Its own causes are the same once more.
            break;
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;
    use crate::store::StoreError;

    #[test]
    fn nothing_is_said_twice() {
        let away = || StoreError::Away(sqlx::Error::PoolTimedOut);
        let error = Err::<(), _>(away()).context("cannot list runs").expect_err("it is one");
        assert_eq!(
            in_one_sentence(&error),
            "cannot list runs: the database did not answer: no connection could be had in time"
        );
        let plain = anyhow::anyhow!("a: b");
        assert_eq!(in_one_sentence(&plain.context("c")), "c: a: b");
    }
}
