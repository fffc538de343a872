//! What the attempt would have been.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::folder::{KeptFile, TryFolder};
use super::job::Job;
use crate::cli::exit::Exit;
use crate::cli::output::outln;
use crate::cli::show::print_outputs;
use crate::model::failure::Failure;
use crate::model::json as text;
use crate::model::payload::Payload;
use crate::model::quoted::quoted;
use crate::workflow::definition::StageKind;
use crate::workflow::duration;

/// How a stage that was tried has ended.
pub(super) struct Report<'j> {
    job: &'j Job,
    folder: &'j TryFolder,
    ended: Result<Payload, Failure>,
    /// Why nothing was run.
    pub(super) skipped: Option<Arc<str>>,
    pub(super) status: Option<u16>,
    pub(super) files: Vec<KeptFile>,
}

impl<'j> Report<'j> {
    pub(super) fn new(job: &'j Job, folder: &'j TryFolder, ended: Result<Payload, Failure>) -> Report<'j> {
        Report { job, folder, ended, skipped: None, status: None, files: Vec::new() }
    }

    /// Shows it.
    pub(super) fn show(self, json: bool) -> anyhow::Result<Exit> {
        if json {
            outln!("{}", self.json()?);
        } else {
            self.tell()?;
        }
        Ok(if self.ended.is_ok() { Exit::Done } else { Exit::RunFailed })
    }

    fn tell(&self) -> anyhow::Result<()> {
        let status = self.status.map_or_else(String::new, |status| format!(" (status {status})"));
        match &self.ended {
            Ok(_) if self.skipped.is_some() => {
                let reason = self.skipped.as_deref().unwrap_or_default();
                outln!("Nothing was run: the attempt would be skipped: {reason}");
            }
            Ok(output) => {
                outln!("The attempt would have finished{status}, with this output:");
                let output = RawValue::from_string(output.as_str().to_owned())?;
                print_outputs(&[(self.job.name(), output)])?;
            }
            Err(failure) => {
                outln!("The attempt would have failed{status}: {}: {}", failure.class(), quoted(failure.message()));
                // What a program said is on the terminal already.
                if let (StageKind::Rust { .. } | StageKind::Http(_), Some(detail)) =
                    (&self.job.stage.kind, failure.detail_json())
                {
                    outln!("{}", text::indented(&detail));
                }
                outln!("{}", self.what_follows(failure));
            }
        }
        if !self.files.is_empty() {
            outln!("Files that it would have kept:");
        }
        for file in &self.files {
            let size = bytesize::ByteSize::b(file.bytes).display().iec().to_string();
            outln!("  {}  {size}  {}", quoted(&file.name), file.path.display());
        }
        outln!("Nothing was recorded. Everything is in {}", self.folder.path().display());
        Ok(())
    }

    /// What a worker makes of such a failure.
    fn what_follows(&self, failure: &Failure) -> String {
        let class = self.job.policy().class(failure.class());
        let asked =
            failure.wait().map_or_else(String::new, |wait| format!("; it asks to wait for {}", duration::words(wait)));
        match class.max_retries {
            0 => "A failure of this class is not retried: the job would be given up.".to_owned(),
            1 => {
                format!("A failure of this class is retried once, after {} or so{asked}.", duration::words(class.base))
            }
            most => {
                let base = duration::words(class.base);
                format!(
                    "A failure of this class is retried up to {most} times, for the first time after {base} or so{asked}."
                )
            }
        }
    }

    fn json(&self) -> anyhow::Result<String> {
        let job = self.job;
        let output = self.ended.as_ref().ok().map(|output| RawValue::from_string(output.as_str().to_owned()));
        let failure = self.ended.as_ref().err().map(|failure| {
            let detail = failure.detail_json().and_then(|detail| serde_json::from_str::<Value>(&detail).ok());
            json!({"class": failure.class().as_str(), "message": failure.message(), "detail": detail,
                   "max_retries": job.policy().class(failure.class()).max_retries})
        });
        #[derive(Serialize)]
        struct Shown<'s> {
            run: String,
            workflow: &'s str,
            version: String,
            stage: &'s str,
            item: Option<u32>,
            attempt: u32,
            folder: String,
            status: Option<u16>,
            output: Option<Box<RawValue>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            skipped: Option<&'s str>,
            failure: Option<Value>,
            files: &'s [KeptFile],
        }
        let shown = Shown {
            run: job.run().to_string(),
            workflow: job.workflow(),
            version: job.digest(),
            stage: job.stage.name.as_str(),
            item: job.item,
            attempt: job.attempt,
            folder: self.folder.path().display().to_string(),
            status: self.status,
            output: output.transpose()?.filter(|_| self.skipped.is_none()),
            skipped: self.skipped.as_deref(),
            failure,
            files: &self.files,
        };
        Ok(serde_json::to_string(&shown)?)
    }
}
