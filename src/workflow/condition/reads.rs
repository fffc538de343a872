//! What an expression reads, as far as its text says.

use std::collections::BTreeSet;
use std::fmt;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::undecided::Undecided;
use crate::model::json;

/// Characters of a pattern of `matches`.
const LONGEST_PATTERN: usize = 200;

/// A place that an expression reads: a name, and keys from the outside in, as far as they stand in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) head: String,
    pub(crate) path: Vec<String>,
    /// Only whether it is there: `has(check.score)`.
    pub(crate) is_asked: bool,
}

/// A place and the kind of value that it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) read: Read,
    pub(crate) with: Kind,
}

/// Kinds of values that can be told apart in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Number,
    Text,
    Other,
}

impl Kind {
    /// `None` for null, which anything may be compared with.
    pub(super) fn of(literal: &LiteralValue) -> Option<Kind> {
        match literal {
            LiteralValue::Boolean(_) => Some(Kind::Bool),
            LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Some(Kind::Number),
            LiteralValue::String(_) => Some(Kind::Text),
            LiteralValue::Bytes(_) => Some(Kind::Other),
            LiteralValue::Null => None,
        }
    }

    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Kind::Bool => "true or false",
            Kind::Number => "a number",
            Kind::Text => "a text",
            Kind::Other => "an array, an object or bytes",
        }
    }
}

impl Read {
    /// Whether that key is what is missing at this place of the value.
    pub(super) fn missing(&self, key: &str, json: &str) -> Option<Undecided> {
        let at = self.path.iter().enumerate().position(|(at, field)| {
            let holder = json::at(json, &self.path[..at]);
            field == key && holder.is_some_and(|holder| json::at(holder, std::slice::from_ref(field)).is_none())
        })?;
        let shown = |path: &[String]| Read { path: path.to_vec(), ..self.clone() }.to_string();
        Some(Undecided::Missing {
            place: shown(&self.path[..=at]),
            holder: shown(&self.path[..at]),
            field: key.to_owned(),
        })
    }
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        self.path.iter().try_for_each(|key| write!(f, ".{key}"))
    }
}

/// What is in an expression.
#[derive(Default)]
pub(super) struct Found {
    pub(super) reads: Vec<Read>,
    pub(super) compared: Vec<Compared>,
    pub(super) functions: BTreeSet<String>,
    /// A pattern of `matches` that is not known yet, or is none.
    pub(super) has_odd_pattern: bool,
}

pub(super) fn found(expression: &IdedExpr) -> Found {
    let mut found = Found::default();
    found.walk(expression, &mut Vec::new());
    found
}

impl Found {
    fn walk(&mut self, expression: &IdedExpr, own: &mut Vec<String>) {
        if let Some(read) = place(expression).filter(|read| !own.contains(&read.head)) {
            self.reads.push(read);
            return;
        }
        match &expression.expr {
            Expr::Call(call) => {
                if call.func_name == "matches" {
                    self.has_odd_pattern |= !call.args.last().is_some_and(is_pattern);
                }
                if !call.func_name.starts_with(['_', '@', '!', '-']) {
                    self.functions.insert(call.func_name.clone());
                }
                self.compares(&call.func_name, &call.args, own);
                call.target.iter().for_each(|target| self.walk(target, own));
                call.args.iter().for_each(|arg| self.walk(arg, own));
            }
            Expr::Comprehension(over) => {
                self.walk(&over.iter_range, own);
                let before = own.len();
                own.extend([over.iter_var.clone(), over.accu_var.clone()]);
                own.extend(over.iter_var2.clone());
                for part in [&over.accu_init, &over.loop_cond, &over.loop_step, &over.result] {
                    self.walk(part, own);
                }
                own.truncate(before);
            }
            Expr::Select(select) => self.walk(&select.operand, own),
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element, own)),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.walk(&entry.key, own);
                        self.walk(&entry.value, own);
                    }
                }
            }
            Expr::Struct(object) => _ = self.functions.insert(object.type_name.clone()),
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        }
    }

    fn compares(&mut self, operator: &str, args: &[IdedExpr], own: &[String]) {
        const OPERATORS: [&str; 6] = [
            operators::EQUALS,
            operators::NOT_EQUALS,
            operators::LESS,
            operators::LESS_EQUALS,
            operators::GREATER,
            operators::GREATER_EQUALS,
        ];
        let [left, right] = args else { return };
        if !OPERATORS.contains(&operator) {
            return;
        }
        let literal = |expression: &IdedExpr| match &expression.expr {
            Expr::Literal(literal) => Kind::of(literal),
            _ => None,
        };
        for (side, other) in [(left, right), (right, left)] {
            if let (Some(read), Some(with)) = (place(side).filter(|read| !own.contains(&read.head)), literal(other)) {
                self.compared.push(Compared { read, with });
            }
        }
    }
}

/// The place that an expression names: a name, and fields of it.
fn place(expression: &IdedExpr) -> Option<Read> {
    match &expression.expr {
        Expr::Ident(name) => Some(Read { head: name.clone(), path: Vec::new(), is_asked: false }),
        Expr::Select(select) => inside(&select.operand, &select.field, select.test),
        Expr::Call(call) if call.func_name == operators::INDEX => match call.args.as_slice() {
            [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(key)), .. }] => {
                inside(operand, key.inner(), false)
            }
            _ => None,
        },
        _ => None,
    }
}

fn inside(operand: &IdedExpr, key: &str, is_asked: bool) -> Option<Read> {
    let mut read = place(operand).filter(|read| !read.is_asked)?;
    read.path.push(key.to_owned());
    Some(Read { is_asked, ..read })
}

fn is_pattern(expression: &IdedExpr) -> bool {
    matches!(&expression.expr, Expr::Literal(LiteralValue::String(text))
        if text.inner().chars().count() <= LONGEST_PATTERN)
}

/// How deeply an expression is nested; no deeper than its text is long.
pub(super) fn depth(expression: &IdedExpr) -> usize {
    let deepest = |parts: &mut dyn Iterator<Item = &IdedExpr>| parts.map(depth).max().unwrap_or(0);
    1 + match &expression.expr {
        Expr::Call(call) => deepest(&mut call.target.iter().map(|target| &**target).chain(&call.args)),
        Expr::Comprehension(over) => deepest(
            &mut [&over.iter_range, &over.accu_init, &over.loop_cond, &over.loop_step, &over.result].into_iter(),
        ),
        Expr::Select(select) => depth(&select.operand),
        Expr::List(list) => deepest(&mut list.elements.iter()),
        Expr::Map(map) => map
            .entries
            .iter()
            .map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => depth(&entry.key).max(depth(&entry.value)),
                EntryExpr::StructField(field) => depth(&field.value),
            })
            .max()
            .unwrap_or(0),
        Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => 0,
    }
}
