//! What a command or a request may contain.

use insta::assert_snapshot;

use super::*;

/// The mistakes of one command stage, whose keys begin on line 4.
fn command(text: &str) -> String {
    brief(&format!("name = 'story'\n[stages.a]\ncommand = ['wc', '-w']\n{text}"))
}

/// The mistakes of one http stage, whose keys begin on line 4.
fn http(text: &str) -> String {
    brief(&format!("name = 'story'\n[stages.a]\nhttp = 'https://example.com/v1'\n{text}"))
}

#[test]
fn a_statement_has_a_role_and_its_places_are_parameters() {
    let file = "name = 'story'\n[stages.a]\nsql = 'select {{run.id}}, {{input.n}}'\nrole = 'etl'";
    let workflow = parse(file).expect("a workflow");
    assert_snapshot!(workflow.to_json(), @r#"{"name":"story","stages":[{"name":"a","needs":[],"kind":{"sql":{"statement":"select {{run.id}}, {{input.n}}","role":"etl"}},"timeout_ms":300000,"knows_run":true}]}"#);
    assert_eq!(Workflow::from_json(&workflow.to_json()).as_ref(), Ok(&workflow));
    for (text, title, help) in [
        ("sql = 'select 1'", "`sql` does not say whose rights it has", "add role = \"etl\""),
        ("role = 'etl'", "stage `a` does not say how it runs", "add command"),
        ("sql = 'select 1'\nrole = 'piton_worker'", "`piton_worker` is no role for a stage", "name a role of your own"),
        ("sql = 'drop table t'\nrole = 'etl'", "`sql` is no statement for a stage", "it begins with `drop`"),
        (
            "sql = \"select '{{input.n}}'\"\nrole = 'etl'",
            "`sql` is no statement for a stage",
            "`{{input.n}}` stands in a literal",
        ),
        ("sql = 'select {{item}}'\nrole = 'etl'", "`a` has no `item`", "add for_each"),
        ("sql = 'select {{run.output}}'\nrole = 'etl'", "`a` has no `run.output`: only programs have it", "remove it"),
        (
            "sql = 'select {{file:b/c}}'\nrole = 'etl'",
            "`sql` is no statement for a stage",
            "`{{file:b/c}}` cannot stand in SQL",
        ),
        (
            "sql = 'select 1'\nrole = 'etl'\nclasses = {}",
            "`classes` is for stages of the kind `command` or `http`",
            "remove it",
        ),
        ("sql = 'select 1'\nrole = 'etl'\nenv = {}", "`env` is for stages of the kind `command`", "remove it"),
        ("command = ['a']\nrole = 'etl'", "`role` is for stages of the kind `sql`", "remove it"),
    ] {
        let said = line(text);
        assert!(said.contains(title) && said.contains(help), "{text}: {said}");
    }
}

fn line(text: &str) -> String {
    brief(&format!("name = 'story'\n[stages.a]\n{text}"))
}

#[test]
fn every_key_of_a_command_is_understood() {
    let text = r#"
        name = "story"
        [stages.a]
        command = ["./script.sh", "--lang={{input.lang}}", "", "${HOME}/x", "awk '{print $1}'"]
        env = { LEVEL = "3", TOKEN = "${SECRET}" }
        pass_env = ["API_KEY"]
        dir = "/srv/${PLACE}"
        stdin = "none"
        memory = "512MiB"
        output = "text"
        classes = { 75 = "unknown", 3 = "rate_limited" }
        retry = { max_retries = 0 }"#;
    let workflow = parse(text).expect("a workflow");
    assert_snapshot!(workflow.to_json(), @r#"{"name":"story","stages":[{"name":"a","needs":[],"kind":{"command":{"argv":["./script.sh","--lang={{input.lang}}","","${HOME}/x","awk '{print $1}'"],"env":{"LEVEL":"3","TOKEN":"${SECRET}"},"pass_env":["API_KEY"],"dir":"/srv/${PLACE}","stdin":"none","memory_bytes":536870912,"output":"text","classes":{"3":"rate_limited","75":"unknown"}}},"timeout_ms":300000,"retry":{"max_retries":0}}]}"#);
    assert_eq!(Workflow::from_json(&workflow.to_json()).as_ref(), Ok(&workflow));
}

#[test]
fn every_key_of_a_request_is_understood() {
    let text = r#"
        name = "story"
        [stages.a]
        http = "${API}/items/{{item.id}}?lang={{input.lang}}"
        for_each = "input.items"
        method = "PUT"
        headers = { authorization = "Bearer ${API_KEY}" }
        connect_timeout = "3s"
        redirects = 2
        files = { audio = "item.path" }
        dir = "/srv/media"
        output = "text"
        classes = { 403 = "rate_limited" }"#;
    let workflow = parse(text).expect("a workflow");
    assert_snapshot!(workflow.to_json(), @r#"{"name":"story","stages":[{"name":"a","needs":[],"for_each":{"source":"input","path":["items"]},"kind":{"http":{"url":"${API}/items/{{item.id}}?lang={{input.lang}}","method":"PUT","headers":{"authorization":"Bearer ${API_KEY}"},"connect_timeout_ms":3000,"redirects":2,"files":{"audio":"item.path"},"dir":"/srv/media","output":"text","classes":{"403":"rate_limited"}}},"timeout_ms":300000}]}"#);
    assert_eq!(Workflow::from_json(&workflow.to_json()).as_ref(), Ok(&workflow));
}

#[test]
fn a_command_that_cannot_be_run_is_told() {
    assert_snapshot!(line("command = 'wc -w'"), @r#"
    3:11 `command` must be a program and its arguments, each in quotes of its own: found one string
          write command = ["wc", "-w"]; there is no shell in between
    "#);
    assert_snapshot!(line("command = []"), @r#"
    3:11 `command` names no program
          write command = ["wc", "-w"]
    "#);
    assert_snapshot!(line("command = ['', 'x']"), @r#"
    3:11 `command` names no program
          write command = ["wc", "-w"]
    "#);
    assert_snapshot!(line("command = ['wc', 3]"), @r#"
    3:18 `command` must be a program and its arguments: found a whole number
          write command = ["wc", "-w"]
    "#);
    assert_snapshot!(line("command = ['wc', '${HOME', '{{item'] "), @r"
    3:18 `command` cannot be filled in
          `${` is not closed; write ${NAME}, or $${ for the characters themselves
    3:28 `command` cannot be filled in
          `{{` is not closed; write {{item}}, or {{{{ for the characters themselves
    ");
    assert_snapshot!(command("env = { '1A' = 'x', PITON_RUN = 'y', B = 3 }\npass_env = ['A-B']"), @r#"
    4:9 `1A` is no name that `env` can set
          a variable is named with letters, digits and `_`, such as API_KEY
    4:21 `PITON_RUN` is no name that `env` can set
          variables that begin with PITON_ are Piton's own
    4:42 `env` must be a table of names and strings: found a whole number
          write env = { LEVEL = "3" }
    5:13 `A-B` is no name of a variable
          a variable is named with letters, digits and `_`, such as API_KEY
    "#);
    assert_snapshot!(command("memory = 512\noutput = 'jsn'\ndir = ''"), @r#"
    4:10 `memory` must be an amount in quotes: found a whole number
          write memory = "512MiB"
    5:10 `jsn` is no output
          did you mean "json"?
    6:7 `dir` is empty
          write dir = "/srv/media", or remove the line
    "#);
    assert_snapshot!(command("memory = '512'\noutput = 'xml'"), @r#"
    4:10 `512` is no amount of memory
          write a number and a unit (MB, MiB, GB or GiB), such as "512MiB"; at least 1MB
    5:10 `xml` is no output
          write one of "json", "text"
    "#);
}

#[test]
fn a_warm_program_is_started_before_it_has_a_job() {
    assert_snapshot!(command("warm = { processes = 0, idle = 30, memory = '1GiB', proceses = 2 }"), @r#"
    4:22 `processes` must be a whole number from 1 to 1000: found 0
          write processes = 2
    4:32 `idle` must be a duration in quotes: found a whole number
          write idle = "30s" for seconds
    4:36 there is no key `memory` in `warm`
          write max_memory, which ends a process that uses more; `memory` of the stage limits its address space
    4:53 there is no key `proceses` in `warm`
          did you mean `processes`?
    "#);
    assert_snapshot!(command("warm = true\nmemory = '1GiB'"), @r#"
    4:8 `warm` must be a table of limits: found true or false
          write warm = { processes = 2, start_timeout = "2m" }
    "#);
    assert_snapshot!(command("warm = {}\ndir = '/srv/{{input.place}}'\nstdin = 'none'"), @r#"
    4:8 the folder `/srv/{{input.place}}` depends on the job, and a warm program is started before it has one
          start it in one folder, and name the job's in `env`
    4:8 a warm program gets no input from standard input: it is empty anyway
          remove stdin = "none"; each job comes with its input as a message
    "#);
    assert_snapshot!(line("warm = {}\ncommand = ['python3', 'x.py', '{{input.lang}}']"), @r#"
    3:8 `{{input.lang}}` depends on the job, and a warm program is started before it has one
          let the program read it from its input, or name it in `env`, whose texts come with each job: env = { AUDIO = "…" }
    "#);
}

#[test]
fn a_warm_stage_has_no_more_attempts_on_a_worker_than_processes_unless_the_file_says_so() {
    let per_worker = |keys: &str| {
        let text = format!("name = 'story'\n[stages.a]\ncommand = ['a']\n{keys}");
        parse(&text).expect("a workflow").stages[0].per_worker
    };
    assert_eq!(per_worker(""), None);
    assert_eq!(per_worker("warm = {}"), Some(1));
    assert_eq!(per_worker("warm = { processes = 3 }"), Some(3));
    assert_eq!(per_worker("warm = { processes = 3 }\nper_worker = 5"), Some(5));
}

#[test]
fn what_no_worker_can_be_asked_for_before_a_run_is_told() {
    assert_snapshot!(command("requires = ['jq', '{{input.tool}}', 's3://bucket/in', '', '${A']"), @r#"
    4:19 `{{input.tool}}` depends on the run, and a worker looks for it before any
          write a tool's name, or a path; ${NAME} is taken from the worker's environment
    4:37 `s3://bucket/in` is no tool and no place of the worker's machine
          write a tool's name such as "tesseract", or a path such as "${PDF_INBOX}"; a server is not looked for
    4:55 `requires` must be an array of tools and places: this element is empty
          write requires = ["tesseract", "${PDF_INBOX}"]
    4:59 `requires` cannot be filled in
          `${` is not closed; write ${NAME}, or $${ for the characters themselves
    "#);
    assert_snapshot!(command("requires = 'jq'"), @r#"
    4:12 `requires` must be an array of tools and places: found a string
          write requires = ["jq"]
    "#);
}

#[test]
fn a_request_that_cannot_be_sent_is_told() {
    for (url, cure) in [
        ("example.com", "begin it with https:// or http://, or with a variable such as ${API_URL}"),
        ("ftp://example.com", "begin it with https:// or http://"),
        ("https:///x", "name the server, such as https://example.com/v1/script"),
        ("https://{{input.host}}/x", "name the server, such as https://example.com/v1/script"),
        (
            "https://a{{input.host}}/x",
            "let {{…}} stand behind the server and a `/`; the input must not choose the server",
        ),
        ("${API}{{input.host}}", "let {{…}} stand behind the server and a `/`; the input must not choose the server"),
        (
            "https://me:secret@example.com",
            "write user and password as a header: headers = { authorization = \"Basic ${CREDENTIALS}\" }",
        ),
    ] {
        let said = line(&format!("http = '{url}'"));
        assert_eq!(said, format!("3:8 `{url}` is no URL that can be called\n      {cure}\n"));
    }
    assert_snapshot!(http("method = 'post'\nredirects = 21\nconnect_timeout = 5"), @r#"
    4:10 `post` is no method
          write one of "POST", "PUT", "PATCH", "DELETE", "GET"
    5:13 `redirects` must be a whole number up to 20: found 21
          write redirects = 3
    6:19 `connect_timeout` must be a duration in quotes: found a whole number
          write connect_timeout = "5s" for seconds
    "#);
    assert_snapshot!(http("headers = { 'a b' = 'x', Host = 'y', ok = '${A' }"), @r"
    4:13 `a b` is no name that `headers` can set
          a header is named with letters, digits and `-`, such as authorization
    4:26 `Host` is no name that `headers` can set
          Piton sets `host` itself; remove it
    4:43 `headers` cannot be filled in
          `${` is not closed; write ${NAME}, or $${ for the characters themselves
    ");
    assert_snapshot!(http("method = 'GET'\nfiles = { input = 'input.x', a = 'a b', b = 'input.y' }"), @r#"
    5:9 a request with the method GET sends no files
          remove `files`, or the line `method`
    5:11 `input` is no name for a form field with a file
          choose another; `input` is the stage's input
    5:34 `a b` is no place of a file name
          write where in the input the name stands, such as "item.path", or "file:STAGE/NAME"
    "#);
}

#[test]
fn classes_that_cannot_be_are_told() {
    assert_snapshot!(command("classes = { 0 = 'unknown', 03 = 'unknown', 256 = 'unknown', x = 'unknown', 3 = 'rate_limit' }"), @r#"
    4:13 `0` is no exit code that `classes` can name
          write a number from 1 to 255, as in classes = { 3 = "rate_limited" }
    4:28 `03` is no exit code that `classes` can name
          write a number from 1 to 255, as in classes = { 3 = "rate_limited" }
    4:44 `256` is no exit code that `classes` can name
          write a number from 1 to 255, as in classes = { 3 = "rate_limited" }
    4:61 `x` is no exit code that `classes` can name
          write a number from 1 to 255, as in classes = { 3 = "rate_limited" }
    4:80 `rate_limit` is no class of failures
          did you mean "rate_limited"?
    "#);
    assert_snapshot!(http("classes = { 99 = 'unknown', 404 = 'crashed', 500 = 3, 503 = '' }"), @r#"
    4:13 `99` is no status that `classes` can name
          write a number from 200 to 999, as in classes = { 422 = "resource_unavailable" }
    4:35 `crashed` is no class of failures
          the classes are network_timeout, rate_limited, resource_unavailable, out_of_memory, unknown, invalid_input, auth_failure
    4:52 `class` must be the name of a class in quotes: found a whole number
          write classes = { 422 = "resource_unavailable" }
    4:61 `class` is empty
          write classes = { 422 = "resource_unavailable" }
    "#);
    assert_snapshot!(http("classes = 'unknown'"), @r#"
    4:11 `classes` must be a table of statuses and classes: found a string
          write classes = { 422 = "resource_unavailable" }
    "#);
}

#[test]
fn what_piton_sets_for_programs_is_told_from_the_worker_s_variables() {
    assert_snapshot!(command("dir = '${PITON_RUN}'\nenv = { A = '${PITON_ARTIFACTS}', B = '${PITON_SLOTS}' }"), @r"
    4:7 `${PITON_RUN}` is no variable of the worker: Piton sets it for programs
          write {{run.id}}
    5:13 `${PITON_ARTIFACTS}` is no variable of the worker: Piton sets it for programs
          write {{run.artifacts}}
    ");
    assert_snapshot!(command("env = { A = '{{run}}', B = '{{run.item}}', C = '{{run.id | \"7\"}}' }"), @r#"
    4:13 `env` cannot be filled in
          `run` is nothing that a stage knows of its run; it knows run.id, run.workflow, run.stage, run.item, run.attempt, run.round, run.worker, run.idempotency_key, run.output, run.progress, run.artifacts, run.inputs
    4:28 `a` has no `run.item`: it is not fanned out
          add for_each = "…", the place of an array, or remove it
    4:48 `env` cannot be filled in
          `run.id` always has a value, and takes no default
    "#);
    assert_snapshot!(command("env = { B = '{{run.item}}' }"), @r#"
    4:13 `a` has no `run.item`: it is not fanned out
          add for_each = "…", the place of an array, or remove it
    "#);
    assert_snapshot!(http("headers = { a = '{{run.output}}', b = '{{run.id}}' }"), @r"
    4:17 `a` has no `run.output`: only programs have it
          remove it; the body of the answer is the output
    ");
}

#[test]
fn places_that_no_input_can_have_are_told() {
    assert_snapshot!(brief(
        "name = 'story'
[stages.script]
command = ['a', '{{item.x}}', '{{scrpt}}']
[stages.b]
command = ['b', '{{script.title}}', '{{other.title}}', '{{inputs.lang}}']
[stages.c]
http = 'http://c/{{scrit.id}}'
needs = ['script']"
    ), @r#"
    3:17 `script` has no `item`: it is not fanned out
          add for_each = "…", the place of an array, or read from `input`
    3:31 `scrpt` is in no input of stage `script`
          a place begins with `input`, `item` or a stage that is needed
    5:17 stage `b` reads the output of `script`, which is not among its needs
          add "script" to needs
    5:37 `other.title` is in no input of stage `b`
          a place begins with `input`, `item` or a stage that is needed
    5:56 `inputs.lang` is in no input of stage `b`
          did you mean `input`?
    7:8 `scrit.id` is in no input of stage `c`
          did you mean `script`?
    "#);
}
