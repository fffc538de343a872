//! The reader of test files: what is right is read, what is wrong is told with its place, and the schema agrees.

use boon::{Compiler, Schemas};
use insta::assert_snapshot;

use super::keys::{CASE, EXPECTED, FILE, JOB, MOCK, STAGE};
use super::*;
use crate::workflow::definition::Workflow;
use crate::workflow::keys::{Key, Shape};
use crate::workflow::limits::Limits;
use crate::workflow::schema::tests::as_json;

const WORKFLOW: &str = "name = 'pages'
    [stages.list]
    command = ['ls', '{{input.folder}}']
    [stages.page]
    command = ['wc', '{{item}}']
    output = 'text'
    needs = ['list']
    for_each = 'list.pages'
    [stages.sum]
    rust = 'sum'
    needs = ['page']";

fn read(text: &str) -> Result<TestFile, String> {
    let json = |name: &str| match name {
        "good.json" => Ok("{\"folder\":null}".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let file = TestFile::parse("pages.test.toml", text.as_bytes(), &json).map_err(|mistakes| mistakes.to_string())?;
    let workflow = Workflow::parse("pages.toml", WORKFLOW.as_bytes(), &Limits::default()).expect("a workflow");
    file.check(&workflow).map_err(|mistakes| mistakes.to_string())?;
    Ok(file)
}

/// Titles, labels and cures alone.
fn mistakes(text: &str) -> String {
    let told = read(text).expect_err("a mistake");
    let is_told = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("error:") || line.starts_with("= help:") || line.starts_with("--> ")
    };
    told.lines().filter(is_told).map(|line| format!("{}\n", line.trim_start())).collect()
}

const WHOLE: &str = r#"
workflow = "pages"
[cases.first]
input = { folder = "texts", more = [1, 2.50, true] }
env = { API = "http://localhost" }
timeout = "2m"
[cases.first.mocks]
list.attempts = [{ fail = "rate_limited", message = "busy", retry_after = "30s" }, { output = { pages = ["a"] } }]
page.items = [{ output = "1 a" }, { attempts = [{ fail = "unknown" }, { output_file = "good.json" }] }]
[cases.first.expect]
state = "blocked"
output_contains = { x = 1 }
[cases.first.expect.stages]
list = { attempts = 2, input = { input = { folder = "texts" } }, texts = { command = ["ls", "texts"] } }
page = { output = ["1 a"], items = [{ attempts = 1 }, { fail = "unknown", message = "x" }] }
[cases.second]
input_file = "good.json"
expect.refused = "folder"
"#;

#[test]
fn a_test_file_is_read() {
    let whole = WHOLE.replace("{ output_file = \"good.json\" }", "{ output = \"b\" }");
    let file = read(&whole).expect("a test file");
    let [first, second] = file.cases.as_slice() else { panic!("two cases") };
    assert_eq!(first.input, r#"{"folder":"texts","more":[1,2.50,true]}"#, "as it is written");
    assert_eq!((first.ending(), second.ending()), (Ending::Blocked, Ending::Done));
    assert_eq!((second.input.as_str(), second.timeout), ("{\"folder\":null}", DEFAULT_TIMEOUT));
    assert_eq!(first.timeout, Duration::from_secs(120));
    let (stage, answer) = &first.mocks[0];
    let Answer::Attempts(attempts) = answer else { panic!("{answer:?}") };
    let class = FailureClass::RateLimited;
    let (message, retry_after) = ("busy".to_owned(), Some(Duration::from_secs(30)));
    assert_eq!((stage.text.as_str(), &attempts[0]), ("list", &Answer::Fail { class, message, retry_after }));
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_its_cure() {
    let text = r#"
workflw = "pages"
[cases.a]
inptu = {}
input = { when = 2020-01-01 }
timeout = 5
env = { DATABASE_URL = "x", B = 1 }
[cases.a.mocks]
list = { ouput = 1 }
sum = { output = 1, fail = "unknown" }
page = { fail = "rate_limit", retry_after = "soon" }
[cases.a.expect]
state = "failed"
stages.list = { attemps = 1, message = "x" }
[cases.b]
input = {}
input_file = "none.json"
mocks.list = { output = 1, message = "x" }
mocks.page.attempts = [{ attempts = [] }]
mocks.sum = {}
expect.output = 1
expect.output_contains = 1
"#;
    assert_snapshot!(mistakes(text));
}

#[test]
fn what_does_not_fit_the_workflow_is_told() {
    let text = r#"
[cases.a]
mocks.lst = { output = 1 }
mocks.page = { output = 7 }
mocks.sum.items = [{ output = 1 }]
expect.state = "done"
expect.stages.list = { texts = {}, items = [] }
expect.stages.page = { attempts = 3, items = [{ fail = "unknown" }] }
"#;
    assert_snapshot!(mistakes(text));
    let text = r#"
[cases.a]
mocks = { list = { output = 1 }, page = { output = "1" }, sum = { output = 1 } }
expect.stages.list = { texts = { comand = ["ls"], env = {} }, input = { item = 1 } }
expect.stages.page.items = [{ texts = { command = [], stdin = 1 } }, { input = { item = "a", list = {}, lits = 1 } }]
expect.stages.sum = { texts = { http = "x" }, input = { page = [], inptu = {} } }
"#;
    assert_snapshot!(mistakes(text), @r"
    error: stage `list` has no text `comand`
    --> pages.test.toml:4:32
    = help: did you mean `command`?
    error: stage `list` has no text `env`
    --> pages.test.toml:4:32
    = help: its texts are `command`
    error: the input of stage `list` never has the key `item`
    --> pages.test.toml:4:71
    = help: its keys are `input`
    error: stage `page` has no text `stdin`
    --> pages.test.toml:5:39
    = help: its texts are `command`
    error: the input of stage `page` never has the key `lits`
    --> pages.test.toml:5:80
    = help: did you mean `list`?
    error: stage `sum` has no text `http`
    --> pages.test.toml:6:31
    = help: remove `texts`: the stage is a handler, which has none
    error: the input of stage `sum` never has the key `inptu`
    --> pages.test.toml:6:55
    = help: did you mean `input`?
    ");
    assert_snapshot!(mistakes("[cases]"), @r"
    error: the file holds no case
    --> pages.test.toml:1:1
    = help: write [cases.first] on a line of its own, and the keys of the case below it
    ");
}

#[test]
fn the_schema_takes_what_the_reader_takes_and_refuses_what_it_refuses_by_itself() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let schema: serde_json::Value = serde_json::from_str(&schema::text()).expect("JSON");
    compiler.add_resource("test.json", schema).expect("a resource");
    let index = compiler.compile("test.json", &mut schemas).expect("a schema");
    let refusal = |text: &str| schemas.validate(&as_json(text), index).err().map(|error| error.to_string());
    assert_eq!(refusal(WHOLE), None);
    let wrong = [
        ("timeout = \"2m\"", "timeout = 5"),
        ("workflow = ", "workflw = "),
        ("state = \"blocked\"", "state = \"failed\""),
        ("{ fail = \"unknown\" }, ", "{ fail = \"unknwon\" }, "),
        ("{ fail = \"unknown\" }, ", "{ fail = \"unknown\", output = 1 }, "),
        ("{ fail = \"unknown\" }, ", "{ items = [] }, "),
        ("{ output = \"1 a\" }", "{ output = \"1 a\", message = \"x\" }"),
        ("{ attempts = 1 }", "{ attempts = 0 }"),
        ("{ attempts = 1 }", "{ items = [] }"),
        ("texts = { command", "texts = { comand"),
        ("attempts = 2, ", "attempts = 2, message = \"x\", "),
        ("output_contains = { x = 1 }", "output_contains = 1\noutput = 1"),
        ("input_file = \"good.json\"", "input_file = \"good.json\"\ninput = {}"),
    ];
    for (right, wrong) in wrong {
        let text = WHOLE.replacen(right, wrong, 1);
        assert_ne!(text, WHOLE, "{right}");
        assert!(refusal(&text).is_some(), "the schema takes {wrong}");
        assert!(read(&text).is_err(), "the reader takes {wrong}");
    }
}

#[test]
fn the_shipped_schema_is_the_one_that_is_made() {
    let shipped = include_str!("../../../workflows/test-schema.json");
    assert!(
        shipped == schema::text(),
        "workflows/test-schema.json is out of date; write it anew with: cargo run -- workflows schema --tests > \
         workflows/test-schema.json"
    );
}

const PAGE: &str = include_str!("../../../docs/testing-workflows.md");

#[test]
fn the_page_has_a_row_for_every_key_and_no_other() {
    let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
    let row = |key: &Key| {
        let example = if key.name == "cases" { "[cases.first]" } else { key.example };
        format!("| `{}` | {} | {} | {} | `{example}` |", key.name, key.what, code(key.default), key.about)
    };
    let all = [FILE, CASE, MOCK, EXPECTED, JOB, STAGE].concat();
    let expected: Vec<String> = all.iter().map(row).collect();
    let found: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| `") && line.ends_with("` |")).collect();
    let lacking: Vec<_> = expected.iter().filter(|row| !found.contains(&row.as_str())).cloned().collect();
    assert!(lacking.is_empty(), "docs/testing-workflows.md lacks these rows:\n{}", lacking.join("\n"));
    assert_eq!(found.len(), expected.len(), "docs/testing-workflows.md has rows for keys that there are not");
    assert!(all.iter().all(|key| key.shape != Shape::Stages));
}

#[test]
fn the_files_on_the_page_are_right() {
    let files: Vec<&str> = PAGE.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!files.is_empty());
    for file in files {
        let read = TestFile::parse("page", file.as_bytes(), &|_| Ok("{}".to_owned()));
        read.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    }
}
