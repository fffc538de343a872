//! Every key of a workflow file: the reader checks values against it, messages quote it, and the JSON Schema is made from it.

use crate::model::failure::FailureClass;

/// A key, what it holds, and what it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// As in "`timeout` must be a duration in quotes".
    pub(crate) what: &'static str,
    /// A line of the file that would be right.
    pub(crate) example: &'static str,
    /// What else can be done about an empty one.
    pub(crate) or: &'static str,
    /// What holds where the file says nothing, as it would be written; empty where nothing does, or where it is no
    /// single value.
    pub(crate) default: &'static str,
    /// For people who look it up: in the schema, and so in their editor.
    pub(crate) about: &'static str,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// The name of a workflow.
    Name,
    /// A text, also of several lines.
    Text,
    /// A text of one line.
    Line,
    Url,
    /// Where an array stands.
    Place,
    Duration,
    /// An amount of memory, with its unit.
    Size,
    /// A whole number from 0.
    Count {
        most: u32,
    },
    /// A whole number from 1.
    Number {
        most: u32,
    },
    /// So many in a time.
    Rate,
    /// From 0 to 1.
    Share,
    Flag,
    /// A share above 0 and up to 1, or a whole number from 1.
    Portion,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A program and its arguments.
    Program,
    StageNames,
    /// An expression that is true or false.
    Condition,
    VariableNames,
    /// Tools and places of a machine.
    Requirements,
    /// Variables with their values.
    Variables,
    /// Headers with their values.
    Headers,
    /// Form fields, and where the names of their files stand.
    Files,
    /// Exit codes or statuses, and the classes they stand for.
    Classes,
    /// Keys of the runs' input, and what each holds.
    Input,
    /// Whatever JSON can say.
    Any,
    /// How a program is kept running.
    Warm,
    /// What is waited for.
    Wait,
    /// Until when stages are done again.
    Repeat,
    /// One table for each stage.
    Stages,
    /// Tables or arrays whose keys are described by themselves.
    Tables,
    /// One table for each schedule.
    Schedules,
    /// Minutes of the calendar.
    Cron,
    /// A time zone by its name.
    Zone,
    /// Whatever is an object.
    Object,
    /// The rules for retries.
    Retry,
    /// The rules for retries of one class.
    Class(FailureClass),
}

pub(super) const OR_REMOVE: &str = ", or remove the line";

macro_rules! keys {
    ($($key:ident = $name:literal, $shape:expr, $what:literal, $example:literal, $or:expr, $default:literal,
        $about:literal;)*) => {
        $(pub(crate) const $key: $crate::workflow::keys::Key = $crate::workflow::keys::Key {
            name: $name, shape: $shape, what: $what, example: $example, or: $or, default: $default, about: $about,
        };)*
    };
}
pub(super) use keys;

