//! What is asked about unknown lines and what institutions say that is no end.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, Position, RunNo};
use events::{Enquiries, Standings};
use sqlx::PgConnection;

use super::{Columns, institution_of};
use crate::Error;

/// A line without an answer about which something is due.
#[derive(Debug)]
pub(crate) struct UnknownLine {
    pub exception_no: i64,
    pub position: Position,
    pub amount: Money,
    pub business_date: NaiveDate,
    /// How often it was asked about.
    pub enquiries: i16,
}

/// Where something has been due for longest.
pub(crate) async fn longest_unknown(
    tx: &mut PgConnection,
    now: DateTime<Utc>,
) -> Result<Option<(Institution, Part)>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT c.institution, x.part AS "part: Part"
        FROM payments.exceptions x JOIN payments.chunks c USING (run_no, part, chunk)
        WHERE x.enquire_at <= $1 AND x.resolved_at IS NULL
        ORDER BY x.enquire_at, c.institution, x.part LIMIT 1
        FOR UPDATE OF x SKIP LOCKED
        "#,
        now,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| (institution_of(it.institution), it.part)))
}

/// Lines of an institution and partition about which something is due, held by this transaction.
pub(crate) async fn take_unknown(
    tx: &mut PgConnection,
    (institution, part): (Institution, Part),
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<UnknownLine>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT x.exception_no, x.run_no AS "run: RunNo", x.chunk AS "chunk!: ChunkNo",
            x.line AS "line!: LineNo", x.amount AS "amount: Money", x.enquiries, r.business_date
        FROM payments.exceptions x
        JOIN payments.chunks c USING (run_no, part, chunk)
        JOIN payments.runs r USING (run_no)
        WHERE x.enquire_at <= $1 AND x.resolved_at IS NULL AND x.part = $2 AND c.institution = $3
        ORDER BY x.run_no, x.chunk, x.line LIMIT $4
        FOR UPDATE OF x SKIP LOCKED
        "#,
        now,
        part.number(),
        institution.number(),
        limit,
    )
    .fetch_all(tx)
    .await?;
    let line = rows.into_iter().map(|it| UnknownLine {
        exception_no: it.exception_no,
        position: Position {
            run: it.run,
            part,
            chunk: it.chunk,
            line: it.line,
        },
        amount: it.amount,
        business_date: it.business_date,
        enquiries: it.enquiries,
    });
    Ok(line.collect())
}

/// Keeps what is asked, and when each line is looked at again.
pub(crate) async fn insert_enquiries(
    tx: &mut PgConnection,
    message: &Enquiries,
    asked: &[(&UnknownLine, i16, DateTime<Utc>)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let columns = Columns::of(asked.iter().map(|(line, ..)| &line.position));
    let numbers: Vec<i64> = asked.iter().map(|(line, ..)| line.exception_no).collect();
    let rounds: Vec<i16> = asked.iter().map(|(_, round, _)| *round).collect();
    let again: Vec<DateTime<Utc>> = asked.iter().map(|(.., again_at)| *again_at).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.enquiries
            (part, institution, message_id, asked_at, run_no, chunk, line, round)
        SELECT $1, $2, $3, $4, e.*
        FROM unnest($5::bigint[], $6::integer[], $7::integer[], $8::smallint[]) AS e
        "#,
        message.part.number(),
        message.institution.number(),
        message.message_id,
        now,
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        &rounds,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        UPDATE payments.exceptions x SET enquiries = n.round, enquire_at = n.again_at
        FROM unnest($1::bigint[], $2::smallint[], $3::timestamptz[])
            AS n (exception_no, round, again_at)
        WHERE x.exception_no = n.exception_no
        "#,
        &numbers,
        &rounds,
        &again,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Nobody asks about these any more; officers settle them.
pub(crate) async fn hand_over(tx: &mut PgConnection, exceptions: &[i64]) -> Result<(), Error> {
    if exceptions.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE payments.exceptions SET enquire_at = NULL WHERE exception_no = ANY($1)",
        exceptions,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps what an institution says of lines, each with the code why nobody waits for it, if any.
pub(crate) async fn insert_standings(
    tx: &mut PgConnection,
    message: &Standings,
    codes: &[Option<&'static str>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let lines = &message.lines;
    let columns = Columns::of(lines.iter().map(|it| &it.end_to_end_id));
    let entries: Vec<i32> = (1..).take(lines.len()).collect();
    let standings: Vec<&str> = lines.iter().map(|it| it.standing.code()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.standings (institution, part, message_id, recorded_at, entry, run_no,
            chunk, line, standing, code)
        SELECT $1, $2, $3, $4, s.* FROM unnest($5::integer[], $6::bigint[], $7::integer[],
            $8::integer[], $9::text[], $10::text[]) AS s
        ON CONFLICT DO NOTHING
        "#,
        message.institution.number(),
        message.part.number(),
        message.message_id,
        now,
        &entries,
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        &standings as &[&str],
        codes as &[Option<&str>],
    )
    .execute(tx)
    .await?;
    Ok(())
}
