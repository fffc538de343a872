//! What a connection string says is done, or refused with the cure; and errors are one sentence.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::TempDir;

use crate::harness::folder;
use crate::server::{Beside, Server, free_port};

/// The program, with nothing in its environment that says where a database is.
fn piton(home: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_piton"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
        command.env_remove(name);
    }
    command.args(arguments).env("DATABASE_URL", url).env("HOME", home).current_dir(home);
    command
}

/// What it says when it is refused: one sentence, without the secret.
fn sentence(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it was not refused");
    assert!(!error.contains("s3cret") && !error.contains(" at line "), "{error}");
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    error.trim_end().to_owned()
}

fn refusal(url: &str) -> String {
    let home = folder();
    sentence(&piton(home.path(), url, &["runs"]).output().unwrap())
}

fn succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn is_migrated(server: &Server) -> bool {
    let mut connection = server.options().connect().await.unwrap();
    let sql = "select to_regclass('piton.migrations') is not null";
    let found = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    found
}

async fn tcp_server(further: &[&str], access: &str, files: &[(&str, String)]) -> (Server, u16) {
    let port = free_port();
    let settings = [format!("port={port}"), "listen_addresses=127.0.0.1".to_owned()];
    let settings: Vec<&str> = settings.iter().map(String::as_str).chain(further.iter().copied()).collect();
    (Server::at_port(port, Beside { settings: &settings, access, files }).await, port)
}

#[tokio::test]
async fn of_several_hosts_the_one_that_was_asked_for_is_used() {
    let (closed, home) = (free_port(), folder());
    let (read_only, one) = tcp_server(&["default_transaction_read_only=on"], "", &[]).await;
    let (writable, two) = tcp_server(&[], "", &[]).await;
    let hosts = format!("127.0.0.1:{closed},127.0.0.1:{one},127.0.0.1:{two}");
    let url = format!("postgres://piton@{hosts}/postgres");
    succeeds(&piton(home.path(), &url, &["migrate"]).output().unwrap());
    assert!(is_migrated(&writable).await && !is_migrated(&read_only).await, "it took one that it cannot write to");
    // One that takes connections and never says a word is passed over after the timeout.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf_at = format!("127.0.0.1:{}", deaf.local_addr().unwrap().port());
    let behind_it = format!("postgres://piton@{deaf_at},127.0.0.1:{two}/postgres?connect_timeout=1");
    succeeds(&piton(home.path(), &behind_it, &["runs"]).output().unwrap());
    // Asked for the other one, it finds that one, where there is no schema.
    let other = format!("{url}?target_session_attrs=read-only");
    let error = sentence(&piton(home.path(), &other, &["runs", "--no-migrate"]).output().unwrap());
    assert!(error.contains("has no schema of Piton's yet (version 0)"), "{error}");
    let none = format!("{url}?target_session_attrs=standby");
    assert_eq!(
        refusal(&none),
        format!(
            "error: cannot connect to 127.0.0.1:{closed}: connection refused; 127.0.0.1:{one} will not do: it is the \
             primary; 127.0.0.1:{two} will not do: it is the primary; see how it is:  pg_isready -d \
             'postgresql://piton@{hosts}/postgres'"
        )
    );
}

