//! A stage's input as one JSON object, put together from parts that are JSON already.

use std::sync::Arc;

/// Parts by name, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StageInput {
    parts: Vec<(Arc<str>, Arc<str>)>,
}

impl StageInput {
    pub(crate) fn push(&mut self, name: Arc<str>, json: Arc<str>) {
        self.parts.push((name, json));
    }

    /// The same input for another item, which is its last part.
    pub(crate) fn of_another_item(&self, json: Arc<str>) -> StageInput {
        let mut parts = self.parts.clone();
        if let Some((_, item)) = parts.last_mut() {
            *item = json;
        }
        StageInput { parts }
    }

    /// Bytes of all parts.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, json)| json.len()).sum()
    }

    /// The object. Names are those of stages and need no escaping.
    pub(crate) fn to_json(&self) -> String {
        let mut text = String::with_capacity(self.bytes() + 32 * self.parts.len() + 2);
        text.push('{');
        for (i, (name, json)) in self.parts.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            text.push('"');
            text.push_str(name);
            text.push_str("\":");
            text.push_str(json);
        }
        text.push('}');
        text
    }
}

/// The outputs of a fanned-out stage, as the array that a stage after it gets.
pub(crate) fn array<'j>(items: impl Iterator<Item = &'j str>) -> String {
    let mut text = String::from("[");
    for (i, item) in items.enumerate() {
        if i > 0 {
            text.push(',');
        }
        text.push_str(item);
    }
    text.push(']');
    text
}