keys! {
    NAME = "name", Shape::Name, "a string", "name = \"story\"", "", "",
        "Name of the workflow: lower-case letters, digits, - and _; begins with a letter.";
    DESCRIPTION = "description", Shape::Text, "a string", "description = \"What the workflow is for.\"", OR_REMOVE, "",
        "What the workflow is for.";
    STAGES = "stages", Shape::Stages, "tables, one for each stage",
        "[stages.first] on a line of its own, and the keys of the stage below it", "", "",
        "The stages by name. A stage cannot be called `input`, `item`, `end` or `run`.";
    RETRY = "retry", Shape::Retry, "a table of rules", "retry = { max_retries = 3 }", OR_REMOVE, "",
        "How failures are retried. What a stage leaves out comes from the workflow, then from the defaults.";

    INPUT = "input", Shape::Input, "a table of keys and types", "input = { topic = \"string\", lang = { type = \"string\", default = \"en\" } }", OR_REMOVE, "",
        "Keys of the runs' input, each with its type or a table. A run starts only on an object with these keys and no others, however it is started.";
    TYPE = "type", Shape::Word(TYPES), "the name of a type in quotes", "type = \"string\"", "", "",
        "Type of the value: the types of JSON, `integer` for whole numbers, `any` for anything.";
    REQUIRED = "required", Shape::Flag, "true or false", "required = false", OR_REMOVE, "true",
        "Whether it must be given. A key with a default need not be.";
    DEFAULT = "default", Shape::Any, "a value", "default = \"en\"", OR_REMOVE, "",
        "Value that is put into the input if it is left out.";
    INPUT_DESCRIPTION = "description", Shape::Text, "a string", "description = \"What the story is about.\"", OR_REMOVE, "",
        "What it is for.";

    SCHEDULES = "schedules", Shape::Schedules, "tables, one for each schedule", "schedules = { nightly = { cron = \"30 2 * * *\" } }", OR_REMOVE, "",
        "When the workflow starts by itself, by name. What the current version says counts.";
    CRON = "cron", Shape::Cron, "a cron text in quotes", "cron = \"30 2 * * *\"", "", "",
        "Minutes at which a run starts: minute, hour, day of the month, month, day of the week. Also @hourly, @daily, @weekly, @monthly and @yearly, and L for the last day of a month.";
    EVERY = "every", Shape::Duration, "a duration in quotes", "every = \"15m\"", "", "",
        "A run starts each time that this has passed since the schedule was made, whatever the clocks do. At least 1s.";
    ZONE = "zone", Shape::Zone, "the name of a time zone in quotes", "zone = \"Europe/Berlin\"", OR_REMOVE, "\"UTC\"",
        "Time zone of `cron`. A time that its clocks skip ticks once, at the end of the gap; one that they show twice ticks the first time.";
    SCHEDULE_INPUT = "input", Shape::Object, "a table", "input = { topic = \"tides\" }", OR_REMOVE, "",
        "Input of the runs. They get `tick` with it, an object of `at` and `previous`, unless the workflow declares an input without that key.";
    OVERLAP = "overlap", Shape::Word(&["skip", "queue_one", "allow", "cancel"]), "\"skip\", \"queue_one\", \"allow\" or \"cancel\"", "overlap = \"queue_one\"", OR_REMOVE, "\"skip\"",
        "What becomes of a tick while a run of an earlier one works. `skip`: nothing starts. `queue_one`: the last such tick starts afterwards. `allow`: its run starts beside it. `cancel`: the earlier run is cancelled. A blocked run does not count as working.";
    MISSED = "missed", Shape::Word(&["last", "none", "all"]), "\"last\", \"none\" or \"all\"", "missed = \"none\"", OR_REMOVE, "\"last\"",
        "Which ticks are made up for that passed while no worker looked. `last`: the last one. `none`: none that is more than a minute late. `all`: each one, several at once, so it goes with overlap = \"allow\" only.";
    WITHIN = "within", Shape::Duration, "a duration in quotes", "within = \"24h\"", OR_REMOVE, "",
        "Missed ticks that are older are not made up for; no limit by default.";
    PAUSE_AFTER_FAILURES = "pause_after_failures", Shape::Number { most: 1_000 }, "a whole number from 1 to 1000", "pause_after_failures = 3", OR_REMOVE, "",
        "The schedule is paused when that many of its runs in a row have failed, are blocked or could not start; never by default.";
    SCHEDULE_JITTER = "jitter", Shape::Duration, "a duration in quotes", "jitter = \"5m\"", OR_REMOVE, "",
        "Runs start up to this much after their tick, each by a time of its own, so that many schedules do not start at once. Up to 1d, and shorter than `every`.";

    RUST = "rust", Shape::Line, "the name of a registered handler", "rust = \"script\"", "", "",
        "Runs an async function that is registered under this name in the worker's program.";
    COMMAND = "command", Shape::Program, "a program and its arguments", "command = [\"wc\", \"-w\"]", "", "",
        "Runs a program, without a shell: input as JSON on standard input, output as JSON on standard output or in the file $PITON_OUTPUT. ${NAME} is taken from the worker's environment, {{item.path}} from the input.";
    HTTP = "http", Shape::Url, "a URL", "http = \"https://example.com/v1/script\"", "", "",
        "Sends the input to this URL; the body of the answer is the output. ${NAME} is taken from the worker's environment, {{item.id}} after the host from the input.";

    SQL = "sql", Shape::Text, "a statement of SQL", "sql = \"insert into words select {{input.text}}\"", "", "",
        "Runs one statement in the database where Piton is, in a transaction with the stage's checkpoint; `role` says whose rights it has, `timeout` is its statement_timeout. {{item.path}} is a parameter with the value from the input, never part of the text.";

    SLEEP = "sleep", Shape::Duration, "a duration in quotes", "sleep = \"6h\"", "", "",
        "Waits that long, 30 days at most, and holds nothing meanwhile. The output says from when until when it slept.";
    UNTIL = "until", Shape::Text, "a time with its zone", "until = \"{{input.publish_at}}\"", "", "",
        "Waits until that time (RFC 3339, such as 2027-01-31T06:00:00+01:00), and holds nothing meanwhile. A time that has passed is no wait. {{plan.publish_at}} is taken from the input.";
    WAIT = "wait", Shape::Wait, "a table that says what for", "wait = { for = \"signal\", name = \"approval\", timeout = \"72h\" }", "", "",
        "Waits until somebody answers, and holds nothing meanwhile. The answer (`piton signal RUN NAME`, piton.signal) is the output; the first one counts, and one that comes early is kept.";
    FOR = "for", Shape::Word(&["signal", "callback", "poll"]), "what is waited for", "for = \"signal\"", "", "",
        "What is waited for: `signal`, a named answer to the run. A stage that asks a service (`http`, `command` or `rust`) waits for it: `callback`, the service calls back; `poll`, it is asked again until it is done.";
    SIGNAL = "name", Shape::Name, "a string", "name = \"approval\"", "", "",
        "Name of the signal, different from those of other stages: lower-case letters, digits, - and _; begins with a letter.";
    SIGNAL_TIMEOUT = "timeout", Shape::Duration, "a duration in quotes", "timeout = \"72h\"", "", "",
        "How long it is waited for, 30 days at most. There is always an end.";
    ON_TIMEOUT = "on_timeout", Shape::Any, "a value", "on_timeout = { approved = false }", OR_REMOVE, "",
        "Output if nobody has answered by then. Without it, the stage fails with class wait_timeout.";
    PAYLOAD = "payload", Shape::Input, "a table of keys and types", "payload = { approved = \"boolean\", note = { type = \"string\", required = false } }", OR_REMOVE, "",
        "Keys of the answer, each with its type or a table, as in `input`. An answer that does not fit is refused where it is given, with every mistake.";
    WAIT_TIMEOUT = "timeout", Shape::Duration, "a duration in quotes", "timeout = \"2h\"", "", "",
        "How long it is waited for, 30 days at most. There is always an end.";
    HEARTBEAT = "heartbeat", Shape::Duration, "a duration in quotes", "heartbeat = \"5m\"", OR_REMOVE, "",
        "Longest time in which a service that calls back may say nothing (for = \"callback\"). Silence for longer fails the stage with class wait_timeout; each heartbeat (piton.heartbeat) moves the time.";
    POLL_URL = "url", Shape::Url, "a URL", "url = \"https://farm.example/jobs/{{answer.id}}\"", "", "",
        "Where a service is asked again, with GET (for = \"poll\"). {{answer.id}} is taken from what it answered first, other places from the input, ${NAME} from the worker's environment.";
    POLL_EVERY = "every", Shape::Duration, "a duration in quotes", "every = \"10s\"", "", "",
        "How often it is asked. A longer Retry-After wins, and so does the wait after a poll that failed.";
    DONE = "done", Shape::Condition, "a condition in quotes", "done = \"status == 'succeeded'\"", "", "",
        "Condition on which it is done: an expression in CEL over the keys of its answer.";
    FAILED = "failed", Shape::Condition, "a condition in quotes", "failed = \"status == 'failed'\"", OR_REMOVE, "",
        "Condition on which it has failed; asked after `done`.";
    POLL_OUTPUT = "output", Shape::Line, "a place in the answer", "output = \"result\"", OR_REMOVE, "",
        "Where the output is in the answer of a service that is done; all of the answer by default.";
    POLL_CLASS = "class", Shape::Word(STAGE_CLASSES), "the name of a class in quotes", "class = \"resource_unavailable\"", OR_REMOVE, "\"invalid_input\"",
        "Failure class of a service that has failed. By default it is one that is not retried.";
    POLL_HEADERS = "headers", Shape::Headers, "a table of names and strings", "headers = { authorization = \"Bearer ${FARM_KEY}\" }", OR_REMOVE, "",
        "Headers of the polls, beside those of the stage. ${NAME} is taken from the worker's environment and never stored.";
    NOT_STARTER = "not_starter", Shape::Flag, "true or false", "not_starter = true", OR_REMOVE, "false",
        "The database user who started the run may not answer.";

    WORKFLOW = "workflow", Shape::Name, "the name of a workflow", "workflow = \"captions\"", "", "",
        "Starts a run of that workflow, its current version, and waits for its end; holds nothing meanwhile. The output of the run is that of the stage.";
    CHILD_INPUT = "input", Shape::Any, "a value", "input = { file = \"{{input.file}}\" }", OR_REMOVE, "",
        "Input of the run that is started; what the stage itself gets by default. A {{place}} alone is its value as it is, of any type; with other text, it is a string.";
    DETACHED = "detached", Shape::Flag, "true or false", "detached = true", OR_REMOVE, "false",
        "The stage is done as soon as the run has started, with its id as the output, and neither ends with the other.";

    NEEDS = "needs", Shape::StageNames, "an array of stage names", "needs = [\"script\"]", OR_REMOVE, "",
        "Stages that must be done first. Their outputs are part of the input, under their names. If one of them is skipped, so is this stage; a `?` behind its name accepts that, and the output is null.";
    FIRST = "first", Shape::Number { most: 1_000 }, "a whole number from 1 to 1000", "first = 1", OR_REMOVE, "",
        "The stages that it needs race: it begins when this many of them are done. The others are stopped, and their outputs are null.";
    WHEN = "when", Shape::Condition, "a condition in quotes", "when = \"check.score >= 0.8\"", OR_REMOVE, "",
        "Condition on which the stage runs: an expression in CEL over `input`, `item` and the outputs of needed stages. Otherwise it is skipped. With `for_each`, it is decided for each item.";
    OPTIONAL = "optional", Shape::Flag, "true or false", "optional = true", OR_REMOVE, "false",
        "The run goes on without this stage, or without an item of it, when that is given up: it leaves a dead letter that is tolerated and can still be retried, and what needs it is skipped or gets null, as after a skip.";
    ON_FAILURE_OF = "on_failure_of", Shape::Name, "the name of a stage in quotes", "on_failure_of = \"ship\"", OR_REMOVE, "",
        "The stage runs only when that one is given up, and the run goes on behind it, as behind a stage that is optional. Its input has `failure`, an object of `class` and `message`. It is skipped when that one is done.";
    REPEAT = "repeat", Shape::Repeat, "a table with a condition and a limit", "repeat = { from = \"draft\", until = \"critic.score >= 0.8\", at_most = 5 }", OR_REMOVE, "",
        "The stages from `from` to this one are done again, round after round, until the condition holds. Each round has checkpoints, attempts and idempotency keys of its own, and sees the round before as `previous`.";
    FROM = "from", Shape::Name, "the name of a stage in quotes", "from = \"draft\"", OR_REMOVE, "",
        "The first stage of a round; every stage on a way from there to this one is part of it. The stage itself by default.";
    GOOD = "until", Shape::Condition, "a condition in quotes", "until = \"critic.score >= 0.8\"", "", "",
        "Condition that ends the rounds: an expression in CEL over the output of this stage, under its name, and all that `when` reads.";
    AT_MOST = "at_most", Shape::Number { most: 1_000 }, "a whole number from 1 to 1000", "at_most = 5", "", "",
        "Maximum number of rounds.";
    THEN = "then", Shape::Word(&["fail", "keep"]), "\"fail\" or \"keep\"", "then = \"keep\"", OR_REMOVE, "\"fail\"",
        "What follows if the last round is not good enough either. `fail`: this stage fails with class not_good_enough, and a retry of its dead letter does one more round. `keep`: the outputs of that round stand.";
    FOR_EACH = "for_each", Shape::Place, "the place of an array", "for_each = \"check.scenes\"", OR_REMOVE, "",
        "One job for each element of that array, in the output of a needed stage or in `input`. `render[*].pages`: for each element of the arrays that stand there in the elements of another; beside `item`, the input has `parent` and `index`. A list of places: for each element of one array with each of the others.";
    AT_LEAST = "at_least", Shape::Portion, "a share above 0 and up to 1, or a whole number from 1", "at_least = 0.9", OR_REMOVE, "",
        "With `for_each`: how many items must be done, as a share of all (0.9) or as a number (45). An item that is given up is tolerated for as long as enough others can be done; then the run is blocked, as without it. A whole number counts items: 1 is one item, 1.0 is all.";
    MISSING = "missing", Shape::Any, "a value", "missing = { ok = false }", OR_REMOVE, "",
        "With `at_least`: what stands in the array of outputs in place of an item that was given up or cancelled; null by default.";
    REST = "rest", Shape::Word(&["wait", "cancel"]), "\"wait\" or \"cancel\"", "rest = \"cancel\"", OR_REMOVE, "\"wait\"",
        "With `at_least`: what becomes of the other items once enough are done. `wait`: they go on, and the stage ends with the last of them. `cancel`: they are cancelled, and the stage ends at once.";
    TIMEOUT = "timeout", Shape::Duration, "a duration in quotes", "timeout = \"30s\"", OR_REMOVE, "\"5m\"",
        "Longest time for one attempt. If it takes longer, it fails with class network_timeout.";
    STALL = "stall", Shape::Duration, "a duration in quotes", "stall = \"2m\"", OR_REMOVE, "",
        "Longest time that an attempt may go without reporting progress. If it takes longer, it fails with class network_timeout. Shorter than `timeout`; no limit by default.";
    INPUTS = "inputs", Shape::Word(&["value", "file"]), "\"value\" or \"file\"", "inputs = \"file\"", OR_REMOVE, "\"value\"",
        "How outputs of needed stages are passed. `value`: as they are, 64 MiB together at most. `file`: the input has the name of a file of any size instead; for a fanned-out stage, with a line of JSON for each item.";
    CONCURRENCY = "concurrency", Shape::Number { most: 100_000 }, "a whole number from 1 to 100000", "concurrency = 4", OR_REMOVE, "",
        "Maximum number of attempts of this stage that run at once, over all runs and all workers; no limit by default.";
    PER_WORKER = "per_worker", Shape::Number { most: 100_000 }, "a whole number from 1 to 100000", "per_worker = 2", OR_REMOVE, "",
        "Maximum number of attempts of this stage that run at once on each worker, for what one machine has only so much of; no limit by default, and `processes` for a stage with `warm`.";
    RATE = "rate", Shape::Rate, "a number of attempts and a time, in quotes", "rate = \"60/1m\"", OR_REMOVE, "",
        "Maximum number of attempts of this stage that start in that time, over all runs and all workers, spread evenly; no limit by default.";
    REQUIRES = "requires", Shape::Requirements, "an array of tools and places", "requires = [\"tesseract\", \"${PDF_INBOX}\"]", OR_REMOVE, "",
        "Tools and places that a worker must have for this stage; one without them leaves it to others. A name without a `/` is a program in PATH, one with a `/` a file or folder. ${NAME} is taken from the worker's environment.";

    ENV = "env", Shape::Variables, "a table of names and strings", "env = { LEVEL = \"3\" }", OR_REMOVE, "",
        "Variables for the program, beside PATH, HOME and the like. ${NAME} in a value is taken from the worker's environment and never stored.";
    PASS_ENV = "pass_env", Shape::VariableNames, "an array of names of variables", "pass_env = [\"API_KEY\"]", OR_REMOVE, "",
        "Variables of the worker's environment that the program gets too, if they are set.";
    DIR = "dir", Shape::Text, "a folder", "dir = \"/srv/media\"", OR_REMOVE, "",
        "Folder that the program runs in, or that `files` are in; the worker's own by default.";
    STDIN = "stdin", Shape::Word(&["input", "none"]), "\"input\" or \"none\"", "stdin = \"none\"", OR_REMOVE, "\"input\"",
        "`input`: the program reads its input as JSON from standard input. `none`: standard input is empty, for programs that would read commands or data from it.";
    MEMORY = "memory", Shape::Size, "an amount in quotes", "memory = \"512MiB\"", OR_REMOVE, "",
        "Memory (address space) that each process of the program may have; no limit by default. Linux only.";
    FINISH = "finish", Shape::Flag, "true or false", "finish = true", OR_REMOVE, "false",
        "The program may end its attempt with piton.finish in a transaction of its own, which commits its rows and its output together. It gets the token for it as PITON_ATTEMPT_TOKEN.";
    WARM = "warm", Shape::Warm, "a table of limits", "warm = { processes = 2, start_timeout = \"2m\" }", OR_REMOVE, "",
        "The program is started once and does one job after another, as messages over a socket: for one that takes long to load. It must speak the protocol of docs/warm-programs.md. `{}` takes the defaults.";
    PROCESSES = "processes", Shape::Number { most: 1_000 }, "a whole number from 1 to 1000", "processes = 2", OR_REMOVE, "1",
        "Maximum number of processes of the stage on each worker. Each does one job at a time.";
    START_TIMEOUT = "start_timeout", Shape::Duration, "a duration in quotes", "start_timeout = \"2m\"", OR_REMOVE, "\"1m\"",
        "Longest time from the start of a process until it is ready.";
    IDLE = "idle", Shape::Duration, "a duration in quotes", "idle = \"15m\"", OR_REMOVE, "\"5m\"",
        "A process that has had no job for so long is stopped.";
    MAX_JOBS = "max_jobs", Shape::Number { most: 1_000_000_000 }, "a whole number from 1 to 1000000000", "max_jobs = 500", OR_REMOVE, "",
        "A process is replaced after that many jobs; no limit by default.";
    MAX_MEMORY = "max_memory", Shape::Size, "an amount in quotes", "max_memory = \"12GiB\"", OR_REMOVE, "",
        "A process whose resident memory, with that of its children, grows beyond this is ended: with its job, if it has one, which fails as out_of_memory; no limit by default. Linux only.";
    OUTPUT = "output", Shape::Word(&["json", "text"]), "\"json\" or \"text\"", "output = \"text\"", OR_REMOVE, "\"json\"",
        "`json`: the output is JSON. `text`: it is one string, without the line end at its end.";
    ANSWER = "output", Shape::Word(&["json", "text", "response", "file"]), "\"json\", \"text\", \"response\" or \"file\"", "output = \"response\"", OR_REMOVE, "\"json\"",
        "`json`: the output is JSON. `text`: it is one string, without the line end at its end. `response` (only of `http`): an object of `status`, `headers` and `body`. `file` (only of `http`): the body, of any size, becomes a file in the artifact store, and the output refers to it under `files`.";
    FILE_NAME = "file", Shape::Line, "the name of a file", "file = \"voice.wav\"", OR_REMOVE, "",
        "What the file is called that the answer becomes (output = \"file\", which then need not be written); `answer` by default.";

    ROLE = "role", Shape::Line, "the name of a role", "role = \"etl\"", "", "",
        "Role of the database whose rights the statement of `sql` has. The worker's own must be a member of it, and it must not be able to change Piton's tables.";

    SPREAD = "jitter", Shape::Duration, "a duration in quotes", "jitter = \"30s\"", OR_REMOVE, "",
        "A random time, up to this long, that each job waits on, so that those which are due together do not all begin at once.";

    EXIT_CLASSES = "classes", Shape::Classes, "a table of exit codes and classes", "classes = { 3 = \"rate_limited\" }", OR_REMOVE, "",
        "Failure classes by exit code (1 to 255; 128 plus its number for a signal), for programs whose exit codes have meanings of their own.";
    STATUS_CLASSES = "classes", Shape::Classes, "a table of statuses and classes", "classes = { 422 = \"resource_unavailable\" }", OR_REMOVE, "",
        "Failure classes by status (200 to 999), for servers whose statuses have meanings of their own. A status listed here is always a failure, even 200 to 299.";

    METHOD = "method", Shape::Word(&["POST", "PUT", "PATCH", "DELETE", "GET"]), "a method", "method = \"PUT\"", OR_REMOVE, "\"POST\"",
        "Method of the request. GET sends no body.";
    HEADERS = "headers", Shape::Headers, "a table of names and strings",
        "headers = { authorization = \"Bearer ${API_KEY}\" }", OR_REMOVE, "",
        "Headers of the request. ${NAME} is taken from the worker's environment and never stored.";
    CONNECT_TIMEOUT = "connect_timeout", Shape::Duration, "a duration in quotes", "connect_timeout = \"5s\"", OR_REMOVE, "\"10s\"",
        "Longest time to connect to the server.";
    REDIRECTS = "redirects", Shape::Count { most: 20 }, "a whole number up to 20", "redirects = 3", OR_REMOVE, "0",
        "Maximum number of redirects to follow.";
    FILES = "files", Shape::Files, "a table of form fields and files", "files = { audio = \"file:script/voice.wav\" }", OR_REMOVE, "",
        "Sends a multipart form: the input as the field `input`, and these files. `file:STAGE/NAME` is what a stage has kept, `file:` and a place what the input refers to; a place alone, such as `item.path`, has the name of a file below `dir` on the worker's machine.";

    MAX_RETRIES = "max_retries", Shape::Count { most: 10_000 }, "a whole number up to 10000", "max_retries = 3", OR_REMOVE, "10",
        "How often a job is retried, over all failure classes.";
    DEADLINE = "deadline", Shape::Duration, "a duration in quotes", "deadline = \"2h\"", OR_REMOVE, "",
        "No retry starts later than this after the job's first attempt; no limit by default.";
    CLASS_RETRIES = "max_retries", Shape::Count { most: 10_000 }, "a whole number up to 10000", "max_retries = 3", OR_REMOVE, "",
        "How often a job is retried after failures of this class.";
    BASE = "base", Shape::Duration, "a duration in quotes", "base = \"2s\"", OR_REMOVE, "",
        "Wait before the first retry; it doubles with each one.";
    CAP = "cap", Shape::Duration, "a duration in quotes", "cap = \"1m\"", OR_REMOVE, "",
        "Longest wait.";
    JITTER = "jitter", Shape::Share, "a number from 0 to 1", "jitter = 0.25", OR_REMOVE, "0.25",
        "A random share of the wait, up to this much, is taken off.";
    RETRY_AFTER = "retry_after", Shape::Flag, "true or false", "retry_after = false", OR_REMOVE, "true",
        "Whether a longer Retry-After wins over the wait.";
}

