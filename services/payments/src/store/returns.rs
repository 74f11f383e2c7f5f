//! Credited lines whose money came back.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{ChunkNo, Institution, LineNo, Money, Part, Position, Province, RunNo};
use events::BreaksResolved;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{Columns, institution_of, province_of};
use crate::Error;

/// A line that came back, and by which break.
#[derive(Debug)]
pub(crate) struct Return {
    pub position: Position,
    pub break_no: i32,
    pub amount: Money,
}

/// A case of an overpayment that ends because its money came back from the bank.
#[derive(Debug)]
pub(crate) struct EndedCase {
    pub case_no: i64,
    pub withdrawal_no: i64,
    pub amount: Money,
    pub written_off: Money,
    pub recovered: Vec<(Recovered, Money)>,
}

/// By whom, or by a month of which province, something of a case was recovered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recovered {
    Repaid(Institution),
    Netted(Province),
}

/// A line that came back before fails on its key: it is paid again by another line.
pub(crate) async fn insert_returns(
    tx: &mut PgConnection,
    (part, resolved): (Part, &BreaksResolved),
    returns: &[Return],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let columns = Columns::of(returns.iter().map(|it| &it.position));
    let breaks: Vec<i32> = returns.iter().map(|it| it.break_no).collect();
    let amounts: Vec<Decimal> = returns.iter().map(|it| it.amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.returns (part, institution, statement_no, returned_at, run_no, chunk,
            line, break_no, amount)
        SELECT $1, $2, $3, $4, n.*
        FROM unnest($5::bigint[], $6::int[], $7::int[], $8::int[], $9::numeric[]) AS n
        "#,
        part.number(),
        resolved.institution.number(),
        resolved.statement_no,
        now,
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        &breaks,
        &amounts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends the open cases of these lines; gives back each with what has become of it, by its line.
pub(crate) async fn end_overpayments(
    tx: &mut PgConnection,
    part: Part,
    lines: &[Position],
    now: DateTime<Utc>,
) -> Result<HashMap<Position, EndedCase>, Error> {
    let columns = Columns::of(lines);
    let rows = sqlx::query!(
        r#"
        UPDATE payments.overpayments o SET state = 'returned', closed_at = $2
        FROM unnest($3::bigint[], $4::int[], $5::int[]) AS n (run_no, chunk, line),
            payments.withdrawals w
        WHERE o.part = $1 AND o.state = 'open'
            AND (o.run_no, o.chunk, o.line) = (n.run_no, n.chunk, n.line)
            AND (w.part, w.programme, w.period, w.person_no, w.determination_no, w.turn)
                = (o.part, o.programme, o.period, o.person_no, o.determination_no, o.turn)
        RETURNING o.case_no, w.withdrawal_no, o.amount AS "amount: Money",
            o.run_no AS "run_no: RunNo", o.chunk AS "chunk: ChunkNo", o.line AS "line: LineNo"
        "#,
        part.number(),
        now,
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
    )
    .fetch_all(&mut *tx)
    .await?;
    let cases: Vec<i64> = rows.iter().map(|it| it.case_no).collect();
    let sums = super::recovery::sums_of(tx, &cases).await?;
    let mut recovered = recovered_of(tx, &cases).await?;
    let ended = rows.into_iter().map(|it| {
        let position = Position {
            run: it.run_no,
            part,
            chunk: it.chunk,
            line: it.line,
        };
        let case = EndedCase {
            case_no: it.case_no,
            withdrawal_no: it.withdrawal_no,
            amount: it.amount,
            written_off: sums
                .get(&it.case_no)
                .map_or(Money::ZERO, |it| it.written_off),
            recovered: recovered.remove(&it.case_no).unwrap_or_default(),
        };
        (position, case)
    });
    Ok(ended.collect())
}

async fn recovered_of(
    tx: &mut PgConnection,
    cases: &[i64],
) -> Result<HashMap<i64, Vec<(Recovered, Money)>>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT case_no AS "case_no!", institution, province, sum(amount) AS "amount!: Money" FROM (
            SELECT case_no, institution, NULL::smallint AS province, amount
            FROM payments.repayments WHERE case_no = ANY($1)
            UNION ALL
            SELECT r.case_no, NULL, l.province, n.amount
            FROM payments.nettings n JOIN payments.recoveries r USING (recovery_no)
            JOIN payments.lines l USING (run_no, part, chunk, line)
            WHERE r.case_no = ANY($1)
        ) s GROUP BY case_no, institution, province ORDER BY case_no, institution, province
        "#,
        cases,
    )
    .fetch_all(tx)
    .await?;
    let mut recovered: HashMap<i64, Vec<(Recovered, Money)>> = HashMap::new();
    for it in rows {
        let from = match (it.institution, it.province) {
            (Some(institution), _) => Recovered::Repaid(institution_of(institution)),
            (None, Some(province)) => Recovered::Netted(province_of(province)),
            (None, None) => unreachable!("each row has one of them"),
        };
        recovered
            .entry(it.case_no)
            .or_default()
            .push((from, it.amount));
    }
    Ok(recovered)
}

/// Which of these lines pay what an earlier attempt had paid, and so recovered what it was reduced by.
pub(crate) async fn netted_before(
    tx: &mut PgConnection,
    part: Part,
    lines: &[Position],
) -> Result<HashSet<Position>, Error> {
    let columns = Columns::of(lines);
    let rows = sqlx::query!(
        r#"
        SELECT l.run_no AS "run_no: RunNo", l.chunk AS "chunk: ChunkNo", l.line AS "line: LineNo"
        FROM unnest($2::bigint[], $3::int[], $4::int[]) AS n (run_no, chunk, line)
        JOIN payments.lines l
            ON (l.run_no, l.part, l.chunk, l.line) = (n.run_no, $1, n.chunk, n.line)
        WHERE EXISTS (SELECT FROM payments.nettings d
            JOIN payments.lines p USING (run_no, part, chunk, line)
            WHERE d.recovery_no = l.recovery_no
                AND (p.part, p.person_no, p.period, p.determination_no)
                    = (l.part, l.person_no, l.period, l.determination_no))
        "#,
        part.number(),
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
    )
    .fetch_all(tx)
    .await?;
    let position = rows.into_iter().map(|it| Position {
        run: it.run_no,
        part,
        chunk: it.chunk,
        line: it.line,
    });
    Ok(position.collect())
}
