//! What turned out not to be owed: its turns, the lines they concern, their exceptions.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{ChunkNo, LineNo, Money, Part, Period, PersonNo, Position, RunNo};
use events::{ResultStatus, WithdrawnLine};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use super::{Keys, programme_of, province_of};
use crate::Error;
use crate::result::Standing;
use crate::run::State;
use crate::withdrawal::{Obligated, Open, Turn};

/// The line of an obligation and how it stands, as far as a withdrawal asks.
#[derive(Debug)]
pub(crate) struct Found {
    pub line: Obligated,
    pub standing: Standing,
    pub is_held: bool,
    pub is_gone: bool,
    pub is_approved: bool,
}

/// A line, or an obligation without one, that a withdrawal puts before a person.
#[derive(Debug)]
pub(crate) struct Excepted<'a> {
    pub kind: &'static str,
    pub turn: &'a Turn,
    pub line: Option<Position>,
}

/// What is still open of a withdrawal: an exception by its number and kind.
#[derive(Debug)]
pub(crate) struct OpenException {
    pub exception_no: i64,
    pub withdrawal_no: i64,
    pub kind: String,
    pub after_approval: bool,
    /// The line has another open hold.
    pub has_others: bool,
}

impl OpenException {
    /// What it is of the line that was found.
    pub fn open(&self, found: Option<&Found>) -> Open {
        match (&self.kind[..], found) {
            ("held", Some(found)) => Open::Held {
                has_others: self.has_others,
                is_gone: found.is_gone,
                is_approved: found.is_approved,
                after_approval: self.after_approval,
            },
            ("recall", _) => Open::Recall,
            _ => Open::Withdrawn,
        }
    }
}

/// A turn's row.
struct TurnRow {
    withdrawal_no: i64,
    programme: i16,
    period: Period,
    person_no: PersonNo,
    determination_no: i16,
    turn: i16,
    amount: Money,
    reason: String,
}

impl From<TurnRow> for Turn {
    fn from(it: TurnRow) -> Turn {
        Turn {
            withdrawal_no: it.withdrawal_no,
            told: WithdrawnLine {
                person_no: it.person_no,
                programme: programme_of(it.programme),
                period: it.period,
                determination_no: it.determination_no,
                turn: it.turn,
                amount: it.amount,
                reason: it.reason,
            },
        }
    }
}

/// Records what was told and gives back what is new of it, each obligation once.
pub(crate) async fn insert_withdrawals(
    tx: &mut PgConnection,
    part: Part,
    lines: &[WithdrawnLine],
    now: DateTime<Utc>,
) -> Result<Vec<Turn>, Error> {
    let keys = Keys::of(lines);
    let amounts: Vec<Decimal> = lines.iter().map(|it| it.amount.decimal()).collect();
    let reasons: Vec<&str> = lines.iter().map(|it| &it.reason[..]).collect();
    let rows = sqlx::query_as!(
        TurnRow,
        r#"
        INSERT INTO payments.withdrawals (part, heard_at, programme, period, person_no,
            determination_no, turn, amount, reason)
        SELECT $1, $2, w.* FROM unnest($3::smallint[], $4::date[], $5::bigint[], $6::smallint[],
            $7::smallint[], $8::numeric[], $9::text[]) AS w
        ON CONFLICT DO NOTHING
        RETURNING withdrawal_no, programme, period AS "period: Period",
            person_no AS "person_no: PersonNo", determination_no, turn, amount AS "amount: Money",
            reason
        "#,
        part.number(),
        now,
        &keys.programmes,
        &keys.periods,
        &keys.persons,
        &keys.determinations,
        &keys.turns,
        &amounts,
        &reasons as &[&str],
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Turn::from).collect())
}

/// The turns before these, by the number of each that has one on record.
pub(crate) async fn turns_before(
    tx: &mut PgConnection,
    part: Part,
    turns: &[Turn],
) -> Result<HashMap<i64, i64>, Error> {
    let keys = Keys::of(turns.iter().map(|it| &it.told));
    let numbers: Vec<i64> = turns.iter().map(|it| it.withdrawal_no).collect();
    let rows = sqlx::query!(
        r#"
        SELECT n.withdrawal_no AS "withdrawal_no!", w.withdrawal_no AS before
        FROM unnest($2::bigint[], $3::smallint[], $4::date[], $5::bigint[], $6::smallint[],
            $7::smallint[])
            AS n (withdrawal_no, programme, period, person_no, determination_no, turn)
        JOIN payments.withdrawals w ON w.part = $1
            AND (w.programme, w.period, w.person_no, w.determination_no, w.turn)
            = (n.programme, n.period, n.person_no, n.determination_no, n.turn - 1)
        "#,
        part.number(),
        &numbers,
        &keys.programmes,
        &keys.periods,
        &keys.persons,
        &keys.determinations,
        &keys.turns,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (it.withdrawal_no, it.before))
        .collect())
}