/// A class of failures below `retry`.
pub(crate) const fn class(class: FailureClass) -> Key {
    Key {
        name: class.as_str(),
        shape: Shape::Class(class),
        what: "a table of rules",
        example: class_example(class),
        or: OR_REMOVE,
        default: "",
        about: "How failures of this class are retried.",
    }
}

const fn class_example(class: FailureClass) -> &'static str {
    match class {
        FailureClass::NetworkTimeout => "network_timeout = { max_retries = 8, cap = \"5m\" }",
        FailureClass::RateLimited => "rate_limited = { max_retries = 8, base = \"10s\" }",
        FailureClass::ResourceUnavailable => "resource_unavailable = { base = \"30s\", cap = \"10m\" }",
        FailureClass::OutOfMemory => "out_of_memory = { max_retries = 0 }",
        FailureClass::Unknown => "unknown = { max_retries = 1, base = \"10s\" }",
        FailureClass::InvalidInput => "invalid_input = { max_retries = 1 }",
        FailureClass::AuthFailure => "auth_failure = { max_retries = 2, base = \"1m\" }",
        FailureClass::WaitTimeout => "wait_timeout = { max_retries = 1 }",
        FailureClass::ChildFailed => "child_failed = { max_retries = 1 }",
        // There are no rules for these.
        FailureClass::Crashed | FailureClass::CorruptCheckpoint | FailureClass::NotGoodEnough => "",
    }
}

