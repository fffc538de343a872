//! The storyboard page: everything in one file, to be opened anywhere.

use crate::caption::Caption;
use crate::critic::Approved;
use crate::scene::{Mood, Scene};
use crate::text::escape;

const STYLE: &str = include_str!("page.css");
const PLAYER: &str = include_str!("page.js");

/// One scene as it stands on the page.
pub(crate) struct Panel<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) captions: &'a [Caption],
    pub(crate) svg: &'a str,
}

pub(crate) fn page(story: &Approved, panels: &[Panel<'_>]) -> String {
    let title = escape(&story.title);
    let header = header(story);
    let cards: String = panels.iter().map(card).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}, a storyboard</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{header}\n\
         <main>\n{cards}</main>\n<dialog id=\"stage\" aria-label=\"Player\"><div id=\"screen\"></div>\
         <p id=\"line\" dir=\"auto\"></p><div id=\"bar\"><i></i></div></dialog>\n\
         <script>\n{PLAYER}</script>\n</body>\n</html>\n"
    )
}

fn header(story: &Approved) -> String {
    let scores = &story.scores;
    let score = |name: &str, value: f64| {
        format!(
            "<div class=\"score\"><dt>{name}</dt><dd>{value:.1}<span class=\"meter\"><i style=\"width:{:.0}%\"></i></span></dd></div>",
            value * 10.0
        )
    };
    format!(
        "<header>\n<p class=\"eyebrow\">Storyboard</p>\n<h1 dir=\"auto\">{}</h1>\n\
         <p class=\"facts\">{} scenes <b>·</b> {} <b>·</b> draft {}, {}</p>\n<dl>{}{}{}</dl>\n\
         <button id=\"play\" type=\"button\" hidden>Play the story</button>\n</header>",
        escape(&story.title),
        story.scenes.len(),
        clock(story.total_ms),
        story.draft,
        escape(&story.angle),
        score("Hook", scores.hook),
        score("Pacing", scores.pacing),
        score("Loop", scores.looping),
    )
}

fn card(panel: &Panel<'_>) -> String {
    let scene = panel.scene;
    let lines: String = panel.captions.iter().map(caption).collect();
    format!(
        "<article data-ms=\"{}\">\n<div class=\"picture\">{}</div>\n<p class=\"time\"><span>{} to {}</span><span>{:.1} s · {}</span></p>\n\
         <h2 dir=\"auto\">{}</h2>\n<p class=\"told\" dir=\"auto\">{}</p>\n<details><summary>{} captions</summary><ol>{lines}</ol></details>\n</article>\n",
        scene.duration_ms,
        panel.svg,
        clock(scene.start_ms),
        clock(scene.end_ms()),
        scene.duration_ms as f64 / 1000.0,
        mood(scene.mood),
        escape(&scene.title),
        escape(&scene.narration),
        panel.captions.len(),
    )
}

fn caption(caption: &Caption) -> String {
    format!(
        "<li data-from=\"{}\" data-to=\"{}\"><time>{:.1}</time><span dir=\"auto\">{}</span></li>",
        caption.start_ms,
        caption.end_ms,
        caption.film_start_ms as f64 / 1000.0,
        escape(&caption.text)
    )
}

fn clock(ms: u64) -> String {
    let tenths = (ms + 50) / 100;
    format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

fn mood(mood: Mood) -> &'static str {
    match mood {
        Mood::Calm => "calm",
        Mood::Warm => "warm",
        Mood::Tense => "tense",
        Mood::Wonder => "wonder",
        Mood::Wistful => "wistful",
        Mood::Bright => "bright",
    }
}

#[cfg(test)]
mod tests {
    use super::{Panel, clock, page};
    use crate::caption::captions;
    use crate::critic::{Approved, Scores};
    use crate::scene::{sample, total_ms};

    #[test]
    fn markup_in_a_story_is_text_on_the_page() {
        let evil = "<script>alert(1)</script>";
        let scenes = sample(&[evil]);
        let captions = captions(&scenes[0]);
        let story = Approved {
            title: evil.into(),
            angle: evil.into(),
            draft: 1,
            scores: Scores { hook: 7.0, pacing: 7.0, looping: 7.0, mean: 7.0 },
            total_ms: total_ms(&scenes),
            scenes: scenes.clone(),
            rejected: None,
        };
        let panel = Panel { scene: &scenes[0], captions: &captions, svg: "<svg></svg>" };
        let html = page(&story, &[panel]);
        assert!(!html.contains(evil));
        assert_eq!(html.matches("<script").count(), 1);
    }

    #[test]
    fn times_are_rounded_to_a_tenth_without_a_sixtieth_second() {
        assert_eq!((clock(0), clock(59_960), clock(61_240)), ("0:00.0".into(), "1:00.0".into(), "1:01.2".into()));
    }
}
