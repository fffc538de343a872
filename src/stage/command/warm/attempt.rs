//! One attempt at a warm stage.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::inputs::{self, Inputs};
use super::super::{SIGNALS_RACE, environment, files, no_folder, verdict};
use super::conversation::{Conversation, Heard};
use super::filled;
use super::job::Gone;
use super::lease::Lease;
use super::message::{self, Answer, Start};
use super::pool::Pools;
use crate::model::failure::{Failure, FailureClass};
use crate::model::payload::Payload;
use crate::stage::answer;
use crate::stage::blocking::blocking;
use crate::stage::fill::FilesByText;
use crate::stage::finish::NOTHING;
use crate::stage::handler::Offer;
use crate::stage::kept_files;
use crate::stage::secrets::Secrets;
use crate::system::tree;
use crate::workflow::definition::{CommandStage, OutputFormat};
use crate::workflow::duration;
use crate::workflow::template::Template;

/// What is there at the time limit may still be on its way through this process.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// What a program printed before it said that it failed comes through other pipes.
const PRINTED: Duration = Duration::from_millis(20);

/// Runs one attempt. The limit counts from the moment at which a process is there for it. When the future is dropped, the
/// process has a moment to answer, and is ended if it does not.
pub(crate) async fn run(
    pools: &Pools,
    stage: &CommandStage,
    offer: Offer,
    limit: Duration,
) -> Result<Payload, Failure> {
    let secrets = environment::secrets(stage, offer.token.as_ref());
    let ended = until_begun(pools, stage, &offer, limit, &secrets).await;
    // Whatever found the failure: no text of it is kept that was not looked through.
    ended.map_err(|failure| failure.redacted(|text, whole| secrets.hide_in_beginning(text, whole, usize::MAX)))
}

/// A process may die just when it is given a job; then another one gets it.
async fn until_begun(
    pools: &Pools,
    stage: &CommandStage,
    offer: &Offer,
    limit: Duration,
    secrets: &Secrets,
) -> Result<Payload, Failure> {
    loop {
        let lease = pools.lease(stage, offer).await?;
        if let Some(ended) = on(lease, stage, offer, limit, secrets).await {
            return ended;
        }
    }
}

async fn on(
    lease: Lease,
    stage: &CommandStage,
    offer: &Offer,
    limit: Duration,
    secrets: &Secrets,
) -> Option<Result<Payload, Failure>> {
    let begun = Instant::now();
    let output = lease.place.output.clone();
    let places = match Places::make(&lease.place.folder, stage).await {
        Ok(places) => places,
        Err(error) => return Some(Err(no_folder(&error))),
    };
    output.begin(secrets);
    let ended = {
        let mut work = pin!(worked(lease, stage, offer, limit, &places, secrets));
        match timeout(limit, &mut work).await {
            Ok(ended) => ended?,
            // Where this process was frozen, the answer and the end of its time are found together.
            Err(_) => match timeout(ON_ITS_WAY, work).await {
                Ok(ended) => ended?,
                Err(_) => Err(output.add_to(out_of_time(limit), secrets)),
            },
        }
    };
    Some(places.kept(ended, offer, begun, limit, secrets).await)
}

fn out_of_time(limit: Duration) -> Failure {
    let message = format!("the stage ran longer than its timeout of {}", duration::words(limit));
    Failure::network_timeout(message).detail(json!({"status": "stopped at its timeout"}))
}

