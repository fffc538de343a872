//! Every key of a test file: the reader holds values to it, messages quote it, and the JSON Schema is made of it.

use crate::workflow::keys::{Key, OR_REMOVE, Shape, keys};

keys! {
    WORKFLOW = "workflow", Shape::Name, "a string", "workflow = \"story\"", OR_REMOVE, "",
        "A workflow of the program that runs the tests. Without it, `story.test.toml` tests the workflow in `story.toml` beside it.";
    CASES = "cases", Shape::Tables, "tables, one for each case",
        "[cases.first] on a line of its own, and the keys of the case below it", "", "",
        "The cases by name. Each is one run in a database of its own.";

    INPUT = "input", Shape::Any, "a value", "input = { topic = \"owls\" }", OR_REMOVE, "",
        "What the run is started on; an empty object without it.";
    INPUT_FILE = "input_file", Shape::Line, "the name of a JSON file", "input_file = \"topic.json\"", OR_REMOVE, "",
        "The same from a JSON file, whose name is seen from the folder of the test file.";
    ENV = "env", Shape::Variables, "a table of names and strings", "env = { API = \"http://localhost:8080\" }", OR_REMOVE, "",
        "Variables of the environment for this case, for `${NAME}` in stages that really run.";
    TIMEOUT = "timeout", Shape::Duration, "a duration in quotes", "timeout = \"2m\"", OR_REMOVE, "\"1m\"",
        "A case that takes longer fails. Waits between attempts do not count: they are cut short.";
    MOCKS = "mocks", Shape::Tables, "tables, one for each mocked stage", "mocks.script = { output = \"Once upon a time\" }", OR_REMOVE, "",
        "Stages that do not run but answer as it says here. All the others really run.";
    EXPECT = "expect", Shape::Tables, "a table of what is expected", "expect = { output = 7 }", OR_REMOVE, "",
        "What is expected of the run. Without it, that it is done.";

    OUTPUT = "output", Shape::Any, "a value", "output = { words = 7 }", OR_REMOVE, "",
        "The output of the stage.";
    OUTPUT_FILE = "output_file", Shape::Line, "the name of a JSON file", "output_file = \"script.json\"", OR_REMOVE, "",
        "The same from a JSON file, for large outputs and for `null`, which TOML lacks.";
    FAIL = "fail", Shape::Tables, "the name of a class in quotes", "fail = \"rate_limited\"", OR_REMOVE, "",
        "The attempt fails, with this class.";
    MESSAGE = "message", Shape::Text, "a string", "message = \"slow down\"", OR_REMOVE, "\"a mocked failure\"",
        "What the failure says.";
    RETRY_AFTER = "retry_after", Shape::Duration, "a duration in quotes", "retry_after = \"30s\"", OR_REMOVE, "",
        "When the failure asks to be tried again.";
    ATTEMPTS = "attempts", Shape::Tables, "an array of answers", "attempts = [{ fail = \"network_timeout\" }, { output = 7 }]", OR_REMOVE, "",
        "One answer for each attempt; the last one holds for all that follow.";
    ROUNDS = "rounds", Shape::Tables, "an array of answers", "rounds = [{ output = { score = 0.4 } }, { output = { score = 0.9 } }]", OR_REMOVE, "",
        "One answer for each round of a stage that is done again until it is good enough; the last one holds for all that follow.";
    ITEMS = "items", Shape::Tables, "an array of answers", "items = [{ output = 1 }, { fail = \"invalid_input\" }]", OR_REMOVE, "",
        "One answer for each item of a fan-out.";

    STATE = "state", Shape::Word(&["done", "blocked"]), "\"done\" or \"blocked\"", "state = \"blocked\"", OR_REMOVE, "",
        "How the run ends: blocked if a failure is expected of a stage, else done. A failure that is tolerated (optional, at_least) blocks nothing: write state = \"done\" with it.";
    REFUSED = "refused", Shape::Text, "a string", "refused = \"topic\"", OR_REMOVE, "",
        "The run does not start, because of its input; the reason holds this text.";
    RUN_OUTPUT = "output", Shape::Any, "a value", "output = \"seven words\"", OR_REMOVE, "",
        "The output of the run: that of the one stage that no other needs, or an object with the outputs of several by name.";
    EXPECTED_FILE = "output_file", Shape::Line, "the name of a JSON file", "output_file = \"expected.json\"", OR_REMOVE, "",
        "The same from a JSON file.";
    CONTAINS = "output_contains", Shape::Any, "a value", "output_contains = { title = \"owls\" }", OR_REMOVE, "",
        "What the output has, among other things: keys of objects at any depth, parts of strings. Arrays have as many elements.";
    STAGES = "stages", Shape::Tables, "tables, one for each stage", "stages.script = { attempts = 3 }", OR_REMOVE, "",
        "What is expected of stages, by name.";

    STAGE_OUTPUT = "output", Shape::Any, "a value", "output = [1, 2, 3]", OR_REMOVE, "",
        "The output of the stage; of a fanned-out one the array of its items' outputs.";
    COUNT = "attempts", Shape::Number { most: 10_000 }, "a whole number from 1 to 10000", "attempts = 3", OR_REMOVE, "",
        "How many attempts there were.";
    STAGE_INPUT = "input", Shape::Any, "a table", "input = { item = \"a.txt\" }", OR_REMOVE, "",
        "Keys of the input that the last attempt of a mocked stage was given: `input`, `item`, and the names of stages. Keys that are not listed are not compared.";
    TEXTS = "texts", Shape::Any, "a table", "texts = { command = [\"count.sh\", \"a.txt\"] }", OR_REMOVE, "",
        "Texts of a mocked stage as the last attempt had them, filled in: `command`, `env`, `dir`, `http`, `method`, `headers`, `files`, `sql`, `role`, `parameters`. Keys that are not listed are not compared; `${NAME}` stays as it is.";
    SKIPPED = "skipped", Shape::Flag, "true or false", "skipped = true", OR_REMOVE, "",
        "Whether it is skipped: its `when` does not hold, it needs something that was skipped, or it was cancelled because enough others were done.";
    EXPECTED_FAIL = "fail", Shape::Tables, "the name of a class in quotes", "fail = \"invalid_input\"", OR_REMOVE, "",
        "The job ends as a dead letter, with this class.";
    EXPECTED_MESSAGE = "message", Shape::Text, "a string", "message = \"no such folder\"", OR_REMOVE, "",
        "What the message of the dead letter holds.";
    EXPECTED_ROUNDS = "rounds", Shape::Number { most: 10_000 }, "a whole number from 1 to 10000", "rounds = 2", OR_REMOVE, "",
        "In which round the stage ends.";
    EXPECTED_ITEMS = "items", Shape::Tables, "an array of tables", "items = [{ output = 1 }, { fail = \"unknown\" }]", OR_REMOVE, "",
        "What is expected of the items of a fan-out, in their order: a table for each of them, which may be empty.";
}

pub(super) const FILE: &[Key] = &[WORKFLOW, CASES];
pub(super) const CASE: &[Key] = &[INPUT, INPUT_FILE, ENV, TIMEOUT, MOCKS, EXPECT];
pub(super) const MOCK: &[Key] = &[OUTPUT, OUTPUT_FILE, FAIL, MESSAGE, RETRY_AFTER, ATTEMPTS, ROUNDS, ITEMS];
/// A mock has one of these.
pub(super) const ANSWERS: &[Key] = &[OUTPUT, OUTPUT_FILE, FAIL, ATTEMPTS, ROUNDS, ITEMS];
pub(super) const EXPECTED: &[Key] = &[STATE, REFUSED, RUN_OUTPUT, EXPECTED_FILE, CONTAINS, STAGES];
/// Of a stage, and of an item.
pub(super) const JOB: &[Key] =
    &[STAGE_OUTPUT, EXPECTED_FILE, CONTAINS, COUNT, STAGE_INPUT, TEXTS, SKIPPED, EXPECTED_FAIL, EXPECTED_MESSAGE];
/// Of a stage alone.
pub(super) const STAGE: &[Key] = &[EXPECTED_ROUNDS, EXPECTED_ITEMS];
