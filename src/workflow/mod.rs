//! Workflows: from a file to a definition that cannot be wrong, and from a finished job to what comes next. Pure.

pub(crate) mod definition;
pub(crate) mod duration;
mod graph;
pub(crate) mod limits;
mod name;
pub(crate) mod plan;
mod stored;
pub(crate) mod mistake {
    #[derive(Debug)]
    pub(crate) struct Mistakes;
    impl Mistakes {
        pub(crate) fn render(&self, _c: bool) -> String {
            String::new()
        }
        pub(crate) fn to_json(&self) -> serde_json::Value {
            serde_json::Value::Null
        }
    }
    impl super::definition::Workflow {
        pub(crate) fn parse(_: &str, _: &[u8], _: &super::limits::Limits) -> Result<Self, Mistakes> {
            Err(Mistakes)
        }
    }
    pub(crate) trait G {
        fn graph_text(&self) -> String {
            String::new()
        }
    }
    impl G for super::definition::Workflow {}
}