/// Turns by their numbers.
pub(crate) async fn turns(
    tx: &mut PgConnection,
    numbers: &[i64],
) -> Result<HashMap<i64, Turn>, Error> {
    let rows = sqlx::query_as!(
        TurnRow,
        r#"
        SELECT withdrawal_no, programme, period AS "period: Period",
            person_no AS "person_no: PersonNo", determination_no, turn, amount AS "amount: Money",
            reason
        FROM payments.withdrawals WHERE withdrawal_no = ANY($1)
        "#,
        numbers,
    )
    .fetch_all(tx)
    .await?;
    let turn = rows.into_iter().map(Turn::from);
    Ok(turn.map(|it| (it.withdrawal_no, it)).collect())
}

/// The lines that these obligations became, by the number of the turn.
#[expect(clippy::too_many_lines, reason = "one statement and what it gives")]
pub(crate) async fn obligated(
    tx: &mut PgConnection,
    part: Part,
    turns: &[Turn],
) -> Result<HashMap<i64, Found>, Error> {
    let keys = Keys::of(turns.iter().map(|it| &it.told));
    let numbers: Vec<i64> = turns.iter().map(|it| it.withdrawal_no).collect();
    let rows = sqlx::query!(
        r#"
        -- LATERAL with OFFSET 0 looks each up by key, whatever the statistics say.
        SELECT n.withdrawal_no AS "withdrawal_no!", o.run_no AS "run_no!: RunNo",
            o.chunk AS "chunk!: ChunkNo", o.line AS "line!: LineNo", l.amount AS "amount!: Money",
            l.province, l.period <> r.period AS "is_arrears!", r.state AS "state: State",
            c.standing <> 'waiting' OR c.messages > 0 AS "is_gone!",
            c.released_at IS NOT NULL AND NOT EXISTS (SELECT FROM payments.later_lines n
                WHERE n.run_no = o.run_no AND n.part = $1 AND n.chunk = o.chunk
                    AND n.line = o.line AND n.message >= c.messages) AS "is_released!",
            EXISTS (SELECT FROM payments.exceptions x
                WHERE x.run_no = o.run_no AND x.part = $1 AND x.chunk = o.chunk
                    AND x.line = o.line AND x.kind = 'held' AND x.resolved_at IS NULL)
                AS "is_held!",
            -- What came back after its credit ends as what was never credited.
            (SELECT CASE WHEN b.line IS NULL THEN a.status ELSE 'rejected' END
                FROM payments.results a
                LEFT JOIN payments.returns b USING (run_no, part, chunk, line)
                WHERE a.run_no = o.run_no AND a.part = $1 AND a.chunk = o.chunk
                    AND a.line = o.line) AS "status: ResultStatus"
        FROM unnest($2::bigint[], $3::smallint[], $4::date[], $5::bigint[], $6::smallint[])
            AS n (withdrawal_no, programme, period, person_no, determination_no)
        CROSS JOIN LATERAL (
            -- The attempt that lives is the latest.
            SELECT coalesce(a.run_no, o.run_no) AS run_no, coalesce(a.chunk, o.chunk) AS chunk,
                coalesce(a.line, o.line) AS line
            FROM payments.obligations o
            LEFT JOIN LATERAL (
                SELECT run_no, chunk, line FROM payments.attempts a
                WHERE (a.part, a.programme, a.period, a.person_no, a.determination_no)
                    = (o.part, o.programme, o.period, o.person_no, o.determination_no)
                ORDER BY a.attempt DESC LIMIT 1
            ) a ON true
            WHERE o.part = $1 AND o.programme = n.programme AND o.period = n.period
                AND o.person_no = n.person_no AND o.determination_no = n.determination_no OFFSET 0
        ) o
        CROSS JOIN LATERAL (
            -- What was deducted is owed as well.
            SELECT amount + deducted AS amount, province, period FROM payments.lines l
            WHERE l.run_no = o.run_no AND l.part = $1 AND l.chunk = o.chunk AND l.line = o.line
            OFFSET 0
        ) l
        JOIN payments.chunks c ON c.run_no = o.run_no AND c.part = $1 AND c.chunk = o.chunk
        JOIN payments.runs r ON r.run_no = o.run_no
        "#,
        part.number(),
        &numbers,
        &keys.programmes,
        &keys.periods,
        &keys.persons,
        &keys.determinations,
    )
    .fetch_all(tx)
    .await?;
    let found = rows.into_iter().map(|it| {
        let standing = match it.status {
            Some(status) => Standing::Answered(status),
            None if it.is_released => Standing::InTransit,
            None => Standing::NotReleased,
        };
        let line = Obligated {
            position: position(it.run_no, part, it.chunk, it.line),
            amount: it.amount,
            province: province_of(it.province),
            is_arrears: it.is_arrears,
        };
        let found = Found {
            line,
            standing,
            is_held: it.is_held,
            is_gone: it.is_gone,
            is_approved: it.state.is_approved(),
        };
        (it.withdrawal_no, found)
    });
    Ok(found.collect())
}

