//! Whoever changes a record, even with all rights on the database, is found by `ansinh check`.

use std::process::Output;

use anyhow::{Context, ensure};
use boot::Health;
use domain::Programme;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use crate::ground::{Ground, ansinh_binary, database_of_url, url_of_database};
use crate::pay_day::{PayDay, registry};

const PROGRAMMES: [Programme; 1] = [Programme::SocialPension];

/// A change by somebody who may do anything to the database; each statement tells the place that
/// the check has to name.
struct Tampering {
    what: &'static str,
    table: &'static str,
    change: &'static str,
}

const TAMPERINGS: [Tampering; 20] = [
    Tampering {
        what: "a statement that settles one đồng more",
        table: "reconciliation.matches",
        change: "UPDATE reconciliation.matches m SET amount = m.amount + 1
            FROM (SELECT * FROM reconciliation.matches ORDER BY run_no, part, chunk, line LIMIT 1) one
            WHERE (m.run_no, m.part, m.chunk, m.line) = (one.run_no, one.part, one.chunk, one.line)
            RETURNING m.institution::text",
    },
    Tampering {
        what: "a break without money in suspense",
        table: "reconciliation.breaks",
        change: "INSERT INTO reconciliation.breaks
                (part, institution, statement_no, break_no, kind, amount)
            SELECT 0, institution, statement_no, 999, 'not_instructed', 5
            FROM reconciliation.statements ORDER BY institution, statement_no LIMIT 1
            RETURNING institution::text",
    },
    Tampering {
        what: "one đồng more in a transfer",
        table: "ledger.transfers",
        change: "UPDATE ledger.transfers t SET amount = t.amount + 1
            FROM (SELECT * FROM ledger.transfers WHERE person_no > 0
                ORDER BY part DESC, seq, line LIMIT 1) one
            WHERE (t.run_no, t.part, t.seq, t.line) = (one.run_no, one.part, one.seq, one.line)
            RETURNING 'journal ' || lpad(t.part::text, 2, '0') || '/' || t.seq",
    },
    Tampering {
        what: "a transfer to another person",
        table: "ledger.transfers",
        change: "UPDATE ledger.transfers t SET person_no = t.person_no + 16
            FROM (SELECT * FROM ledger.transfers WHERE person_no > 0
                ORDER BY part, seq DESC, line DESC LIMIT 1) one
            WHERE (t.run_no, t.part, t.seq, t.line) = (one.run_no, one.part, one.seq, one.line)
            RETURNING 'journal ' || lpad(t.part::text, 2, '0') || '/' || t.seq",
    },
    Tampering {
        what: "a transfer between other accounts",
        table: "ledger.transfers",
        change: "UPDATE ledger.transfers t SET debit = t.credit, credit = t.debit
            FROM (SELECT * FROM ledger.transfers WHERE person_no > 0
                ORDER BY part, seq, line LIMIT 1) one
            WHERE (t.run_no, t.part, t.seq, t.line) = (one.run_no, one.part, one.seq, one.line)
            RETURNING 'journal ' || lpad(t.part::text, 2, '0') || '/' || t.seq",
    },
    Tampering {
        what: "a transfer less",
        table: "ledger.transfers",
        change: "DELETE FROM ledger.transfers t
            USING (SELECT * FROM ledger.transfers WHERE part = 5 ORDER BY seq DESC, line LIMIT 1) one
            WHERE (t.run_no, t.part, t.seq, t.line) = (one.run_no, one.part, one.seq, one.line)
            RETURNING 'journal ' || lpad(t.part::text, 2, '0') || '/' || t.seq",
    },
    Tampering {
        what: "a journal less, its transfers left",
        table: "ledger.journals",
        change: "DELETE FROM ledger.journals WHERE part = 7 AND seq = 3
            RETURNING 'journal ' || lpad(part::text, 2, '0') || '/' || seq",
    },
    Tampering {
        what: "a journal less with its transfers",
        table: "ledger.journals",
        change: "WITH transfers AS (DELETE FROM ledger.transfers WHERE part = 7 AND seq = 3)
            DELETE FROM ledger.journals WHERE part = 7 AND seq = 3
            RETURNING 'journal ' || lpad(part::text, 2, '0') || '/' || seq + 1",
    },
    Tampering {
        what: "another total of a journal",
        table: "ledger.journals",
        change: "UPDATE ledger.journals SET total = total - 1 WHERE part = 9 AND seq = 2
            RETURNING 'journal ' || lpad(part::text, 2, '0') || '/' || seq",
    },
    Tampering {
        what: "another time of a journal",
        table: "ledger.journals",
        change: "UPDATE ledger.journals SET recorded_at = recorded_at - interval '1 day'
            WHERE part = 3 AND seq = 2
            RETURNING 'journal ' || lpad(part::text, 2, '0') || '/' || seq",
    },
    Tampering {
        what: "another balance of an account",
        table: "ledger.balances",
        change: "UPDATE ledger.balances SET credits = credits + 1000 WHERE (part, account_no) =
                (SELECT part, account_no FROM ledger.balances WHERE part = 4 AND normal <> 'debit'
                ORDER BY account_no LIMIT 1)
            RETURNING ' in partition ' || lpad(part::text, 2, '0')",
    },
    Tampering {
        what: "another amount of a line",
        table: "payments.lines",
        change: "UPDATE payments.lines SET amount = amount * 2
            WHERE part = 11 AND chunk = 1 AND line = 1
            RETURNING run_no || '/' || part || ' person ' || person_no",
    },
    Tampering {
        what: "a line paid to another's account",
        table: "payments.lines",
        change: "UPDATE payments.lines l SET account_index = other.account_index
            FROM (SELECT * FROM payments.lines WHERE account_index IS NOT NULL
                ORDER BY part LIMIT 1) other,
                (SELECT * FROM payments.lines WHERE account_index IS NOT NULL
                ORDER BY part DESC LIMIT 1) one
            WHERE (l.run_no, l.part, l.chunk, l.line) = (one.run_no, one.part, one.chunk, one.line)
            RETURNING 'R' || lpad(l.run_no::text, 6, '0')",
    },
    Tampering {
        what: "a line that is owed to nobody",
        table: "payments.obligations",
        change: "DELETE FROM payments.obligations WHERE part = 2 AND chunk = 1 AND line = 1
            RETURNING run_no || '-' || part || '-' || chunk || '-' || line",
    },
    Tampering {
        what: "a payment that came back, as nobody decided",
        table: "payments.returns",
        change: "INSERT INTO payments.returns (run_no, part, chunk, line, institution, statement_no,
                break_no, amount, returned_at)
            SELECT run_no, part, chunk, line, 970436, 1, 1, 540000, now()
            FROM payments.results WHERE status = 'credited' ORDER BY part, chunk, line LIMIT 1
            RETURNING run_no || '-' || part || '-' || chunk || '-' || line",
    },
    Tampering {
        what: "a rejection that reads as a credit",
        table: "payments.results",
        change: "UPDATE payments.results r SET status = 'credited', reason = NULL
            FROM (SELECT * FROM payments.results WHERE status = 'rejected'
                ORDER BY part, chunk, line LIMIT 1) one
            WHERE (r.run_no, r.part, r.chunk, r.line) = (one.run_no, one.part, one.chunk, one.line)
            RETURNING r.run_no || '-' || r.part || '-' || r.chunk || '-' || r.line",
    },
    Tampering {
        what: "a run that the schedule is said to have opened",
        table: "payments.acts",
        change: "UPDATE payments.acts SET reason = 'schedule of HTXH 2026-12' WHERE act = 'open'
            RETURNING 'run ' || run_no",
    },
    Tampering {
        what: "other words of a bank",
        table: "messaging.received",
        change: "UPDATE messaging.received r SET body = set_byte(r.body, 40, 48)
            FROM (SELECT * FROM messaging.received WHERE body IS NOT NULL
                ORDER BY speaker, part, seq LIMIT 1) one
            WHERE (r.consumer, r.speaker, r.part, r.seq)
                = (one.consumer, one.speaker, one.part, one.seq)
            RETURNING r.speaker || '/' || lpad(r.part::text, 2, '0') || '/' || r.seq
                || ' signature_wrong'",
    },
    Tampering {
        what: "a bank's message that was never heard",
        table: "messaging.received",
        change: "DELETE FROM messaging.received r
            USING (SELECT * FROM messaging.received WHERE body IS NOT NULL
                ORDER BY speaker, part, seq LIMIT 1) one
            WHERE (r.consumer, r.speaker, r.part, r.seq)
                = (one.consumer, one.speaker, one.part, one.seq)
            RETURNING r.consumer || ' hears ' || r.speaker || '/' || r.part",
    },
    Tampering {
        what: "other words in an event",
        table: "messaging.outbox",
        change: "UPDATE messaging.outbox SET body = set_byte(body, 40, 48)
            WHERE speaker = 'accounts' AND part = 6 AND seq = 2
            RETURNING speaker || '/' || lpad(part::text, 2, '0') || '/' || seq",
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tampering_is_found_and_its_place_is_named() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let people = registry(800, 23, &PROGRAMMES, &ground.home)?;
    let settings = std::sync::Arc::new(ground.settings());
    let services = ansinh::start_services(&settings, &Health::default()).await?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.carry(&people).await?;
    services.stop().await;
    // A template has no guests.
    day.pool.close().await;

    let untouched = check(&ground, &ground.database_url).await?;
    ensure!(untouched.status.success(), "{untouched:?}");
    for tampering in TAMPERINGS {
        let (place, found) = tamper(&ground, &tampering).await?;
        let what = tampering.what;
        let said = String::from_utf8(found.stdout)?;
        ensure!(found.status.code() == Some(8), "{what}: {said}");
        let named = said
            .lines()
            .find(|it| it.trim_start().starts_with("at ") && it.contains(&place));
        let named = named.with_context(|| format!("{what}: {place} is not in {said}"))?;
        println!("{what}: {}", named.trim());
    }
    ground.clear().await
}

