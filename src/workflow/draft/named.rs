//! What the texts of a stage name.

use std::collections::HashSet;
use std::sync::Arc;

use crate::workflow::named_file::NamedFile;
use crate::workflow::own::Own;
use crate::workflow::place::Place;
use crate::workflow::template::Template;
use crate::workflow::value::Word;

/// What the templates of a stage name, with the values they stand in.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Places of the input, each once for the value it stands in, which they share: a value may be as long as the file, and name
    /// a hundred thousand.
    pub(crate) places: Vec<(Arc<Word>, Place)>,
    /// Things that an attempt knows of itself.
    pub(crate) owns: Vec<(Arc<Word>, Own)>,
    /// Files of other stages.
    pub(crate) files: Vec<(Arc<Word>, NamedFile)>,
    /// It names files that it makes.
    pub(crate) makes_files: bool,
}

impl Named {
    /// Notes the places of the input, and what the attempt knows of itself, that a text names.
    pub(super) fn note(&mut self, word: &Word, template: &Template) {
        let (word, mut seen) = (Arc::new(word.clone()), HashSet::new());
        let places = template.places().filter(|place| seen.insert(*place));
        self.places.extend(places.map(|place| (word.clone(), place.clone())));
        let mut seen = HashSet::new();
        self.owns.extend(template.owns().filter(|own| seen.insert(*own)).map(|own| (word.clone(), own)));
    }
}
