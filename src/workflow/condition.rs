//! Conditions: an expression of CEL that is true or false of JSON values by name. A stage's `when` reads the stage's input with
//! it; whatever else has values by name can, too. Pure.
//!
//! What is hostile in a file neither hangs nor ends a worker: length and depth are bounded when it is read (here), what it may look at
//! and how often when it is decided (`budget.rs`).

mod budget;
mod mistake;
mod reads;
mod undecided;
mod values;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{Expr, LiteralValue, operators};
use cel::parser::Parser;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};
use serde::{Deserialize, Serialize};

use self::budget::Budget;
pub(crate) use self::mistake::ConditionError;
pub(crate) use self::mistake::LONGEST;
use self::mistake::{DEEPEST, FUNCTIONS};
pub(crate) use self::reads::{Compared, Kind, Read};
pub(crate) use self::undecided::Undecided;
use crate::model::json;

/// The parser's own limit counts brackets and the like.
const DEEPEST_BRACKETS: u16 = 32;
/// Values that a reason shows, and characters of each.
const SHOWN: usize = 5;
const SHOWN_OF_ONE: usize = 60;
/// Characters of an expression that a reason shows.
const SHOWN_OF_EXPRESSION: usize = 300;

/// The standard library never changes, and takes longer to make than most expressions to decide.
static LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// An expression that was read. It is stored and shown as it was written.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Condition {
    written: String,
    parsed: Arc<Parsed>,
}

struct Parsed {
    /// With what counts its steps.
    counted: IdedExpr,
    reads: Vec<Read>,
    compared: Vec<Compared>,
}

/// What came of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    Holds,
    /// With the reason, for people: the expression, and the values that it read.
    Fails(String),
}

impl Condition {
    /// Reads an expression.
    pub(crate) fn parse(text: &str) -> Result<Condition, ConditionError> {
        if text.chars().count() > LONGEST {
            return Err(ConditionError::TooLong);
        }
        // The parser is somebody else's, and the text is anybody's.
        let parsed = catch_unwind(AssertUnwindSafe(|| {
            Parser::new().max_recursion_depth(DEEPEST_BRACKETS).error_recovery_limit(1).parse(text)
        }));
        let expression = match parsed {
            Ok(Ok(expression)) => expression,
            Ok(Err(errors)) => return Err(ConditionError::Syntax(syntax(&errors))),
            Err(_) => return Err(ConditionError::Syntax("it is no expression of CEL".to_owned())),
        };
        if reads::depth(&expression) > DEEPEST {
            return Err(ConditionError::TooDeep);
        }
        let found = reads::found(&expression);
        if let Some(name) = found.functions.iter().find(|name| !FUNCTIONS.contains(&name.as_str())) {
            return Err(ConditionError::Function(name.clone()));
        }
        if found.has_odd_pattern {
            return Err(ConditionError::Pattern);
        }
        if let Some(kind) = kind(&expression).filter(|kind| *kind != Kind::Bool) {
            return Err(ConditionError::NoBool(kind.in_words()));
        }
        if found.reads.is_empty() {
            return Err(ConditionError::Constant);
        }
        let parsed = Parsed { counted: budget::counted(expression), reads: found.reads, compared: found.compared };
        Ok(Condition { written: text.to_owned(), parsed: Arc::new(parsed) })
    }

    /// As it stands in the file.
    pub(crate) fn as_str(&self) -> &str {
        &self.written
    }

    /// The places that it reads, in the order of the text.
    pub(crate) fn reads(&self) -> &[Read] {
        &self.parsed.reads
    }

    /// Places that it compares with a value it holds itself.
    pub(crate) fn compared(&self) -> &[Compared] {
        &self.parsed.compared
    }

