//! Places stand where parameters can, or the statement is refused with what would be right.

use proptest::prelude::*;

use super::*;
use crate::model::fuzz;

/// As it would be sent, with the place of each parameter, and where its main part begins.
fn read(text: &str) -> Result<String, String> {
    let statement = Statement::parse(text).map_err(|error| error.to_string())?;
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Parameter(number) => format!("${}", number + 1),
        Piece::Main { behind_with: true } => "|".to_owned(),
        Piece::Main { behind_with: false } => String::new(),
    };
    let rows = if statement.returns_rows() { " -> rows" } else { "" };
    Ok(statement.pieces().iter().map(piece).collect::<String>() + rows)
}

#[test]
fn places_become_parameters_each_once() {
    for (text, sent) in [
        ("insert into t select {{input.n}}, {{ item.a }}::date;", "insert into t select $1, $2::date"),
        ("select {{input.n}} + {{input.n}} + {{input.m | \"0\"}}", "select $1 + $1 + $2 -> rows"),
        ("delete from t where id = {{run.id}} -- ; all of it\n;\n-- ;", "delete from t where id = $1 -- ; all of it\n"),
        ("update t set a = 1 RETURNING b", "update t set a = 1 RETURNING b -> rows"),
        (
            "with a as (delete from t returning *) insert into u select * from a",
            "with a as (delete from t returning *) |insert into u select * from a",
        ),
        ("with a(n) as (values (1)) select n from a", "with a(n) as (values (1)) |select n from a -> rows"),
        ("call load({{input.n}})", "call load($1)"),
        // What looks like the end of a statement, or like a place, and is none.
        (r"select 'it''s; \', e'\'; {', U&'\0041', 1e5", r"select 'it''s; \', e'\'; {', U&'\0041', 1e5 -> rows"),
        ("select \"a\"\"; b\", $x$ ';' $y$ $x$, $$;$$", "select \"a\"\"; b\", $x$ ';' $y$ $x$, $$;$$ -> rows"),
        (
            "select '{{1,2},{3,4}}'::int[], a$1 /* ; /* ' */ */",
            "select '{{1,2},{3,4}}'::int[], a$1 /* ; /* ' */ */ -> rows",
        ),
        ("select 'naïve', größe from maße", "select 'naïve', größe from maße -> rows"),
    ] {
        assert_eq!(read(text), Ok(sent.to_owned()), "{text}");
    }
}

#[test]
fn what_is_no_statement_says_what_would_be_right() {
    for (text, said) in [
        ("select '{{input.n}}'", "`{{input.n}}` stands in a literal"),
        ("select e'\\'{{input.n}}'", "`{{input.n}}` stands in a literal"),
        ("select 'a {{input.n | \"it''s\"}}'", "`{{input.n | \"it''s\"}}` stands in a literal"),
        ("select \"{{input.n}}\"", "`{{input.n}}` stands in a quoted name"),
        ("select 1 -- {{input.n}}", "`{{input.n}}` stands in a comment"),
        ("select 1; /* {{file:a/b}} */", "`{{file:a/b}}` stands in a comment"),
        ("select $a$ {{run.id}} $a$", "`{{run.id}}` stands in a text between `$` signs"),
        ("select {{file:a/b}}", "`{{file:a/b}}` cannot stand in SQL"),
        ("select {{out:a}}", "`{{out:a}}` cannot stand in SQL"),
        ("select 1; select 2", "it holds a second statement"),
        ("select 1; drop table t", "it holds a second statement"),
        ("select 'a", "a literal is not closed"),
        ("select $a$ $b$", "a text between `$` signs is not closed"),
        ("select 1 /* /* */", "a comment is not closed"),
        ("select (1", "a `(` is not closed"),
        ("select 1)", "a `)` closes nothing"),
        ("select $1", "`$1` numbers a parameter itself"),
        ("do $$ begin commit; end $$", "it begins with `do`"),
        ("set role none", "it begins with `set`"),
        ("commit", "it begins with `commit`"),
        ("(select 1)", "it begins with `(`"),
        ("-- nothing", "it says nothing"),
        (";", "it says nothing"),
        ("select {{a b}}", "`a b` is no place"),
        ("select {{input.n", "`{{` is not closed"),
        ("select '\0'", "it holds a NUL"),
    ] {
        let found = read(text).expect_err(text);
        assert!(found.starts_with(said), "{text}: {found}");
    }
}

#[test]
fn a_role_is_one_of_the_users_own() {
    assert_eq!(odd_role("etl"), None);
    for role in ["none", "NONE", "pg_write_all_data", "piton_worker", &"x".repeat(64)] {
        assert!(odd_role(role).is_some(), "{role}");
    }
}

const PIECES: &[&str] = &[
    "select ",
    "insert ",
    "with ",
    "returning ",
    "'",
    "''",
    "\"",
    "e'",
    "\\",
    "--",
    "\n",
    "/*",
    "*/",
    "$$",
    "$a$",
    "$1",
    "{{input.n}}",
    "{{",
    "}}",
    "(",
    ")",
    ";",
    " ",
    "é",
    "1e5",
    "|",
    "\0",
];

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        Statement::parse(&text).ok();
    }
}

#[test]
fn a_statement_is_read_or_refused() {
    fuzz::shortly(fuzz::pieces(PIECES, 14), |text| {
        if let Ok(statement) = Statement::parse(&text) {
            let back: Statement =
                serde_json::from_str(&serde_json::to_string(&statement).expect("JSON")).expect("a statement");
            prop_assert_eq!(&back, &statement);
            // Nothing of a place is left in what is sent.
            let sent = statement.pieces().iter().filter_map(|piece| match piece {
                Piece::Text(text) => Some(text.as_str()),
                Piece::Parameter(_) | Piece::Main { .. } => None,
            });
            prop_assert!(!sent.collect::<String>().contains("{{input.n}}"));
        }
        Ok(())
    });
}