/// The output, or why there is none; nothing where the job never began.
async fn worked(
    lease: Lease,
    stage: &CommandStage,
    offer: &Offer,
    limit: Duration,
    places: &Places,
    secrets: &Secrets,
) -> Option<Result<Payload, Failure>> {
    let (inputs, start, id) = match prepared(stage, offer, limit, places).await {
        Ok(prepared) => prepared,
        Err(failure) => return Some(Err(failure)),
    };
    let output = lease.place.output.clone();
    let (job, mut conversation) = Conversation::about(id, start, &offer.context, secrets);
    lease.begin(job);
    let ended = match conversation.until_ended().await? {
        Heard::Answer(Answer::Done(said)) => payload(stage, offer, said, secrets),
        Heard::Answer(Answer::Failed { class, message, retry_after, detail }) => {
            tokio::time::sleep(PRINTED).await;
            let class = class.and_then(|class| class.parse().ok()).unwrap_or(FailureClass::Unknown);
            let message = message.unwrap_or_else(|| "the program says no more than that it failed".to_owned());
            let failure = Failure::new(class, message).detail(json!({}));
            let failure = detail.into_iter().fold(failure, |failure, detail| failure.detail(json!({"detail": detail})));
            let failure = retry_after.into_iter().fold(failure, Failure::retry_after);
            Err(output.add_to(failure, secrets))
        }
        Heard::Gone(Gone::AtItsEnd(_)) => return None,
        Heard::Gone(gone) => {
            if matches!(&gone, Gone::Died(end) if end.is_by_a_request_to_stop())
                && offer.context.is_stopping(SIGNALS_RACE).await
            {
                // Whoever stopped the worker sent the signal to its programs too, and that is no failure of theirs.
                return offer.context.hand_back().await;
            }
            tokio::time::sleep(PRINTED).await;
            let words = output.stderr();
            let program = stage.argv.first().map_or("", Template::as_str);
            let failure = match gone {
                Gone::Died(end) | Gone::AtItsEnd(end) => {
                    match verdict::of(program, end, &words, &stage.classes, secrets) {
                        Err(failure) => failure,
                        Ok(_) => Failure::unknown(format!("`{program}` ended before it answered"))
                            .detail(json!({"status": 0, "stderr": words.without(secrets)})),
                    }
                }
                Gone::Broken(said) => output.add_to(Failure::unknown(format!("`{program}` {said}")), secrets),
                Gone::OutOfMemory(said) => {
                    let failure = Failure::new(FailureClass::OutOfMemory, format!("`{program}` {said}"));
                    output.add_to(failure, secrets)
                }
                Gone::TooLarge(most) => verdict::too_much("answered with", most),
            };
            Err(output.add_stdout_to(failure, secrets))
        }
    };
    Some(match ended {
        Ok(payload) => inputs.are_untouched().await.map(|()| payload),
        Err(failure) => Err(failure),
    })
}

/// Fetches the files of a job, and writes the message that begins it.
async fn prepared(
    stage: &CommandStage,
    offer: &Offer,
    limit: Duration,
    places: &Places,
) -> Result<(Inputs, String, String), Failure> {
    let inputs_folder = places.inputs.as_deref().unwrap_or(&places.artifacts);
    let inputs = match &places.inputs {
        None => Inputs::default(),
        Some(folder) => {
            let fetched = timeout(limit, Inputs::fetch(stage, offer, folder)).await;
            fetched.map_err(|_| inputs::took_too_long(limit))??
        }
    };
    let id = format!("{:016x}", rand::random::<u64>());
    let start =
        start(stage, offer, limit, &id, (&places.artifacts, inputs_folder, places.inputs.is_some()), inputs.by_text())?;
    Ok((inputs, start, id))
}

fn start(
    stage: &CommandStage,
    offer: &Offer,
    limit: Duration,
    id: &str,
    (artifacts, inputs, has_inputs): (&Path, &Path, bool),
    files: &FilesByText,
) -> Result<String, Failure> {
    let context = &offer.context;
    let about = &*context.about;
    let (Some(artifacts_text), Some(inputs_text)) = (artifacts.to_str(), inputs.to_str()) else {
        return Err(Failure::resource_unavailable("the worker's folder for temporary files has no name in UTF-8"));
    };
    // The engine put the object together; it is JSON.
    let input: &RawValue = serde_json::from_str(&offer.input)?;
    let deadline = Utc::now() + limit;
    Ok(message::line(&Start {
        id,
        input,
        env: filled::of_a_job(stage, offer, (artifacts, inputs), files)?,
        artifacts: artifacts_text,
        inputs: has_inputs.then_some(inputs_text),
        timeout: limit.as_secs_f64(),
        deadline: deadline.to_rfc3339_opts(SecondsFormat::Millis, true),
        run: about.run.to_string(),
        workflow: &about.workflow,
        stage: &about.stage,
        item: about.item,
        attempt: about.attempt,
        worker: &about.worker,
        idempotency_key: context.idempotency_key(),
        traceparent: context.traceparent(),
        tracestate: context.tracestate(),
        token: offer.token.as_ref().map(|token| token.as_str()),
    }))
}

