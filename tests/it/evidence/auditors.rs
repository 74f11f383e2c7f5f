//! An auditor with a client of their own: reads what the views show, and the server keeps what they ask.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use ansinh::Target;
use ansinh::servers::{Postgres, postgres_programs};
use anyhow::{Context, ensure};
use boot::Settings;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use crate::ground::ansinh_binary;

const LOGIN: &str = "kiemtoan.an";

/// A server of its own, whose log lies in its folder.
struct Office {
    home: PathBuf,
    postgres: Postgres,
}

impl Office {
    async fn open() -> anyhow::Result<Office> {
        let home = std::env::temp_dir().join(format!("ansinh-office-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&home)?;
        // As PostgreSQL's account needs it.
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o711))?;
        let postgres = Postgres::start(&home).await?;
        let office = Office { home, postgres };
        let mut settings = Settings::default();
        settings.database.url = Some(office.postgres.url().to_owned());
        let settings = Arc::new(settings);
        Target { settings }.migrate().await?;
        Ok(office)
    }

    async fn typed(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let mut command = Command::new(ansinh_binary()?);
        command
            .args(arguments)
            .args(["--output", "json"])
            .env("DATABASE_URL", self.postgres.url())
            .env("NATS_URL", "nats://127.0.0.1:9");
        Ok(command.output().await?)
    }

    async fn decided(&self, arguments: &[&str], code: i32, says: &str) -> anyhow::Result<()> {
        let told = self.typed(arguments).await?;
        let said = String::from_utf8_lossy(&told.stderr);
        ensure!(
            told.status.code() == Some(code) && said.contains(says),
            "{told:?}"
        );
        Ok(())
    }

    fn password_file(&self) -> PathBuf {
        self.home.join("kiemtoan.pgpass")
    }

    /// As the auditor comes in, from what was handed over.
    fn options(&self) -> anyhow::Result<PgConnectOptions> {
        let line = std::fs::read_to_string(self.password_file())?;
        let (_, password) = line.trim().rsplit_once(':').context("a password")?;
        let owner: PgConnectOptions = self.postgres.url().parse()?;
        Ok(PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(owner.get_port())
            .username(LOGIN)
            .password(password)
            .database("ansinh"))
    }

