//! The casting: which landscape and which things a scene's words call for.

use std::collections::BTreeSet;

use crate::easel::{Easel, is_listed};
use crate::lettering::Place;
use crate::{forest, land, night, prop, room, town, water, weather, workshop};

/// A painter of a whole landscape, the words it answers to, and where it leaves room for the title.
pub(crate) struct Backdrop {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) paint: fn(&mut Easel),
    pub(crate) title: Place,
}

/// Where two are named as often, the earlier one is taken; the last answers to nothing.
pub(crate) const BACKDROPS: [Backdrop; 10] = [
    Backdrop {
        name: "starry sky",
        words: "star moon galaxy planet space universe night midnight comet sky telescope orbit eclipse cosmos",
        paint: night::night,
        title: Place::Bottom,
    },
    Backdrop {
        name: "sea",
        words: "sea ocean wave tide ship boat harbour harbor sail lighthouse coast beach island whale fish octopus coral cliff headland salt",
        paint: water::sea,
        title: Place::Top,
    },
    Backdrop {
        name: "workshop",
        words: "machine wheel gear engine clock workshop factory computer code needle robot signal quantum invention",
        paint: workshop::workshop,
        title: Place::Bottom,
    },
    Backdrop {
        name: "room",
        words: "room table bread kitchen oven chair letter book steam tea coffee home desk sleeve brass bakers",
        paint: room::room,
        title: Place::Bottom,
    },
    Backdrop {
        name: "mountains",
        words: "mountain peak summit ridge snow glacier rock alps climb pass stone frost ice avalanche volcano goat valley",
        paint: land::mountain,
        title: Place::Top,
    },
    Backdrop {
        name: "forest",
        words: "forest tree wood leaf root owl wolf bear mushroom fungus jungle branch seedling bird bee spider deer",
        paint: forest::forest,
        title: Place::Bottom,
    },
    Backdrop {
        name: "desert",
        words: "desert sand dune camel oasis caravan pyramid dust heat nomad",
        paint: land::desert,
        title: Place::Top,
    },
    Backdrop {
        name: "city",
        words: "city street tower roof town market train tram bridge traffic building bell quay mayor crowd glass",
        paint: town::city,
        title: Place::Top,
    },
    Backdrop {
        name: "meadow",
        words: "meadow field hill road path river garden farm grass flower horse cow rain flood shepherd children walk",
        paint: land::meadow,
        title: Place::Top,
    },
    Backdrop { name: "abstract shapes", words: "", paint: night::abstraction, title: Place::Bottom },
];

/// A thing that can be set into some of the backdrops.
pub(crate) struct Extra {
    pub(crate) name: &'static str,
    pub(crate) words: &'static str,
    pub(crate) within: &'static str,
    pub(crate) paint: fn(&mut Easel),
}

const EXTRAS: [Extra; 12] = [
    Extra {
        name: "lightning",
        words: "storm lightning thunder power",
        within: "sea mountains city forest meadow",
        paint: weather::lightning,
    },
    Extra { name: "a bridge", words: "bridge train tram", within: "city meadow", paint: prop::bridge },
    Extra { name: "a clock tower", words: "clock tower bell", within: "city meadow", paint: prop::clock },
    Extra { name: "a lighthouse", words: "lighthouse keeper lamp tower light", within: "sea", paint: prop::lighthouse },
    Extra { name: "a boat", words: "boat ship sail harbour harbor fisherman sailor", within: "sea", paint: prop::boat },
    Extra {
        name: "a house with a lit window",
        words: "window house home door lamp shepherd neighbour",
        within: "meadow mountains",
        paint: prop::house,
    },
    Extra {
        name: "a lone tree",
        words: "tree leaf garden summer children owl wall",
        within: "meadow",
        paint: prop::tree,
    },
    Extra {
        name: "a fire",
        words: "fire spark smoke burn camp",
        within: "sea desert forest meadow mountains",
        paint: weather::fire,
    },
    Extra {
        name: "birds",
        words: "bird gull dawn morning sunrise sky wind spring",
        within: "sea meadow mountains city",
        paint: prop::birds,
    },
    Extra {
        name: "a lone figure",
        words: "walk repairer shepherd someone she he they nomad climb footsteps you",
        within: "desert meadow forest",
        paint: prop::figure,
    },
    Extra { name: "rain", words: "storm rain flood", within: "sea mountains city forest meadow", paint: weather::rain },
    Extra {
        name: "falling snow",
        words: "snow winter frost avalanche",
        within: "mountains forest city meadow",
        paint: weather::snow,
    },
];

pub(crate) fn backdrop_of(words: &[String]) -> &'static Backdrop {
    let distinct: BTreeSet<&String> = words.iter().collect();
    let named = |backdrop: &Backdrop| {
        let listed = |word: &&&String| is_listed(backdrop.words, word);
        distinct.iter().filter(listed).count()
    };
    // The first of the best: max_by_key would take the last.
    let best = BACKDROPS.iter().rev().max_by_key(|backdrop| named(backdrop));
    best.filter(|backdrop| named(backdrop) > 0).unwrap_or(&BACKDROPS[BACKDROPS.len() - 1])
}

/// At most three, in the order in which they are painted.
pub(crate) fn extras_of(easel: &Easel, backdrop: &Backdrop) -> Vec<&'static Extra> {
    let fits = |extra: &&Extra| extra.within.contains(backdrop.name) && easel.speaks_of(extra.words);
    EXTRAS.iter().filter(fits).take(3).collect()
}
