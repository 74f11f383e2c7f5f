//! Auditors who ask with a client of their own: let in and dismissed, on record.

mod store;

use std::fs::OpenOptions;
use std::io::Write;
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{Days, NaiveDate, NaiveTime, Utc};
use domain::Officer;
use ring::{hmac, pbkdf2};
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use store::Admission;

use crate::cli::Output;
use crate::output::{Failure, say, show, table};
use crate::target::Target;

/// As PostgreSQL hashes passwords itself.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4_096).expect("it is more than none");

/// Whom it is about, why, and who decides it.
type Decision<'a> = (&'a Officer, &'a str, &'a Officer);

pub(super) async fn admit(
    target: &Target,
    output: Output,
    (login, reason, by): Decision<'_>,
    until: Option<NaiveDate>,
    out: &Path,
) -> Result<ExitCode, Failure> {
    if login == by {
        let text = format!("admits_oneself: somebody else lets {login} in");
        return Err(Failure::Refused(text));
    }
    let after = until.map(|it| it.checked_add_days(Days::new(1)).unwrap_or(it));
    let ends_at = after.map(|it| boot::clock::from_vietnam(it, NaiveTime::MIN));
    let pool = target.pool(None).await?;
    let mut tx = pool.begin().await.map_err(anyhow::Error::from)?;
    match store::admission(&mut tx, login.as_str()).await? {
        (true, None) => {
            let text = format!("login_taken: the server has a role {login} that is no auditor's");
            return Err(Failure::Refused(text));
        }
        (_, Some(it)) if it.is_admitted => {
            let text = format!("admitted_already: {login}; dismiss ends it");
            return Err(Failure::Refused(text));
        }
        _ => {}
    }
    let mut bytes = Zeroizing::new([0_u8; 24]);
    getrandom::fill(&mut bytes[..]).context("random bytes")?;
    let password = Zeroizing::new(hex::encode(&bytes[..]));
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).context("random bytes")?;
    let decided = Admission {
        login: login.to_string(),
        is_admitted: true,
        ends_at,
        decided_by: by.to_string(),
        reason: reason.to_owned(),
        decided_at: Utc::now(),
    };
    store::admit(&mut tx, &decided, &verifier(&password, &salt)).await?;
    let database = store::database(&mut tx).await?;
    // Before it holds: a password that nobody has would let nobody in.
    let line = Zeroizing::new(format!("*:*:{database}:{login}:{}\n", password.as_str()));
    write_private(out, line.as_bytes())?;
    tx.commit().await.map_err(anyhow::Error::from)?;
    let told = json!({ "login": login, "database": database, "file": out, "ends_at": ends_at });
    show(output, &told, |_| {
        let until = ends_at.map(|it| it.to_rfc3339()).unwrap_or_default();
        let row = [login.to_string(), out.display().to_string(), until];
        table(&["auditor", "password in", "until"], 3, [row])
    })?;
    say(&format!(
        "PGPASSFILE={} psql -h … -U {login} {database} -c 'SELECT * FROM audit.payments LIMIT 5'",
        out.display()
    ));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn dismiss(
    target: &Target,
    (login, reason, by): Decision<'_>,
) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let mut tx = pool.begin().await.map_err(anyhow::Error::from)?;
    let last = store::admission(&mut tx, login.as_str()).await?.1;
    if !last.is_some_and(|it| it.is_admitted) {
        return Err(Failure::Refused(format!("not_admitted: {login}")));
    }
    if login == by {
        let text = format!("dismisses_oneself: somebody else dismisses {login}");
        return Err(Failure::Refused(text));
    }
    let decided = Admission {
        login: login.to_string(),
        is_admitted: false,
        ends_at: None,
        decided_by: by.to_string(),
        reason: reason.to_owned(),
        decided_at: Utc::now(),
    };
    store::dismiss(&mut tx, &decided).await?;
    tx.commit().await.map_err(anyhow::Error::from)?;
    // Those who came in before that was so.
    store::end_sessions(&pool, login.as_str()).await?;
    say(&format!("{login} is let in no more."));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn list(target: &Target, output: Output) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let all = store::admissions(&pool).await?;
    show(output, &all, |_| {
        let rows = all.iter().map(|it| {
            let did = if it.is_admitted {
                "admitted"
            } else {
                "dismissed"
            };
            let until = it.ends_at.map(|it| it.to_rfc3339()).unwrap_or_default();
            [
                it.login.clone(),
                did.to_owned(),
                it.decided_at.to_rfc3339(),
                it.decided_by.clone(),
                it.reason.clone(),
                until,
            ]
        });
        table(&["auditor", "", "at", "by", "reason", "until"], 6, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What the server keeps of a password (RFC 5803): it never sees the password itself.
fn verifier(password: &str, salt: &[u8]) -> String {
    let mut salted = Zeroizing::new([0_u8; 32]);
    let (way, secret) = (pbkdf2::PBKDF2_HMAC_SHA256, password.as_bytes());
    pbkdf2::derive(way, ITERATIONS, salt, secret, &mut salted[..]);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted[..]);
    let stored = Sha256::digest(hmac::sign(&key, b"Client Key"));
    let server = hmac::sign(&key, b"Server Key");
    let [salt, stored, server] = [salt, &stored[..], server.as_ref()].map(|it| STANDARD.encode(it));
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")
}

fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let written = file.and_then(|mut it| it.write_all(bytes));
    let named = || format!("{} cannot be written", path.display());
    Ok(written.with_context(named)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, whose server signature follows from what is kept.
    #[test]
    fn the_server_keeps_what_the_rfc_says() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let kept = verifier("pencil", &salt);
        let (_, keys) = kept.rsplit_once('$').unwrap();
        let (_, server) = keys.split_once(':').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(server).unwrap());
        let said = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = STANDARD.encode(hmac::sign(&key, said.as_bytes()));
        assert_eq!(signature, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
