//! The files that an attempt has kept, as a part of its output. Pure.

use super::stage_files::KEY;
use crate::model::artifact::Artifact;
use crate::model::json::Object;
use crate::model::payload::Payload;

/// More are not listed: a stage after it names them, or takes all of them with `*`.
const MOST: usize = 1_000;

/// The output with the key `files`, an array of references by name. An output that has such a key, or that is no object, stays as it
/// is, as does one whose files are too many to be listed.
pub(crate) fn listed(output: Payload, files: &[Artifact], most: usize) -> Payload {
    if files.is_empty() || files.len() > MOST {
        return output;
    }
    if Object::read(output.as_str()).is_none_or(|object| object.get(KEY).is_some()) {
        return output;
    }
    let Ok(list) = serde_json::to_string(files) else { return output };
    let text = output.as_str().trim_end();
    let Some(begun) = text.strip_suffix('}') else { return output };
    let comma = if begun.trim_end().ends_with('{') { "" } else { "," };
    Payload::parse(&format!("{begun}{comma}\"{KEY}\":{list}}}"), most).unwrap_or(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Artifact {
        Artifact { artifact: uuid::Uuid::nil(), name: name.to_owned(), bytes: 3, digest: "ab".to_owned() }
    }

    fn with_files(output: &str, files: &[Artifact], most: usize) -> String {
        listed(Payload::parse(output, 1000).expect("JSON"), files, most).as_str().to_owned()
    }

    #[test]
    fn an_object_names_its_files_and_nothing_else_of_it_changes() {
        let one = r#"{"artifact":"00000000-0000-0000-0000-000000000000","name":"a","bytes":3,"digest":"ab"}"#;
        assert_eq!(with_files("{}", &[file("a")], 1000), format!(r#"{{"files":[{one}]}}"#));
        assert_eq!(with_files("{\"n\": 1.10 }\n", &[file("a")], 1000), format!(r#"{{"n": 1.10 ,"files":[{one}]}}"#));
        for other in ["[1]", "null", "\"x\"", "{\"files\":2}"] {
            assert_eq!(with_files(other, &[file("a")], 1000), other);
        }
        assert_eq!(with_files("{}", &[], 1000), "{}");
        assert_eq!(with_files("{}", &[file("a")], 20), "{}", "over the limit of an output");
        assert_eq!(with_files("{}", &vec![file("a"); 1001], 1 << 20), "{}");
    }
}
