//! A statement in the database where Piton is: what it changes and the checkpoint of its stage are committed together.

use std::time::Duration;

use super::fill::Filler;
use super::handler::Offer;
use super::own_rows::refused;
use crate::model::failure::Failure;
use crate::model::json;
use crate::model::payload::Payload;
use crate::store::StoreError;
use crate::store::statement::{Statement, StatementFailure};
use crate::workflow::definition::SqlStage;
use crate::workflow::duration;
use crate::workflow::own::Own;
use crate::workflow::sql::{self, Piece};
use crate::workflow::template::{Part, Template};

/// A statement as it is sent.
#[derive(Debug, PartialEq)]
pub(super) struct Sent {
    pub(super) text: String,
    pub(super) parameters: Vec<String>,
}

/// A value to be bound: its text, and the type that it is cast to.
type Value = (String, &'static str);

/// Runs it, once more if the connection is lost; then nothing of the first time was kept.
pub(crate) async fn run(stage: &SqlStage, offer: Offer, limit: Duration) -> Result<Payload, Failure> {
    let most_bytes = offer.limits.payload_bytes;
    let tell = |own| offer.context.tell(own);
    // Of each row the server sends no more than shows that it is too long: a row is in memory as a whole.
    let row = format!("pg_catalog.\"left\"({ROW}, {})", most_bytes.saturating_add(1));
    let Sent { text, parameters } = with_rows(&stage.statement, &Filler::new(&offer.input, &tell), &row)?;
    let (role, returns_rows) = (stage.role.clone(), stage.statement.returns_rows());
    let statement = Statement { text, parameters, returns_rows, role, timeout: limit, most_bytes };
    let statement = &statement;
    let work = |mut transaction: super::own_rows::StageTransaction| async move {
        statement.run(&mut transaction).await.map_err(|failure| failed(failure, statement))
    };
    let committed = offer.context.commit(work).await?;
    Payload::of(&*committed, most_bytes).map_err(refused)
}

/// A row as the text of JSON.
const ROW: &str = "pg_catalog.row_to_json(piton_rows)::pg_catalog.text";

/// The statement with a parameter for each value. Rows come back as JSON.
pub(super) fn filled(statement: &sql::Statement, filler: &Filler<'_>) -> Result<Sent, Failure> {
    with_rows(statement, filler, ROW)
}

fn with_rows(statement: &sql::Statement, filler: &Filler<'_>, row: &str) -> Result<Sent, Failure> {
    let mut parameters = Vec::new();
    let mut places = Vec::new();
    for template in statement.parameters() {
        places.push(match value(template, filler)? {
            Some((value, kind)) => {
                parameters.push(value);
                format!(" cast(${} as {kind}) ", parameters.len())
            }
            None => " null ".to_owned(),
        });
    }
    let mut text = String::new();
    for piece in statement.pieces() {
        match piece {
            Piece::Text(plain) => text.push_str(plain),
            Piece::Parameter(number) => text.push_str(places.get(*number).map_or("", String::as_str)),
            Piece::Main { .. } if !statement.returns_rows() => {}
            Piece::Main { behind_with: true } => text.push_str(", piton_rows as (\n"),
            Piece::Main { behind_with: false } => text.push_str("with piton_rows as (\n"),
        }
    }
    if statement.returns_rows() {
        // On a line of its own: the last one may end with a comment.
        text.push_str(&format!("\n) select {row} from piton_rows"));
    }
    Ok(Sent { text, parameters })
}

/// What stands at a place, with the type of SQL for its JSON; `None` is NULL.
fn value(template: &Template, filler: &Filler<'_>) -> Result<Option<Value>, Failure> {
    match template.parts() {
        [Part::Place(place)] => {
            let kind = match filler.found(place) {
                Some("null") if place.fallback.is_none() => return Ok(None),
                None | Some("null") => "text",
                Some(found) => match found.as_bytes().first() {
                    Some(b'"') => "text",
                    Some(b't' | b'f') => "boolean",
                    Some(b'{' | b'[') => "jsonb",
                    _ => "numeric",
                },
            };
            Ok(Some((filler.place(place)?, kind)))
        }
        [Part::Own(own)] => Ok(Some((filler.plain(template)?, kind_of(*own)))),
        _ => Ok(Some((filler.plain(template)?, "text"))),
    }
}

fn kind_of(own: Own) -> &'static str {
    match own {
        Own::Id => "uuid",
        Own::Item | Own::Attempt | Own::Round => "integer",
        Own::Workflow
        | Own::Stage
        | Own::Worker
        | Own::IdempotencyKey
        | Own::Output
        | Own::Progress
        | Own::Artifacts
        | Own::Inputs => "text",
    }
}

