//! Finds the files that a stage names: those that stages before it have kept, or that its input refers to.

use serde::Deserialize;

use super::artifacts::AttemptArtifacts;
use crate::model::artifact::{Artifact, in_a_line};
use crate::model::failure::Failure;
use crate::model::json::{self, Object};
use crate::store::artifacts::Whole;
use crate::workflow::named_file::{FileName, NamedFile};
use crate::workflow::place::Place;

/// Where the files that a run was started on stand in its input, and those of a command in its output.
pub(crate) const KEY: &str = "files";

/// One artifact or several, as references in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum References {
    One(Artifact),
    Several(Vec<Artifact>),
}

/// The files of that name, by item and name. A name without `*` and `?` names one file at least.
pub(crate) async fn find(artifacts: &AttemptArtifacts, input: &str, named: &NamedFile) -> Result<Vec<Whole>, Failure> {
    match named {
        NamedFile::At(place) => find_all(artifacts, &references(input, place)?).await,
        NamedFile::Of { head, name } if head == "input" => {
            let place = Place { head: head.clone(), path: vec![KEY.to_owned()], fallback: None };
            let all = references(input, &place)?;
            let meant: Vec<Artifact> = all.iter().filter(|file| name.fits(file.name())).cloned().collect();
            if meant.is_empty() && name.exact().is_some() {
                return Err(none("the run was started on", name, all.iter().map(Artifact::name)));
            }
            // Under the name by which the run knows it, also where another run has made it under another one.
            let found = find_all(artifacts, &meant).await?;
            Ok(found.into_iter().zip(meant).map(|(file, meant)| Whole { name: meant.name, ..file }).collect())
        }
        NamedFile::Of { head, name } => of_stage(artifacts, head, name).await,
    }
}

/// What a stage of the run has kept under that name.
pub(crate) async fn of_stage(
    artifacts: &AttemptArtifacts,
    stage: &str,
    name: &FileName,
) -> Result<Vec<Whole>, Failure> {
    let found = artifacts.kept_by(stage, name.exact()).await?;
    let found: Vec<Whole> = found.into_iter().filter(|file| name.fits(&file.name)).collect();
    if found.is_empty() && name.exact().is_some() {
        let all = artifacts.kept_by(stage, None).await?;
        return Err(none(&format!("stage `{stage}` has kept"), name, all.iter().map(|file| file.name.as_str())));
    }
    Ok(found)
}

async fn find_all(artifacts: &AttemptArtifacts, references: &[Artifact]) -> Result<Vec<Whole>, Failure> {
    let mut found = Vec::with_capacity(references.len());
    for reference in references {
        found.push(artifacts.find(reference).await?);
    }
    Ok(found)
}

fn references(input: &str, place: &Place) -> Result<Vec<Artifact>, Failure> {
    // The engine put the object together; it is JSON.
    let parts = Object::read(input).unwrap_or_default();
    let value = parts.get(&place.head).and_then(|part| json::at(part, &place.path));
    let Some(value) = value else {
        return Err(Failure::invalid_input(format!(
            "`{place}` is not in the stage's input, and should refer to a file"
        )));
    };
    match serde_json::from_str(value) {
        Ok(References::One(one)) => Ok(vec![one]),
        Ok(References::Several(several)) => Ok(several),
        Err(_) => Err(Failure::invalid_input(format!(
            "`{place}` of the stage's input refers to no file; a reference is what a stage returned for a file it kept: \
             {{\"artifact\", \"name\", \"bytes\", \"digest\"}}, or an array of them"
        ))),
    }
}

fn none<'n>(who: &str, name: &FileName, known: impl Iterator<Item = &'n str>) -> Failure {
    const SHOWN: usize = 8;
    let known: Vec<String> = known.take(SHOWN + 1).map(|name| format!("`{}`", in_a_line(name))).collect();
    let known = match known.as_slice() {
        [] => "no files".to_owned(),
        all if all.len() <= SHOWN => all.join(", "),
        [some @ .., _] => format!("{}, …", some.join(", ")),
    };
    Failure::invalid_input(format!("there is no file `{}`: {who} {known}", in_a_line(name.as_str())))
}
