//! Tables whose columns share the width: what fits is shown whole, and names give way before numbers.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{HighlightSpacing, Row, Table, TableState};

use super::text::{middle, start, width};
use crate::store::top;

/// One of them, from its title to its last cell.
pub(super) struct Column {
    title: &'static str,
    cells: Vec<String>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Cut in the middle where room is short.
    Name,
    /// Never cut.
    Short,
    /// Never cut, and to the right.
    Number,
    /// Never cut, but left out where room is short.
    Extra,
    /// Takes what the others leave. A sentence is cut at its end.
    Sentence,
    /// The same for what programs say: a message often begins alike and ends with what matters.
    Message,
}

/// Where room is short, names are cut down to that and no further.
const NAME: usize = 8;
/// Names are cut for a sentence only where that much is left of them, and of the sentence.
const NAME_BESIDE: usize = 20;
const SENTENCE: usize = 20;
/// From that width on columns stand further apart.
const ROOMY: usize = 100;

impl Column {
    pub(super) fn name(title: &'static str, cells: impl IntoIterator<Item = String>) -> Column {
        Column { title, cells: cells.into_iter().collect(), kind: Kind::Name }
    }

    pub(super) fn short(title: &'static str, cells: impl IntoIterator<Item = String>) -> Column {
        Column { title, cells: cells.into_iter().collect(), kind: Kind::Short }
    }

    pub(super) fn number(title: &'static str, cells: impl IntoIterator<Item = String>) -> Column {
        Column { title, cells: cells.into_iter().collect(), kind: Kind::Number }
    }

    pub(super) fn extra(title: &'static str, cells: impl IntoIterator<Item = String>) -> Column {
        Column { title, cells: cells.into_iter().collect(), kind: Kind::Extra }
    }

    pub(super) fn message(title: &'static str, cells: impl IntoIterator<Item = String>) -> Column {
        Column { title, cells: cells.into_iter().collect(), kind: Kind::Message }
    }

    pub(super) fn sentence(title: &'static str, cells: impl IntoIterator<Item = String>) -> Column {
        Column { title, cells: cells.into_iter().collect(), kind: Kind::Sentence }
    }

    fn takes_the_rest(&self) -> bool {
        matches!(self.kind, Kind::Sentence | Kind::Message)
    }

    /// Columns of the terminal for its longest text.
    fn wanted(&self) -> usize {
        self.cells.iter().map(|cell| width(cell)).max().unwrap_or_default().max(width(self.title))
    }

    fn cell(&self, place: usize, room: usize) -> Text<'static> {
        let text = self.cells.get(place).map_or("", String::as_str);
        match self.kind {
            Kind::Name | Kind::Message => middle(text, room).into(),
            Kind::Short | Kind::Extra | Kind::Sentence => start(text, room).into(),
            Kind::Number => Text::from(start(text, room)).alignment(Alignment::Right),
        }
    }

    fn header(&self) -> Text<'static> {
        let alignment = if self.kind == Kind::Number { Alignment::Right } else { Alignment::Left };
        Text::from(self.title).alignment(alignment)
    }
}

/// A table, its choice, and how each of its rows looks.
pub(super) struct Rows<'r> {
    pub(super) columns: Vec<Column>,
    /// None where nothing can be chosen.
    pub(super) choice: Option<Choice>,
    pub(super) style: &'r dyn Fn(usize) -> Style,
}

/// Which row, and whether keys are about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub(super) place: Option<usize>,
    pub(super) is_used: bool,
}

/// Columns for the mark of the chosen row.
const MARK: usize = 2;

/// Columns of the terminal that all of it takes.
pub(super) fn whole(columns: &[Column]) -> usize {
    let wanted: Vec<usize> = columns.iter().map(Column::wanted).collect();
    used(&wanted, gap(ROOMY)) + MARK
}

