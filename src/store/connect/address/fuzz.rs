//! A connection string is understood or refused, and shows no password either way.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::model::fuzz;

const PIECES: &[&str] = &[
    "postgres://",
    "postgresql://",
    "ada",
    ":",
    "@",
    "/",
    "?",
    "&",
    "=",
    ",",
    "host",
    "127.0.0.1",
    "[::1]",
    "[",
    "]",
    "%2Fvar%2Frun",
    "%",
    "%00",
    "%zz",
    "5432",
    "65536",
    "-1",
    "runs",
    "sslmode=disable",
    "sslmode=require",
    "sslmode=verify-full",
    "connect_timeout=",
    "port=",
    "host=",
    "hostaddr=::1",
    "dbname=",
    "options=-c%20a=b",
    "target_session_attrs=any",
    "keepalives=0",
    "tcp_user_timeout=9",
    "user=",
    "channel_binding=require",
    "service=",
    " ",
    "'",
    "\\",
    "#",
    "load_balance_hosts=random",
];

const SECRET: &str = "s3cretword";

/// With a password in both places where one can be.
fn strings() -> impl Strategy<Value = String> {
    let ends = (fuzz::pieces(PIECES, 6), fuzz::pieces(PIECES, 12));
    (ends, any::<bool>()).prop_map(|((before, behind), in_front)| {
        if in_front {
            format!("postgres://ada:{SECRET}@{before}/{behind}")
        } else {
            format!("postgres://{before}?password={SECRET}&{behind}")
        }
    })
}

fn shows_no_secret(text: String) -> Result<(), TestCaseError> {
    match Address::of(&text, |_| None) {
        Ok(address) => {
            let shown = format!("{address} {address:?}");
            prop_assert!(!shown.contains(SECRET), "{}", shown);
            prop_assert!(!address.places.is_empty());
        }
        Err(refused) => {
            let said = refused.to_string();
            prop_assert!(!said.contains(SECRET), "{}", said);
            prop_assert!(!said.is_empty() && !said.contains(char::is_control), "{:?}", said);
        }
    }
    Ok(())
}

/// Any text at all.
fn is_read_or_refused(text: String) -> Result<(), TestCaseError> {
    if let Err(refused) = Address::of(&text, |_| None) {
        prop_assert!(!refused.to_string().is_empty());
    }
    Ok(())
}

#[test]
fn no_password_is_shown_whatever_stands_around_it() {
    fuzz::shortly(strings(), shows_no_secret);
    fuzz::shortly(fuzz::pieces(PIECES, 12), is_read_or_refused);
}

#[test]
#[ignore = "two minutes"]
fn fuzz_connection_strings() {
    fuzz::for_a_minute(strings(), shows_no_secret);
    fuzz::for_a_minute(fuzz::pieces(PIECES, 30), is_read_or_refused);
}
