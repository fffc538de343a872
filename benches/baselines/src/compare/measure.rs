//! One case, measured by its program.

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::case::{Case, Sizes, System};
use crate::child;
use crate::ground::Ground;
use crate::programs::Programs;
use crate::stop::Stop;

/// Measures and leaves the server as it was found.
pub(crate) async fn measure(
    case: Case,
    sizes: Sizes,
    programs: &Programs,
    ground: &mut Ground,
    stop: &mut Stop,
) -> Result<Value> {
    ground.checkpoint().await?;
    let told = match case.system() {
        System::Piton => bench(case, sizes, programs, &ground.home(), stop).await,
        System::Floor | System::Apalis | System::Sqlxmq | System::Graphile => {
            baseline(case, sizes, programs, ground, stop).await
        }
    };
    told.with_context(|| format!("measuring {}", case.name()))
}

/// `piton bench` makes and drops a database of its own.
async fn bench(case: Case, sizes: Sizes, programs: &Programs, url: &str, stop: &mut Stop) -> Result<Value> {
    let mut command = Command::new(&programs.piton);
    command.args(["bench", "--json", "--database-url", url]).args(case.arguments(sizes));
    let mut report: Value = serde_json::from_str(&child::output(command, stop).await?)?;
    match report.pointer("/results").and_then(Value::as_array).map(Vec::len) {
        Some(1) => report.pointer_mut("/results/0").map(Value::take),
        Some(2..) => Some(report),
        Some(0) | None => None,
    }
    .context("the bench told no result")
}

async fn baseline(
    case: Case,
    sizes: Sizes,
    programs: &Programs,
    ground: &mut Ground,
    stop: &mut Stop,
) -> Result<Value> {
    let database = ground.fresh().await?;
    if case.system() == System::Floor {
        let mut migrate = Command::new(&programs.piton);
        migrate.args(["migrate", "--database-url", &database.url]);
        child::output(migrate, stop).await?;
    }
    let mut command = Command::new(programs.of(case.system()));
    command.args(["--database-url", &database.url]).args(case.arguments(sizes));
    let told = child::output(command, stop).await?;
    ground.drop(database).await?;
    Ok(serde_json::from_str(&told)?)
}
