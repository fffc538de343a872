//! The table `warm` of a command stage.

use crate::workflow::definition::{CommandStage, StandardInput};
use crate::workflow::keys::{self, Key};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::suggestion::suggestion;
use crate::workflow::template::Template;
use crate::workflow::value::{self, Value};
use crate::workflow::warm::Warm;

/// Reads it; `None` where something in it is wrong.
pub(super) fn warm(value: &Value<'_>, _: Key, found: &mut Vec<Mistake>) -> Option<Warm> {
    let mut warm = Warm::default();
    let before = found.len();
    for (key, value) in value::entries(value::table(value, keys::WARM, found)?) {
        match key.text.as_str() {
            "processes" => set(&mut warm.processes, value::number(value, keys::PROCESSES, found)),
            "start_timeout" => set(&mut warm.start_timeout, value::duration(value, keys::START_TIMEOUT, found)),
            "idle" => set(&mut warm.idle, value::duration(value, keys::IDLE, found)),
            "max_jobs" => warm.max_jobs = value::number(value, keys::MAX_JOBS, found),
            "max_memory" => warm.max_memory_bytes = value::size(value, keys::MAX_MEMORY, found),
            unknown => {
                let meant = suggestion(unknown, keys::WARM_KEYS, found.len());
                let of_stage = (unknown == keys::MEMORY.name).then_some(
                    "write max_memory, which ends a process that uses more; `memory` of the stage limits its address space",
                );
                value::unknown_key(&key, "`warm`", keys::WARM_KEYS, meant, of_stage, found);
            }
        }
    }
    (found.len() == before).then_some(warm)
}

fn set<T>(to: &mut T, read: Option<T>) {
    if let Some(read) = read {
        *to = read;
    }
}

/// What a stage says that cannot be meant for a program which starts before there is a job.
pub(super) fn misfits(stage: &CommandStage, at: &Value<'_>, found: &mut Vec<Mistake>) {
    if stage.warm.is_none() {
        return;
    }
    let mut wrong = |title: String, help: String| found.push(Mistake::new(at.span(), title, "", help));
    if let Some(text) = stage.argv.iter().find(|text| depends_on_the_job(text)) {
        wrong(
            format!("{} depends on the job, and a warm program is started before it has one", shown(text.as_str())),
            "let the program read it from its input, or name it in `env`, whose texts come with each job: env = { AUDIO = \"…\" }"
                .to_owned(),
        );
    }
    if let Some(dir) = stage.dir.as_ref().filter(|dir| depends_on_the_job(dir)) {
        wrong(
            format!(
                "the folder {} depends on the job, and a warm program is started before it has one",
                shown(dir.as_str())
            ),
            "start it in one folder, and name the job's in `env`".to_owned(),
        );
    }
    if stage.stdin == StandardInput::Nothing {
        let title = "a warm program gets no input from standard input: it is empty anyway".to_owned();
        wrong(title, "remove stdin = \"none\"; each job comes with its input as a message".to_owned());
    }
}

/// Whether an attempt makes another text of it.
fn depends_on_the_job(text: &Template) -> bool {
    !text.is_known_before_a_job()
}
