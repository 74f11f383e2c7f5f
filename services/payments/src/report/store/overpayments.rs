//! SQL of what was overpaid, for who recovers it.

use chrono::NaiveDate;
use domain::{ChunkNo, LineNo, Money, Part, Period, Position, Programme, RunNo};
use sqlx::PgPool;

use crate::Error;
use crate::recovery::{Instalment, paid_of};
use crate::report::{
    InstalmentRow, OverpaymentCase, OverpaymentFilter, OverpaymentRow, RecoveredRow, RecoveryRow,
};
use crate::store::{institution_of, programme_of};

/// Cases, the latest first.
pub async fn overpayments(
    pool: &PgPool,
    filter: &OverpaymentFilter,
    today: NaiveDate,
    limit: i64,
) -> Result<Vec<OverpaymentRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT o.case_no, o.programme, o.period AS "period: Period", o.person_no,
            o.run_no AS "run_no: RunNo", o.part AS "part: Part", o.chunk AS "chunk: ChunkNo",
            o.line AS "line: LineNo", o.reason, o.amount AS "amount: Money", o.opened_at,
            o.state = 'cancelled' AS "is_cancelled!",
            o.state = 'returned' AS "is_returned!", s.repaid AS "repaid!: Money",
            s.netted AS "netted!: Money", s.pending AS "pending!: Money",
            s.written_off AS "written_off!: Money",
            CASE o.state WHEN 'open' THEN o.amount - s.repaid - s.netted - s.written_off ELSE 0 END
                AS "open!: Money",
            d.overdue AS "overdue!: Money"
        FROM payments.overpayments o
        JOIN payments.case_sums s USING (case_no)
        CROSS JOIN LATERAL (
            SELECT CASE o.state WHEN 'open' THEN least(
                greatest(coalesce(sum(i.amount), 0) - coalesce((SELECT sum(r.amount)
                    FROM payments.repayments r WHERE r.recovery_no = f.recovery_no), 0), 0),
                o.amount - s.repaid - s.netted - s.written_off) ELSE 0 END AS overdue
            FROM (SELECT max(recovery_no) AS recovery_no FROM payments.recoveries
                WHERE case_no = o.case_no) f
            LEFT JOIN payments.instalments i ON i.recovery_no = f.recovery_no AND i.due_on < $4
            GROUP BY f.recovery_no
        ) d
        WHERE ($1::bigint IS NULL OR o.case_no = $1)
            AND ($2::smallint IS NULL OR o.programme = $2) AND (NOT $3 OR d.overdue > 0)
        ORDER BY o.case_no DESC LIMIT $5
        "#,
        filter.case_no,
        filter.programme.map(Programme::number),
        filter.is_overdue,
        today,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter().map(|it| OverpaymentRow {
        case_no: it.case_no,
        programme: programme_of(it.programme),
        period: it.period,
        person_no: it.person_no,
        line: position(it.run_no, it.part, it.chunk, it.line),
        reason: it.reason,
        amount: it.amount,
        repaid: it.repaid,
        netted: it.netted,
        pending: it.pending,
        written_off: it.written_off,
        open: it.open,
        overdue: it.overdue,
        is_cancelled: it.is_cancelled,
        is_returned: it.is_returned,
        opened_at: it.opened_at,
    });
    Ok(rows.collect())
}

/// One case with its decisions and what came back; `None` where there is none.
pub async fn overpayment(
    pool: &PgPool,
    case_no: i64,
    today: NaiveDate,
) -> Result<Option<OverpaymentCase>, Error> {
    let filter = OverpaymentFilter {
        case_no: Some(case_no),
        ..OverpaymentFilter::default()
    };
    let Some(case) = overpayments(pool, &filter, today, 1).await?.pop() else {
        return Ok(None);
    };
    let recoveries = sqlx::query_as!(
        RecoveryRow,
        r#"
        SELECT recovery_no, decision_no, decided_on, amount AS "amount: Money",
            monthly AS "monthly: Money", known_at
        FROM payments.recoveries WHERE case_no = $1 ORDER BY recovery_no
        "#,
        case_no,
    )
    .fetch_all(pool)
    .await?;
    let instalments = instalments(pool, case_no, today).await?;
    let recovered = recovered(pool, case_no).await?;
    Ok(Some(OverpaymentCase {
        case,
        recoveries,
        instalments,
        recovered,
    }))
}

/// Of the decision in force, each with what of it is paid.
async fn instalments(
    pool: &PgPool,
    case_no: i64,
    today: NaiveDate,
) -> Result<Vec<InstalmentRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT number, due_on, amount AS "amount: Money",
            (SELECT coalesce(sum(r.amount), 0) FROM payments.repayments r
                WHERE r.recovery_no = i.recovery_no) AS "repaid!: Money"
        FROM payments.instalments i
        WHERE recovery_no = (SELECT max(recovery_no) FROM payments.recoveries WHERE case_no = $1)
        ORDER BY number
        "#,
        case_no,
    )
    .fetch_all(pool)
    .await?;
    let due: Vec<Instalment> = rows
        .iter()
        .map(|it| Instalment {
            due_on: it.due_on,
            amount: it.amount,
        })
        .collect();
    let repaid = rows.first().map_or(Money::ZERO, |it| it.repaid);
    let paid = paid_of(&due, repaid);
    let shown = rows.into_iter().zip(paid).map(|(it, paid)| InstalmentRow {
        number: it.number,
        due_on: it.due_on,
        amount: it.amount,
        paid,
        is_overdue: it.due_on < today && paid < it.amount,
    });
    Ok(shown.collect())
}

async fn recovered(pool: &PgPool, case_no: i64) -> Result<Vec<RecoveredRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT how AS "how!", amount AS "amount!: Money", at AS "at!", institution,
            reference AS "reference!" FROM (
            SELECT 'repaid' AS how, amount, recorded_at AS at, institution, reference
            FROM payments.repayments WHERE case_no = $1
            UNION ALL
            SELECT 'written_off', amount, written_off_at, NULL, basis
            FROM payments.write_offs WHERE case_no = $1
            UNION ALL
            SELECT n.how, n.amount, n.at, NULL, 'R' || lpad(n.run_no::text, 6, '0') || '-'
                || lpad(n.part::text, 2, '0') || '-' || lpad(n.chunk::text, 4, '0') || '-'
                || lpad(n.line::text, 4, '0')
            FROM payments.recoveries r
            CROSS JOIN LATERAL (
                SELECT v.how, v.amount, n.netted_at AS at, n.run_no, n.part, n.chunk, n.line
                FROM payments.nettings n
                CROSS JOIN LATERAL (VALUES ('netted', n.amount), ('excess', n.excess))
                    AS v (how, amount)
                WHERE n.recovery_no = r.recovery_no AND v.amount > 0
                UNION ALL
                SELECT 'pending', p.deducted, q.opened_at, p.run_no, p.part, p.chunk, p.line
                FROM payments.pending_deductions p JOIN payments.runs q USING (run_no)
                WHERE p.recovery_no = r.recovery_no
            ) n
            WHERE r.case_no = $1
        ) a
        ORDER BY at, reference
        "#,
        case_no,
    )
    .fetch_all(pool)
    .await?;
    let rows = rows.into_iter().map(|it| RecoveredRow {
        how: it.how,
        amount: it.amount,
        at: it.at,
        institution: it.institution.map(institution_of),
        reference: it.reference,
    });
    Ok(rows.collect())
}

fn position(run: RunNo, part: Part, chunk: ChunkNo, line: LineNo) -> Position {
    Position {
        run,
        part,
        chunk,
        line,
    }
}
