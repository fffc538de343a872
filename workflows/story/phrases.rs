//! The stock of sentences that a topic is told with: openings, leads and endings.
//! `{s}` is the topic, `{is}` its verb.

use crate::scene::Mood;

/// One way to open, and the ending that leads back into it.
pub(crate) struct Frame {
    pub(crate) angle: &'static str,
    /// Whether it names the topic in full, however long that takes to say.
    pub(crate) in_full: bool,
    pub(crate) openings: [&'static str; 3],
    pub(crate) endings: [&'static str; 3],
}

/// The plain telling comes first: it needs no tricks, if the critic lets it pass.
pub(crate) const FRAMES: [Frame; 4] = [
    Frame {
        angle: "plain telling",
        in_full: true,
        openings: [
            "This is the story of {s}.",
            "Here is what there is to say about {s}.",
            "In this film we follow {s}.",
        ],
        endings: [
            "That is how things are for the moment.",
            "So much for the facts as they stand.",
            "And that brings us up to date.",
        ],
    },
    Frame {
        angle: "open question",
        in_full: false,
        openings: ["Who still needs {s}?", "What would we lose without {s}?", "Why does nobody talk about {s}?"],
        endings: [
            "So ask it once more, and slowly. Who still needs {s}?",
            "Which leaves the question we began with. What would we lose without {s}?",
            "Now you know, and one thing is still open. Why does nobody talk about {s}?",
        ],
    },
    Frame {
        angle: "against the odds",
        in_full: false,
        openings: [
            "Nobody expected {s} to last.",
            "By every rule, {s} should not be here.",
            "Nothing about {s} is an accident.",
        ],
        endings: [
            "And every day it begins again, because nobody expected {s} to last.",
            "Count it all up again. By every rule, {s} should not be here.",
            "Look back at it all once more. Nothing about {s} is an accident.",
        ],
    },
    Frame {
        angle: "the viewer's own eyes",
        in_full: false,
        openings: [
            "You have never really seen {s}.",
            "You walk past the secret of {s} every day.",
            "You are wrong about {s}.",
        ],
        endings: [
            "Now look again, because you have never really seen {s}.",
            "Tomorrow, once more, you walk past the secret of {s}.",
            "Unless you look again, you are wrong about {s}.",
        ],
    },
];

/// The middle of every story, in this order; a realm has one detail for each.
pub(crate) struct Beat {
    pub(crate) mood: Mood,
    pub(crate) leads: [&'static str; 3],
}

pub(crate) const BEATS: [Beat; 6] = [
    Beat {
        mood: Mood::Warm,
        leads: [
            "Before the maps and the manuals, there was only habit.",
            "For a long time nobody wrote any of this down.",
            "Go back one lifetime and the picture changes.",
        ],
    },
    Beat {
        mood: Mood::Calm,
        leads: [
            "Come closer. What matters is always small.",
            "Come in close, and {s} {is} no longer an idea.",
            "Now look at the part that photographs leave out.",
        ],
    },
    Beat {
        mood: Mood::Bright,
        leads: [
            "Someone does the work, most days, with nobody watching.",
            "Behind it all stand ordinary people with cold hands.",
            "None of this runs by itself.",
        ],
    },
    Beat {
        mood: Mood::Tense,
        leads: [
            "Then comes the day when nothing goes to plan.",
            "And then, one evening, everything goes wrong at once.",
            "It never lasts. Something always breaks.",
        ],
    },
    Beat {
        mood: Mood::Wonder,
        leads: [
            "When the noise stops, you notice what was there all along.",
            "After dark, everything about it feels different.",
            "This is the quiet hour, the one nobody films.",
        ],
    },
    Beat {
        mood: Mood::Wistful,
        leads: [
            "The tools are new now. The reasons are not.",
            "Something has changed since then, and it is mostly us.",
            "Fewer of us stop to look these days.",
        ],
    },
];
