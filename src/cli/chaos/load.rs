//! The programs of the campaign's stages `load` and `ask`: this same program, started by a worker as any other one.

use anyhow::Context;

use crate::chaos::{asking, load};
use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::store::connect::{Address, Server};

/// The hidden command.
pub(crate) async fn load(global: Global) -> anyhow::Result<Exit> {
    Ok(if load::load(&server(global)?).await? { Exit::Done } else { Exit::Failed })
}

/// The other one.
pub(crate) async fn ask(global: Global) -> anyhow::Result<Exit> {
    crate::cli::output::outln!("{}", asking::ask(&server(global)?).await?);
    Ok(Exit::Done)
}

fn server(global: Global) -> anyhow::Result<Server> {
    let url = global.database_url.context("DATABASE_URL does not name the campaign's database")?;
    Ok(Server::at(Address::parse(&url)?, load::SILENCE)?)
}
