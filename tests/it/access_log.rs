//! Who looks at whom is written where it is looked, and the person can read it.

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};
use domain::PersonNo;
use privacy::{Access, AccessRow, Field, Keys, MaskedAccount, Purpose, Role, accesses_of, record};
use sqlx::{Connection, PgConnection, PgPool};

use crate::ground::Ground;

const MAI: PersonNo = PersonNo(42);
/// In the same partition.
const NAM: PersonNo = PersonNo(58);
const SERVICE: &str = "accounts";

fn look(person_no: PersonNo, unmasked: bool) -> Access<'static> {
    Access {
        actor: "nguyen.an",
        role: Role::Officer,
        purpose: Purpose::Complaint,
        case_ref: Some("KN-2026/123"),
        person_no,
        fields: &[Field::BankAccount, Field::PersonName],
        unmasked,
    }
}

fn now() -> anyhow::Result<DateTime<Utc>> {
    Ok("2026-12-01T02:03:04.567890Z".parse()?)
}

async fn log_of(pool: &PgPool, person_no: PersonNo) -> anyhow::Result<Vec<AccessRow>> {
    let mut connection = pool.acquire().await?;
    Ok(accesses_of(&mut connection, person_no, None, 50).await?)
}

#[tokio::test]
async fn what_is_shown_in_clear_is_in_the_log_with_it_or_not_at_all() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.target().pool(Some("ansinh_accounts")).await?;
    let keys = Keys::from_file(&ground.keys_file())?;
    let context = MAI.0.to_be_bytes();
    let sealed = keys.seal(Field::BankAccount, &context, "0011004126789");

    let mut tx = pool.begin().await?;
    let granted = record(&mut tx, &look(MAI, true), SERVICE, now()?).await?;
    let clear = granted.open(&keys, Field::BankAccount, &context, &sealed)?;
    ensure!(clear.expose() == "0011004126789");
    ensure!(log_of(&pool, MAI).await?.is_empty(), "seen before it holds");
    tx.rollback().await?;
    ensure!(log_of(&pool, MAI).await?.is_empty());

    let mut tx = pool.begin().await?;
    let granted = record(&mut tx, &look(MAI, false), SERVICE, now()?).await?;
    let masked: MaskedAccount = granted.mask(&keys, &context, &sealed)?;
    ensure!(masked.to_string() == "•••• 6789");
    ensure!(masked.unmask(&granted).is_err());
    let entry_no = granted.entry_no();
    tx.commit().await?;
    let expected = AccessRow {
        entry_no,
        recorded_at: now()?,
        actor: "nguyen.an".to_owned(),
        role: Role::Officer,
        purpose: Purpose::Complaint,
        case_ref: Some("KN-2026/123".to_owned()),
        fields: vec![Field::BankAccount, Field::PersonName],
        unmasked: false,
        service: SERVICE.to_owned(),
    };
    assert_eq!(log_of(&pool, MAI).await?, [expected]);

    let mut tx = pool.begin().await?;
    let nameless = Access {
        actor: "Nguyễn Văn An",
        ..look(MAI, true)
    };
    let refused = record(&mut tx, &nameless, SERVICE, now()?).await;
    let refused = refused.unwrap_err().to_string();
    ensure!(!refused.contains("Nguyễn"), "{refused}");
    tx.commit().await?;
    assert_eq!(log_of(&pool, MAI).await?.len(), 1);
    pool.close().await;
    ground.clear().await
}

#[tokio::test]
async fn a_person_reads_their_own_log_page_by_page() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.target().pool(Some("ansinh_payments")).await?;
    let mut tx = pool.begin().await?;
    let mut written = Vec::new();
    for minute in 0..7 {
        let at = now()? + TimeDelta::minutes(minute);
        let granted = record(&mut tx, &look(MAI, minute == 3), SERVICE, at).await?;
        written.insert(0, granted.entry_no());
        record(&mut tx, &look(NAM, false), SERVICE, at).await?;
    }
    let (mut read, mut before) = (Vec::new(), None);
    loop {
        let page = accesses_of(&mut tx, MAI, before, 3).await?;
        ensure!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        before = Some(last.entry_no);
        read.extend(page);
    }
    let entries: Vec<i64> = read.iter().map(|it| it.entry_no).collect();
    assert_eq!(entries, written);
    let unmasked = read.iter().filter(|it| it.unmasked);
    let at: Vec<_> = unmasked.map(|it| it.recorded_at).collect();
    assert_eq!(at, [now()? + TimeDelta::minutes(3)]);
    tx.commit().await?;
    pool.close().await;
    ground.clear().await
}

/// A program that forgets to ask its library.
#[tokio::test]
async fn the_database_takes_no_row_that_says_nothing() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let mut owner = PgConnection::connect(&ground.database_url).await?;
    let columns = "actor, role, purpose, case_ref, part, person_no, fields, unmasked";
    let good = "'nguyen.an', 'officer', 'audit', 'KT-1', 10, 42, '{bank_account}', true";
    let bad = [
        "'Nguyễn An', 'officer', 'audit', 'KT-1', 10, 42, '{bank_account}', true",
        "'031048000042', 'officer', 'audit', 'KT-1', 10, 42, '{bank_account}', true",
        "'nguyen.an', 'friend', 'audit', 'KT-1', 10, 42, '{bank_account}', true",
        "'nguyen.an', 'officer', 'I like to', 'KT-1', 10, 42, '{bank_account}', true",
        "'nguyen.an', 'officer', 'audit', '031048000042', 10, 42, '{bank_account}', true",
        "'nguyen.an', 'officer', 'audit', 'KT-1', 11, 42, '{bank_account}', true",
        "'nguyen.an', 'officer', 'audit', 'KT-1', 10, 42, '{}', true",
    ];
    for (row, taken) in [(good, true)].into_iter().chain(bad.map(|it| (it, false))) {
        let insert = format!(
            "INSERT INTO privacy.access_log ({columns}, recorded_at, service)
            VALUES ({row}, now(), 'accounts')"
        );
        let insert = sqlx::raw_sql(sqlx::AssertSqlSafe(insert));
        let code = match insert.execute(&mut owner).await {
            Ok(_) => None,
            Err(error) => error
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code)
                .map(String::from),
        };
        let expected = (!taken).then(|| "23514".to_owned());
        assert_eq!(code, expected, "{row}");
    }
    owner.close().await?;
    ground.clear().await
}
