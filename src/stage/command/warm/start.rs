//! The start of a process of a warm stage, until it is ready.

use tokio::net::UnixListener;
use tokio::time::timeout;

use super::super::verdict::{self, End};
use super::connection::{Connection, Silence};
use super::log;
use super::message::{self, Said};
use super::origin::Origin;
use super::program::Program;
use crate::model::failure::Failure;
use crate::stage::secrets::Secrets;
use crate::workflow::duration;

/// Bytes of a message beside the output in it.
const AROUND_AN_OUTPUT: usize = 4 * 1024;

/// Starts a program and waits until it is ready.
pub(super) async fn start(origin: &Origin, secrets: &Secrets) -> Result<(Program, Connection), Failure> {
    let (mut program, listener) = Program::start(origin, secrets).await?;
    let limit = origin.warm.start_timeout;
    let greeted = tokio::select! {
        biased;
        greeted = timeout(limit, greeted(&listener, origin, secrets)) => {
            greeted.unwrap_or_else(|_| Err(format!("was not ready within its start_timeout of {}", duration::words(limit))))
        }
        status = program.ended() => {
            let ended = program.buried(status).await;
            let failure = match ended {
                Ok(end) => died_before_it_was_ready(origin, &program, end, secrets),
                Err(lacking) => {
                    let said = format!("cannot start `{}`: the system starts no process", origin.program());
                    Failure::resource_unavailable(said).for_lack_of(lacking)
                }
            };
            program.end(None).await;
            return Err(failure);
        }
    };
    match greeted {
        Ok(connection) => Ok((program, connection)),
        Err(what) => {
            let failure = Failure::resource_unavailable(format!("`{}` {what}", origin.program()));
            let failure = program.output().add_to(failure.detail(serde_json::json!({"status": "stopped"})), secrets);
            program.end(None).await;
            Err(failure)
        }
    }
}

/// Waits for the program to connect and to say that it is ready. The error goes on from the program's name.
async fn greeted(listener: &UnixListener, origin: &Origin, secrets: &Secrets) -> Result<Connection, String> {
    let (stream, _) = listener.accept().await.map_err(|error| format!("could not be listened to: {error}"))?;
    let mut connection = Connection::new(stream, origin.most.saturating_add(AROUND_AN_OUTPUT));
    loop {
        let line = connection.next().await.map_err(|silence| match silence {
            Silence::Closed => "hung up before it was ready".to_owned(),
            Silence::TooLong => "sent a line that is too long before it was ready".to_owned(),
            Silence::Broken(error) => format!("could not be read from: {error}"),
        })?;
        match message::read(&line) {
            Ok(Said::Ready) => return Ok(connection),
            Ok(Said::Log(log)) => log::between_jobs(origin, &log, secrets),
            Ok(Said::Of(..)) => return Err("sent a message about a job before it was ready".to_owned()),
            Err(what) => return Err(format!("sent {what}, before it was ready")),
        }
    }
}

fn died_before_it_was_ready(origin: &Origin, program: &Program, end: End, secrets: &Secrets) -> Failure {
    let words = program.output().stderr();
    let failure = match verdict::of(origin.program(), end, &words, &origin.command.classes, secrets) {
        Err(failure) => failure.map_message(|said| format!("{said} (before it was ready)")),
        Ok(_) => Failure::resource_unavailable(format!("`{}` ended before it was ready", origin.program()))
            .detail(serde_json::json!({"status": 0, "stderr": words.without(secrets)})),
    };
    program.output().add_stdout_to(failure, secrets)
}
