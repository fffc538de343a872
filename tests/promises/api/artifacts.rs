//! Artifacts over the API: as they were committed, in parts, and never what somebody has changed since.

use serde_json::{Value, json};

use super::client::{Answer, Api};
use crate::harness::{Process, World};

/// An artifact of that many bytes, all of them `x`, and where it is in the store.
async fn kept(world: &World, name: &str, bytes: usize) -> (Value, std::path::PathBuf) {
    let script = json!({"name": name, "bytes": bytes}).to_string();
    let run = world.start("files", &script);
    assert_eq!(world.ended(&run).await, "done");
    let sql = "select jsonb_build_object('run', run, 'artifact', artifact, 'address', address, 'digest', digest)
               from piton.artifacts_overview where run = $1::uuid";
    let artifact: Value = sqlx::query_scalar(sql).bind(&run).fetch_one(&world.pool).await.unwrap();
    let file = world.path("artifacts").join(artifact["address"].as_str().unwrap());
    (artifact, file)
}

async fn world() -> (World, Process, Api) {
    let file = "name = 'files'\n[stages.write]\noutput = 'text'\n\
                command = ['sh', '-c', 'head -c \"$2\" /dev/zero | tr \"\\\\0\" x > \"$PITON_ARTIFACTS/$1\"', 'sh', '{{input.name}}', '{{input.bytes}}']";
    let world = World::with(&[file]).await;
    let worker = world.worker("w1", &[]);
    let api = Api::of(&world).await;
    (world, worker, api)
}

fn get(api: &Api, artifact: &Value, headers: &[(&str, &str)]) -> Answer {
    api.ask("GET", &format!("/artifacts/{}", artifact["artifact"].as_str().unwrap()), headers, b"")
}

/// As far as it came: it may be broken off before anything was sent.
fn begun(api: &Api, artifact: &Value, headers: &[(&str, &str)]) -> Option<Answer> {
    let path = format!("/artifacts/{}", artifact["artifact"].as_str().unwrap());
    api.begun(&api.request("GET", &path, headers, b""))
}

#[tokio::test]
async fn an_artifact_is_got_as_it_was_committed() {
    let (world, _worker, api) = world().await;
    let (artifact, file) = kept(&world, "Chapter 1 \"ü\".srt", 10).await;
    let listed = api.get(&format!("/runs/{}/artifacts", artifact["run"].as_str().unwrap())).good();
    let listed = &listed["artifacts"][0];
    assert_eq!((&listed["name"], &listed["type"]), (&json!("Chapter 1 \"ü\".srt"), &json!("output")), "{listed}");
    let got = get(&api, &artifact, &[]);
    assert_eq!((got.status, got.body.as_str()), (200, "xxxxxxxxxx"), "{got:?}");
    assert_eq!(got.headers["content-type"], "application/octet-stream");
    assert_eq!(got.headers["etag"], format!("\"{}\"", artifact["digest"].as_str().unwrap()));
    insta::assert_snapshot!(got.headers["content-disposition"], @r#"attachment; filename="Chapter 1 ___.srt"; filename*=UTF-8''Chapter%201%20%22%C3%BC%22%2Esrt"#);
    let (empty, _) = kept(&world, "empty", 0).await;
    let got = get(&api, &empty, &[]);
    assert_eq!((got.status, got.body.as_str(), got.headers["content-length"].as_str()), (200, "", "0"));
    std::fs::remove_file(file).unwrap();
    assert_eq!(get(&api, &artifact, &[]).problem(), (404, "not-found".to_owned()));
}

#[tokio::test]
async fn a_part_of_an_artifact_is_got() {
    let (world, _worker, api) = world().await;
    let (artifact, _) = kept(&world, "large", 1 << 20).await;
    let tag = format!("\"{}\"", artifact["digest"].as_str().unwrap());
    for (range, bytes, place) in [
        ("bytes=0-0", 1, "bytes 0-0/1048576"),
        ("bytes=100000-", (1 << 20) - 100_000, "bytes 100000-1048575/1048576"),
        ("bytes=-70000", 70_000, "bytes 978576-1048575/1048576"),
        ("bytes=65535-65536", 2, "bytes 65535-65536/1048576"),
    ] {
        let got = get(&api, &artifact, &[("Range", range), ("If-Range", &tag)]);
        assert_eq!((got.status, got.headers["content-range"].as_str()), (206, place), "{range}");
        assert_eq!((got.body.len(), got.headers["content-length"].clone()), (bytes, bytes.to_string()), "{range}");
    }
    for headers in [
        [("Range", "bytes=0-1,5-6"), ("If-Range", tag.as_str())],
        [("Range", "bytes=0-1"), ("If-Range", "\"another\"")],
    ] {
        let got = get(&api, &artifact, &headers);
        assert_eq!((got.status, got.body.len()), (200, 1 << 20), "{headers:?}");
        assert_eq!(got.headers["accept-ranges"], "bytes");
    }
    let got = get(&api, &artifact, &[("Range", "bytes=1048576-")]);
    assert_eq!(
        (got.problem(), got.headers["content-range"].as_str()),
        ((416, "no-such-part".to_owned()), "bytes */1048576")
    );
}

#[tokio::test]
async fn an_artifact_that_was_changed_is_never_got_whole() {
    let (world, _worker, api) = world().await;
    let (small, file) = kept(&world, "small", 1000).await;
    for bytes in ["x".repeat(999) + "y", "x".repeat(999), "x".repeat(1001), String::new()] {
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(get(&api, &small, &[]).problem(), (500, "changed".to_owned()), "{} bytes", bytes.len());
        assert_eq!(get(&api, &small, &[("Range", "bytes=0-1")]).problem(), (500, "changed".to_owned()));
    }
    std::fs::write(&file, "x".repeat(1000)).unwrap();
    assert_eq!(get(&api, &small, &[]).status, 200);

    let size = 1 << 20;
    let (large, file) = kept(&world, "large", size).await;
    for bytes in
        ["x".repeat(size - 1) + "y", "y".to_owned() + &"x".repeat(size - 1), "x".repeat(size - 1), "x".repeat(size + 1)]
    {
        std::fs::write(&file, &bytes).unwrap();
        let head = api.ask("HEAD", &format!("/artifacts/{}", large["artifact"].as_str().unwrap()), &[], b"");
        assert_eq!((head.status, head.headers.get("etag")), (500, None), "its digest is not that of these bytes");
        if let Some(got) = begun(&api, &large, &[]) {
            assert!(got.body.len() < size, "{} of {size} bytes", got.body.len());
            assert_eq!(got.headers["content-length"], size.to_string(), "whoever asked knows that it is not whole");
        }
        for range in ["bytes=0-99", "bytes=500000-600000", "bytes=-1"] {
            let Some(got) = begun(&api, &large, &[("Range", range)]) else { continue };
            let wanted: usize = got.headers["content-length"].parse().unwrap();
            assert!(got.body.len() < wanted, "{range}: {} of {wanted} bytes", got.body.len());
        }
    }
    let id = large["artifact"].as_str().unwrap();
    api.process.says(&format!("artifact {id} is broken off: corrupt_checkpoint")).await;
}
