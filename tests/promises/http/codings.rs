//! A packed body is unpacked to its end, or refused: nobody gets half of one, or takes what is packed for the file itself.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{failures, worker};
use crate::harness::World;
use crate::http_server::{HttpServer, Request, Wire};

/// As `gzip` packs it.
fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    gzip.wait_with_output().unwrap().stdout
}

/// Two members, as `cat a.gz b.gz` makes it.
fn members() -> Vec<u8> {
    [gzip("[1.10, 2"), gzip(", 3]")].concat()
}

fn answer(request: &Request, wire: &mut Wire) -> std::io::Result<()> {
    let coding = |said: &str| format!("Content-Encoding: {said}");
    let (said, body) = match request.target.trim_start_matches('/') {
        "plain" => (coding("identity"), b"[1.10, 2, 3]".to_vec()),
        "lower" => (coding("gzip"), gzip("[1.10, 2, 3]")),
        "upper" => (coding("GZIP"), gzip("[1.10, 2, 3]")),
        "old" => (coding("x-gzip"), gzip("[1.10, 2, 3]")),
        "members" => (coding("gzip"), members()),
        "cut" => (coding("gzip"), members()[..members().len() - 4].to_vec()),
        "unpacked" => (coding("gzip"), b"[1.10, 2, 3]".to_vec()),
        "br" => (coding("br"), b"\x8b\x02\x80[1]\x03".to_vec()),
        "twice" => (coding("gzip, gzip"), gzip("[1]")),
        other => panic!("no body {other}"),
    };
    wire.answer(200, &[&said], &body)
}

#[tokio::test]
async fn a_packed_answer_is_whole_or_refused_whatever_it_becomes() {
    let server = HttpServer::start(answer);
    let stage = |output: &str| {
        format!(
            "[stages.{output}]\nhttp = \"${{API}}/{{{{item}}}}\"\nfor_each = \"input\"\noutput = \"{output}\"\nretry = {{ max_retries = 0 }}\n"
        )
    };
    let outputs = ["json", "text", "response", "file"];
    let world = World::with(&[&format!("name = \"ask\"\n{}", outputs.map(stage).concat())]).await;
    let url = server.url();
    let _worker = worker(&world, &[("API", &url)], &[]);
    let whole = ["plain", "lower", "upper", "old", "members"];
    let run = world.start("ask", &json!(whole).to_string());
    assert_eq!(world.ended(&run).await, "done");
    let found: Vec<(i16, i32, String)> = sqlx::query_as(
        "select stage, item, coalesce(output -> 'body', output)::text from piton.checkpoints where item >= 0 order by 1, 2",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    for (stage, item, output) in &found {
        let output: Value = serde_json::from_str(output).unwrap();
        let name = whole[usize::try_from(*item).unwrap()];
        match stage {
            0 => assert_eq!(output.to_string(), "[1.10,2,3]".replace("1.10", "1.1"), "{name}"),
            1 | 2 => assert_eq!(output, json!("[1.10, 2, 3]"), "{name}"),
            _ => assert_eq!(output["files"][0]["bytes"], json!(12), "{name}"),
        }
    }
    assert_eq!(found.len(), whole.len() * outputs.len());
    let digests = world.count("select count(distinct digest) from piton.artifacts where type = 'output'").await;
    assert_eq!(digests, 1, "the files are the same");

    let wrong = [
        ("cut", "resource_unavailable", "the server's gzip cannot be unpacked: "),
        ("unpacked", "resource_unavailable", "the server's gzip cannot be unpacked: "),
        ("br", "invalid_input", "the server sent its body as `br`, though it was asked for gzip or plain"),
        ("twice", "invalid_input", "the server sent its body as `gzip, gzip`, though it was asked for gzip or plain"),
    ];
    let run = world.start("ask", &json!(wrong.map(|(item, ..)| item)).to_string());
    let failed = failures(&world, &run, wrong.len() * outputs.len()).await;
    for failed in failed {
        let (item, class, said) = wrong[usize::try_from(failed.item).unwrap()];
        let stage = outputs[usize::try_from(failed.stage).unwrap()];
        assert!(failed.class == class && failed.message.contains(said), "{item} as {stage}: {}", failed.message);
    }
}
