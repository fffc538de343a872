//! Every room's handler, called as a worker calls it, and all of them in their workflow.

use piton::testing::{Mock, TestAttempt, TestError, TestPiton};
use piton::{Failure, FailureClass};
use serde_json::{Value, json};

use crate::assembly::assembly;
use crate::check::check;
use crate::critic::critic;
use crate::narration::narration;
use crate::picture::picture;
use crate::script::script;

const TOPIC: &str = "the last lighthouse keepers";

fn at(stage: &str) -> TestAttempt {
    TestAttempt::new().workflow("story").stage(stage)
}

/// The story that the critic lets through in the round after this one, what it says in this one, and what it is given.
async fn approved(topic: &str) -> (TestAttempt, Value, Value) {
    let input = json!({"topic": topic});
    let script: Value = at("script").call(script, json!({"input": input})).await.unwrap();
    let checked: Value = at("check").call(check, json!({"input": input, "script": script})).await.unwrap();
    let given = json!({"input": input, "check": checked});
    let plain: Value = at("critic").round(1).call(critic, given.clone()).await.unwrap();
    (at("critic").round(2), plain, given)
}

#[tokio::test]
async fn what_one_room_hands_on_is_what_the_next_one_takes() {
    let (second, plain, given) = approved(TOPIC).await;
    assert!(plain["rejected"].is_string(), "the next round reads the next draft: {plain}");
    let story: Value = second.call(critic, given).await.unwrap();
    assert_eq!(story["draft"], 2);

    let scenes = story["scenes"].as_array().unwrap();
    let (mut narrations, mut pictures) = (Vec::new(), Vec::new());
    for (number, scene) in (0..).zip(scenes) {
        let given = json!({"input": {"topic": TOPIC}, "item": scene});
        narrations.push(at("narration").item(number).call::<_, Value>(narration, given.clone()).await.unwrap());
        pictures.push(at("picture").item(number).call::<_, Value>(picture, given).await.unwrap());
    }
    let last = at("assembly");
    let whole = json!({"input": {"topic": TOPIC}, "critic": story, "narration": narrations, "picture": pictures});
    let assembled: Value = last.call(assembly, whole.clone()).await.unwrap();
    assert_eq!(assembled["scenes"], scenes.len());

    let kept = last.artifacts();
    assert_eq!(kept.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["storyboard.html", "captions.srt"]);
    let page = String::from_utf8_lossy(&kept[0].bytes);
    assert_eq!(page.matches("<svg").count(), scenes.len());
    assert!(kept[1].bytes.starts_with(b"1\n00:00:00,000 --> "), "{:?}", String::from_utf8_lossy(&kept[1].bytes));
    assert_eq!(kept[0].content_type.as_deref(), Some("text/html"));

    // Scenes that were made apart have to be of one story.
    let mut torn = whole;
    torn["picture"].as_array_mut().unwrap().reverse();
    let failure = at("assembly").call::<_, Value>(assembly, torn).await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::InvalidInput);
}

#[tokio::test]
async fn simulated_work_reports_how_far_it_is_and_ends_early_when_it_is_cancelled() {
    let slow = json!({"input": {"topic": "bees", "simulate": {"slow_ms": 60}}});
    let attempt = at("script");
    attempt.call::<_, Value>(script, slow).await.unwrap();
    let progress = attempt.progress().unwrap();
    assert_eq!((progress.done, progress.of), (60, 60));

    let endless = json!({"input": {"topic": "bees", "simulate": {"slow_ms": 3_600_000}}});
    let attempt = at("script");
    attempt.cancel();
    let failure = attempt.call::<_, Value>(script, endless).await.unwrap_err();
    assert_eq!(failure.class(), FailureClass::ResourceUnavailable);
    let elsewhere = json!({"input": {"topic": "bees", "simulate": {"fail": "rate_limited", "stages": ["picture"]}}});
    assert!(at("script").call::<_, Value>(script, elsewhere).await.is_ok(), "another room fails");
}

#[tokio::test]
async fn a_story_is_told_to_its_end_with_pictures_of_somebody_else() {
    let painter = Mock::with(|call| {
        let given: Value = call.input()?;
        Ok::<_, Failure>(json!({"scene": given["item"]["id"], "alt": "a scene", "svg": "<svg></svg>"}))
    });
    let piton = TestPiton::builder(crate::app()).mock("story", "picture", painter.clone()).build().await.unwrap();
    let story: Value = piton.run("story", &json!({"topic": TOPIC})).await.unwrap();
    assert_eq!(story["scenes"], painter.calls().len());

    let refused = piton.run::<Value>("story", &json!({"topic": "?"})).await.unwrap_err();
    let TestError::Run { dead_letters, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((dead_letters[0].stage.as_str(), dead_letters[0].class.as_str()), ("script", "invalid_input"));
}