    /// Whether it holds; `find` has the JSON of a name.
    ///
    /// Of what it does not read nothing is looked at. A whole number of up to 64 bits is seen as it is, any other number as the
    /// nearest double; where that is another whole number, or none at all, as the text of its digits, so that nothing is
    /// compared by half.
    pub(crate) fn decide<'j>(&self, find: impl Fn(&str) -> Option<&'j str>) -> Result<Decision, Undecided> {
        let (seen, bytes) = values::seen(&self.parsed.reads, &find)?;
        let budget = Budget::new(bytes);
        let mut context = Context::with_env(LIBRARY.clone());
        budget.count_in(&mut context);
        for (name, value) in seen {
            context.add_variable_from_value(name, value);
        }
        let counted = &self.parsed.counted;
        let result = catch_unwind(AssertUnwindSafe(|| Value::resolve(counted, &context)));
        if budget.is_spent() {
            return Err(Undecided::TooManySteps);
        }
        match result {
            Ok(Ok(Value::Bool(true))) => Ok(Decision::Holds),
            Ok(Ok(Value::Bool(false))) => Ok(Decision::Fails(self.reason(&find))),
            Ok(Ok(other)) => Err(Undecided::NoBool(values::in_words(&other))),
            Ok(Err(error)) => Err(self.undecided(&error, &find)),
            Err(_) => Err(Undecided::Refused("it cannot be decided".to_owned())),
        }
    }

    fn undecided<'j>(&self, error: &ExecutionError, find: &impl Fn(&str) -> Option<&'j str>) -> Undecided {
        let mut asked = self.parsed.reads.iter().filter(|read| !read.is_asked);
        match error {
            ExecutionError::NoSuchKey(key) => {
                let missing = asked.find_map(|read| read.missing(key, find(&read.head)?));
                missing.unwrap_or_else(|| Undecided::MissingInside(shortened(key, SHOWN_OF_ONE)))
            }
            ExecutionError::UndeclaredReference(name) => Undecided::NoName(shortened(name, SHOWN_OF_ONE)),
            other => {
                let said = shortened(&other.to_string(), 200);
                Undecided::Refused(format!("{said}{}", self.shown(find)))
            }
        }
    }

    fn reason<'j>(&self, find: &impl Fn(&str) -> Option<&'j str>) -> String {
        format!("`{}` is false{}", shortened(&self.written, SHOWN_OF_EXPRESSION), self.shown(find))
    }

    /// What stands at the places that it reads, within limits.
    fn shown<'j>(&self, find: &impl Fn(&str) -> Option<&'j str>) -> String {
        let mut seen: Vec<String> = Vec::new();
        for read in &self.parsed.reads {
            let place = read.to_string();
            let value = find(&read.head).and_then(|json| json::at(json, &read.path));
            let shown = match value {
                Some(value) => format!("{place} = {}", shortened(&json::compact(value), SHOWN_OF_ONE)),
                None => format!("{place} is missing"),
            };
            if !seen.contains(&shown) {
                seen.push(shown);
            }
        }
        let more = seen.len().saturating_sub(SHOWN);
        seen.truncate(SHOWN);
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        if seen.is_empty() { String::new() } else { format!(": {}{more}", seen.join(", ")) }
    }
}

/// Which of these names a name of an expression means: there, `-` is a sign, so that `_` stands in its place.
pub(crate) fn meant<'n>(head: &str, names: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let with_dashes = || names.clone().find(|name| name.contains('-') && name.replace('-', "_") == head);
    names.clone().find(|name| *name == head).or_else(with_dashes)
}

/// What kind of value an expression has, where its outermost part says so.
fn kind(expression: &IdedExpr) -> Option<Kind> {
    match &expression.expr {
        Expr::Literal(LiteralValue::Boolean(_)) => Some(Kind::Bool),
        Expr::Literal(literal) => Kind::of(literal),
        Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => Some(Kind::Other),
        Expr::Call(call) => match call.func_name.as_str() {
            "size" | "int" | "uint" | "double" | operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE => {
                Some(Kind::Number)
            }
            "string" => Some(Kind::Text),
            operators::EQUALS | operators::NOT_EQUALS | "contains" | "startsWith" | "endsWith" | "matches" => {
                Some(Kind::Bool)
            }
            _ => None,
        },
        Expr::Unspecified | Expr::Comprehension(_) | Expr::Ident(_) | Expr::Select(_) => None,
    }
}

/// The first thing that the parser says, without its drawing.
fn syntax(errors: &cel::ParseErrors) -> String {
    let said = errors.errors.first().map(|error| {
        let (_, column) = error.pos;
        let said = error
            .msg
            .split(" expecting ")
            .next()
            .unwrap_or_default()
            .replace("Syntax error: ", "")
            .replace("token recognition error at:", "no part of an expression:");
        match said.contains("int literal") {
            // What is longer is seen as a text: see `decide`.
            true => format!(
                "the number at character {column} does not fit into 64 bits: compare with it as a text, in quotes"
            ),
            false => format!("{} at character {column}", shortened(&said, 120)),
        }
    });
    said.unwrap_or_else(|| "it is no expression of CEL".to_owned())
}

fn shortened(text: &str, most: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Condition) -> bool {
        self.written == other.written
    }
}

impl TryFrom<String> for Condition {
    type Error = ConditionError;

    fn try_from(text: String) -> Result<Condition, ConditionError> {
        Condition::parse(&text)
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> String {
        condition.written
    }
}

#[cfg(test)]
mod tests;