pub(crate) const FILE: &[Key] = &[NAME, DESCRIPTION, RETRY, INPUT, STAGES, SCHEDULES];
/// Of one schedule.
pub(crate) const SCHEDULE: &[Key] =
    &[CRON, EVERY, ZONE, SCHEDULE_INPUT, OVERLAP, MISSED, WITHIN, PAUSE_AFTER_FAILURES, SCHEDULE_JITTER];
/// Of one key of the input.
pub(crate) const INPUT_KEYS: &[Key] = &[TYPE, REQUIRED, DEFAULT, INPUT_DESCRIPTION];
pub(crate) const TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object", "any"];
/// The ways to run a stage; it has one of them.
pub(crate) const KINDS: &[Key] = &[RUST, COMMAND, HTTP, SQL, SLEEP, UNTIL, WAIT, WORKFLOW];
/// Those of them that can wait for the service that they ask.
pub(crate) const ASKING: [&str; 3] = ["rust", "command", "http"];
/// Of the table `wait`.
pub(crate) const WAIT_KEYS: &[Key] = &[FOR, SIGNAL, SIGNAL_TIMEOUT, ON_TIMEOUT, PAYLOAD, NOT_STARTER];
/// Of one of a stage that asks a service which calls back.
pub(crate) const CALLBACK_KEYS: &[Key] = &[FOR, WAIT_TIMEOUT, ON_TIMEOUT, HEARTBEAT];
/// Of one of a stage that asks a service which is asked again.
pub(crate) const POLL_KEYS: &[Key] =
    &[FOR, WAIT_TIMEOUT, ON_TIMEOUT, POLL_URL, POLL_EVERY, DONE, FAILED, POLL_OUTPUT, POLL_CLASS, POLL_HEADERS];
