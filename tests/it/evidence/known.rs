//! How it stood about a day, by what was known at another: rules, determinations and balances.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::{Connection, PgConnection, Row};

use super::{PROGRAMME, sealed_month};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_told_as_it_was_known() -> anyhow::Result<()> {
    let world = sealed_month().await?;
    let mut connection = world.pool.acquire().await?;
    let mut tx = connection.begin().await?;
    let now = Utc::now();
    let known: [DateTime<Utc>; 3] = sqlx::query(
        "SELECT (SELECT approved_at FROM eligibility.laws WHERE law_no = 1),
            (SELECT max(frozen_at) FROM eligibility.freezes),
            (SELECT min(recorded_at) FROM ledger.journals WHERE kind = 'results')",
    )
    .fetch_one(&mut *tx)
    .await
    .and_then(|it| Ok([it.try_get(0)?, it.try_get(1)?, it.try_get(2)?]))?;
    // Another law of tomorrow says that the social pension has had a version of its own since July.
    sqlx::raw_sql(
        "INSERT INTO eligibility.laws (law_no, sha256, maker, reason, proposed_at, checker,
            approved_at)
        VALUES (2, sha256('2'), 'le.an', 'NĐ', now(), 'vo.hoa', now() + interval '1 day');
        INSERT INTO eligibility.law_files (law_no, path, text)
        SELECT 2, path, text FROM eligibility.law_files WHERE law_no = 1
        UNION ALL VALUES (2, 'HTXH/2026-07.toml',
            E'valid_from = \"2026-07-01\"\\nknown_from = \"2026-07-01\"\\nlegal_basis = \"NĐ 1\"\\n')",
    )
    .execute(&mut *tx)
    .await?;
    sqlx::raw_sql("SET LOCAL ROLE ansinh_auditor")
        .execute(&mut *tx)
        .await?;
    rules_by_law_and_day(&mut tx, known[0], now).await?;
    owed_by_when_it_was_determined(&mut tx, known[1], now).await?;
    balances_by_two_days(&mut tx, &world, known[2], now).await?;
    tx.rollback().await?;
    drop(connection);
    world.close().await
}

async fn rules_by_law_and_day(
    tx: &mut PgConnection,
    approved: DateTime<Utc>,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let tomorrow = now + TimeDelta::days(2);
    for (about, known_at, rule) in [
        ("2026-12-01", now, Some("HTXH/2025-07")),
        ("2026-12-01", tomorrow, Some("HTXH/2026-07")),
        ("2026-06-30", tomorrow, Some("HTXH/2025-07")),
        ("2025-06-30", now, None),
        ("2026-12-01", approved - TimeDelta::seconds(1), None),
    ] {
        let found: Option<String> = sqlx::query_scalar(
            "SELECT rule FROM audit.rules_at($1::date, $2) WHERE programme_code = 'HTXH'",
        )
        .bind(about.parse::<NaiveDate>()?)
        .bind(known_at)
        .fetch_optional(&mut *tx)
        .await?;
        assert_eq!(found.as_deref(), rule, "about {about}, known {known_at}");
    }
    Ok(())
}

async fn owed_by_when_it_was_determined(
    tx: &mut PgConnection,
    frozen: DateTime<Utc>,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    for (about, known_at, people) in [
        ("2026-12-31", now, 24),
        ("2026-12-01", frozen, 24),
        ("2026-12-01", frozen - TimeDelta::days(1), 0),
        ("2026-11-30", now, 0),
    ] {
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM audit.determinations_at($1::date, $2)
            WHERE programme = $3 AND owed > 0",
        )
        .bind(about.parse::<NaiveDate>()?)
        .bind(known_at)
        .bind(PROGRAMME.number())
        .fetch_one(&mut *tx)
        .await?;
        assert_eq!(found, people, "about {about}, known {known_at}");
    }
    Ok(())
}

/// What banks booked on the pay day lies there, whenever it was told; nothing was known before.
async fn balances_by_two_days(
    tx: &mut PgConnection,
    world: &World,
    told: DateTime<Utc>,
    now: DateTime<Utc>,
) -> anyhow::Result<()> {
    let paid = "SELECT coalesce(sum(credits), 0)::bigint FROM audit.balances_at($1, $2)
        WHERE account = 'paid'";
    let paid_at = async |tx: &mut PgConnection, about: NaiveDate, known_at: DateTime<Utc>| {
        let paid = sqlx::query_scalar::<_, i64>(paid)
            .bind(about)
            .bind(known_at);
        paid.fetch_one(tx).await
    };
    let booked = sqlx::query_scalar::<_, NaiveDate>(
        "SELECT min(booked_on) FROM audit.payments WHERE state = 'credited'",
    );
    let booked = booked.fetch_one(&mut *tx).await?;
    let credited: i64 = sqlx::query_scalar(
        "SELECT sum(amount)::bigint FROM audit.payments WHERE state = 'credited'",
    )
    .fetch_one(&mut *tx)
    .await?;
    let last = world.business_date.max(now.date_naive()) + TimeDelta::days(2);
    assert_eq!(paid_at(tx, last, now).await?, credited);
    let day_before = booked.pred_opt().context("a day")?;
    assert_eq!(paid_at(tx, day_before, now).await?, 0);
    let unknown = told - TimeDelta::microseconds(1);
    assert_eq!(paid_at(tx, last, unknown).await?, 0);
    // About all days and by all that is known, it is the balance.
    let differs: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM audit.balances() b
        FULL JOIN audit.balances_at('infinity') k USING (account_no)
        WHERE (b.debits, b.credits) IS DISTINCT FROM (k.debits, k.credits)",
    )
    .fetch_one(tx)
    .await?;
    assert_eq!(differs, 0);
    Ok(())
}
