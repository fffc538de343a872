//! The work of a stage, as a worker has it done.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::folder::TryFolder;
use crate::cli::output::{Output, outln};
use crate::model::failure::Failure;
use crate::model::payload::Payload;
use crate::queue::by_hand::on_a_task;
use crate::queue::catalog::Catalog;
use crate::stage::command::{self, ByHand, Listener, Stream};
use crate::stage::handler::Offer;
use crate::stage::http::Http;
use crate::stage::within::within;
use crate::workflow::definition::{Stage, StageKind};
use crate::workflow::duration;

/// What it comes to; and for a request, the status of the answer.
pub(super) async fn run(
    catalog: &Catalog,
    stage: &Stage,
    offer: Offer,
    folder: &TryFolder,
    json: bool,
) -> (Result<Payload, Failure>, Option<u16>) {
    let mut status = None;
    let late = || {
        let timeout = duration::words(stage.timeout);
        Err(Failure::network_timeout(format!("the stage ran longer than its timeout of {timeout}")))
    };
    let ended = match &stage.kind {
        // It ends its program itself.
        StageKind::Command(program) => {
            let is_open = Arc::new(AtomicBool::new(false));
            let by_hand = by_hand(folder.path(), json, is_open.clone());
            let ended = command::run_by_hand(program, offer, stage.timeout, &by_hand).await;
            if is_open.load(Ordering::Relaxed) {
                outln!("");
            }
            ended
        }
        StageKind::Http(request) => {
            let http = Http::default();
            within(stage.timeout, http.try_out(request, offer, &mut status)).await.unwrap_or_else(late)
        }
        StageKind::Rust { handler } => match catalog.handlers.start(handler, offer) {
            Some(work) => within(stage.timeout, on_a_task(work)).await.unwrap_or_else(late),
            None => Err(Failure::unknown(format!("this program has no handler `{handler}`"))),
        },
        StageKind::Sql(_) => Err(Failure::unknown("a statement is not tried by hand")),
        StageKind::Sleep(_) | StageKind::Signal(_) | StageKind::Run(_) => {
            Err(Failure::unknown("a stage that only waits is not tried by hand"))
        }
    };
    (ended, status)
}

/// `is_open` says whether it ended in the middle of a line. What the program says goes where its own streams would go; where JSON is printed, all of it to standard error.
fn by_hand(folder: &Path, json: bool, is_open: Arc<AtomicBool>) -> ByHand {
    let tell = move |stream: Stream, text: &str| {
        // Nobody may read it any more, which is no matter of the program.
        match stream {
            Stream::Output if !json => {
                is_open.store(!text.ends_with('\n'), Ordering::Relaxed);
                let mut output = Output;
                output.write_all(text.as_bytes()).and_then(|()| output.flush()).ok();
            }
            Stream::Output | Stream::Error => {
                std::io::stderr().write_all(text.as_bytes()).ok();
            }
        }
    };
    ByHand { folder: folder.to_owned(), listener: Listener(Arc::new(tell)) }
}
