//! What of overpayments is decided, repaid, netted and given up.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{ChunkNo, LineNo, Money, Part, PersonNo, Position, Programme, Province, RunNo};
use events::ResultStatus;
use messaging::Problem;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{Columns, programme_of, province_of};
use crate::Error;
use crate::proposal::Proposal;
use crate::recovery::{Case, Deduction, GivenBack, Netting, Receipt, Sums, Way};

/// A case that a deduction is for: how much of it is open, and on whose account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owed {
    pub case_no: i64,
    pub province: Province,
    pub open: Money,
}

/// A case, kept as it is until the transaction ends.
pub(crate) async fn lock_case(tx: &mut PgConnection, case_no: i64) -> Result<Case, Error> {
    let row = sqlx::query!(
        r#"
        SELECT part AS "part: Part", programme, province, person_no AS "person_no: PersonNo",
            run_no AS "run_no: RunNo", chunk AS "chunk: ChunkNo", line AS "line: LineNo",
            amount AS "amount: Money", state <> 'open' AS "is_cancelled!"
        FROM payments.overpayments WHERE case_no = $1 FOR NO KEY UPDATE
        "#,
        case_no,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let unknown = || Problem::new(404, "case_unknown", format!("there is no case {case_no}"));
    let row = row.ok_or_else(unknown)?;
    let sums = sums_of(tx, &[case_no]).await?;
    Ok(Case {
        case_no,
        programme: programme_of(row.programme),
        province: province_of(row.province),
        person_no: row.person_no,
        position: Position {
            run: row.run_no,
            part: row.part,
            chunk: row.chunk,
            line: row.line,
        },
        amount: row.amount,
        is_cancelled: row.is_cancelled,
        sums: sums.get(&case_no).copied().unwrap_or_default(),
    })
}

/// What has become of cases that are locked: a statement of its own, so that it sees what those did
/// who had the lock before.
pub(super) async fn sums_of(
    tx: &mut PgConnection,
    cases: &[i64],
) -> Result<HashMap<i64, Sums>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT case_no AS "case_no!", repaid AS "repaid!: Money", netted AS "netted!: Money",
            written_off AS "written_off!: Money", pending AS "pending!: Money"
        FROM payments.case_sums WHERE case_no = ANY($1)
        "#,
        cases,
    )
    .fetch_all(tx)
    .await?;
    let sums = rows.into_iter().map(|it| {
        let sums = Sums {
            repaid: it.repaid,
            netted: it.netted,
            written_off: it.written_off,
            pending: it.pending,
        };
        (it.case_no, sums)
    });
    Ok(sums.collect())
}

