//! The worker that the tests drive: Piton's command line with handlers that behave, and with handlers that do not.
//!
//! Every handler writes a line `stage item attempt` to the file named by `JOURNAL`, so that a test can count what ran.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's handlers may panic, some must")]

mod ledger;

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use piton::{App, Artifact, Failure, FailureClass, Input, Items, StageContext, State};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

fn main() -> std::process::ExitCode {
    App::new()
        .handler("numbers", numbers)
        .handler("square", square)
        .handler("sum", sum)
        .handler("echo", echo)
        .handler("work", work)
        .handler("misbehave", misbehave)
        .handler("steps", steps)
        .handler("node", node)
        .handler("keep", keep)
        .handler("read", read)
        .handler("texts", texts)
        .handler("copy", copy)
        .handler("mark", mark)
        .handler("same", same)
        .handler("blob", blob)
        .handler("lengths", lengths)
        .handler("greed", greed)
        .handler("block", block)
        .handler("put", put)
        .handler("read-one", read_one)
        .handler("enter", ledger::enter)
        .handler("last", ledger::last)
        .state(Journal)
        .main()
}

/// Appends are atomic for lines this short.
fn journal(context: &StageContext) {
    let Ok(path) = std::env::var("JOURNAL") else { return };
    let item = context.item().map_or(-1, i64::from);
    let line = format!("{} {item} {}\n", context.stage(), context.attempt());
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

#[derive(Deserialize)]
struct Run<T> {
    input: T,
}

#[derive(Deserialize)]
struct Numbers {
    items: u32,
}

async fn numbers(Input(run): Input<Run<Numbers>>, context: StageContext) -> Result<Value, Failure> {
    journal(&context);
    let numbers: Vec<u32> = (0..run.input.items).collect();
    Ok(json!({"numbers": numbers, "note": "kept"}))
}

#[derive(Deserialize)]
struct Item {
    item: u64,
    input: Squaring,
}

#[derive(Deserialize)]
struct Squaring {
    #[serde(default)]
    work_ms: u64,
    /// So many items, the first ones, take that time; all of them where it is not said.
    slow_items: Option<u64>,
    /// One item of so many fails at its first attempt.
    fails_once_every: Option<u64>,
}

#[derive(Deserialize)]
struct Pace {
    #[serde(default)]
    work_ms: u64,
}

async fn square(Input(Item { item, input }): Input<Item>, context: StageContext) -> Result<u64, Failure> {
    journal(&context);
    if input.slow_items.is_none_or(|slow| item < slow) {
        tokio::time::sleep(Duration::from_millis(input.work_ms)).await;
    }
    if context.attempt() == 1 && input.fails_once_every.is_some_and(|every| item % every == 0) {
        return Err(Failure::new(FailureClass::NetworkTimeout, "as asked"));
    }
    Ok(item * item)
}

#[derive(Deserialize)]
struct Squares {
    square: Vec<u64>,
}

async fn sum(Input(Squares { square }): Input<Squares>, context: StageContext) -> Result<Value, Failure> {
    journal(&context);
    Ok(json!({"items": square.len(), "sum": square.iter().sum::<u64>(), "ordered": square.is_sorted()}))
}

async fn echo(Input(input): Input<Value>, context: StageContext) -> Result<Value, Failure> {
    journal(&context);
    Ok(input)
}

async fn work(Input(run): Input<Run<Pace>>, context: StageContext) -> Result<u32, Failure> {
    journal(&context);
    let steps = run.input.work_ms / 10;
    for step in 0..steps {
        context.progress(step, steps, "working");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(context.attempt())
}

/// What all handlers write into.
struct Journal;

impl Journal {
    /// A line `stage item attempt step`.
    fn step(&self, context: &StageContext, name: &str) {
        let Ok(path) = std::env::var("JOURNAL") else { return };
        let item = context.item().map_or(-1, i64::from);
        let line = format!("{} {item} {} {name}\n", context.stage(), context.attempt());
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }
}

#[derive(Deserialize)]
struct Steps {
    steps: u64,
    #[serde(default)]
    work_ms: u64,
    /// The first attempt fails behind that many steps.
    fails_after: Option<u64>,
}

async fn steps(Input(run): Input<Run<Steps>>, context: StageContext, journal: State<Journal>) -> Result<u64, Failure> {
    let mut sum = 0;
    for number in 0..run.input.steps {
        if context.attempt() == 1 && run.input.fails_after == Some(number) {
            return Err(Failure::unknown("as asked"));
        }
        let name = format!("step-{number}");
        sum += context
            .step(&name, async || {
                journal.step(&context, &name);
                tokio::time::sleep(Duration::from_millis(run.input.work_ms)).await;
                Ok::<u64, Failure>(number)
            })
            .await?;
    }
    Ok(sum)
}

#[derive(Deserialize, Default)]
struct Node {
    #[serde(default)]
    items: Vec<u32>,
    /// Milliseconds that stages of these names take.
    #[serde(default)]
    slow: HashMap<String, u64>,
    #[serde(default)]
    say: Value,
}

/// Fails while a line `stage item` is in the file beside the journal; says under which idempotency key it ran.
async fn node(Input(run): Input<Run<Node>>, context: StageContext) -> Result<Value, Failure> {
    journal(&context);
    let Node { items, slow, say } = run.input;
    tokio::time::sleep(Duration::from_millis(slow.get(context.stage()).copied().unwrap_or_default())).await;
    let line = format!("{} {}", context.stage(), context.item().map_or(-1, i64::from));
    let fails = std::env::var("JOURNAL").map(|path| std::fs::read_to_string(path + ".fails").unwrap_or_default());
    if fails.unwrap_or_default().lines().any(|failing| failing == line) {
        return Err(Failure::invalid_input("as asked"));
    }
    let remembered = context.step("remembered", async || Ok::<_, Failure>(say.clone())).await?;
    let key = context.idempotency_key().split_once(':').map(|(_, key)| key.to_owned());
    Ok(json!({"key": key, "items": items, "say": say, "remembered": remembered}))
}

#[derive(Deserialize)]
struct Keep {
    names: Vec<String>,
    r#type: Option<String>,
    content_type: Option<String>,
    /// So many attempts fail behind that.
    #[serde(default)]
    fails: u32,
    /// So long the first attempt takes behind that.
    #[serde(default)]
    work_ms: u64,
}

/// Keeps a text of its own under each of the names.
async fn keep(Input(run): Input<Run<Keep>>, context: StageContext) -> Result<Vec<Artifact>, Failure> {
    let Keep { names, r#type, content_type, fails, work_ms } = run.input;
    let mut kept = Vec::new();
    for name in &names {
        let mut artifact = context.artifact(name);
        if let Some(word) = &r#type {
            artifact = artifact.of_type(word);
        }
        if let Some(media_type) = &content_type {
            artifact = artifact.content_type(media_type);
        }
        kept.push(artifact.put_bytes(format!("{name} of attempt {}", context.attempt())).await?);
    }
    journal(&context);
    if context.attempt() == 1 {
        tokio::time::sleep(Duration::from_millis(work_ms)).await;
    }
    if context.attempt() <= fails {
        return Err(Failure::network_timeout("as asked"));
    }
    Ok(kept)
}

#[derive(Deserialize)]
struct Read {
    keep: Vec<Artifact>,
}

/// Names files of other stages, and answers with what is in each.
#[derive(serde::Deserialize)]
struct Texts {
    files: String,
}

async fn texts(Input(run): Input<Run<Texts>>, context: StageContext) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::new();
    for file in context.files(&run.input.files).await? {
        let fetched = context.fetch(&file).await?;
        let mut streamed = String::new();
        context.open(&file).await?.read_to_string(&mut streamed).await?;
        assert_eq!(std::fs::read_to_string(fetched.path())?, streamed);
        texts.push(format!("{}: {}", file.name(), streamed.trim_end()));
    }
    Ok(texts)
}

async fn read(Input(Read { keep }): Input<Read>, context: StageContext) -> Result<Vec<String>, Failure> {
    journal(&context);
    let mut texts = Vec::new();
    for artifact in &keep {
        let mut text = String::new();
        context.open(artifact).await?.read_to_string(&mut text).await?;
        texts.push(text);
    }
    Ok(texts)
}

#[derive(Deserialize)]
struct Copied {
    path: String,
}

/// Keeps a file, and a copy of what was kept of it.
async fn copy(Input(run): Input<Run<Copied>>, context: StageContext) -> Result<Value, Failure> {
    journal(&context);
    let kept = context.put_file("file", &run.input.path).await?;
    let copy = context.artifact("copy").of_type("temp").put(context.open(&kept).await?).await?;
    Ok(json!({"bytes": copy.bytes(), "same": copy.digest() == kept.digest()}))
}

#[derive(Deserialize)]
struct Marked {
    mark: String,
    #[serde(default)]
    work_ms: u64,
}

/// A stage with what the one before it returned, where there is one.
#[derive(Deserialize)]
struct Marking {
    input: Marked,
    first: Option<Value>,
}

/// What it remembers, keeps and returns says which run it is of; so does its line in the journal, `mark stage attempt`.
async fn mark(Input(Marking { input, first }): Input<Marking>, context: StageContext) -> Result<Value, Failure> {
    let Marked { mark, work_ms } = input;
    if let Ok(path) = std::env::var("JOURNAL") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(format!("{mark} {} {}\n", context.stage(), context.attempt()).as_bytes()).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(work_ms)).await;
    let remembered = context.step("remembered", async || Ok::<_, Failure>(mark.clone())).await?;
    context.put_bytes("mark.txt", mark.clone()).await?;
    let before = first.map(|first| first["mark"].clone());
    Ok(json!({"mark": mark, "remembered": remembered, "before": before}))
}

