//! The keys of a stage that starts a run of another workflow.

use toml::de::DeValue;

use crate::workflow::input_template::InputTemplate;
use crate::workflow::json::json;
use crate::workflow::keys::{self, Key};
use crate::workflow::mistake::{Mistake, shown};
use crate::workflow::name::{self, WorkflowName};
use crate::workflow::template::Template;
use crate::workflow::value::{self, Value, Word};

/// The input, and the texts in it with their places.
type Input = (InputTemplate, Vec<(Word, Template)>);

pub(super) fn workflow(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<WorkflowName> {
    let word = value::text(value, key, false, found)?;
    match word.text.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            let near = name::nearest(&word.text).map(|name| format!("write {} = \"{name}\"", key.name));
            let help = near.unwrap_or_else(|| error.to_string());
            found.push(value::bad_name("workflow", &word, &error, help));
            None
        }
    }
}

pub(super) fn input(value: &Value<'_>, key: Key, found: &mut Vec<Mistake>) -> Option<Input> {
    let mut texts = Vec::new();
    let input = read(value, key, &mut texts, found)?;
    let before = found.len();
    texts.iter().filter_map(|(word, template)| misfit(word, template)).for_each(|mistake| found.push(mistake));
    (found.len() == before).then_some((input, texts))
}

fn read(
    value: &Value<'_>,
    key: Key,
    texts: &mut Vec<(Word, Template)>,
    found: &mut Vec<Mistake>,
) -> Option<InputTemplate> {
    match value.get_ref() {
        DeValue::String(_) => {
            let (word, template) = value::template(value, keys::CHILD_INPUT, found)?;
            texts.push((word, template.clone()));
            Some(InputTemplate::Text(template))
        }
        DeValue::Array(elements) => {
            let all: Vec<_> = elements.iter().map(|element| read(element, key, texts, found)).collect();
            all.into_iter().collect::<Option<_>>().map(InputTemplate::Array)
        }
        DeValue::Table(table) => {
            let all: Vec<_> =
                value::entries(table).map(|(name, value)| Some((name.text, read(value, key, texts, found)?))).collect();
            all.into_iter().collect::<Option<_>>().map(InputTemplate::Object)
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            json(value, key, found).map(InputTemplate::Other)
        }
    }
}

/// The input of a run is stored, and outlives the attempt that starts it.
fn misfit(word: &Word, template: &Template) -> Option<Mistake> {
    let (what, help) = if let Some(variable) = template.variables().next() {
        let what = format!("`${{{variable}}}`: values of a worker's environment are never stored");
        (what, "let the stages of that workflow name the variable")
    } else if template.files().next().is_some() {
        ("the path of a file, which is there for an attempt only".to_owned(), "pass the reference in an output instead")
    } else if template.outs().next().is_some() {
        ("the path of a file that is made".to_owned(), "remove it: only programs make files")
    } else {
        return None;
    };
    let title = format!("{} would put into the input of a run {what}", shown(&word.text));
    Some(Mistake::new(word.span.clone(), title, "", help))
}

#[cfg(test)]
mod tests {
    use crate::workflow::definition::StageKind;
    use crate::workflow::keys::tests::parse;

    #[test]
    fn the_input_of_a_run_is_read_with_its_places() {
        let file = "name = 'a'\n[stages.a]\nworkflow = 'b'\nfor_each = 'input.files'\n\
                    input = { file = '{{item}}', lang = 'x-{{input.lang}}', n = [1, 2.50, true], deep = { id = '{{run.id}}' } }";
        let workflow = parse(file).expect("a workflow");
        let StageKind::Run(stage) = &workflow.stages[0].kind else { panic!("another kind") };
        let input = stage.input.as_ref().expect("an input");
        assert_eq!(input.templates().len(), 3);
        assert!(workflow.stages[0].knows_run);
    }

    #[test]
    fn what_is_wrong_with_a_child_is_told_with_its_cure() {
        let said = |stages: &str| parse(&format!("name = 'a'\n{stages}")).expect_err("wrong").to_string();
        let cases = [
            ("[stages.a]\nworkflow = 'The Captions'", "write workflow = \"the-captions\""),
            (
                "[stages.a]\nworkflow = 'b'\ninput = { key = '${KEY}' }",
                "values of a worker's environment are never stored",
            ),
            ("[stages.a]\nworkflow = 'b'\ninput = { key = '{{other.x}}' }", "`other.x` is in no input of stage `a`"),
            (
                "[stages.a]\nworkflow = 'b'\ntimeout = '1h'",
                "`timeout` means nothing for stage `a`: it waits (`workflow`)",
            ),
            ("[stages.a]\ncommand = ['x']\ndetached = true", "`detached` is for stages of the kind `workflow`"),
            ("[stages.a]\nworkflow = 'b'\ncommand = ['x']", "stage `a` says twice how it runs"),
            ("[stages.a]\nworkflow = 'a'", "a run of `a` would start runs of `a` without end"),
        ];
        for (stages, expected) in cases {
            let said = said(stages);
            assert!(said.contains(expected), "{stages}\n{said}");
        }
    }
}