fn failed(failure: StatementFailure, statement: &Statement) -> Failure {
    let role = json::string(&statement.role);
    match failure {
        StatementFailure::NoSuchRole { user } => Failure::auth_failure(format!(
            "there is no role {role} in the database; make it, give it what the statement needs, and let the worker be it:  \
             create role {role} nologin; grant {role} to {};",
            json::string(&user)
        )),
        StatementFailure::NotAMember { user } => Failure::auth_failure(format!(
            "the worker is no member of the role {role}; let it be:  grant {role} to {};",
            json::string(&user)
        )),
        StatementFailure::TooMighty(why) => Failure::auth_failure(format!(
            "the role {role} {why}, and a statement of a stage runs with less; name one that can do just what the statement needs"
        )),
        StatementFailure::TooManyBytes => Failure::invalid_input(format!(
            "the statement returns more than {} bytes of rows, over the limit of an output; let it return less, or only write",
            statement.most_bytes
        )),
        StatementFailure::Sql(error) => refusal(error, statement),
    }
}

/// What Postgres has against it. Whatever is about the moment is retried.
fn refusal(error: StoreError, statement: &Statement) -> Failure {
    let code = error.code().unwrap_or_default();
    // Of a missing table the store believes that it comes back, while a database is being restored; a statement is wrong.
    let is_about_it =
        matches!(code.get(..2), Some("0A" | "21" | "22" | "23" | "25" | "2D" | "42" | "44")) || code == "3F000";
    match (code.as_str(), error) {
        ("57014", _) => Failure::network_timeout(format!(
            "the statement took longer than {}, the timeout of its stage",
            duration::words(statement.timeout)
        )),
        ("42501", error) => {
            let said = error.for_good().refusal().unwrap_or_default();
            Failure::auth_failure(format!(
                "{said}; the statement runs as the role {}, which needs the right",
                json::string(&statement.role)
            ))
        }
        (_, error) if is_about_it => Failure::invalid_input(
            error.for_good().refusal().unwrap_or_else(|| "the database refused the statement".to_owned()),
        ),
        (_, StoreError::Away(error) | StoreError::Refused(error)) => error.into(),
        (_, StoreError::Damaged(said)) => Failure::unknown(said),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    const INPUT: &str = r#"{"input":{"day":"2026-01-31","n":12345678901234567890123.50,"yes":true,"no":null,"evil":"'; drop table t; --"},
        "list":{"rows":[{"a": 1}, {"a": 2}]}}"#;

    fn sent(text: &str) -> Result<(String, Vec<String>), String> {
        let statement = sql::Statement::parse(text).expect("a statement");
        let tell = |own| Some(Cow::Borrowed(if own == Own::Attempt { "2" } else { "x" }));
        let sent = filled(&statement, &Filler::new(INPUT, &tell)).map_err(|failure| failure.to_string())?;
        Ok((sent.text, sent.parameters))
    }

    #[test]
    fn values_are_bound_with_the_type_of_their_json_and_never_become_text_of_the_statement() {
        let (text, parameters) = sent(
            "insert into t values ({{input.day}}::date, {{input.n}}, {{input.yes}}, {{input.no}}, {{list.rows}}, {{input.evil}}, \
             {{input.lang | \"en\"}}, {{run.attempt}}, {{input.n}})",
        )
        .unwrap();
        assert_eq!(
            text.replace("  ", " "),
            "insert into t values ( cast($1 as text) ::date, cast($2 as numeric) , cast($3 as boolean) , null , cast($4 as jsonb) , \
             cast($5 as text) , cast($6 as text) , cast($7 as integer) , cast($2 as numeric) )"
        );
        assert_eq!(
            parameters,
            [
                "2026-01-31",
                "12345678901234567890123.50",
                "true",
                r#"[{"a":1},{"a":2}]"#,
                "'; drop table t; --",
                "en",
                "2"
            ]
        );
        assert!(sent("select {{input.other}}").unwrap_err().starts_with("invalid_input: `input.other` is not in"));
    }

    #[test]
    fn rows_come_back_as_json() {
        let end = "\n) select pg_catalog.row_to_json(piton_rows)::pg_catalog.text from piton_rows";
        for (text, begin) in [
            ("select 1 -- one", "with piton_rows as (\nselect 1 -- one"),
            ("delete from t returning a;", "with piton_rows as (\ndelete from t returning a"),
            (
                "with a as (delete from t returning *) select * from a",
                "with a as (delete from t returning *) , piton_rows as (\nselect * from a",
            ),
        ] {
            assert_eq!(sent(text).unwrap().0, format!("{begin}{end}"), "{text}");
        }
        assert_eq!(sent("delete from t").unwrap().0, "delete from t");
    }
}
