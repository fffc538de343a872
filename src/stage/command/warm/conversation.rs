//! What an attempt and its program say to each other while the job runs.

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::job::{Event, Gone, Job, ROOM};
use super::log;
use super::message::{self, Answer, Question, Reply};
use crate::model::artifact::Artifact;
use crate::model::failure::Failure;
use crate::stage::context::StageContext;
use crate::stage::secrets::Secrets;

/// How a job ended.
pub(super) enum Heard {
    Answer(Answer),
    Gone(Gone),
}

pub(super) struct Conversation<'a> {
    id: String,
    events: mpsc::Receiver<Event>,
    replies: mpsc::UnboundedSender<String>,
    context: &'a StageContext,
    secrets: &'a Secrets,
}

/// What comes next.
enum Next {
    Asked(Question),
    Ended(Heard),
}

impl<'a> Conversation<'a> {
    /// The job for the process, and the attempt's side of it.
    pub(super) fn about(
        id: String,
        start: String,
        context: &'a StageContext,
        secrets: &'a Secrets,
    ) -> (Job, Conversation<'a>) {
        let (tell, events) = mpsc::channel(ROOM);
        let (reply, replies) = mpsc::unbounded_channel();
        let job = Job { id: id.clone(), start, events: tell, replies };
        (job, Conversation { id, events, replies: reply, context, secrets })
    }

    /// The end of the job; nothing where it never began.
    pub(super) async fn until_ended(&mut self) -> Option<Heard> {
        loop {
            let question = match self.next().await? {
                Next::Ended(heard) => return Some(heard),
                Next::Asked(question) => question,
            };
            match question {
                Question::File { path, name, artifact_type, content_type } => {
                    let kept = self.keep(&path, name, artifact_type, content_type).await;
                    match kept {
                        Ok(file) => self.reply(&Reply::File { id: &self.id, name: file.name(), file: &file }),
                        Err(failure) => self.refuse(&failure),
                    }
                }
                Question::Step { name } => {
                    if let Some(heard) = self.step(&name).await {
                        return heard;
                    }
                }
                Question::Record { name, .. } => {
                    let said = format!(
                        "step `{name}` was not asked for: send `step` first, and `record` after `found: false`"
                    );
                    self.refuse(&Failure::invalid_input(said));
                }
            }
        }
    }

    /// What comes next that is no mere news.
    async fn next(&mut self) -> Option<Next> {
        loop {
            match self.events.recv().await? {
                Event::Progress { done, of, note } => self.context.progress(done, of, self.secrets.hide(&note)),
                Event::Log(log) => log::of_a_job(&log, self.secrets),
                Event::Asked(question) => return Some(Next::Asked(question)),
                Event::Answered(answer) => return Some(Next::Ended(Heard::Answer(answer))),
                Event::Gone(gone) => return Some(Next::Ended(Heard::Gone(gone))),
            }
        }
    }

    async fn keep(
        &self,
        path: &str,
        name: Option<String>,
        artifact_type: Option<String>,
        content_type: Option<String>,
    ) -> Result<Artifact, Failure> {
        if !path.starts_with('/') {
            return Err(Failure::invalid_input("the path of a file that is to be kept is absolute: begin it with /"));
        }
        let of_file = path.rsplit('/').next().unwrap_or_default();
        // All of it is kept beside the file, and shown.
        let mut artifact = self.context.artifact(&self.secrets.hide(name.as_deref().unwrap_or(of_file)));
        if let Some(word) = artifact_type {
            artifact = artifact.of_type(&self.secrets.hide(&word));
        }
        if let Some(media_type) = content_type {
            artifact = artifact.content_type(&self.secrets.hide(&media_type));
        }
        artifact.put_file(path).await
    }

    /// Answers with what was recorded, or waits for what is to be recorded. The end of the job, if that comes instead.
    async fn step(&mut self, name: &str) -> Option<Option<Heard>> {
        let (mut ended, mut is_new) = (None, false);
        let steps = self.context.steps.clone();
        // The name is a row; the program hears its own.
        let kept = self.secrets.hide(name);
        let recorded = steps.step(&kept, || async {
            is_new = true;
            self.reply(&Reply::Step { id: &self.id, name, found: false, value: None });
            loop {
                match self.next().await {
                    Some(Next::Asked(Question::Record { name: of, value })) if of == name => {
                        return serde_json::from_str::<Box<RawValue>>(&value).map_err(Failure::from);
                    }
                    Some(Next::Asked(_)) => {
                        let said =
                            format!("step `{name}` is not recorded yet: send `record` before anything else is asked");
                        self.refuse(&Failure::invalid_input(said));
                    }
                    Some(Next::Ended(heard)) => {
                        ended = Some(Some(heard));
                        return Err(Failure::unknown("the job ended before its step was recorded"));
                    }
                    None => {
                        ended = Some(None);
                        return Err(Failure::unknown("the job ended before its step was recorded"));
                    }
                }
            }
        });
        let recorded = recorded.await;
        if ended.is_some() {
            return ended;
        }
        match recorded {
            Ok(_) if is_new => self.reply(&Reply::Recorded { id: &self.id, name }),
            Ok(value) => self.reply(&Reply::Step { id: &self.id, name, found: true, value: Some(&value) }),
            Err(failure) => self.refuse(&failure),
        }
        None
    }

    fn refuse(&self, failure: &Failure) {
        let (class, message) = (failure.class().as_str(), failure.message());
        self.reply(&Reply::Refused { id: &self.id, class, message });
    }

    fn reply(&self, reply: &Reply<'_>) {
        // A program that is gone hears nothing more.
        self.replies.send(message::line(reply)).ok();
    }
}