#[tokio::test]
async fn services_and_password_files_say_what_the_string_does_not() {
    let access = "host all piton 127.0.0.1/32 scram-sha-256";
    let (server, port) = tcp_server(&[], access, &[]).await;
    let mut connection = server.options().connect().await.unwrap();
    connection.execute("alter role piton password 's3cret'").await.unwrap();
    let home = folder();
    let file = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let file = home.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let services = file(
        "services",
        &format!("[other]\nhost=nowhere\n[ours]\nhost=127.0.0.1\nport={port}\nuser=piton\ndbname=postgres\n"),
    );
    let passwords = file("passwords", &format!("127.0.0.1:{port}:postgres:piton:s3cret\n"));
    let url = format!("postgres://?service=ours&passfile={passwords}");
    succeeds(&piton(home.path(), &url, &["migrate"]).env("PGSERVICEFILE", &services).output().unwrap());
    let mut by_environment = piton(home.path(), "postgres://", &["runs"]);
    by_environment.env("PGSERVICEFILE", &services).env("PGSERVICE", "ours").env("PGPASSFILE", &passwords);
    succeeds(&by_environment.output().unwrap());
    let absent = piton(home.path(), "postgres://?service=absent", &["runs"]).env("PGSERVICEFILE", &services).output();
    let absent = sentence(&absent.unwrap());
    assert!(absent.starts_with("error: there is no service [absent] in "), "{absent}");
    let wrong = format!("postgres://piton:not-the-s3cret@127.0.0.1:{port}/postgres");
    assert_eq!(
        refusal(&wrong),
        format!(
            "error: postgresql://piton@127.0.0.1:{port}/postgres: password authentication failed for user \"piton\"; correct \
             the password in DATABASE_URL, PGPASSWORD or the password file"
        )
    );
}

/// A self-signed certificate for localhost and its key, of an old kind or of today's.
fn certificate(home: &TempDir, version: u8) -> (String, String) {
    let path = |name: &str| home.path().join(format!("v{version}.{name}"));
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(home.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let (key, request, made) = (path("key"), path("csr"), path("crt"));
    let (key, request, made) = (key.to_str().unwrap(), request.to_str().unwrap(), made.to_str().unwrap());
    let new = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key];
    if version == 1 {
        openssl(&[&new[..], &["-out", request]].concat());
        openssl(&["x509", "-req", "-in", request, "-signkey", key, "-days", "2", "-out", made]);
    } else {
        openssl(
            &[&new[..], &["-x509", "-days", "2", "-addext", "subjectAltName=DNS:localhost", "-out", made]].concat(),
        );
    }
    let text = Command::new("openssl").args(["x509", "-noout", "-text", "-in", made]).output().unwrap();
    assert!(String::from_utf8_lossy(&text.stdout).contains(&format!("Version: {version} ")), "another kind was made");
    (std::fs::read_to_string(made).unwrap(), std::fs::read_to_string(key).unwrap())
}

async fn tls_server(home: &TempDir, version: u8) -> (Server, u16) {
    let (certificate, key) = certificate(home, version);
    let settings = ["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"];
    let access = "hostnossl all all 127.0.0.1/32 reject\nhostssl all all 127.0.0.1/32 trust";
    tcp_server(&settings, access, &[("server.crt", certificate), ("server.key", key)]).await
}

#[tokio::test]
async fn an_old_self_signed_certificate_is_taken_unless_it_is_to_be_verified() {
    let home = folder();
    let (_server, port) = tls_server(&home, 1).await;
    let url = format!("postgres://piton@localhost:{port}/postgres?hostaddr=127.0.0.1");
    for mode in ["", "&sslmode=prefer", "&sslmode=require", "&sslmode=require&ssl_min_protocol_version=TLSv1.3"] {
        succeeds(&piton(home.path(), &format!("{url}{mode}"), &["migrate"]).output().unwrap());
    }
    let refused = refusal(&format!("{url}&sslmode=disable"));
    assert!(refused.contains("pg_hba.conf rejects connection"), "{refused}");
    let refused = refusal(&format!("{url}&sslmode=verify-full"));
    assert!(refused.starts_with(&format!("error: cannot connect to localhost:{port}: ")), "{refused}");
    assert!(refused.contains("certificate"), "{refused}");
}

