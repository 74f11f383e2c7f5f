use chrono::{DateTime, NaiveDate, Utc};
use domain::{Institution, Money, Position};
use events::{EntryKind, StatementPage};
use sqlx::{Connection, PgConnection, PgPool};

use crate::Error;
use crate::statement::{Header, RefusalCode, Totals, totals_of};

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum State {
    Arriving,
    Received,
    Matched,
    Refused,
}

/// A statement as its first page told of it, and what was decided about it.
pub(crate) struct Standing {
    pub header: Header,
    pub state: State,
    /// Why it was refused.
    pub code: Option<RefusalCode>,
}

/// An entry as it is kept.
pub(crate) struct Claimed {
    pub entry_no: i64,
    pub position: Position,
    pub amount: Money,
    pub account_index: Option<Vec<u8>>,
    pub bank_ref: String,
    pub kind: EntryKind,
    pub booked_on: Option<NaiveDate>,
}

/// Opens a statement at its first page; the pages after it find it there.
pub(crate) async fn insert_statement(
    tx: &mut PgConnection,
    header: &Header,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.statements (institution, statement_no, date, pages, opening,
            received, debits, entries_count, closing, state, received_at, returned)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'arriving', $10, $11)
        ON CONFLICT DO NOTHING
        "#,
        header.institution.number(),
        header.statement_no,
        header.date,
        header.pages,
        header.opening as Money,
        header.received as Money,
        header.debits as Money,
        header.entries_count,
        header.closing as Money,
        now,
        header.returned as Money,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn standing(
    tx: &mut PgConnection,
    institution: Institution,
    statement_no: i64,
) -> Result<Standing, Error> {
    let row = sqlx::query!(
        r#"
        SELECT date, pages, opening AS "opening: Money", received AS "received: Money",
            debits AS "debits: Money", returned AS "returned: Money", entries_count,
            closing AS "closing: Money", state AS "state: State", code AS "code: RefusalCode"
        FROM reconciliation.statements WHERE institution = $1 AND statement_no = $2
        "#,
        institution.number(),
        statement_no,
    )
    .fetch_one(tx)
    .await?;
    Ok(Standing {
        header: Header {
            institution,
            statement_no,
            date: row.date,
            pages: row.pages,
            opening: row.opening,
            received: row.received,
            debits: row.debits,
            returned: row.returned,
            entries_count: row.entries_count,
            closing: row.closing,
        },
        state: row.state,
        code: row.code,
    })
}

pub(crate) async fn has_page(tx: &mut PgConnection, page: &StatementPage) -> Result<bool, Error> {
    let known = sqlx::query_scalar!(
        r#"
        SELECT EXISTS (SELECT FROM reconciliation.pages
            WHERE institution = $1 AND statement_no = $2 AND page = $3) AS "known!"
        "#,
        page.institution.number(),
        page.statement_no,
        page.page,
    )
    .fetch_one(tx)
    .await?;
    Ok(known)
}