/// What it got, as it was written: its item, else what `each` made, else the run's input.
async fn same(
    Input(mut parts): Input<HashMap<String, Box<RawValue>>>,
    context: StageContext,
) -> Result<Box<RawValue>, Failure> {
    let got = ["item", "each", "input"].iter().find_map(|part| parts.remove(*part)).unwrap();
    context.step("same", async || Ok::<_, Failure>(got.clone())).await
}

#[derive(Deserialize)]
struct Blob {
    item: u32,
    input: Bytes,
}

#[derive(Deserialize)]
struct Bytes {
    bytes: usize,
}

/// A text of so many bytes that begins with the number of the item.
async fn blob(Input(Blob { item, input }): Input<Blob>, context: StageContext) -> Result<String, Failure> {
    journal(&context);
    Ok(format!("{item} {}", "x".repeat(input.bytes)))
}

#[derive(Deserialize)]
struct Blobs {
    blob: Items<String>,
}

/// How many items there were, whether each was in its place, and their bytes.
async fn lengths(Input(Blobs { blob }): Input<Blobs>, context: StageContext) -> Result<Value, Failure> {
    journal(&context);
    let (mut items, mut bytes, mut in_order) = (0, 0, true);
    for text in blob.read()? {
        let text = text?;
        in_order &= text.split(' ').next() == Some(items.to_string().as_str());
        items += 1;
        bytes += text.len();
    }
    Ok(json!({"items": items, "bytes": bytes, "in_order": in_order, "file": blob.path()}))
}

