//! The texts of a stage as one attempt has them, for those who look at them and run nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::child;
use super::context::StageContext;
use super::fill::Filler;
use super::{http, sql};
use crate::model::failure::Failure;
use crate::workflow::definition::{CommandStage, HttpStage, SqlStage, StageKind};
use crate::workflow::form_file::FormFile;
use crate::workflow::own::Own;
use crate::workflow::template::Template;

/// Under the keys that they have in the workflow file; nothing for a stage without texts. Variables of the environment stay as
/// they are written: they may be secrets, and need not be set.
pub(crate) fn texts(kind: &StageKind, input: &str, context: &StageContext) -> Result<Value, Failure> {
    let tell = |own: Own| match own.is_for_programs() {
        true => Some(Cow::Owned(format!("{{{{{}}}}}", own.place()))),
        false => context.tell(own),
    };
    let filler = Filler::keeping_variables(input, &tell);
    match kind {
        StageKind::Rust { .. } | StageKind::Signal(_) => Ok(json!({})),
        StageKind::Command(stage) => command(stage, &filler),
        StageKind::Http(stage) => request(stage, &filler),
        StageKind::Sql(stage) => statement(stage, &filler),
        StageKind::Sleep(stage) => match &stage.until {
            Some(until) => Ok(json!({"until": filler.plain(until)?})),
            None => Ok(json!({})),
        },
        StageKind::Run(stage) => {
            let given = child::input(stage, &filler, input)?;
            Ok(json!({"workflow": stage.workflow, "input": serde_json::from_str::<Value>(&given).unwrap_or_default()}))
        }
    }
}

fn command(stage: &CommandStage, filler: &Filler<'_>) -> Result<Value, Failure> {
    let argv = stage.argv.iter().map(|template| filler.plain(template)).collect::<Result<Vec<_>, _>>()?;
    let mut texts = Map::from_iter([("command".to_owned(), json!(argv))]);
    by_name(&mut texts, "env", &stage.env, filler)?;
    folder(&mut texts, stage.dir.as_ref(), filler)?;
    Ok(texts.into())
}

fn request(stage: &HttpStage, filler: &Filler<'_>) -> Result<Value, Failure> {
    let mut texts = Map::from_iter([
        ("http".to_owned(), json!(http::url_text(stage, filler)?)),
        ("method".to_owned(), json!(stage.method)),
    ]);
    by_name(&mut texts, "headers", &stage.headers, filler)?;
    if !stage.files.is_empty() {
        let names = stage.files.iter().map(|(field, place)| Ok((field.clone(), json!(form_file(place, filler)?))));
        texts.insert("files".to_owned(), Value::Object(names.collect::<Result<_, Failure>>()?));
    }
    folder(&mut texts, stage.dir.as_ref(), filler)?;
    Ok(texts.into())
}

fn statement(stage: &SqlStage, filler: &Filler<'_>) -> Result<Value, Failure> {
    let sent = sql::filled(&stage.statement, filler)?;
    Ok(json!({"sql": sent.text, "role": stage.role, "parameters": sent.parameters}))
}

/// The name of a file on disk; one of the store as it is written.
fn form_file(file: &FormFile, filler: &Filler<'_>) -> Result<String, Failure> {
    match file {
        FormFile::OnDisk(place) => filler.place(place),
        FormFile::Stored(_) => Ok(file.to_string()),
    }
}

fn by_name(
    texts: &mut Map<String, Value>,
    key: &str,
    templates: &BTreeMap<String, Template>,
    filler: &Filler<'_>,
) -> Result<(), Failure> {
    if !templates.is_empty() {
        let named = templates.iter().map(|(name, template)| Ok((name.clone(), json!(filler.plain(template)?))));
        texts.insert(key.to_owned(), Value::Object(named.collect::<Result<_, Failure>>()?));
    }
    Ok(())
}

fn folder(texts: &mut Map<String, Value>, dir: Option<&Template>, filler: &Filler<'_>) -> Result<(), Failure> {
    if let Some(dir) = dir {
        texts.insert("dir".to_owned(), json!(filler.plain(dir)?));
    }
    Ok(())
}