/// Opens exceptions. One without a line is shown with the run of its period, or the programme's
/// latest where the period had none.
pub(crate) async fn open_exceptions(
    tx: &mut PgConnection,
    part: Part,
    excepted: &[Excepted<'_>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(excepted.iter().map(|it| &it.turn.told));
    let kinds: Vec<&str> = excepted.iter().map(|it| it.kind).collect();
    let numbers: Vec<i64> = excepted.iter().map(|it| it.turn.withdrawal_no).collect();
    let line = |it: &Excepted<'_>| it.line;
    let run_nos: Vec<Option<i64>> = excepted
        .iter()
        .map(|it| line(it).map(|it| it.run.0))
        .collect();
    let chunks: Vec<Option<i32>> = excepted
        .iter()
        .map(|it| line(it).map(|it| it.chunk.0))
        .collect();
    let lines: Vec<Option<i32>> = excepted
        .iter()
        .map(|it| line(it).map(|it| it.line.0))
        .collect();
    let amounts: Vec<Decimal> = excepted
        .iter()
        .map(|it| it.turn.told.amount.decimal())
        .collect();
    let reasons: Vec<&str> = excepted.iter().map(|it| &it.turn.told.reason[..]).collect();
    sqlx::query!(
        r#"
        INSERT INTO payments.exceptions (part, opened_at, run_no, chunk, line, person_no, kind,
            amount, detail, withdrawal_no, period, determination_no)
        SELECT $1, $2,
            coalesce(n.run_no, (SELECT r.run_no FROM payments.runs r
                WHERE r.programme = n.programme
                ORDER BY r.period = n.period DESC, r.run_no DESC LIMIT 1), 0),
            n.chunk, n.line, n.person_no, n.kind, n.amount, n.reason, n.withdrawal_no,
            CASE WHEN n.line IS NULL THEN n.period END,
            CASE WHEN n.line IS NULL THEN n.determination_no END
        FROM unnest($3::bigint[], $4::int[], $5::int[], $6::bigint[], $7::text[], $8::numeric[],
            $9::text[], $10::bigint[], $11::smallint[], $12::date[], $13::smallint[])
            AS n (run_no, chunk, line, person_no, kind, amount, reason, withdrawal_no, programme,
                period, determination_no)
        ON CONFLICT DO NOTHING
        "#,
        part.number(),
        now,
        &run_nos as &[Option<i64>],
        &chunks as &[Option<i32>],
        &lines as &[Option<i32>],
        &keys.persons,
        &kinds as &[&str],
        &amounts,
        &reasons as &[&str],
        &numbers,
        &keys.programmes,
        &keys.periods,
        &keys.determinations,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The open exceptions of these withdrawals.
pub(crate) async fn open_of(
    tx: &mut PgConnection,
    withdrawals: &[i64],
) -> Result<Vec<OpenException>, Error> {
    Ok(sqlx::query_as!(
        OpenException,
        r#"
        SELECT exception_no, withdrawal_no AS "withdrawal_no!", kind, after_approval,
            EXISTS (SELECT FROM payments.exceptions o
                WHERE (o.run_no, o.part, o.chunk, o.line, o.kind)
                    = (x.run_no, x.part, x.chunk, x.line, 'held')
                    AND o.resolved_at IS NULL AND o.exception_no <> x.exception_no)
                AS "has_others!"
        FROM payments.exceptions x WHERE withdrawal_no = ANY($1) AND resolved_at IS NULL
        "#,
        withdrawals,
    )
    .fetch_all(tx)
    .await?)
}

/// Nobody has to see to these any more.
pub(crate) async fn resolve(
    tx: &mut PgConnection,
    exceptions: &[i64],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.exceptions SET resolved_at = $2
        WHERE exception_no = ANY($1) AND resolved_at IS NULL
        "#,
        exceptions,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An institution has answered for lines that were asked back.
pub(crate) async fn resolve_recalls(
    tx: &mut PgConnection,
    withdrawals: &[i64],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.exceptions SET resolved_at = $2
        WHERE withdrawal_no = ANY($1) AND kind = 'recall' AND resolved_at IS NULL
        "#,
        withdrawals,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What is over does not bring these lines back: a person issues them again, and sees why.
pub(crate) async fn mark_to_issue_again(
    tx: &mut PgConnection,
    exceptions: &[i64],
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE payments.exceptions
        SET to_issue_again = true,
            detail = CASE held_by WHEN 'withdrawal' THEN 'restored' ELSE detail || ' is over' END
                || ', to be issued again'
        WHERE exception_no = ANY($1) AND NOT to_issue_again
        "#,
        exceptions,
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn position(run: RunNo, part: Part, chunk: ChunkNo, line: LineNo) -> Position {
    Position {
        run,
        part,
        chunk,
        line,
    }
}
