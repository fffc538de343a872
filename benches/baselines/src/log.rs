//! The server's write-ahead log.

/// Asks how many bytes of it the server has written so far, as one `int8`. Text, because the systems speak different releases of sqlx.
pub const POSITION: &str = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8";