pub(super) async fn insert_recovery(
    tx: &mut PgConnection,
    (recovery_no, now): (i64, DateTime<Utc>),
    (case_no, amount): (i64, Money),
    (decision_no, decided_on): (&str, NaiveDate),
    way: &Way,
) -> Result<(), Error> {
    let (monthly, instalments) = match way {
        Way::Net { monthly } => (Some(*monthly), &[][..]),
        Way::Repay { instalments } => (None, &instalments[..]),
    };
    sqlx::query!(
        r#"
        INSERT INTO payments.recoveries
            (recovery_no, case_no, decision_no, decided_on, amount, monthly, known_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        "#,
        recovery_no,
        case_no,
        decision_no.trim(),
        decided_on,
        amount as Money,
        monthly as Option<Money>,
        now,
    )
    .execute(&mut *tx)
    .await?;
    let days: Vec<NaiveDate> = instalments.iter().map(|it| it.due_on).collect();
    let amounts: Vec<Decimal> = instalments.iter().map(|it| it.amount.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.instalments (recovery_no, number, due_on, amount)
        SELECT $1, n.number, n.due_on, n.amount
        FROM unnest($2::date[], $3::numeric[]) WITH ORDINALITY AS n (due_on, amount, number)
        "#,
        recovery_no,
        &days,
        &amounts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_write_off(
    tx: &mut PgConnection,
    (proposal_no, now): (i64, DateTime<Utc>),
    (case_no, amount): (i64, Money),
    basis: &str,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.write_offs (proposal_no, case_no, amount, basis, written_off_at)
        VALUES ($1, $2, $3, $4, $5)
        "#,
        proposal_no,
        case_no,
        amount as Money,
        basis.trim(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(super) async fn insert_cap(
    tx: &mut PgConnection,
    (proposal_no, now): (i64, DateTime<Utc>),
    (percent, valid_from): (i16, NaiveDate),
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.netting_caps (percent, valid_from, known_at, proposal_no)
        VALUES ($1, $2, $3, $4)
        "#,
        percent,
        valid_from,
        now,
        proposal_no,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What somebody paid back; by a receipt that no other sum came back by.
///
/// # Errors
/// `repayment_repeated`.
pub(super) async fn insert_repayment(
    tx: &mut PgConnection,
    proposal: &Proposal,
    (case_no, amount): (i64, Money),
    receipt: &Receipt,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payments.repayments (institution, reference, case_no, recovery_no, amount,
            paid_on, officer, recorded_at, proposal_no)
        SELECT $1, $2, $3, (SELECT max(recovery_no) FROM payments.recoveries WHERE case_no = $3),
            $4, $5, $6, $7, $8
        ON CONFLICT DO NOTHING
        "#,
        receipt.institution.number(),
        receipt.reference.trim(),
        case_no,
        amount as Money,
        receipt.paid_on,
        proposal.maker.as_str(),
        now,
        proposal.proposal_no,
    )
    .execute(tx)
    .await?;
    if done.rows_affected() == 0 {
        return repeated("repayment_repeated");
    }
    Ok(())
}

/// What was given to the person; by a receipt that nothing else was given by.
///
/// # Errors
/// `giving_back_repeated`.
pub(super) async fn insert_giving_back(
    tx: &mut PgConnection,
    proposal_no: i64,
    (exception_no, amount): (i64, Money),
    receipt: &Receipt,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let done = sqlx::query!(
        r#"
        INSERT INTO payments.givings_back
            (proposal_no, exception_no, amount, institution, reference, paid_on, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        "#,
        proposal_no,
        exception_no,
        amount as Money,
        receipt.institution.number(),
        receipt.reference.trim(),
        receipt.paid_on,
        now,
    )
    .execute(tx)
    .await?;
    if done.rows_affected() == 0 {
        return repeated("giving_back_repeated");
    }
    Ok(())
}

fn repeated(code: &'static str) -> Result<(), Error> {
    let detail = "a receipt of that number is recorded already";
    Err(Problem::new(409, code, detail).into())
}

pub(super) async fn insert_upheld(
    tx: &mut PgConnection,
    proposal_no: i64,
    (line, status): (Position, ResultStatus),
    basis: &str,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO payments.upheld_results
            (proposal_no, run_no, part, chunk, line, status, basis, upheld_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        "#,
        proposal_no,
        line.run.0,
        line.part.number(),
        line.chunk.0,
        line.line.0,
        status as ResultStatus,
        basis.trim(),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A sum that waits to be given back, kept as it is until the transaction ends.
///
/// # Errors
/// `exception_unknown`.
pub(crate) async fn lock_over_recovered(
    tx: &mut PgConnection,
    exception_no: i64,
) -> Result<GivenBack, Error> {
    let row = sqlx::query!(
        r#"
        SELECT x.amount AS "amount: Money", r.programme, l.province
        FROM payments.exceptions x
        JOIN payments.runs r USING (run_no)
        JOIN payments.lines l USING (run_no, part, chunk, line)
        WHERE x.exception_no = $1 AND x.kind = 'over_recovered' AND x.resolved_at IS NULL
        FOR UPDATE OF x
        "#,
        exception_no,
    )
    .fetch_optional(tx)
    .await?;
    let detail = format!("nothing is owed back by an exception {exception_no}");
    let row = row.ok_or_else(|| Problem::new(404, "exception_unknown", detail))?;
    Ok(GivenBack {
        exception_no,
        programme: programme_of(row.programme),
        province: province_of(row.province),
        amount: row.amount,
    })
}

pub(crate) async fn close_over_recovered(
    tx: &mut PgConnection,
    exception_no: i64,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.exceptions SET resolved_at = $2
        WHERE exception_no = $1 AND kind = 'over_recovered' AND resolved_at IS NULL
        "#,
        exception_no,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// By which decisions the months of these people are netted in a run, the oldest case first; their
/// cases are kept as they are until the transaction ends.
pub(crate) async fn nettings_of(
    tx: &mut PgConnection,
    (run_no, part, programme): (RunNo, Part, Programme),
    persons: &[PersonNo],
) -> Result<Vec<Netting>, Error> {
    let persons: Vec<i64> = persons.iter().map(|it| it.0).collect();
    let cases = sqlx::query_scalar!(
        r#"
        SELECT o.case_no FROM payments.overpayments o
        WHERE o.part = $1 AND o.programme = $2 AND o.state = 'open' AND o.person_no = ANY($3)
            AND EXISTS (SELECT FROM payments.recoveries r WHERE r.case_no = o.case_no)
        ORDER BY o.case_no FOR NO KEY UPDATE
        "#,
        part.number(),
        programme.number(),
        &persons,
    )
    .fetch_all(&mut *tx)
    .await?;
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"
        SELECT r.recovery_no, o.person_no AS "person_no: PersonNo",
            r.monthly AS "monthly!: Money", cap.percent,
            least(r.amount - of_this.recovered, o.amount - s.repaid - s.netted - s.written_off
                - s.pending) AS "left!"
        FROM payments.overpayments o
        JOIN payments.case_sums s USING (case_no)
        CROSS JOIN LATERAL (
            SELECT * FROM payments.recoveries r WHERE r.case_no = o.case_no
            ORDER BY r.recovery_no DESC LIMIT 1
        ) r
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(n.amount) FROM payments.nettings n
                    WHERE n.recovery_no = r.recovery_no), 0)
                + coalesce((SELECT sum(p.deducted) FROM payments.pending_deductions p
                    WHERE p.recovery_no = r.recovery_no), 0)
                + coalesce((SELECT sum(y.amount) FROM payments.repayments y
                    WHERE y.recovery_no = r.recovery_no), 0) AS recovered
        ) of_this
        CROSS JOIN LATERAL (
            SELECT c.percent FROM payments.netting_caps c
            WHERE c.valid_from <= (SELECT business_date FROM payments.runs WHERE run_no = $2)
            ORDER BY c.valid_from DESC, c.known_at DESC LIMIT 1
        ) cap
        WHERE o.case_no = ANY($1) AND r.monthly IS NOT NULL
            -- Once a run, whatever comes in which message.
            AND NOT EXISTS (SELECT FROM payments.lines l
                WHERE l.recovery_no = r.recovery_no AND l.run_no = $2)
        ORDER BY o.case_no
        "#,
        &cases,
        run_no.0,
    )
    .fetch_all(tx)
    .await?;
    let nettings = rows.into_iter().map(|it| Netting {
        recovery_no: it.recovery_no,
        person_no: it.person_no,
        left: Money::try_from(it.left).unwrap_or_default(),
        monthly: it.monthly,
        cap_percent: it.percent,
    });
    Ok(nettings.collect())
}

/// What of the cases of these decisions is open, kept so until the transaction ends.
pub(crate) async fn lock_recovered(
    tx: &mut PgConnection,
    recoveries: &[i64],
) -> Result<HashMap<i64, Owed>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT r.recovery_no, o.case_no, o.province, o.amount AS "amount: Money",
            o.state = 'open' AS "is_open!"
        FROM payments.recoveries r JOIN payments.overpayments o USING (case_no)
        WHERE r.recovery_no = ANY($1) ORDER BY o.case_no FOR NO KEY UPDATE OF o
        "#,
        recoveries,
    )
    .fetch_all(&mut *tx)
    .await?;
    let cases: Vec<i64> = rows.iter().map(|it| it.case_no).collect();
    let sums = sums_of(tx, &cases).await?;
    let owed = rows.into_iter().map(|it| {
        let sums = sums.get(&it.case_no).copied().unwrap_or_default();
        let gone = Money::sum([sums.repaid, sums.netted, sums.written_off]);
        let open = it.amount.checked_sub(gone).filter(|_| it.is_open);
        let owed = Owed {
            case_no: it.case_no,
            province: province_of(it.province),
            open: open.unwrap_or_default(),
        };
        (it.recovery_no, owed)
    });
    Ok(owed.collect())
}

/// Deductions of credited lines, each with what it recovered of it.
pub(crate) async fn insert_nettings(
    tx: &mut PgConnection,
    part: Part,
    credited: &[(Position, Deduction, Money)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let columns = Columns::of(credited.iter().map(|(it, ..)| it));
    let recoveries: Vec<i64> = credited.iter().map(|(_, it, _)| it.recovery_no).collect();
    let deducted: Vec<Decimal> = credited
        .iter()
        .map(|(_, it, _)| it.amount.decimal())
        .collect();
    let recovered: Vec<Decimal> = credited.iter().map(|(.., it)| it.decimal()).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.nettings
            (part, netted_at, run_no, chunk, line, recovery_no, amount, excess)
        SELECT $1, $2, n.run_no, n.chunk, n.line, n.recovery_no, n.recovered,
            n.deducted - n.recovered
        FROM unnest($3::bigint[], $4::int[], $5::int[], $6::bigint[], $7::numeric[], $8::numeric[])
            AS n (run_no, chunk, line, recovery_no, deducted, recovered)
        "#,
        part.number(),
        now,
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
        &recoveries,
        &deducted,
        &recovered,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What was taken back and is owed to the person: a sum for each, until somebody has paid it.
pub(crate) async fn open_over_recovered(
    tx: &mut PgConnection,
    part: Part,
    owed_back: &[(Position, PersonNo, Money)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let words = (
        "over_recovered",
        "taken back beyond what was not owed; to be given back",
    );
    super::insert_exceptions(tx, part, words, owed_back, now).await
}
