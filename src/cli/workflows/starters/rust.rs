//! A program with handlers: the whole of Piton's command line, and the stages of a workflow.

use piton::{App, Failure, Input, StageContext};
use serde::Deserialize;
use serde_json::{Value, json};

fn main() -> std::process::ExitCode {
    App::new().handler("pages", pages).handler("count", count).handler("report", report).main()
}

async fn pages() -> Result<Vec<String>, Failure> {
    Ok(vec!["It was a dark and stormy night".to_owned(), "The rain fell in torrents".to_owned()])
}

/// The input of an item; other keys are the run's input and the outputs of the stages that it needs.
#[derive(Deserialize)]
struct Page {
    item: String,
}

async fn count(Input(page): Input<Page>, context: StageContext) -> Result<usize, Failure> {
    // The class decides whether and when it is tried again.
    if page.item.trim().is_empty() {
        return Err(Failure::invalid_input("the page is empty"));
    }
    context.progress(1, 1, "counted");
    Ok(page.item.split_whitespace().count())
}

#[derive(Deserialize)]
struct Counts {
    count: Vec<usize>,
}

async fn report(Input(counts): Input<Counts>) -> Result<Value, Failure> {
    Ok(json!({"pages": counts.count.len(), "words": counts.count.iter().sum::<usize>()}))
}