    /// Waits until the server's log has it, in a line with this login's name or behind one.
    async fn logged(&self, statement: &str) -> anyhow::Result<()> {
        for _ in 0..100 {
            let log = std::fs::read_to_string(self.home.join("postgres.log"))?;
            let mut lines = log.lines();
            if lines.any(|it| it.contains(statement) && it.contains("kiemtoan.an@ansinh")) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the log has no {statement}")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_asks_with_psql_and_the_server_keeps_what() -> anyhow::Result<()> {
    let office = Office::open().await?;
    let file = office.password_file();
    let file = file.to_str().context("a path")?;
    let reason = ["--reason", "QĐ 12/KTNN", "--out", file];
    let admit = |login: &'static str, by: &'static str| {
        [&["audit", "admit", login, "--by", by][..], &reason[..]].concat()
    };
    office
        .decided(&admit(LOGIN, LOGIN), 3, "admits_oneself")
        .await?;
    office
        .decided(&admit("ansinh", "pham.dung"), 3, "login_taken")
        .await?;
    office
        .decided(&admit(LOGIN, "pham.dung"), 0, "PGPASSFILE")
        .await?;
    office
        .decided(&admit(LOGIN, "pham.dung"), 3, "admitted_already")
        .await?;
    assert_eq!(std::fs::metadata(file)?.permissions().mode() & 0o777, 0o600);

    let port = office.options()?.get_port().to_string();
    let asked = "SELECT count(*) FROM audit.payments -- by psql";
    let psql = Command::new(postgres_programs().await?.join("psql"))
        .args([
            "-X",
            "-A",
            "-t",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            LOGIN,
        ])
        .args(["-d", "ansinh", "-c", asked])
        .env("PGPASSFILE", file)
        .output()
        .await?;
    ensure!(psql.status.success() && psql.stdout == b"0\n", "{psql:?}");
    office.logged(asked).await?;

    let mut auditor = PgConnection::connect_with(&office.options()?).await?;
    let asked = "SELECT count(*) FROM audit.payments WHERE person_no = $1";
    let none: i64 = sqlx::query_scalar(asked)
        .bind(470_011_i64)
        .fetch_one(&mut auditor)
        .await?;
    assert_eq!(none, 0);
    office.logged(asked).await?;
    office.logged("$1 = '470011'").await?;
    nothing_else_is_theirs(&office, &mut auditor).await?;
    they_are_dismissed(&office, auditor).await?;
    let home = office.home.clone();
    office.postgres.stop().await?;
    std::fs::remove_dir_all(home)?;
    Ok(())
}

const REFUSED: [&str; 21] = [
    "INSERT INTO audit.queries (asked_by, question, parameters, asked_at) VALUES ('x', 'x', '{}', now())",
    "INSERT INTO audit.admissions (login, is_admitted, decided_by, reason, decided_at)
        VALUES ('x', true, 'y', 'z', now())",
    "UPDATE audit.admissions SET is_admitted = true",
    "DELETE FROM audit.admissions",
    "TRUNCATE audit.admissions",
    "CREATE TABLE audit.mine (it int)",
    "CREATE TABLE public.mine (it int)",
    "CREATE TEMPORARY TABLE mine (it int)",
    "CREATE VIEW audit.mine AS SELECT 1",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "DROP VIEW audit.payments",
    "SELECT * FROM payments.lines",
    "SELECT * FROM ledger.transfers",
    "SELECT * FROM privacy.access_log",
    "SELECT * FROM proof.secrets",
    "SELECT audit.admit('x', 'y', NULL)",
    "SELECT * FROM pg_authid",
    "SET ROLE ansinh",
    "SET ROLE ansinh_audit",
    "COPY audit.queries TO PROGRAM 'true'",
];

/// What would make the server keep less of what they ask.
const UNLOGGING: [&str; 5] = [
    "SET log_statement = 'none'",
    "SET log_error_verbosity = 'terse'",
    "SET log_min_error_statement = 'panic'",
    "ALTER ROLE \"kiemtoan.an\" SET log_statement = 'none'",
    "ALTER SYSTEM SET log_statement = 'none'",
];

async fn nothing_else_is_theirs(office: &Office, auditor: &mut PgConnection) -> anyhow::Result<()> {
    let may_write = "SET default_transaction_read_only = off";
    for is_read_only in [true, false] {
        if !is_read_only {
            sqlx::raw_sql(may_write).execute(&mut *auditor).await?;
        }
        for statement in REFUSED.iter().chain(&UNLOGGING) {
            let told = sqlx::raw_sql(*statement).execute(&mut *auditor).await;
            let told = told.err().context(*statement)?;
            let code = told
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code)
                .context("a code")?;
            // Read-only, or not theirs in any transaction.
            let is_refused = code == "42501" || is_read_only && code == "25006";
            ensure!(is_refused, "{statement}: {told}");
        }
    }
    // A statement that fails is kept as well.
    office.logged("SELECT * FROM proof.secrets").await?;
    let told = sqlx::raw_sql("ALTER ROLE \"kiemtoan.an\" RESET ALL").execute(&mut *auditor);
    told.await?;
    let again = PgConnection::connect_with(&office.options()?).await?;
    again.close().await?;
    for (name, value) in [("log_statement", "none"), ("log_error_verbosity", "terse")] {
        let options = office.options()?.options([(name, value)]);
        let told = PgConnection::connect_with(&options).await.err();
        let code = told.context(name)?;
        let code = code
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{name}");
    }
    let mut again = PgConnection::connect_with(&office.options()?).await?;
    let (kept, limit): (String, i32) = sqlx::query_as(
        "SELECT current_setting('log_statement'), rolconnlimit FROM pg_roles WHERE rolname = $1",
    )
    .bind(LOGIN)
    .fetch_one(&mut again)
    .await?;
    assert_eq!((&kept[..], limit), ("all", 3));
    again.close().await?;
    Ok(())
}

async fn they_are_dismissed(office: &Office, mut auditor: PgConnection) -> anyhow::Result<()> {
    let dismiss = ["audit", "dismiss", LOGIN, "--reason", "hết đợt", "--by"];
    let dismiss = |by| [&dismiss[..], &[by]].concat();
    office
        .decided(&dismiss(LOGIN), 3, "dismisses_oneself")
        .await?;
    office.decided(&dismiss("pham.dung"), 0, "no more").await?;
    office
        .decided(&dismiss("pham.dung"), 3, "not_admitted")
        .await?;
    ensure!(
        sqlx::raw_sql("SELECT 1")
            .execute(&mut auditor)
            .await
            .is_err()
    );
    let told = PgConnection::connect_with(&office.options()?).await;
    ensure!(told.is_err(), "the password still lets in");

    let shown = office.typed(&["audit", "auditors"]).await?;
    let told: Vec<Value> = serde_json::from_slice(&shown.stdout)?;
    let did: Vec<_> = told
        .iter()
        .map(|it| (&it["is_admitted"], &it["decided_by"]))
        .collect();
    let (yes, no, by) = (
        Value::from(true),
        Value::from(false),
        Value::from("pham.dung"),
    );
    assert_eq!(did, [(&yes, &by), (&no, &by)]);
    let mut owner = PgConnection::connect(office.postgres.url()).await?;
    let entered: i64 =
        sqlx::query_scalar("SELECT count(*) FROM proof.entries WHERE source = 'auditor'")
            .fetch_one(&mut owner)
            .await?;
    assert_eq!(entered, 2);

    // And in again, by another password.
    let before = std::fs::read(office.password_file())?;
    std::fs::remove_file(office.password_file())?;
    let file = office.password_file();
    let file = file.to_str().context("a path")?;
    let again = [
        "--reason",
        "QĐ 13",
        "--by",
        "pham.dung",
        "--until",
        "2999-12-31",
        "--out",
        file,
    ];
    let again = [&["audit", "admit", LOGIN][..], &again[..]].concat();
    office.decided(&again, 0, "PGPASSFILE").await?;
    ensure!(std::fs::read(file)? != before);
    PgConnection::connect_with(&office.options()?)
        .await?
        .close()
        .await?;
    Ok(())
}
