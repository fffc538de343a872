//! The texts of a warm stage: those that its program starts with, and those that come with a job.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::environment::{Filled, inherited};
use crate::model::failure::Failure;
use crate::stage::callback;
use crate::stage::fill::{FilesByText, Filler};
use crate::stage::handler::Offer;
use crate::workflow::definition::CommandStage;
use crate::workflow::own::{Own, WARM_VARIABLE};

/// What the program is started with.
pub(super) fn filled(stage: &CommandStage, socket: &Path) -> Result<Filled, Failure> {
    // Its arguments depend on no job: that was checked with the file.
    let filler = Filler::new("{}", &|_| None);
    let argv = stage.argv.iter().map(|text| filler.plain(text)).collect::<Result<Vec<_>, _>>()?;
    let mut env = inherited(&stage.pass_env);
    for (name, text) in stage.env.iter().filter(|(_, text)| text.is_known_before_a_job()) {
        env.insert(name.into(), filler.plain(text)?.into());
    }
    env.insert(WARM_VARIABLE.into(), socket.into());
    let dir = stage.dir.as_ref().map(|dir| filler.plain(dir)).transpose()?.map(PathBuf::from);
    let program = stage.argv.first().map_or("", |program| program.as_str()).to_owned();
    Ok(Filled { program, argv, env, dir })
}

/// The variables that come with a job, by name.
pub(super) fn of_a_job<'s>(
    stage: &'s CommandStage,
    offer: &Offer,
    (artifacts, inputs): (&Path, &Path),
    files: &FilesByText,
) -> Result<BTreeMap<&'s str, String>, Failure> {
    let tell = |own| match own {
        Own::Artifacts => artifacts.to_str().map(Cow::Borrowed),
        Own::Inputs => inputs.to_str().map(Cow::Borrowed),
        other => offer.context.tell(other),
    };
    let filler = Filler::new(&offer.input, &tell).with_files(files);
    let of_job = stage.env.iter().filter(|(_, text)| !text.is_known_before_a_job());
    let mut texts: BTreeMap<&str, String> =
        of_job.map(|(name, text)| Ok((name.as_str(), filler.plain(text)?))).collect::<Result<_, Failure>>()?;
    if let Some(callback) = offer.context.callback() {
        texts.insert(callback::TOKEN_VARIABLE, callback.token().to_owned());
        texts.extend(callback.url().map(|url| (callback::URL_VARIABLE, url.to_owned())));
    }
    Ok(texts)
}
