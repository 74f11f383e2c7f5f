use chrono::{DateTime, NaiveDate, Utc};
use domain::{Institution, Money};
use events::BreakKind;
use sqlx::PgConnection;

use super::joins::join_by_hash;
use crate::Error;
use crate::closing::{
    Before, Books, DayReport, Difference, Equation, InFlight, Named, Stated, Sum,
};
use crate::command::CloseDay;

/// What keeps a day from being closed, as far as statements go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hindrances {
    pub frozen: bool,
    /// Statements of this or an earlier day that are not matched to their end.
    pub unmatched: i64,
    /// Statements of this day that are.
    pub matched: i64,
    /// An earlier day with a matched statement that is not closed.
    pub earlier: Option<NaiveDate>,
    /// A later day is closed.
    pub later: bool,
}

/// A report as it was kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub body: Vec<u8>,
    pub hash: Vec<u8>,
    pub public_key: Vec<u8>,
    pub signature: Vec<u8>,
}

pub(crate) async fn closing(
    tx: &mut PgConnection,
    institution: Institution,
    date: NaiveDate,
) -> Result<Option<Kept>, Error> {
    Ok(sqlx::query_as!(
        Kept,
        r#"
        SELECT body, hash, public_key, signature FROM reconciliation.closings
        WHERE institution = $1 AND date = $2
        "#,
        institution.number(),
        date,
    )
    .fetch_optional(tx)
    .await?)
}

/// The last closing before a day.
pub(crate) async fn closing_before(
    tx: &mut PgConnection,
    institution: Institution,
    date: NaiveDate,
) -> Result<Option<Before>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT body, hash FROM reconciliation.closings
        WHERE institution = $1 AND date < $2 ORDER BY date DESC LIMIT 1
        "#,
        institution.number(),
        date,
    )
    .fetch_optional(tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let report: DayReport = serde_json::from_slice(&row.body).map_err(Error::Report)?;
    let hash = row.hash;
    Ok(Some(Before { report, hash }))
}

pub(crate) async fn hindrances(
    tx: &mut PgConnection,
    institution: Institution,
    date: NaiveDate,
) -> Result<Hindrances, Error> {
    Ok(sqlx::query_as!(
        Hindrances,
        r#"
        SELECT
            EXISTS (SELECT FROM reconciliation.freezes f
                LEFT JOIN reconciliation.thaws t USING (freeze_no)
                WHERE f.institution = $1 AND f.date = $2 AND t.freeze_no IS NULL) AS "frozen!",
            (SELECT count(*) FROM reconciliation.statements WHERE institution = $1 AND date <= $2
                AND state IN ('arriving', 'received')) AS "unmatched!",
            (SELECT count(*) FROM reconciliation.statements WHERE institution = $1 AND date = $2
                AND state = 'matched') AS "matched!",
            (SELECT min(s.date) FROM reconciliation.statements s
                LEFT JOIN reconciliation.closings c USING (institution, date)
                WHERE s.institution = $1 AND s.date < $2 AND s.state = 'matched'
                    AND c.date IS NULL) AS earlier,
            EXISTS (SELECT FROM reconciliation.closings
                WHERE institution = $1 AND date > $2) AS "later!"
        "#,
        institution.number(),
        date,
    )
    .fetch_one(tx)
    .await?)
}

pub(crate) async fn stated(
    tx: &mut PgConnection,
    institution: Institution,
    date: NaiveDate,
) -> Result<Vec<Stated>, Error> {
    Ok(sqlx::query_as!(
        Stated,
        r#"
        SELECT statement_no, entries_count AS entries, opening AS "opening: Money",
            received AS "received: Money", returned AS "returned: Money",
            debits AS "debits: Money", closing AS "closing: Money"
        FROM reconciliation.statements
        WHERE institution = $1 AND date = $2 AND state = 'matched' ORDER BY statement_no
        "#,
        institution.number(),
        date,
    )
    .fetch_all(tx)
    .await?)
}

/// What became of some lines, and by which break where they differ.
struct End {
    end_is: String,
    kind: Option<BreakKind>,
    lines: i64,
    total: Money,
}

/// What became of every line: what was instructed is counted as it is heard, the rest from the
/// lines themselves.
pub(crate) async fn equation(
    tx: &mut PgConnection,
    institution: Institution,
) -> Result<Equation, Error> {
    let rows = ends(tx, institution).await?;
    let sum_of = |name: &str| {
        let row = rows.iter().find(|it| it.end_is == name);
        row.map_or_else(Sum::default, |it| Sum {
            lines: it.lines,
            total: it.total,
        })
    };
    let (without, awaiting) = (sum_of("without"), sum_of("awaiting"));
    let named = rows.iter().filter(|it| it.end_is == "different");
    let named: Vec<Named> = named
        .filter_map(|it| {
            Some(Named {
                kind: it.kind?,
                lines: it.lines,
                total: it.total,
            })
        })
        .collect();
    Ok(Equation {
        instructed: instructed(tx, institution).await?,
        credited: sum_of("credited"),
        returned: sum_of("returned"),
        in_flight: InFlight {
            lines: without.lines + awaiting.lines,
            total: Money::sum([without.total, awaiting.total]),
            without_result: without,
            awaiting_statement: awaiting,
        },
        difference: Difference {
            lines: named.iter().map(|it| it.lines).sum(),
            total: Money::sum(named.iter().map(|it| it.total)),
            named,
        },
    })
}