/// The same as [`classes`], as words of a file.
const STAGE_CLASSES: &[&str] = &[
    "network_timeout",
    "rate_limited",
    "resource_unavailable",
    "out_of_memory",
    "unknown",
    "invalid_input",
    "auth_failure",
];
/// Keys that a stage may have which only waits: an attempt of it is nothing to be limited.
pub(crate) const EVERY_WAIT: &[Key] = &[NEEDS, FIRST, WHEN, OPTIONAL, ON_FAILURE_OF, FOR_EACH, RETRY];
/// The same of one that waits for a signal, which answers a stage and not an item.
pub(crate) const EVERY_SIGNAL: &[Key] = &[NEEDS, FIRST, WHEN, OPTIONAL, ON_FAILURE_OF, REPEAT, RETRY];
/// Keys that any other stage may have.
pub(crate) const EVERY_STAGE: &[Key] = &[
    NEEDS,
    FIRST,
    WHEN,
    OPTIONAL,
    ON_FAILURE_OF,
    REPEAT,
    FOR_EACH,
    AT_LEAST,
    MISSING,
    REST,
    TIMEOUT,
    CONCURRENCY,
    PER_WORKER,
    RATE,
    REQUIRES,
    RETRY,
];
pub(crate) const RUST_STAGE: &[Key] = &[STALL, INPUTS];
pub(crate) const COMMAND_STAGE: &[Key] =
    &[STALL, INPUTS, ENV, PASS_ENV, DIR, STDIN, MEMORY, FINISH, WARM, OUTPUT, EXIT_CLASSES];
