//! The program of the campaign's stage `load`: this same program, started by a worker as any other one.

use anyhow::Context;

use crate::chaos::load;
use crate::cli::args::Global;
use crate::cli::exit::Exit;
use crate::store::connect::{Address, Server};

/// The hidden command.
pub(crate) async fn load(global: Global) -> anyhow::Result<Exit> {
    let url = global.database_url.context("DATABASE_URL does not name the campaign's database")?;
    let server = Server::at(Address::parse(&url)?, load::SILENCE)?;
    Ok(if load::load(&server).await? { Exit::Done } else { Exit::Failed })
}
