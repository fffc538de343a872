//! No name leads out of the store.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use sqlx::types::Uuid;

use super::*;
use crate::model::address::address;
use crate::model::fuzz;
use crate::model::id::{NO_ITEM, RunId};

const PIECES: &[&str] =
    &["/", "..", ".", "\\", "a", "b.png", " ", "%2e", "%2F", "\0", "\n", "é", "~", "$", "-", "..\\", "//", "CON", ":"];

fn stays_inside(text: String) -> Result<(), TestCaseError> {
    let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
    for name in [ArtifactName::parse(&text), ArtifactName::of_path(&parts)] {
        let name = match name {
            Ok(name) => name,
            Err(refused) => {
                prop_assert!(!refused.to_string().contains(char::is_control), "{}", refused);
                continue;
            }
        };
        let address = address(RunId(Uuid::nil()), "draw", NO_ITEM, 1, Uuid::nil(), &name);
        let inside: Vec<&str> = address.split('/').collect();
        prop_assert!(inside.len() >= 5 && inside.iter().all(|part| !part.is_empty() && *part != "." && *part != ".."));
        prop_assert!(!address.contains(['\0', '\\', '\n']), "{:?}", address);
    }
    Ok(())
}

/// Two files have two addresses.
fn tells_apart((one, other): (String, String)) -> Result<(), TestCaseError> {
    let address =
        |name: &str| ArtifactName::parse(name).map(|name| address(RunId(Uuid::nil()), "s", 0, 1, Uuid::nil(), &name));
    if let (Ok(first), Ok(second)) = (address(&one), address(&other)) {
        prop_assert_eq!(one == other, first == second);
    }
    Ok(())
}

#[test]
fn no_name_leads_out_of_the_store() {
    fuzz::shortly(fuzz::pieces(PIECES, 8), stays_inside);
    fuzz::shortly((fuzz::pieces(PIECES, 3), fuzz::pieces(PIECES, 3)), tells_apart);
}

#[test]
#[ignore = "two minutes"]
fn fuzz_artifact_names() {
    fuzz::for_a_minute(fuzz::pieces(PIECES, 30), stays_inside);
    fuzz::for_a_minute((fuzz::pieces(PIECES, 3), fuzz::pieces(PIECES, 3)), tells_apart);
}
