//! Causes of dead letters, as people and programs read them.

use super::say::shortened;
use crate::cli::args::Global;
use crate::cli::output::outln;
use crate::config;
use crate::store::causes::{By, Group, Totals};
use crate::view::when;

pub(super) fn say(global: &Global, by: &By, groups: &[Group], totals: Totals) -> anyhow::Result<()> {
    if global.json {
        outln!("{}", serde_json::to_string(groups)?);
        return Ok(());
    }
    let [first, ..] = groups else {
        outln!("No dead letters.");
        return Ok(());
    };
    let (runs, cause) = ("runs", "fingerprint");
    outln!("{:>7}  {runs:>7}  {:<30}  {:<20}  {cause:<12}  {:<19}  last", "letters", heading(by), "class", "first");
    for group in groups {
        let (place, Group { count, runs, class, fingerprint, .. }) = (place(by, group), group);
        let (first, last) = (when::clock(group.first_at), when::clock(group.last_at));
        outln!("{count:>7}  {runs:>7}  {place:<30}  {class:<20}  {fingerprint:<12}  {first:<19}  {last}");
        outln!("                  {}", shortened(&group.message));
    }
    let Totals { count, runs, causes, groups: different } = totals;
    let left_out = count - groups.iter().map(|group| group.count).sum::<i64>();
    if left_out > 0 {
        outln!("         and {} more; --limit shows more lines", letters(left_out));
    }
    outln!(
        "\nAll together: {} of {}, {}{}.",
        letters(count),
        many(runs, "run"),
        many(causes, "cause"),
        differ(by, different)
    );
    let (program, cause) = (config::program(), &first.fingerprint);
    outln!("What a retry costs:         {program} dead-letter retry --fingerprint {cause} --dry-run");
    outln!("Retry all of one cause:     {program} dead-letter retry --fingerprint {cause}");
    Ok(())
}

fn letters(count: i64) -> String {
    many(count, "dead letter")
}

pub(super) fn many(count: i64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn heading(by: &By) -> String {
    match by {
        By::Stage => "stage".to_owned(),
        By::Workflow => "workflow".to_owned(),
        By::Batch => "batch".to_owned(),
        By::Hour => "hour".to_owned(),
        By::Input(path) => path.to_string(),
    }
}

/// What the group stands for beside its cause.
fn place(by: &By, group: &Group) -> String {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
    match by {
        By::Stage => format!("{}/{}", text(&group.workflow), text(&group.stage)),
        By::Workflow => text(&group.workflow),
        By::Batch => group.batch.clone().unwrap_or_else(|| format!("{}, in no batch", text(&group.workflow))),
        By::Hour => group.hour.map_or_else(String::new, when::clock),
        By::Input(_) => {
            let plain = |value: &String| value.chars().filter(|c| !c.is_control()).take(40).collect::<String>();
            group.value.as_ref().map_or_else(|| "(not there)".to_owned(), plain)
        }
    }
}

/// How many of what they were counted by.
fn differ(by: &By, different: i64) -> String {
    match by {
        By::Stage => String::new(),
        By::Workflow => format!(", in {}", many(different, "workflow")),
        By::Batch => {
            format!(", in {}", if different == 1 { "1 batch".to_owned() } else { format!("{different} batches") })
        }
        By::Hour => format!(", in {}", many(different, "hour")),
        By::Input(path) => format!(", with {} of {path}", many(different, "value")),
    }
}
