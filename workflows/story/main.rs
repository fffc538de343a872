//! The story workflow: a topic or a manuscript in, the storyboard of a short video out.
//! Everything durable about it is Piton's; the rooms beside this file only turn one JSON value into the next.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod assembly;
mod canvas;
mod caption;
mod casting;
mod check;
mod compose;
mod critic;
mod easel;
mod forest;
#[cfg(test)]
mod handlers;
mod land;
mod lettering;
mod manuscript;
mod measure;
mod mend;
mod narration;
mod night;
mod outline;
mod page;
mod palette;
mod phrases;
mod picture;
mod prop;
mod realm;
mod request;
mod room;
mod salience;
mod scene;
mod script;
mod seed;
mod simulate;
mod srt;
mod text;
mod town;
mod water;
mod weather;
mod workshop;

fn main() -> std::process::ExitCode {
    app().main()
}

fn app() -> piton::App {
    piton::App::new()
        .workflow("workflows/story/story.toml", include_str!("story.toml"))
        .handler("script", script::script)
        .handler("check", check::check)
        .handler("critic", critic::critic)
        .handler("narration", narration::narration)
        .handler("picture", picture::picture)
        .handler("assembly", assembly::assembly)
}
