//! The realms: worlds of things that a topic lives in, each with its own details for every beat of a story.

/// A world of things that a topic lives in, known by the words of the topic.
pub(crate) struct Realm {
    pub(crate) words: &'static str,
    /// Where the opening and the ending stand: title and image of each.
    pub(crate) gate: [(&'static str, &'static str); 2],
    /// Title and detail of each beat.
    pub(crate) beats: [(&'static str, &'static str); 6],
}

/// A table is easier to read in long lines.
#[rustfmt::skip]
pub(crate) const REALMS: [Realm; 8] = [
    Realm {
        words: "sea ocean ship lighthouse harbour harbor boat sail whale fish octopus coral tide beach island wave pirate shark coast water river lake dolphin submarine",
        gate: [
            ("The edge of the map", "Out where the land runs out, a lighthouse blinks at an empty sea."),
            ("The tide comes back", "The tide turns, the waves roll in, and the light goes round."),
        ],
        beats: [
            ("Fires on the headland", "Fires burned on the headland, and ships steered by the smoke."),
            ("Salt in everything", "Salt gets into the rope, the hinges, the bread on the kitchen table."),
            ("The boat before dawn", "A boat goes out before sunrise, and the harbour holds its breath."),
            ("Over the wall", "The storm climbs the cliff, and the waves come over the wall."),
            ("One lamp turning", "Stars above, black water below, and one lamp turning between them."),
            ("Glass on the quay", "The old quay is a city of glass and windows, and the tide has not noticed."),
        ],
    },
    Realm {
        words: "mountain alps peak climb climber summit glacier snow avalanche everest ski volcano rock hike goat valley ice arctic antarctica",
        gate: [
            ("Above the last tree", "Above the last tree the mountain keeps its own time."),
            ("Back to the ridge", "The snow closes over the tracks, and the ridge is blank again."),
        ],
        beats: [
            ("Reading the ridge", "Shepherds on the hill read the meadow the way we read a watch."),
            ("Frost in the stone", "There is frost inside the stone, opening the desert of rock grain by grain."),
            ("Steps, not hours", "They climb the pass before dawn, rope over shoulder, counting steps."),
            ("The path is gone", "A storm drops over the forest, and the path is gone."),
            ("Thin dark", "The stars are so many that the dark between them looks thin."),
            ("The last hour on foot", "There is a road and a hotel window now, but the last hour is still on foot."),
        ],
    },
    Realm {
        words: "city town street tram train subway metro traffic skyscraper bridge building architecture market underground london berlin paris tokyo york road car taxi station",
        gate: [
            ("Before the alarm clocks", "Above the roofs of the city the first window lights up."),
            ("Every window again", "The street lamps come on, and the city begins its other life."),
        ],
        beats: [
            ("One road, one market", "There were fields here, one road, and a market on Thursdays."),
            ("Ten thousand palms", "A worn step in the doorway, a lamp, a brass handle polished by hands."),
            ("The first train", "The first train leaves at four, over the bridge, with those who wake the rest."),
            ("Forty dark streets", "A storm takes the power, and forty streets go dark in one breath."),
            ("A plan behind each window", "The moon over the river, and above it more stars than anybody ordered."),
            ("The long way round", "Glass towers stand where the trees were; the river still takes the long way round."),
        ],
    },
    Realm {
        words: "forest tree trees wood wolf bear bird birds bee bees fungus mushroom plant plants garden flower animal animals insect butterfly owl fox farm leaf nature jungle dog cat horse",
        gate: [
            ("Under the trees", "The forest starts its day without an audience."),
            ("The path grows over", "Leaf by leaf the forest covers the path, and begins again."),
        ],
        beats: [
            ("Older than the path", "The oldest trees in the forest were tall when the first path was cut."),
            ("A whole afternoon", "On one blade in the meadow: a spider, a drop of rain, a whole afternoon."),
            ("No signature", "Roots trade sugar for water under the hill, and nobody signs for it."),
            ("One spark", "One dry summer, one spark, and the mountain is on fire."),
            ("The clearing", "An owl crosses the stars and makes no sound at all."),
            ("Thin as pencils", "Seedlings stand where the fire went through, thin as pencils, along the river."),
        ],
    },
    Realm {
        words: "space star stars planet planets moon mars galaxy universe astronaut rocket telescope comet black hole holes sun sky night orbit satellite satellites cosmos eclipse aurora",
        gate: [
            ("A very old light", "Over your roof tonight, the stars are sending very old news."),
            ("Look up again", "The night comes round, and the stars are where you left them."),
        ],
        beats: [
            ("Long nights, small fires", "Shepherds in the desert named them, because the nights were long."),
            ("That faint smudge", "The dust in this room is as old as anything you can see up there."),
            ("The dome opens", "On a cold mountain a dome opens, and someone pours the third coffee."),
            ("One cloud", "A storm rolls in from the sea, and a year of waiting ends in a minute."),
            ("Ten minutes of dark", "Turn off the lamp. Give the stars ten minutes. Now count."),
            ("A whisper back", "From a city of machines we send a signal, and wait for a whisper back."),
        ],
    },
    Realm {
        words: "desert sand camel oasis sahara nomad pyramid egypt dune heat salt silk caravan pharaoh",
        gate: [
            ("Where maps go blank", "Past the last well, the desert writes and wipes its own page."),
            ("The wind again", "The wind moves one dune over, and the page is clean again."),
        ],
        beats: [
            ("Walking by stars", "Caravans crossed by night, one star at a time."),
            ("A grain under the lens", "One grain of sand in lamp light, on a table, looks like a house of glass."),
            ("Three days to the well", "They walk before dawn along the dune and rest when the shadow is short."),
            ("The wall of dust", "The storm stands up like a cloth of sand and takes the sun with it."),
            ("Cold, clear, enormous", "After midnight the cold comes, and the stars come all the way down."),
            ("Lights at the edge", "There is a city on the horizon now, and every window drinks from the same old well."),
        ],
    },
    Realm {
        words: "machine machines computer computers quantum engine robot robots clock clocks factory invention science physics code software internet electricity steam technology plane radio atom number numbers mathematics intelligence data",
        gate: [
            ("It starts with a hum", "In the workshop one wheel turns, and a thousand others follow."),
            ("The hum again", "The wheel comes round, the hum begins again."),
        ],
        beats: [
            ("Three people and a hammer", "The first machine filled a workshop, and needed three people and a hammer."),
            ("The smallest wheel", "On the table under the lamp lies a part the size of a seed, and all hangs on it."),
            ("Break it, write it down", "Test it, break it, write it down, walk home over the hill, start again."),
            ("The needle in the red", "A storm on the line, a needle in the red, and the whole street goes quiet."),
            ("Small lights", "In the dark the small lights blink like stars."),
            ("It fits in a pocket", "It fits in a pocket now, and the city has forgotten to be amazed."),
        ],
    },
    Realm {
        words: "",
        gate: [
            ("Start here", "One window is lit, and somebody is already at the table."),
            ("And around again", "The lamp goes on at the same table, and it all begins again."),
        ],
        beats: [
            ("In old songs", "Old songs mention it in passing, like the weather over the hill."),
            ("A name under the table", "A mended sleeve, a lamp, a name scratched under the table."),
            ("The same road", "They get up before dawn, take the same road, and do it once more."),
            ("The river rises", "The river rises in a storm, and half the street loses its floor."),
            ("One lit window", "Across the valley one window stays lit, and the stars do the rest."),
            ("Children on the wall", "There is a meadow where the wall stood, and children have found a use for it."),
        ],
    },
];
