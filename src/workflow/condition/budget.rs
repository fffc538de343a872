//! What an expression may cost: a count of what it goes over, weighed with the size of what it sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::{Context, ExecutionError, Value};

/// Steps over values of a kilobyte: a second or two at worst.
const MOST: i64 = 4_000_000;
/// Names that no expression can hold.
const ITEMS: &str = "@items";
const GROWN: &str = "@grown";

/// What is left of it while an expression is decided.
pub(super) struct Budget {
    left: Arc<AtomicI64>,
    /// Of one step.
    weight: i64,
}

impl Budget {
    /// For an expression that sees so many bytes: one step may compare all of them.
    pub(super) fn new(bytes: usize) -> Budget {
        let weight = 1 + i64::try_from(bytes / 1024).unwrap_or(MOST);
        Budget { left: Arc::new(AtomicI64::new(MOST)), weight }
    }

    /// The two functions that a counted expression calls.
    pub(super) fn count_in(&self, context: &mut Context<'_, '_>) {
        let (left, weight) = (self.left.clone(), self.weight);
        let items = move |value: Value| {
            let items = i64::try_from(length(&value)).unwrap_or(MOST);
            spend(&left, (1 + items).saturating_mul(weight))?;
            Ok::<Value, ExecutionError>(value)
        };
        let left = self.left.clone();
        let grown = move |value: Value| {
            spend(&left, 1 + i64::try_from(length(&value) / 16).unwrap_or(MOST))?;
            Ok::<Value, ExecutionError>(value)
        };
        // Nothing else has these names: `@` begins none that can be written.
        let added = context.add_function(ITEMS, items).and_then(|()| context.add_function(GROWN, grown));
        debug_assert!(added.is_ok());
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) < 0
    }
}

fn spend(left: &AtomicI64, cost: i64) -> Result<(), ExecutionError> {
    // Once it is spent it stays so, also where the expression goes on over an error.
    let before = left.fetch_sub(cost.min(MOST), Ordering::Relaxed);
    if before < cost { Err(ExecutionError::function_error(ITEMS, "too many steps")) } else { Ok(()) }
}

/// Elements, characters or bytes.
fn length(value: &Value) -> usize {
    match value {
        Value::List(list) => list.len(),
        Value::Map(map) => map.map.len(),
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

/// The same expression, which says what it goes over and what it puts together.
pub(super) fn counted(expression: IdedExpr) -> IdedExpr {
    let IdedExpr { id, expr } = expression;
    let expr = match expr {
        Expr::Call(mut call) => {
            call.target = call.target.map(|target| Box::new(counted(*target)));
            call.args = call.args.into_iter().map(counted).collect();
            if call.func_name == operators::ADD {
                return through(GROWN, IdedExpr { id, expr: Expr::Call(call) });
            }
            Expr::Call(call)
        }
        Expr::Comprehension(mut over) => {
            over.iter_range = through(ITEMS, counted(over.iter_range));
            over.loop_step = step(over.loop_step, &over.accu_var);
            over.result = counted(over.result);
            Expr::Comprehension(over)
        }
        Expr::Select(mut select) => {
            select.operand = Box::new(counted(*select.operand));
            Expr::Select(select)
        }
        Expr::List(mut list) => {
            list.elements = list.elements.into_iter().map(counted).collect();
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = counted(std::mem::take(&mut entry.key));
                    entry.value = counted(std::mem::take(&mut entry.value));
                }
            }
            Expr::Map(map)
        }
        other @ (Expr::Struct(_) | Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_)) => other,
    };
    IdedExpr { id, expr }
}

/// A step that a macro made. Its own addition to what it gathers stays as it is: the evaluator knows that one, and does it in place.
fn step(expression: IdedExpr, gathers: &str) -> IdedExpr {
    let IdedExpr { id, expr } = expression;
    let is_gathered = |expr: &IdedExpr| matches!(&expr.expr, Expr::Ident(name) if name == gathers);
    match expr {
        Expr::Call(mut call) if call.args.iter().any(is_gathered) => {
            call.args = call.args.into_iter().map(|arg| step(arg, gathers)).collect();
            IdedExpr { id, expr: Expr::Call(call) }
        }
        expr => counted(IdedExpr { id, expr }),
    }
}

fn through(function: &str, argument: IdedExpr) -> IdedExpr {
    let call = CallExpr { func_name: function.to_owned(), target: None, args: vec![argument] };
    IdedExpr { id: 0, expr: Expr::Call(call) }
}
