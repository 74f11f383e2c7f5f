//! The checker of other origin is itself checked: whatever is spoilt in a copy, it says so.

use anyhow::{Context, ensure};
use sandbox::ScenarioKind;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use super::{Town, credits_checked, day, scenario};
use crate::ground::{database_of_url, url_of_database};

/// A change by somebody who may do anything to the database, and by what name it is found.
struct Spoilt {
    what: &'static str,
    found: &'static str,
    change: &'static str,
}

const SPOILT: [Spoilt; 13] = [
    Spoilt {
        what: "another bank paid the line as well",
        found: "other_bank",
        change: "INSERT INTO sandbox.entries (institution, part, run_no, chunk, line, amount,
                status, bank_ref)
            SELECT 970405, part, run_no, chunk, line, amount, status, bank_ref FROM sandbox.entries
            WHERE institution = 970436 AND status = 'credited' ORDER BY part, chunk, line LIMIT 1",
    },
    Spoilt {
        what: "a bank paid again and no break says so",
        found: "paid_more_than_once",
        change: "INSERT INTO sandbox.movements (institution, part, run_no, chunk, line, entry_kind,
                amount, bank_ref)
            SELECT institution, part, run_no, chunk, line, 'payment', amount, bank_ref
            FROM sandbox.entries WHERE institution = 970405 AND status = 'credited'
            ORDER BY part, chunk, line LIMIT 1",
    },
    Spoilt {
        what: "the break of a payment made twice is gone",
        found: "paid_more_than_once",
        change:
            "DELETE FROM reconciliation.breaks WHERE (part, institution, statement_no, break_no)
            = (SELECT part, institution, statement_no, break_no FROM reconciliation.breaks
                WHERE kind = 'debited_twice' ORDER BY part, break_no LIMIT 1)",
    },
    Spoilt {
        what: "the obligation was paid by a second line",
        found: "paid_more_than_once",
        change: "WITH second AS (INSERT INTO payments.lines
                SELECT (jsonb_populate_record(NULL::payments.lines,
                    to_jsonb(l) || '{\"line\": 999}')).*
                FROM (SELECT l.* FROM payments.lines l
                    JOIN payments.results a USING (run_no, part, chunk, line)
                    WHERE a.status = 'credited' ORDER BY part, chunk, line LIMIT 1) l
                RETURNING run_no, part, chunk, line, amount)
            INSERT INTO sandbox.entries (institution, part, run_no, chunk, line, amount, status,
                bank_ref)
            SELECT c.institution, part, run_no, chunk, line, amount, 'credited', 'FT2'
            FROM second JOIN payments.chunks c USING (run_no, part, chunk)",
    },
    Spoilt {
        what: "a credit that is in no bank's books",
        found: "credited_and_not_paid",
        change: "DELETE FROM sandbox.entries WHERE (institution, part, run_no, chunk, line)
            = (SELECT institution, part, run_no, chunk, line FROM sandbox.entries
                WHERE institution = 970405 AND status = 'credited' ORDER BY part, line LIMIT 1)",
    },
    Spoilt {
        what: "a bank rejected what we call credited",
        found: "credited_and_not_paid",
        change: "UPDATE sandbox.entries SET status = 'rejected'
            WHERE (institution, part, run_no, chunk, line)
            = (SELECT institution, part, run_no, chunk, line FROM sandbox.entries
                WHERE institution = 970405 AND status = 'credited' ORDER BY part, line LIMIT 1)",
    },
    Spoilt {
        what: "we call rejected what a bank paid",
        found: "paid_and_rejected",
        change:
            "UPDATE payments.results SET status = 'rejected', reason = 'AC04'
            WHERE (run_no, part, chunk, line) = (SELECT run_no, part, chunk, line
                FROM payments.results WHERE status = 'credited' ORDER BY part, chunk, line LIMIT 1)",
    },
    Spoilt {
        what: "a bank paid one đồng more",
        found: "other_amount",
        change: "UPDATE sandbox.entries SET amount = amount + 1
            WHERE (institution, part, run_no, chunk, line)
            = (SELECT institution, part, run_no, chunk, line FROM sandbox.entries
                WHERE institution = 970405 AND status = 'credited' ORDER BY part, line LIMIT 1)",
    },
    Spoilt {
        what: "a bank paid what nobody was told to pay",
        found: "never_instructed",
        change: "INSERT INTO sandbox.entries (institution, part, run_no, chunk, line, amount,
                status, bank_ref)
            SELECT institution, part, run_no, chunk, 998, amount, status, bank_ref
            FROM sandbox.entries WHERE status = 'credited' ORDER BY institution, part LIMIT 1",
    },
    Spoilt {
        what: "a credited line lost its answer",
        found: "paid_and_not_credited",
        change: "DELETE FROM payments.results WHERE (run_no, part, chunk, line)
            = (SELECT run_no, part, chunk, line FROM payments.results
                WHERE status = 'credited' ORDER BY part, chunk, line LIMIT 1)",
    },
    Spoilt {
        what: "a rejected line lost its answer",
        found: "vanished",
        change: "DELETE FROM payments.results WHERE (run_no, part, chunk, line)
            = (SELECT run_no, part, chunk, line FROM payments.results
                WHERE status = 'rejected' ORDER BY part, chunk, line LIMIT 1)",
    },
    Spoilt {
        what: "the ledger has less debited at a bank",
        found: "sum_debited",
        change: "UPDATE ledger.balances SET credits = credits - 1
            WHERE (part, account_no) = (SELECT part, account_no FROM ledger.balances
                WHERE account_no / 10000000000 = 10 AND account_no / 100 % 1000000 = 970436
                    AND credits > 0 ORDER BY part LIMIT 1)",
    },
    Spoilt {
        what: "the ledger has more in transit",
        found: "sum_unanswered",
        change: "UPDATE ledger.balances SET credits = credits + 1
            WHERE (part, account_no) = (SELECT part, account_no FROM ledger.balances
                WHERE account_no / 10000000000 = 50 AND account_no / 100 % 1000000 = 970405
                ORDER BY part LIMIT 1)",
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_spoilt_in_a_copy_is_found_by_its_name() -> anyhow::Result<()> {
    let town = Town::released(240, scenario(ScenarioKind::PaysTwice, 8, 40), 60_000).await?;
    town.until_answered_but(0).await?;
    town.end_day(day(&town, 0)).await?;
    let ground = &town.world.ground;
    let name = database_of_url(&ground.database_url)?.to_owned();
    let (code, sound) = credits_checked(ground, &ground.database_url).await?;
    ensure!(code == Some(0), "{sound}");
    assert_eq!(sound["paid_twice_and_named"], town.hit().len());
    assert_eq!(sound["obligations"], 300);
    let mut template = Template::of(&town, &name).await?;
    for spoilt in SPOILT {
        let url = url_of_database(&ground.database_url, &template.copy().await?)?;
        let mut connection = PgConnection::connect(&url).await?;
        let off = "SET session_replication_role = replica";
        sqlx::raw_sql(off).execute(&mut connection).await?;
        let changed = sqlx::raw_sql(spoilt.change).execute(&mut connection).await;
        let changed = changed.context(spoilt.what)?.rows_affected();
        ensure!(changed == 1, "{}: {changed} rows", spoilt.what);
        connection.close().await?;
        let (code, said) = credits_checked(ground, &url).await?;
        let names = said["first"].as_array().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(|it| it["what"].as_str()).collect();
        ensure!(code == Some(8), "{}: {said}", spoilt.what);
        ensure!(names.contains(&spoilt.found), "{}: {said}", spoilt.what);
    }
    template.drop().await?;
    town.close().await?;
    Ok(())
}

/// The town's database as it stands, which has no guests, and a copy of it for each that spoils one.
struct Template {
    admin: PgConnection,
    name: String,
}

impl Template {
    async fn of(town: &Town, name: &str) -> anyhow::Result<Template> {
        let folder = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
        let folder: String = sqlx::query_scalar(folder)
            .fetch_one(&town.world.pool)
            .await?;
        let ground = &town.world.ground;
        let dump = ground.home.join("town.dump");
        let written = Command::new(format!("{folder}/pg_dump"))
            .args(["--format", "custom", "--file"])
            .arg(&dump)
            .arg(&ground.database_url)
            .status()
            .await?;
        ensure!(written.success(), "the town is written");
        let admin = PgConnection::connect(&std::env::var("DATABASE_URL")?).await?;
        let mut template = Template {
            admin,
            name: format!("{name}_template"),
        };
        let create = format!("CREATE DATABASE {}", template.name);
        template.execute(create).await?;
        let url = url_of_database(&ground.database_url, &template.name)?;
        let read = Command::new(format!("{folder}/pg_restore"))
            .args(["--no-owner", "--dbname", &url])
            .arg(&dump)
            .status()
            .await?;
        ensure!(read.success(), "the town is read");
        Ok(template)
    }

    /// A fresh copy, by its name.
    async fn copy(&mut self) -> anyhow::Result<String> {
        let (copy, template) = (format!("{}_copy", self.name), &self.name);
        let create = format!("CREATE DATABASE {copy} TEMPLATE {template}");
        self.execute(format!("DROP DATABASE IF EXISTS {copy} WITH (FORCE)"))
            .await?;
        self.execute(create).await?;
        Ok(copy)
    }

    async fn drop(mut self) -> anyhow::Result<()> {
        for name in [format!("{}_copy", self.name), self.name.clone()] {
            self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                .await?;
        }
        Ok(())
    }

    async fn execute(&mut self, statement: String) -> anyhow::Result<()> {
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::raw_sql(statement).execute(&mut self.admin).await?;
        Ok(())
    }
}