/// Of the table `repeat`.
pub(crate) const REPEAT_KEYS: &[Key] = &[FROM, GOOD, AT_MOST, THEN];
/// Of the table `warm`.
pub(crate) const WARM_KEYS: &[Key] = &[PROCESSES, START_TIMEOUT, IDLE, MAX_JOBS, MAX_MEMORY];
pub(crate) const HTTP_STAGE: &[Key] =
    &[METHOD, HEADERS, CONNECT_TIMEOUT, REDIRECTS, FILES, DIR, ANSWER, FILE_NAME, STATUS_CLASSES];
pub(crate) const SQL_STAGE: &[Key] = &[ROLE];
pub(crate) const SLEEP_STAGE: &[Key] = &[SPREAD];
pub(crate) const CHILD_STAGE: &[Key] = &[CHILD_INPUT, DETACHED];
/// Beside the classes.
pub(crate) const RETRY_RULES: &[Key] = &[MAX_RETRIES, DEADLINE];
pub(crate) const CLASS_RULES: &[Key] = &[CLASS_RETRIES, BASE, CAP, JITTER, RETRY_AFTER];

/// Headers that a request brings itself; in small letters.
pub(crate) const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "idempotency-key",
    "piton-callback",
    "traceparent",
    "tracestate",
    "transfer-encoding",
];