fn payload(stage: &CommandStage, offer: &Offer, said: Option<String>, secrets: &Secrets) -> Result<Payload, Failure> {
    if said.is_none() && offer.token.is_some() {
        return Err(Failure::invalid_input(NOTHING));
    }
    let said = said.unwrap_or_else(|| "null".to_owned());
    if stage.output == OutputFormat::Text && !said.starts_with('"') {
        return Err(Failure::invalid_input(format!(
            "the program answered `{}`, which is no string, and its stage has output = \"text\": answer with a string, or remove that line",
            answer::quoted(&secrets.hide(&said))
        )));
    }
    answer::payload(&said, OutputFormat::Json, "the program answered", offer.limits.payload_bytes, secrets)
}

/// The folders of one job, in that of its process.
struct Places {
    artifacts: PathBuf,
    /// Where the stage names files.
    inputs: Option<PathBuf>,
    removed: bool,
}

impl Places {
    async fn make(folder: &Path, stage: &CommandStage) -> io::Result<Places> {
        let number = rand::random::<u64>();
        let artifacts = folder.join(format!("job-{number:016x}"));
        let has_inputs = stage.env.values().any(|text| text.files().next().is_some());
        let inputs = has_inputs.then(|| folder.join(format!("in-{number:016x}")));
        let places = Places { artifacts, inputs, removed: false };
        let folders: Vec<PathBuf> = [places.artifacts.clone()].into_iter().chain(places.inputs.clone()).collect();
        blocking(move || {
            use std::os::unix::fs::DirBuilderExt;
            // Whoever tidies up old temporary folders may have taken that of the process.
            folders.iter().try_for_each(|folder| std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder))
        })
        .await?;
        inputs::make_ways_out(stage, &places.artifacts)?;
        Ok(places)
    }

    /// The end of an attempt, once the files that it left are kept.
    async fn kept(
        mut self,
        ended: Result<Payload, Failure>,
        offer: &Offer,
        begun: Instant,
        limit: Duration,
        secrets: &Secrets,
    ) -> Result<Payload, Failure> {
        // Most jobs leave none.
        let artifacts = self.artifacts.clone();
        let is_empty = self.inputs.is_none() && blocking(move || std::fs::remove_dir(artifacts)).await.is_ok();
        if is_empty {
            self.removed = true;
            return ended;
        }
        let store = &offer.context.artifacts;
        let ended = match ended {
            Ok(payload) => {
                let kept = files::keep(&self.artifacts, store, secrets);
                match timeout_at(files::until_kept(begun, limit), kept).await {
                    Ok(kept) => kept.map(|kept| kept_files::listed(payload, &kept, offer.limits.payload_bytes)),
                    Err(_) => Err(Failure::network_timeout(format!(
                        "the program answered, but its files could not be kept within the stage's timeout of {}",
                        duration::words(limit)
                    ))),
                }
            }
            Err(failure) => {
                Err(files::keep_failed(&self.artifacts, store, secrets, files::until(begun, limit), failure).await)
            }
        };
        self.removed = true;
        let folders = [Some(self.artifacts.clone()), self.inputs.clone()];
        blocking(move || {
            remove(folders);
            Ok(())
        })
        .await?;
        ended
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // The attempt was dropped in the middle: a slow disk is no matter of whoever drops it.
        if !self.removed
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let folders = [Some(std::mem::take(&mut self.artifacts)), self.inputs.take()];
            drop(runtime.spawn_blocking(move || remove(folders)));
        }
    }
}

/// What cannot be removed goes with the folder of the process.
fn remove(folders: [Option<PathBuf>; 2]) {
    folders.iter().flatten().for_each(|folder| drop(tree::delete(folder)));
}
