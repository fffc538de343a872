//! Which versions are current in the named database, beside what the files have.

use serde_json::{Value, json};

use crate::cli::args::Global;
use crate::cli::database::Database;
use crate::cli::files::{short, since};
use crate::cli::output::errln;
use crate::model::digest::hex;
use crate::store::versions::VersionRow;
use crate::workflow::definition::Workflow;

/// The current version of every workflow; `None` where no database was asked.
pub(super) struct Current(Option<Vec<(String, VersionRow)>>);

impl Current {
    /// Files can be looked at without a database: where it cannot be asked, that is said and no more.
    pub(super) async fn of(global: &Global) -> Current {
        if global.database_url.is_none() {
            return Current(None);
        }
        match Current::asked(global).await {
            Ok(current) => Current(Some(current)),
            Err(error) => {
                errln!("note: cannot tell which versions are current: {error:#}");
                Current(None)
            }
        }
    }

    async fn asked(global: &Global) -> anyhow::Result<Vec<(String, VersionRow)>> {
        let database = Database::open(global).await?;
        let current = database.store.current_versions().await;
        database.close().await;
        Ok(current?)
    }

    fn row(&self, workflow: &Workflow) -> Option<&VersionRow> {
        let (_, row) = self.0.as_ref()?.iter().find(|(name, _)| name == workflow.name.as_str())?;
        Some(row)
    }

    /// Which version is current, since when and by whom, and whether it is that of the file.
    pub(super) fn said(&self, workflow: &Workflow) -> Option<String> {
        self.0.as_ref()?;
        let here = hex(&workflow.digest());
        Some(match self.row(workflow) {
            None => format!("no version of it is deployed; the file is version {}", short(&here)),
            Some(row) if row.digest == here => {
                format!("current: version {}{}, as in the file", row.version, since(row))
            }
            Some(row) => {
                format!("current: version {}{}; the file is version {}", row.version, since(row), short(&here))
            }
        })
    }

    /// The same for programs: what the file is, and what is current, where a database was asked.
    pub(super) fn add_to(&self, report: &mut Value, workflow: &Workflow) {
        report["version"] = json!(hex(&workflow.digest()));
        if self.0.is_some() {
            report["current"] = json!(self.row(workflow));
        }
    }
}