/// Changes a copy of the world and checks it: the place that is to be named, and what was said.
async fn tamper(ground: &Ground, tampering: &Tampering) -> anyhow::Result<(String, Output)> {
    let name = database_of_url(&ground.database_url)?;
    let mut admin = PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
    let copy = format!("{name}_copy");
    let create = format!("CREATE DATABASE {copy} TEMPLATE {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&mut admin)
        .await?;
    let url = url_of_database(&ground.database_url, &copy)?;
    let mut connection = PgConnection::connect(&url).await?;
    let disable = format!("ALTER TABLE {} DISABLE TRIGGER USER", tampering.table);
    sqlx::raw_sql(sqlx::AssertSqlSafe(disable))
        .execute(&mut connection)
        .await?;
    let all = "ALTER TABLE ledger.transfers DISABLE TRIGGER USER";
    sqlx::raw_sql(all).execute(&mut connection).await?;
    let place: String = sqlx::query_scalar(tampering.change)
        .fetch_one(&mut connection)
        .await
        .context(tampering.what)?;
    connection.close().await?;
    let found = check(ground, &url).await?;
    let drop = format!("DROP DATABASE {copy} WITH (FORCE)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
        .execute(&mut admin)
        .await?;
    Ok((place, found))
}

async fn check(ground: &Ground, database_url: &str) -> anyhow::Result<Output> {
    let check = Command::new(ansinh_binary()?)
        .arg("check")
        .envs(ground.env())
        .env("DATABASE_URL", database_url)
        .output();
    Ok(check.await?)
}
