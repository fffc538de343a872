//! What a program gets beside its input: arguments, environment and folder.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{files, inputs, place};
use crate::model::failure::Failure;
use crate::stage::callback::{self, Callback};
use crate::stage::fill::{FilesByText, Filler};
use crate::stage::finish::{self, AttemptToken};
use crate::stage::handler::Offer;
use crate::stage::secrets::Secrets;
use crate::stage::variables;
use crate::workflow::definition::CommandStage;
use crate::workflow::own::Own;
use crate::workflow::template::Template;

/// Variables that every program may know, beside those of the locale.
const ORDINARY: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// A command stage, filled in for one attempt.
pub(super) struct Filled {
    /// What the program is called in messages: as it stands in the file.
    pub(super) program: String,
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<OsString, OsString>,
    pub(super) dir: Option<PathBuf>,
}

impl Filled {
    /// `output` is the file it may write into, in the folder of its attempt.
    pub(super) fn of(
        stage: &CommandStage,
        offer: &Offer,
        output: &Path,
        folder: &Path,
        files: &FilesByText,
    ) -> Result<Filled, Failure> {
        let filled = Filled::with(stage, offer, output, folder, files, |filler| filler)?;
        if filled.argv.iter().any(|argument| argument.contains('\0')) {
            return Err(Failure::invalid_input("an argument holds a NUL character, which no program can be given"));
        }
        Ok(filled)
    }

    /// The same for a script: NUL stands around the names of variables.
    pub(super) fn for_a_script(
        stage: &CommandStage,
        offer: &Offer,
        output: &Path,
        folder: &Path,
        files: &FilesByText,
    ) -> Result<Filled, Failure> {
        Filled::with(stage, offer, output, folder, files, |filler| filler.marking_variables())
    }

    fn with(
        stage: &CommandStage,
        offer: &Offer,
        output: &Path,
        folder: &Path,
        files: &FilesByText,
        fill: for<'f> fn(Filler<'f>) -> Filler<'f>,
    ) -> Result<Filled, Failure> {
        let (artifacts, inputs) = (folder.join(files::FOLDER), folder.join(inputs::FOLDER));
        let progress = folder.join(place::PROGRESS);
        let tell = |own| match own {
            Own::Output => output.to_str().map(Cow::Borrowed),
            Own::Progress => progress.to_str().map(Cow::Borrowed),
            Own::Artifacts => artifacts.to_str().map(Cow::Borrowed),
            Own::Inputs => inputs.to_str().map(Cow::Borrowed),
            other => offer.context.tell(other),
        };
        let filler = fill(Filler::new(&offer.input, &tell).with_files(files));
        let argv = stage.argv.iter().map(|template| filler.arguments(template)).collect::<Result<Vec<_>, _>>()?;
        let argv = argv.concat();
        let mut env = inherited(&stage.pass_env);
        for (own, value) in Own::ALL.iter().filter_map(|own| Some((own, tell(*own)?))) {
            env.insert(own.variable().into(), value.into_owned().into());
        }
        // Also where their names are no text.
        env.insert(Own::Output.variable().into(), output.into());
        env.insert(Own::Progress.variable().into(), progress.clone().into());
        env.insert(Own::Artifacts.variable().into(), artifacts.clone().into());
        env.insert(Own::Inputs.variable().into(), inputs.clone().into());
        env.insert("TRACEPARENT".into(), offer.context.traceparent().into());
        env.extend(offer.context.tracestate().map(|state| ("TRACESTATE".into(), state.into())));
        env.extend(offer.token.as_ref().map(|token| (finish::VARIABLE.into(), token.as_str().into())));
        if let Some(callback) = offer.context.callback() {
            env.insert(callback::TOKEN_VARIABLE.into(), callback.token().into());
            env.extend(callback.url().map(|url| (callback::URL_VARIABLE.into(), url.into())));
        }
        for (name, template) in &stage.env {
            env.insert(name.into(), filler.plain(template)?.into());
        }
        let dir = stage.dir.as_ref().map(|dir| filler.plain(dir)).transpose()?.map(PathBuf::from);
        let program = stage.argv.first().map_or("", Template::as_str).to_owned();
        Ok(Filled { program, argv, env, dir })
    }
}

/// What the program is given of the worker's environment by name, and its tokens.
pub(super) fn secrets(stage: &CommandStage, token: Option<&AttemptToken>, callback: Option<&Callback>) -> Secrets {
    let named = stage.argv.iter().chain(stage.env.values()).chain(&stage.dir).flat_map(Template::variables);
    let own = token.map(|token| (finish::VARIABLE.to_owned(), token.as_str().to_owned()));
    // A stage that waits finishes nothing itself, so that there is one of the two at most.
    let own = own.or_else(|| Some((callback::TOKEN_VARIABLE.to_owned(), callback?.token().to_owned())));
    Secrets::with(named.chain(stage.pass_env.iter().map(String::as_str)), own)
}

pub(super) fn inherited(passed: &[String]) -> BTreeMap<OsString, OsString> {
    let allowed = |name: &str| ORDINARY.contains(&name) || name.starts_with("LC_") || passed.iter().any(|p| p == name);
    let mut inherited: BTreeMap<OsString, OsString> =
        std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(allowed)).collect();
    let database = passed.iter().filter(|name| *name == variables::DATABASE_URL);
    for (name, url) in database.filter_map(|name| Some((name, variables::value(name)?))) {
        inherited.insert(name.into(), url);
        inherited.extend(variables::artifact_store().map(|store| (variables::ARTIFACT_STORE.into(), store.clone())));
    }
    inherited
}
