//! The arguments of what services answer with.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::model::actor;
use crate::model::failure::FailureClass;
use crate::model::id::RunId;
use crate::workflow::duration;

/// Of a worker.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CallbackArgs {
    /// Address at which it answers services that call back; `piton callbacks` does the same apart from a worker.
    #[arg(long, env = "PITON_CALLBACKS", value_name = "ADDRESS")]
    pub(crate) callbacks: Option<SocketAddr>,
    /// What services reach the callbacks at, such as https://piton.example: that of a proxy for TLS [default: http:// and the address of
    /// --callbacks].
    #[arg(long, env = "PITON_CALLBACKS_URL", value_name = "URL", value_parser = base_url)]
    pub(crate) callback_url: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CallbacksArgs {
    /// Address to listen at. Whoever is to be reached by services elsewhere needs a proxy in front of it for TLS.
    #[arg(long, env = "PITON_CALLBACKS", value_name = "ADDRESS", default_value = "127.0.0.1:7488")]
    pub(crate) listen: SocketAddr,
}

/// Which wait: by its token, or by its stage.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhichCallbackArgs {
    /// The token that the service was given: the last part of the URL in piton-callback.
    #[arg(env = "PITON_CALLBACK_TOKEN", hide_env_values = true, required_unless_present = "run")]
    pub(crate) token: Option<String>,
    /// Without a token: the run whose stage waits.
    #[arg(long, requires = "stage")]
    pub(crate) run: Option<RunId>,
    /// Name of the stage.
    #[arg(long, requires = "run")]
    pub(crate) stage: Option<String>,
    /// Item of a fanned-out stage.
    #[arg(long, requires = "run")]
    pub(crate) item: Option<i32>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct CompleteArgs {
    #[command(flatten)]
    pub(crate) which: WhichCallbackArgs,
    /// File with the output as JSON; - for standard input [default: {}].
    #[arg(long, short, value_name = "FILE")]
    pub(crate) input: Option<String>,
    /// Set one value of the output, such as --set url=s3://films/1; may be given several times.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FailArgs {
    #[command(flatten)]
    pub(crate) which: WhichCallbackArgs,
    /// Failure class: it decides whether the service is asked again.
    #[arg(long, default_value = "unknown", value_parser = class)]
    pub(crate) class: FailureClass,
    /// What went wrong.
    #[arg(long, value_parser = actor::reason)]
    pub(crate) message: Option<String>,
    /// When the service may be asked again, at the earliest.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) retry_after: Option<Duration>,
    /// Who does it [default: your user name].
    #[arg(long, value_name = "NAME", value_parser = actor::name)]
    pub(crate) by: Option<String>,
}

fn class(text: &str) -> Result<FailureClass, String> {
    text.parse::<FailureClass>().map_err(|error| error.to_string())
}

fn base_url(text: &str) -> Result<String, String> {
    let is_url = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    let is_plain = !text.contains(['?', '#', '@']) && !text.chars().any(char::is_whitespace);
    if is_url && is_plain {
        return Ok(text.to_owned());
    }
    Err("give scheme and server, such as https://piton.example".to_owned())
}