#[tokio::test]
async fn a_certificate_is_verified_by_the_authority_that_was_given() {
    let home = folder();
    let (_server, port) = tls_server(&home, 3).await;
    let root = home.path().join("v3.crt");
    let url = |host: &str, more: &str| format!("postgres://piton@{host}:{port}/postgres?hostaddr=127.0.0.1&{more}");
    let ours = format!("sslrootcert={}", root.display());
    succeeds(
        &piton(home.path(), &url("localhost", &format!("sslmode=verify-full&{ours}")), &["migrate"]).output().unwrap(),
    );
    let other_name = url("db.example", &format!("sslmode=verify-ca&{ours}"));
    succeeds(&piton(home.path(), &other_name, &["runs"]).output().unwrap());
    let refused = refusal(&url("db.example", &format!("sslmode=verify-full&{ours}")));
    assert!(refused.contains("it is made out to"), "{refused}");
    for unknown in ["sslmode=verify-full", "sslrootcert=system"] {
        let refused = refusal(&url("localhost", unknown));
        assert_eq!(
            refused,
            format!(
                "error: cannot connect to localhost:{port}: its certificate is not trusted: it is self-signed and not \
                 known here; write sslrootcert=FILE with a copy of it"
            )
        );
    }
    // libpq's rule: whoever gives an authority wants it checked.
    let stranger = folder();
    certificate(&stranger, 3);
    let stranger = format!("sslmode=require&sslrootcert={}", stranger.path().join("v3.crt").display());
    let refused = refusal(&url("localhost", &stranger));
    assert!(refused.contains("is not trusted"), "{refused}");
}

#[tokio::test]
async fn an_error_of_a_connection_is_one_sentence_with_what_to_type() {
    let access = "host all nobody 127.0.0.1/32 reject";
    let (server, port) = tcp_server(&["max_connections=5", "superuser_reserved_connections=0"], access, &[]).await;
    let at = |user: &str, database: &str| format!("postgresql://{user}@127.0.0.1:{port}/{database}");
    let cases = [
        (
            at("piton", "absent"),
            format!(
                "error: {}: database \"absent\" does not exist; create it:  psql '{}' -c 'create database \"absent\"'",
                at("piton", "absent"),
                at("piton", "postgres")
            ),
        ),
        (
            at("nobody", "postgres"),
            format!(
                "error: {}: pg_hba.conf rejects connection for host \"127.0.0.1\", user \"nobody\", database \"postgres\", \
                 no encryption; let it in with a line in pg_hba.conf of the server, and then type there:  psql -c 'select \
                 pg_reload_conf()'",
                at("nobody", "postgres")
            ),
        ),
        (
            at("absent", "postgres"),
            format!(
                "error: {}: role \"absent\" does not exist; correct the user in DATABASE_URL, or create the role:  createuser \
                 NAME",
                at("absent", "postgres")
            ),
        ),
        (
            "postgres://ada:s3cret@name.invalid/x".to_owned(),
            "error: cannot connect to name.invalid:5432: the name of the host does not resolve; correct the host in \
             DATABASE_URL"
                .to_owned(),
        ),
        (
            "mysql://ada:s3cret@h/x".to_owned(),
            "error: DATABASE_URL does not begin with postgres:// or postgresql://, and Piton runs on Postgres only; it looks \
             like postgres://user:password@host:5432/name"
                .to_owned(),
        ),
        (
            format!("{}?sslmode=require", at("piton", "postgres")),
            format!(
                "error: cannot connect to 127.0.0.1:{port}: the server does not speak TLS, and sslmode asks for it; turn ssl \
                 on there, or write sslmode=disable"
            ),
        ),
    ];
    for (url, expected) in cases {
        assert_eq!(refusal(&url), expected);
    }
    let closed = free_port();
    let url = format!("postgresql://piton@127.0.0.1:{closed}/postgres");
    let expected = format!(
        "error: cannot connect to 127.0.0.1:{closed}: connection refused; see how it is:  pg_isready -d '{url}'"
    );
    assert_eq!(refusal(&url), expected);
    let mut others = Vec::new();
    while let Ok(other) = server.options().connect().await {
        others.push(other);
    }
    let url = at("piton", "postgres");
    let expected = format!(
        "error: {url}: sorry, too many clients already; close other connections to it, raise max_connections there, or use a \
         pooler in session mode"
    );
    assert_eq!(refusal(&url), expected);
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_the_connect_timeout() {
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = deaf.local_addr().unwrap().port();
    let began = Instant::now();
    let url = format!("postgres://piton@127.0.0.1:{port}/x?connect_timeout=2");
    let refused = tokio::task::spawn_blocking(move || refusal(&url)).await.unwrap();
    assert!(refused.contains(&format!("cannot connect to 127.0.0.1:{port}: no answer within 2 s")), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