impl Rows<'_> {
    /// Draws them under the names of their columns, and says how many have no room.
    pub(super) fn draw(self, frame: &mut Frame, whole: Rect) {
        let count = self.columns.first().map_or(0, |column| column.cells.len());
        let (area, hidden) = room(whole, count);
        self.draw_rows(frame, area, count);
        if hidden > 0 {
            let at_least = if i64::try_from(count).is_ok_and(|count| count < top::MOST) { "" } else { "at least " };
            let said = Line::from(format!("  and {at_least}{hidden} more")).dim();
            if area == whole {
                frame.render_widget(said.right_aligned(), Rect { height: 1, ..whole });
            } else {
                frame.render_widget(said, Rect { y: area.bottom(), height: 1, ..whole });
            }
        }
    }

    fn draw_rows(self, frame: &mut Frame, area: Rect, count: usize) {
        let widths = widths(usize::from(area.width).saturating_sub(MARK), &self.columns);
        let shown: Vec<(&Column, usize)> = self.columns.iter().zip(widths).filter(|(_, width)| *width > 0).collect();
        let rows = (0..count).map(|place| {
            Row::new(shown.iter().map(|(column, room)| column.cell(place, *room))).style((self.style)(place))
        });
        let constraints = shown.iter().map(|(_, width)| Constraint::Length(u16::try_from(*width).unwrap_or(u16::MAX)));
        let header = Row::new(shown.iter().map(|(column, _)| column.header()));
        let is_used = self.choice.is_some_and(|choice| choice.is_used);
        let table = Table::new(rows, constraints)
            .column_spacing(u16::try_from(gap(usize::from(area.width).saturating_sub(MARK))).unwrap_or(1))
            .header(if is_used { header.bold() } else { header.dim() })
            .row_highlight_style(if is_used { Style::new().reversed() } else { Style::new() })
            .highlight_spacing(HighlightSpacing::Always)
            .highlight_symbol(if is_used { "> " } else { "  " });
        let place = self.choice.and_then(|choice| choice.place);
        // Without a choice, what comes first stays in sight.
        frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(place));
    }
}

/// The room for a table of that many rows, and how many of them it leaves out: that is said in the line below it or, where there is
/// none but its header and one row, in the header.
fn room(area: Rect, rows: usize) -> (Rect, usize) {
    let shown = usize::from(area.height).saturating_sub(1);
    match shown {
        0 => (area, 0),
        _ if rows <= shown => (area, 0),
        1 => (area, rows - 1),
        _ => (Rect { height: area.height - 1, ..area }, rows - (shown - 1)),
    }
}

/// Blanks between two columns.
fn gap(room: usize) -> usize {
    if room < ROOMY { 1 } else { 2 }
}

/// Their widths; 0 for a column that is left out.
fn widths(room: usize, columns: &[Column]) -> Vec<usize> {
    let gap = gap(room);
    let Some(sentence) = columns.iter().position(Column::takes_the_rest) else {
        return narrowed((room, gap), NAME, columns);
    };
    let least = SENTENCE.max(room / 4);
    let mut widths = narrowed((room.saturating_sub(least + gap), gap), NAME_BESIDE, columns);
    let left = room.saturating_sub(used(&widths, gap) + gap);
    if left < SENTENCE {
        return narrowed((room, gap), NAME, columns);
    }
    widths[sentence] = left;
    widths
}

/// Widths of all but the sentence: first what is extra gives way to the others, then names do.
fn narrowed((room, gap): (usize, usize), least: usize, columns: &[Column]) -> Vec<usize> {
    let wanted = |column: &Column| if column.takes_the_rest() { 0 } else { column.wanted() };
    let mut widths: Vec<usize> = columns.iter().map(wanted).collect();
    for (at, _) in columns.iter().enumerate().rev().filter(|(_, column)| column.kind == Kind::Extra) {
        if used(&widths, gap) > room {
            widths[at] = 0;
        }
    }
    while used(&widths, gap) > room {
        let names = columns.iter().zip(&mut widths).filter(|(column, _)| column.kind == Kind::Name);
        let Some((_, widest)) = names.max_by_key(|(_, width)| **width).filter(|(_, width)| **width > least) else {
            break;
        };
        *widest -= 1;
    }
    widths
}

fn used(widths: &[usize], gap: usize) -> usize {
    widths.iter().filter(|width| **width > 0).map(|width| width + gap).sum::<usize>().saturating_sub(gap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(name: &str, other: &str) -> Vec<Column> {
        let one = |text: &str| [text.to_owned()];
        vec![
            Column::name("workflow", one(name)),
            Column::name("stage", one(other)),
            Column::number("jobs", one("200000")),
            Column::extra("host", one("node-7")),
            Column::sentence("why", one("waits for a free slot")),
        ]
    }

    #[test]
    fn names_give_way_one_by_one_and_numbers_never_do() {
        let (long, short) = ("a_name_of_thirty_characters___", "short");
        assert_eq!(widths(120, &columns(long, short)), [30, 5, 6, 6, 65], "all of it, and the rest for the sentence");
        assert_eq!(widths(60, &columns(long, short)), [26, 5, 6, 0, 20], "a name gives way to the sentence");
        assert_eq!(widths(50, &columns(long, short)), [30, 5, 6, 6, 0], "and not too far: rather no sentence");
        assert_eq!(widths(45, &columns(long, short)), [30, 5, 6, 0, 0], "what is extra goes first");
        assert_eq!(widths(40, &columns(long, short)), [27, 5, 6, 0, 0], "then the longest name");
        assert_eq!(widths(40, &columns(long, long)), [16, 16, 6, 0, 0], "two of them alike");
        assert_eq!(widths(3, &columns(long, long)), [8, 8, 6, 0, 0]);
    }
}