/// Keys that only stages of that kind have.
pub(crate) fn of_kind(kind: &str) -> &'static [Key] {
    match kind {
        "rust" => RUST_STAGE,
        "command" => COMMAND_STAGE,
        "http" => HTTP_STAGE,
        "sql" => SQL_STAGE,
        "sleep" | "until" => SLEEP_STAGE,
        "workflow" => CHILD_STAGE,
        _ => &[],
    }
}

/// Keys that stages of that kind share with others.
pub(crate) fn of_every(kind: &str) -> &'static [Key] {
    match kind {
        "sleep" | "until" | "workflow" => EVERY_WAIT,
        "wait" => EVERY_SIGNAL,
        _ => EVERY_STAGE,
    }
}

/// Classes that a stage can fail with.
pub(crate) fn classes() -> impl Iterator<Item = FailureClass> {
    FailureClass::ALL.iter().copied().filter(|class| class.is_returned_by_stages())
}

/// Those, and what Piton itself finds at the end of a wait or of rounds.
pub(crate) fn classes_of_ends() -> impl Iterator<Item = FailureClass> {
    classes().chain([FailureClass::WaitTimeout, FailureClass::NotGoodEnough])
}

/// Classes that rules can be made for.
pub(crate) fn ruled_classes() -> impl Iterator<Item = FailureClass> {
    FailureClass::ALL.iter().copied().filter(|class| class.has_rules())
}

#[cfg(test)]
pub(crate) mod tests;