#[derive(Deserialize)]
struct Misbehaviour {
    how: String,
    #[serde(default)]
    times: u32,
    #[serde(default)]
    class: String,
    #[serde(default)]
    size: usize,
    #[serde(default)]
    retry_after_ms: u64,
}

async fn misbehave(Input(run): Input<Run<Misbehaviour>>, context: StageContext) -> Result<Value, Failure> {
    journal(&context);
    let Misbehaviour { how, times, class, size, retry_after_ms } = run.input;
    match how.as_str() {
        "fail" if context.attempt() <= times => {
            let class: FailureClass = class.parse().map_err(|e| Failure::invalid_input(format!("{e}")))?;
            let failure = Failure::new(class, "as asked").detail(json!({"attempt": context.attempt()}));
            Err(failure.retry_after(Duration::from_millis(retry_after_ms)))
        }
        "fail" => Ok(json!("recovered")),
        "panic" => panic!("as asked"),
        "panic with a value" => std::panic::panic_any(7),
        "hang" => std::future::pending().await,
        "spin" => {
            let end = Instant::now() + Duration::from_secs(3);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            Ok(Value::Null)
        }
        "large" => Ok(json!("x".repeat(size))),
        "nul" => Ok(json!({"text": "a\0b"})),
        "deep" => Ok((0..200).fold(Value::Null, |inner, _| json!([inner]))),
        "null" => Ok(Value::Null),
        "abort" if context.attempt() <= times => std::process::abort(),
        "abort" => Ok(json!("survived")),
        other => Err(Failure::invalid_input(format!("no misbehaviour `{other}`"))),
    }
}

#[derive(Deserialize)]
struct Greed {
    hold_ms: u64,
    fails: bool,
}

/// Takes every descriptor there is, and holds them.
async fn greed(Input(run): Input<Run<Greed>>, context: StageContext) -> Result<usize, Failure> {
    let Greed { hold_ms, fails } = run.input;
    let mut held = Vec::new();
    let error = loop {
        match std::fs::File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(error) => break error,
        }
    };
    if fails {
        return Err(error.into());
    }
    // One for the journal.
    held.pop();
    journal(&context);
    held.extend(std::fs::File::open("/dev/null"));
    tokio::time::sleep(Duration::from_millis(hold_ms)).await;
    Ok(held.len())
}

#[derive(Deserialize)]
struct Block {
    threads: usize,
    until: std::path::PathBuf,
}

/// Leaves threads that wait until that file is there.
async fn block(Input(run): Input<Run<Block>>) -> Result<(), Failure> {
    for _ in 0..run.input.threads {
        let until = run.input.until.clone();
        tokio::task::spawn_blocking(move || {
            while !until.exists() {
                std::thread::sleep(Duration::from_millis(200));
            }
        });
    }
    Ok(())
}

#[derive(Deserialize)]
struct Put {
    path: std::path::PathBuf,
    wait_ms: u64,
}

async fn put(Input(run): Input<Run<Put>>, context: StageContext) -> Result<Artifact, Failure> {
    let kept = context.put_file("kept", &run.input.path).await?;
    tokio::time::sleep(Duration::from_millis(run.input.wait_ms)).await;
    Ok(kept)
}

#[derive(Deserialize)]
struct WasPut {
    put: Artifact,
}

async fn read_one(Input(before): Input<WasPut>, context: StageContext) -> Result<String, Failure> {
    let mut text = String::new();
    context.open(&before.put).await?.read_to_string(&mut text).await?;
    Ok(text)
}