async fn ends(tx: &mut PgConnection, institution: Institution) -> Result<Vec<End>, Error> {
    join_by_hash(tx).await?;
    Ok(sqlx::query_as!(
        End,
        r#"
        WITH different AS MATERIALIZED (
            SELECT DISTINCT ON (b.run_no, b.part, b.chunk, b.line) b.run_no, b.part, b.chunk,
                b.line, b.kind
            FROM reconciliation.breaks b
            LEFT JOIN reconciliation.results r
                ON (r.run_no, r.part, r.chunk, r.line) = (b.run_no, b.part, b.chunk, b.line)
                AND r.institution = $1
            LEFT JOIN reconciliation.resolutions x
                ON (x.part, x.institution, x.statement_no, x.break_no)
                = (b.part, b.institution, b.statement_no, b.break_no)
            WHERE b.institution = $1 AND b.kind IN ('amount_differs', 'account_differs',
                    'debited_though_rejected', 'debited_without_result', 'not_on_statement')
                AND (b.unsettled IS NOT NULL
                    OR (x.break_no IS NULL AND r.status IS DISTINCT FROM 'credited'))
            ORDER BY b.run_no, b.part, b.chunk, b.line, (b.unsettled IS NULL), b.statement_no,
                b.break_no
        ), owed_again AS MATERIALIZED (
            SELECT b.run_no, b.part, b.chunk, b.line FROM reconciliation.resolutions x
            JOIN reconciliation.breaks b USING (part, institution, statement_no, break_no)
            WHERE x.institution = $1 AND x.how = 'owed_again'
        )
        SELECT end_is AS "end_is!", kind AS "kind?: BreakKind", count(*) AS "lines!",
            sum(amount) AS "total!: Money"
        FROM (
            SELECT i.amount, d.kind, CASE
                WHEN b.line IS NOT NULL THEN 'returned'
                WHEN m.line IS NOT NULL THEN 'credited' WHEN d.line IS NOT NULL THEN 'different'
                WHEN r.status = 'rejected' THEN 'returned'
                WHEN r.status = 'credited' THEN 'awaiting' ELSE 'without' END AS end_is
            FROM reconciliation.instructions i
            LEFT JOIN reconciliation.results r
                ON (r.run_no, r.part, r.chunk, r.line) = (i.run_no, i.part, i.chunk, i.line)
                AND r.institution = $1
            LEFT JOIN reconciliation.matches m
                ON (m.run_no, m.part, m.chunk, m.line) = (i.run_no, i.part, i.chunk, i.line)
            LEFT JOIN different d
                ON (d.run_no, d.part, d.chunk, d.line) = (i.run_no, i.part, i.chunk, i.line)
                AND m.line IS NULL
            -- It was settled, and came back: the person is owed it again.
            LEFT JOIN owed_again b
                ON (b.run_no, b.part, b.chunk, b.line) = (i.run_no, i.part, i.chunk, i.line)
            WHERE i.institution = $1
        ) l
        GROUP BY end_is, kind ORDER BY end_is, kind
        "#,
        institution.number(),
    )
    .fetch_all(tx)
    .await?)
}

async fn instructed(tx: &mut PgConnection, institution: Institution) -> Result<Sum, Error> {
    Ok(sqlx::query_as!(
        Sum,
        r#"
        SELECT coalesce(sum(instructed_lines), 0)::bigint AS "lines!",
            coalesce(sum(instructed_total), 0) AS "total!: Money"
        FROM reconciliation.tallies WHERE institution = $1
        "#,
        institution.number(),
    )
    .fetch_one(tx)
    .await?)
}

/// Open breaks whose money is in suspense, by kind.
pub(crate) async fn suspended(
    tx: &mut PgConnection,
    institution: Institution,
) -> Result<Vec<Named>, Error> {
    Ok(sqlx::query_as!(
        Named,
        r#"
        SELECT b.kind AS "kind: BreakKind", count(*) AS "lines!", sum(b.amount) AS "total!: Money"
        FROM reconciliation.breaks b
        LEFT JOIN reconciliation.resolutions x USING (part, institution, statement_no, break_no)
        WHERE b.institution = $1 AND x.break_no IS NULL
            AND b.kind NOT IN ('day_differs', 'not_on_statement', 'contradicting_result')
        GROUP BY b.kind ORDER BY b.kind
        "#,
        institution.number(),
    )
    .fetch_all(tx)
    .await?)
}

/// How the clearing accounts stood when payments last told of each partition.
pub(crate) async fn books(tx: &mut PgConnection, institution: Institution) -> Result<Books, Error> {
    Ok(sqlx::query_as!(
        Books,
        r#"
        SELECT coalesce(sum(released), 0) AS "released!: Money",
            coalesce(sum(answered), 0) AS "answered!: Money",
            coalesce(sum(in_transit), 0) AS "in_transit!: Money",
            coalesce(sum(unknown), 0) AS "unknown!: Money",
            coalesce(sum(settled), 0) AS "settled!: Money",
            coalesce(sum(suspense_debits), 0) AS "suspense_debits!: Money",
            coalesce(sum(suspense_credits), 0) AS "suspense_credits!: Money"
        FROM (
            SELECT DISTINCT ON (part) * FROM reconciliation.clearings
            WHERE institution = $1 ORDER BY part, clearing_no DESC
        ) c
        "#,
        institution.number(),
    )
    .fetch_one(tx)
    .await?)
}

pub(crate) async fn insert_closing(
    tx: &mut PgConnection,
    (command, closing_no): (&CloseDay, i64),
    kept: &Kept,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.closings (institution, date, closing_no, body, hash, public_key,
            signature, officer, closed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        "#,
        command.institution.number(),
        command.date,
        closing_no,
        &kept.body,
        &kept.hash,
        &kept.public_key,
        &kept.signature,
        command.officer.as_str(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