/// False where the page is there already.
pub(crate) async fn insert_page(
    tx: &mut PgConnection,
    page: &StatementPage,
) -> Result<bool, Error> {
    let totals = totals_of(page);
    let entries = i32::try_from(totals.entries).expect("a page fits in a message of 8 MiB");
    let inserted = sqlx::query!(
        r#"
        INSERT INTO reconciliation.pages
            (institution, statement_no, page, entries, debits, returned)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT DO NOTHING
        "#,
        page.institution.number(),
        page.statement_no,
        page.page,
        entries,
        totals.debits as Money,
        totals.returned as Money,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// False where an entry's number was used before.
pub(crate) async fn insert_entries(
    tx: &mut PgConnection,
    page: &StatementPage,
    entries: &[Claimed],
) -> Result<bool, Error> {
    let mut copied = bulk::Rows::into(
        "COPY reconciliation.entries (part, institution, statement_no, entry_no, run_no, chunk,
            line, amount, account_index, bank_ref, entry_kind, booked_on)
            FROM STDIN (FORMAT binary)",
        12,
    );
    for entry in entries {
        let at = entry.position;
        copied
            .row()
            .with(at.part.number())
            .with(page.institution.number())
            .with(page.statement_no)
            .with(entry.entry_no)
            .with(at.run.0)
            .with(at.chunk.0)
            .with(at.line.0)
            .with(entry.amount)
            .with(entry.account_index.as_deref())
            .with(&entry.bank_ref[..])
            .with(entry.kind.code())
            .with(entry.booked_on)
            .end();
    }
    // The bank's mistake must not cost the transaction: it is undone to here.
    let mut inner = tx.begin().await?;
    match copied.send(&mut inner).await {
        Ok(_) => {
            inner.commit().await?;
            Ok(true)
        }
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            inner.rollback().await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses a statement that is not decided yet.
pub(crate) async fn refuse(
    tx: &mut PgConnection,
    institution: Institution,
    statement_no: i64,
    code: RefusalCode,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE reconciliation.statements SET state = 'refused', code = $3
        WHERE institution = $1 AND statement_no = $2 AND state = 'arriving'
        "#,
        institution.number(),
        statement_no,
        code as RefusalCode,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Records why a page had no effect; page 0 stands for the whole statement.
pub(crate) async fn insert_refusal(
    tx: &mut PgConnection,
    institution: Institution,
    (statement_no, page): (i64, i32),
    code: RefusalCode,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO reconciliation.refusals (institution, statement_no, page, code, recorded_at)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        institution.number(),
        statement_no,
        page,
        code as RefusalCode,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The lowest undecided statement of each institution whose pages are all there, with what its
/// pages add up to.
pub(crate) async fn complete_statements(pool: &PgPool) -> Result<Vec<(Header, Totals)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT ON (s.institution) s.institution AS "institution: Institution",
            s.statement_no, s.date, s.pages, s.opening AS "opening: Money",
            s.received AS "received: Money", s.debits AS "debits: Money",
            s.returned AS "returned: Money", s.entries_count, s.closing AS "closing: Money",
            p.entries AS "found_entries!", p.debits AS "found_debits!: Money",
            p.returned AS "found_returned!: Money"
        FROM reconciliation.statements s
        JOIN LATERAL (
            SELECT count(*) AS pages, sum(entries)::bigint AS entries, sum(debits) AS debits,
                sum(returned) AS returned
            FROM reconciliation.pages p
            WHERE (p.institution, p.statement_no) = (s.institution, s.statement_no)
        ) p ON p.pages = s.pages
        WHERE s.state = 'arriving'
        ORDER BY s.institution, s.statement_no
        "#
    )
    .fetch_all(pool)
    .await?;
    let mut statements = Vec::with_capacity(rows.len());
    for it in rows {
        let header = Header {
            institution: it.institution,
            statement_no: it.statement_no,
            date: it.date,
            pages: it.pages,
            opening: it.opening,
            received: it.received,
            debits: it.debits,
            returned: it.returned,
            entries_count: it.entries_count,
            closing: it.closing,
        };
        let totals = Totals {
            entries: it.found_entries,
            debits: it.found_debits,
            returned: it.found_returned,
        };
        statements.push((header, totals));
    }
    Ok(statements)
}

/// Takes the right to decide about a statement; false where it is decided or another has it.
pub(crate) async fn claim_arriving(tx: &mut PgConnection, header: &Header) -> Result<bool, Error> {
    let claimed = sqlx::query_scalar!(
        r#"
        SELECT statement_no FROM reconciliation.statements
        WHERE institution = $1 AND statement_no = $2 AND state = 'arriving'
        FOR NO KEY UPDATE SKIP LOCKED
        "#,
        header.institution.number(),
        header.statement_no,
    )
    .fetch_optional(tx)
    .await?;
    Ok(claimed.is_some())
}

/// What the last accepted statement before this one closed with, zero where there is none;
/// `None` while one of them is missing or undecided.
pub(crate) async fn previous_closing(
    tx: &mut PgConnection,
    header: &Header,
) -> Result<Option<Money>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT count(*) FILTER (WHERE state <> 'arriving') AS "decided!",
            (array_agg(closing ORDER BY statement_no DESC)
                FILTER (WHERE state IN ('received', 'matched')))[1] AS "closing: Money"
        FROM reconciliation.statements WHERE institution = $1 AND statement_no < $2
        "#,
        header.institution.number(),
        header.statement_no,
    )
    .fetch_one(tx)
    .await?;
    let all_decided = row.decided == header.statement_no - 1;
    Ok(all_decided.then(|| row.closing.unwrap_or(Money::ZERO)))
}

/// Accepts a statement; from now on its entries wait for their counterparts.
pub(crate) async fn receive(
    tx: &mut PgConnection,
    header: &Header,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE reconciliation.statements SET state = 'received', received_at = $3
        WHERE institution = $1 AND statement_no = $2
        "#,
        header.institution.number(),
        header.statement_no,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
