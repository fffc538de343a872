//! One attempt at a warm stage.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use chrono::{SecondsFormat, Utc};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use super::super::inputs::{self, Inputs};
use super::super::place::no_folder;
use super::super::{SIGNALS_RACE, environment};
use super::conversation::{Conversation, Heard};
use super::failures;
use super::filled;
use super::job::Gone;
use super::lease::Lease;
use super::message::{self, Answer, Start};
use super::places::Places;
use super::pool::Pools;
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::stage::answer;
use crate::stage::fill::FilesByText;
use crate::stage::finish::NOTHING;
use crate::stage::handler::Offer;
use crate::stage::secrets::Secrets;
use crate::stage::stall::{self, unless_stalled};
use crate::workflow::definition::{CommandStage, OutputFormat};
use crate::workflow::duration;

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
    let secrets = environment::secrets(stage, offer.token.as_ref(), offer.context.callback());
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
        let limited = timeout(limit, &mut work);
        match unless_stalled(offer.stall, &offer.context.progress, limited).await {
            None => {
                let stalled = stall::failure(offer.stall.unwrap_or_default());
                Err(output.add_to(stalled.detail(json!({"status": "stopped without progress"})), secrets))
            }
            Some(Ok(ended)) => ended?,
            // Where this process was frozen, the answer and the end of its time are found together.
            Some(Err(_)) => match timeout(ON_ITS_WAY, work).await {
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
        Heard::Answer(Answer::Failed(failed)) => {
            tokio::time::sleep(PRINTED).await;
            Err(failures::said(failed, &output, secrets))
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
            Err(failures::of_its_end(gone, stage, &output, secrets))
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
        round: about.round,
        worker: &about.worker,
        idempotency_key: context.idempotency_key(),
        traceparent: context.traceparent(),
        tracestate: context.tracestate(),
        token: offer.token.as_ref().map(|token| token.as_str()),
    }))
}

fn payload(stage: &CommandStage, offer: &Offer, said: Option<String>, secrets: &Secrets) -> Result<Payload, Failure> {
    if said.is_none() && offer.token.is_some() {
        // Its commit may have been lost in a failover.
        return Err(Failure::unknown(NOTHING));
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
