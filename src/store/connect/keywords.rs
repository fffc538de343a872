//! The one list of what a connection string may contain: libpq's keywords, and what becomes of each.

/// A keyword of libpq, or a spelling of one.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    /// Where libpq looks when the string does not say.
    pub(super) variable: Option<&'static str>,
    pub(super) rule: Rule,
}

/// What becomes of a keyword.
#[derive(Debug)]
pub(super) enum Rule {
    /// It does what it does in libpq.
    Works,
    /// Only these values mean what happens anyway; any other is refused, and the text says what to write instead.
    Only(&'static [&'static str], &'static str),
}

use Rule::{Only, Works};

const fn keyword(name: &'static str, variable: &'static str, rule: Rule) -> Keyword {
    Keyword { name, variable: Some(variable), rule }
}

const fn unnamed(name: &'static str, rule: Rule) -> Keyword {
    Keyword { name, variable: None, rule }
}

const NO_GSS: &str = "Piton does not speak GSSAPI; use sslmode=verify-full and a password or a client certificate";
const NO_CRL: &str = "Piton reads no revocation lists; leave it out, or revoke the certificate by a new sslrootcert";
const NO_OAUTH: &str = "Piton does not speak OAuth; use a password or a client certificate";
const NO_SCRAM_KEY: &str = "Piton logs in with the password itself; use password or passfile";

/// In the order of libpq's documentation.
pub(super) const KEYWORDS: &[Keyword] = &[
    keyword("host", "PGHOST", Works),
    keyword("hostaddr", "PGHOSTADDR", Works),
    keyword("port", "PGPORT", Works),
    keyword("dbname", "PGDATABASE", Works),
    keyword("user", "PGUSER", Works),
    keyword("password", "PGPASSWORD", Works),
    keyword("passfile", "PGPASSFILE", Works),
    keyword(
        "require_auth",
        "PGREQUIREAUTH",
        Only(&[], "Piton cannot choose the way to log in; leave it out, and ask for scram-sha-256 in pg_hba.conf"),
    ),
    keyword(
        "channel_binding",
        "PGCHANNELBINDING",
        Only(
            &["disable", "prefer"],
            "Piton has no channel binding; leave it out, and use sslmode=verify-full, which proves the server by its \
             certificate",
        ),
    ),
    keyword("connect_timeout", "PGCONNECT_TIMEOUT", Works),
    unnamed("client_encoding", Only(&["UTF8", "utf8", "UTF-8", "utf-8", "auto"], "Piton speaks UTF8; leave it out")),
    keyword("options", "PGOPTIONS", Works),
    keyword("application_name", "PGAPPNAME", Works),
    unnamed("fallback_application_name", Works),
    unnamed("keepalives", Works),
    unnamed("keepalives_idle", Works),
    unnamed("keepalives_interval", Works),
    unnamed("keepalives_count", Works),
    unnamed("tcp_user_timeout", Works),
    unnamed("replication", Only(&["false", "off", "no", "0"], "Piton needs ordinary connections; leave it out")),
    keyword("gssencmode", "PGGSSENCMODE", Only(&["disable", "prefer"], NO_GSS)),
    keyword("sslmode", "PGSSLMODE", Works),
    keyword(
        "sslnegotiation",
        "PGSSLNEGOTIATION",
        Only(&["postgres"], "Piton asks the server before it speaks TLS; leave it out"),
    ),
    keyword("sslcompression", "PGSSLCOMPRESSION", Only(&["0"], "TLS is not compressed any more; leave it out")),
    keyword("sslcert", "PGSSLCERT", Works),
    keyword("sslkey", "PGSSLKEY", Works),
    unnamed("sslpassword", Works),
    keyword("sslcertmode", "PGSSLCERTMODE", Works),
    keyword("sslrootcert", "PGSSLROOTCERT", Works),
    keyword("sslcrl", "PGSSLCRL", Only(&[], NO_CRL)),
    keyword("sslcrldir", "PGSSLCRLDIR", Only(&[], NO_CRL)),
    keyword("sslsni", "PGSSLSNI", Works),
    keyword(
        "requirepeer",
        "PGREQUIREPEER",
        Only(&[], "Piton does not ask who runs the server; leave it out where only that user can make the socket"),
    ),
    keyword("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Works),
    keyword("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Works),
    keyword("min_protocol_version", "PGMINPROTOCOLVERSION", Only(&["3.0"], "Piton speaks version 3.0; leave it out")),
    keyword(
        "max_protocol_version",
        "PGMAXPROTOCOLVERSION",
        Only(&["3.0", "latest"], "Piton speaks version 3.0; leave it out"),
    ),
    keyword("krbsrvname", "PGKRBSRVNAME", Only(&["postgres"], NO_GSS)),
    keyword("gsslib", "PGGSSLIB", Only(&["gssapi"], NO_GSS)),
    keyword("gssdelegation", "PGGSSDELEGATION", Only(&["0"], NO_GSS)),
    unnamed("scram_client_key", Only(&[], NO_SCRAM_KEY)),
    unnamed("scram_server_key", Only(&[], NO_SCRAM_KEY)),
    keyword("service", "PGSERVICE", Works),
    keyword("target_session_attrs", "PGTARGETSESSIONATTRS", Works),
    keyword("load_balance_hosts", "PGLOADBALANCEHOSTS", Works),
    unnamed("oauth_issuer", Only(&[], NO_OAUTH)),
    unnamed("oauth_client_id", Only(&[], NO_OAUTH)),
    unnamed("oauth_client_secret", Only(&[], NO_OAUTH)),
    unnamed("oauth_scope", Only(&[], NO_OAUTH)),
    unnamed("sslkeylogfile", Only(&[], "Piton writes no session keys; leave it out")),
    // sqlx's, which worked here before.
    unnamed("statement-cache-capacity", Works),
];

/// Spellings that sqlx takes.
const OTHER_SPELLINGS: &[(&str, &str)] = &[
    ("ssl-mode", "sslmode"),
    ("ssl-root-cert", "sslrootcert"),
    ("ssl-ca", "sslrootcert"),
    ("ssl-cert", "sslcert"),
    ("ssl-key", "sslkey"),
];

/// The keyword of that name.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    let name = OTHER_SPELLINGS.iter().find(|(other, _)| *other == name).map_or(name, |(_, name)| *name);
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// A keyword that somebody may have meant.
pub(super) fn like(name: &str) -> Option<&'static str> {
    let near = KEYWORDS.iter().map(|k| (strsim::damerau_levenshtein(k.name, name), k.name)).min()?;
    (near.0 <= 2).then_some(near.1)
}
