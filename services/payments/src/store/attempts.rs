//! Attempts at obligations: which one lives, how it stands, what follows it.

use std::collections::{BTreeMap, HashMap};

use chrono::NaiveDate;
use domain::{
    Channel, ChunkNo, Institution, LineNo, Money, Part, Period, PersonNo, Position, Programme,
    Province, RunNo,
};
use events::{FailedWay, ResultStatus};
use privacy::BlindIndex;
use sqlx::PgConnection;

use super::{Columns, deduction_of, institution_of, province_of};
use crate::Error;
use crate::line::Line;
use crate::reissue::{Attempt, Doubt, Holds, Succession};
use crate::result::Standing;

/// An obligation of one programme and partition.
pub(crate) type Key = (Period, PersonNo, i16);

/// A line that follows an attempt.
#[derive(Debug)]
pub(crate) struct Successor<'a> {
    pub line: &'a Line,
    pub before: &'a Attempt,
    pub begins: Succession,
}

/// What a line of a run that pays again begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    pub is_reserved: bool,
    pub cash_at: Option<Institution>,
}

/// Keys as columns, for `unnest`.
struct KeyColumns {
    periods: Vec<NaiveDate>,
    persons: Vec<i64>,
    determinations: Vec<i16>,
}

impl KeyColumns {
    fn of(keys: &[Key]) -> KeyColumns {
        KeyColumns {
            periods: keys.iter().map(|(it, ..)| it.first_day()).collect(),
            persons: keys.iter().map(|(_, it, _)| it.0).collect(),
            determinations: keys.iter().map(|(.., it)| *it).collect(),
        }
    }
}

/// Lines of these runs that may have ended without paying and that nothing follows, in order; who
/// asks looks at each.
pub(crate) async fn unpaid_lines(
    tx: &mut PgConnection,
    runs: &[RunNo],
    limit: i64,
) -> Result<Vec<Position>, Error> {
    let runs: Vec<i64> = runs.iter().map(|it| it.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT n.run_no AS "run_no!: RunNo", n.part AS "part!: Part", n.chunk AS "chunk!: ChunkNo",
            n.line AS "line!: LineNo"
        FROM (
            SELECT run_no, part, chunk, line FROM payments.results
            WHERE run_no = ANY($1) AND status = 'rejected'
            UNION
            SELECT run_no, part, chunk, line FROM payments.returns WHERE run_no = ANY($1)
            UNION
            SELECT run_no, part, chunk, line FROM payments.exceptions
            WHERE run_no = ANY($1) AND (kind = 'held' AND to_issue_again OR kind = 'stopped')
                AND resolved_at IS NULL
        ) n
        LEFT JOIN payments.attempts s ON (s.before_run_no, s.part, s.before_chunk, s.before_line)
            = (n.run_no, n.part, n.chunk, n.line)
        WHERE s.line IS NULL
        ORDER BY n.part, n.run_no, n.chunk, n.line LIMIT $2
        "#,
        &runs,
        limit,
    )
    .fetch_all(tx)
    .await?;
    let position = rows.into_iter().map(|it| Position {
        run: it.run_no,
        part: it.part,
        chunk: it.chunk,
        line: it.line,
    });
    Ok(position.collect())
}

/// The line of the latest attempt at each obligation.
pub(crate) async fn latest_attempts(
    tx: &mut PgConnection,
    (part, programme): (Part, Programme),
    keys: &[Key],
) -> Result<HashMap<Key, Position>, Error> {
    let columns = KeyColumns::of(keys);
    let rows = sqlx::query!(
        r#"
        -- LATERAL with OFFSET 0 looks each up by key, whatever the statistics say.
        SELECT n.period AS "period!: Period", n.person_no AS "person_no!: PersonNo",
            n.determination_no AS "determination_no!",
            coalesce(a.run_no, o.run_no) AS "run_no!: RunNo",
            coalesce(a.chunk, o.chunk) AS "chunk!: ChunkNo",
            coalesce(a.line, o.line) AS "line!: LineNo"
        FROM unnest($3::date[], $4::bigint[], $5::smallint[])
            AS n (period, person_no, determination_no)
        CROSS JOIN LATERAL (
            SELECT run_no, chunk, line FROM payments.obligations o
            WHERE o.part = $1 AND o.programme = $2 AND o.period = n.period
                AND o.person_no = n.person_no AND o.determination_no = n.determination_no OFFSET 0
        ) o
        LEFT JOIN LATERAL (
            SELECT run_no, chunk, line FROM payments.attempts a
            WHERE a.part = $1 AND a.programme = $2 AND a.period = n.period
                AND a.person_no = n.person_no AND a.determination_no = n.determination_no
            ORDER BY a.attempt DESC LIMIT 1
        ) a ON true
        "#,
        part.number(),
        programme.number(),
        &columns.periods,
        &columns.persons,
        &columns.determinations,
    )
    .fetch_all(tx)
    .await?;
    let found = rows.into_iter().map(|it| {
        let position = Position {
            run: it.run_no,
            part,
            chunk: it.chunk,
            line: it.line,
        };
        ((it.period, it.person_no, it.determination_no), position)
    });
    Ok(found.collect())
}

/// Attempts by their lines, each with how it stands; of one partition.
#[expect(clippy::too_many_lines, reason = "one statement and what it gives")]
pub(crate) async fn attempts_at(
    tx: &mut PgConnection,
    part: Part,
    lines: &[Position],
) -> Result<Vec<Attempt>, Error> {
    let columns = Columns::of(lines);
    let rows = sqlx::query_as!(
        AttemptRow,
        r#"
        -- LATERAL with OFFSET 0 looks each up by key, whatever the statistics say.
        SELECT l.run_no AS "run_no: RunNo", l.chunk AS "chunk: ChunkNo", l.line AS "line: LineNo",
            coalesce(t.attempt, 1)::smallint AS "number!", l.person_no AS "person_no: PersonNo",
            l.determination_no, l.amount AS "amount: Money", l.deducted AS "deducted: Money",
            l.recovery_no, l.local AS "local: Money", l.province,
            l.rate_no, l.period AS "period: Period", c.institution,
            c.released_at IS NOT NULL AS "is_released!",
            r.state IN ('released', 'closed') AS "is_left_behind!",
            (SELECT a.status FROM payments.results a
                WHERE (a.run_no, a.part, a.chunk, a.line) = (l.run_no, l.part, l.chunk, l.line))
                AS "status: ResultStatus",
            (SELECT a.reason FROM payments.results a
                WHERE (a.run_no, a.part, a.chunk, a.line) = (l.run_no, l.part, l.chunk, l.line))
                AS reason,
            x.open AS "open!", x.over AS "over!",
            -- A run that was stopped before it had money has reserved nothing.
            x.after_approval AND l.chunk <= p.reserved AS "after_approval!",
            x.is_stopped AS "is_stopped!", x.is_unknown AS "is_unknown!",
            x.is_not_owed AS "is_not_owed!",
            x.is_contradicted OR EXISTS (SELECT FROM payments.breaks b
                WHERE (b.run_no, b.part, b.chunk, b.line) = (l.run_no, l.part, l.chunk, l.line)
                    AND b.kind IN ('debited_though_rejected', 'contradicting_result'))
                AS "is_contradicted!",
            EXISTS (SELECT FROM payments.returns b
                WHERE (b.run_no, b.part, b.chunk, b.line) = (l.run_no, l.part, l.chunk, l.line))
                AS "came_back!",
            EXISTS (SELECT FROM payments.unclaimed u
                WHERE (u.run_no, u.part, u.chunk, u.line) = (l.run_no, l.part, l.chunk, l.line))
                AS "is_unclaimed!",
            EXISTS (SELECT FROM payments.attempts s
                WHERE (s.before_run_no, s.part, s.before_chunk, s.before_line)
                    = (l.run_no, l.part, l.chunk, l.line)) AS "is_succeeded!",
            coalesce(t.is_reserved, false) AS "was_reserved!", t.cash_at AS "cash_at?"
        FROM unnest($2::bigint[], $3::int[], $4::int[]) AS n (run_no, chunk, line)
        CROSS JOIN LATERAL (
            SELECT * FROM payments.lines l
            WHERE l.run_no = n.run_no AND l.part = $1 AND l.chunk = n.chunk AND l.line = n.line
            OFFSET 0
        ) l
        JOIN payments.chunks c ON c.run_no = l.run_no AND c.part = $1 AND c.chunk = l.chunk
        JOIN payments.runs r ON r.run_no = l.run_no
        JOIN payments.run_parts p ON p.run_no = l.run_no AND p.part = $1
        LEFT JOIN payments.attempts t
            ON t.run_no = l.run_no AND t.part = $1 AND t.chunk = l.chunk AND t.line = l.line
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE kind = 'held') AS open,
                count(*) FILTER (WHERE kind = 'held' AND to_issue_again) AS over,
                coalesce(bool_and(after_approval) FILTER (WHERE kind = 'held'), false)
                    AS after_approval,
                coalesce(bool_or(kind = 'stopped'), false) AS is_stopped,
                coalesce(bool_or(kind = 'unknown'), false) AS is_unknown,
                coalesce(bool_or(kind IN ('withdrawn', 'recall')), false) AS is_not_owed,
                coalesce(bool_or(kind = 'contradicted'), false) AS is_contradicted
            FROM payments.exceptions x
            WHERE (x.run_no, x.part, x.chunk, x.line) = (l.run_no, l.part, l.chunk, l.line)
                AND x.resolved_at IS NULL
        ) x
        ORDER BY l.run_no, l.chunk, l.line
        "#,
        part.number(),
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|it| it.attempt(part)).collect())
}

/// An attempt's row.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the line"
)]
struct AttemptRow {
    run_no: RunNo,
    chunk: ChunkNo,
    line: LineNo,
    number: i16,
    person_no: PersonNo,
    determination_no: i16,
    amount: Money,
    deducted: Money,
    recovery_no: Option<i64>,
    local: Money,
    province: i16,
    rate_no: i32,
    period: Period,
    institution: i32,
    is_released: bool,
    is_left_behind: bool,
    status: Option<ResultStatus>,
    reason: Option<String>,
    open: i64,
    over: i64,
    after_approval: bool,
    is_stopped: bool,
    is_unknown: bool,
    is_not_owed: bool,
    is_contradicted: bool,
    came_back: bool,
    is_unclaimed: bool,
    is_succeeded: bool,
    was_reserved: bool,
    cash_at: Option<i32>,
}

impl AttemptRow {
    fn attempt(self, part: Part) -> Attempt {
        let standing = match self.status {
            // What came back after its credit ends as what was never credited.
            Some(_) if self.came_back => Standing::Answered(ResultStatus::Rejected),
            Some(status) => Standing::Answered(status),
            None if self.is_unknown => Standing::Unknown,
            None if self.is_released => Standing::InTransit,
            None => Standing::NotReleased,
        };
        let doubt = if self.is_not_owed {
            Doubt::NotOwed
        } else if self.is_contradicted {
            Doubt::Contradicted
        } else {
            Doubt::Nothing
        };
        Attempt {
            position: Position {
                run: self.run_no,
                part,
                chunk: self.chunk,
                line: self.line,
            },
            number: self.number,
            person_no: self.person_no,
            determination_no: self.determination_no,
            amount: self.amount,
            deduction: deduction_of(self.recovery_no, self.deducted),
            local: self.local,
            province: province_of(self.province),
            rate_no: self.rate_no,
            period: self.period,
            institution: institution_of(self.institution),
            standing,
            reason: self.reason,
            is_left_behind: self.is_left_behind,
            holds: Holds {
                open: self.open,
                over: self.over,
                after_approval: self.after_approval,
            },
            doubt,
            is_stopped: self.is_stopped,
            is_unclaimed: self.is_unclaimed,
            is_succeeded: self.is_succeeded,
            was_reserved: self.was_reserved,
            cash_at: self.cash_at.map(institution_of),
        }
    }
}

/// The ways that institutions have rejected, or gave back, by obligation, the latest last.
pub(crate) async fn failed_ways(
    tx: &mut PgConnection,
    (part, programme): (Part, Programme),
    keys: &[Key],
) -> Result<BTreeMap<Key, Vec<FailedWay>>, Error> {
    let columns = KeyColumns::of(keys);
    let rows = sqlx::query!(
        r#"
        SELECT n.period AS "period!: Period", n.person_no AS "person_no!: PersonNo",
            n.determination_no AS "determination_no!", c.institution,
            c.channel AS "channel: Channel", l.account_index,
            CASE WHEN r.status = 'rejected' THEN r.reason ELSE $6 END AS reason
        FROM unnest($3::date[], $4::bigint[], $5::smallint[])
            AS n (period, person_no, determination_no)
        CROSS JOIN LATERAL (
            SELECT 1::smallint AS attempt, run_no, chunk, line FROM payments.obligations o
            WHERE o.part = $1 AND o.programme = $2 AND o.period = n.period
                AND o.person_no = n.person_no AND o.determination_no = n.determination_no
            UNION ALL
            SELECT attempt, run_no, chunk, line FROM payments.attempts a
            WHERE a.part = $1 AND a.programme = $2 AND a.period = n.period
                AND a.person_no = n.person_no AND a.determination_no = n.determination_no
            OFFSET 0
        ) t
        JOIN payments.results r ON r.run_no = t.run_no AND r.part = $1 AND r.chunk = t.chunk
            AND r.line = t.line AND (r.status = 'rejected' OR EXISTS (
                SELECT FROM payments.returns b WHERE (b.run_no, b.part, b.chunk, b.line)
                    = (r.run_no, r.part, r.chunk, r.line)))
        JOIN payments.lines l ON l.run_no = t.run_no AND l.part = $1 AND l.chunk = t.chunk
            AND l.line = t.line
        JOIN payments.chunks c ON c.run_no = t.run_no AND c.part = $1 AND c.chunk = t.chunk
        ORDER BY t.attempt
        "#,
        part.number(),
        programme.number(),
        &columns.periods,
        &columns.persons,
        &columns.determinations,
        FailedWay::CAME_BACK,
    )
    .fetch_all(tx)
    .await?;
    let mut failed: BTreeMap<Key, Vec<FailedWay>> = BTreeMap::new();
    for it in rows {
        let key = (it.period, it.person_no, it.determination_no);
        failed.entry(key).or_default().push(FailedWay {
            channel: it.channel,
            institution: institution_of(it.institution),
            account_index: it.account_index.as_deref().map(index_of),
            reason: it.reason,
        });
    }
    Ok(failed)
}

/// Writes which attempt each line follows; a second follower fails on the constraint. What held the
/// line before says that it was issued again.
pub(crate) async fn insert_attempts(
    tx: &mut PgConnection,
    (part, programme): (Part, Programme),
    successors: &[Successor<'_>],
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY payments.attempts (part, programme, period, person_no, determination_no, attempt,
            run_no, chunk, line, before_run_no, before_chunk, before_line, is_reserved, cash_at)
            FROM STDIN (FORMAT binary)",
        14,
    );
    for it in successors {
        let (at, before) = (it.line.position, it.before.position);
        copied
            .row()
            .with(part.number())
            .with(programme.number())
            .with(it.before.period.first_day())
            .with(it.before.person_no.0)
            .with(it.before.determination_no)
            .with(it.before.number + 1)
            .with(at.run.0)
            .with(at.chunk.0)
            .with(at.line.0)
            .with(before.run.0)
            .with(before.chunk.0)
            .with(before.line.0)
            .with(it.begins.is_reserved)
            .with(it.begins.cash_at.map(Institution::number))
            .end();
    }
    copied.send(tx).await?;
    let columns = Columns::of(successors.iter().map(|it| &it.before.position));
    sqlx::query!(
        r#"
        UPDATE payments.exceptions x
        SET detail = replace(x.detail, 'to be issued again', 'issued again')
        FROM unnest($2::bigint[], $3::int[], $4::int[]) AS n (run_no, chunk, line)
        WHERE (x.run_no, x.part, x.chunk, x.line) = (n.run_no, $1, n.chunk, n.line)
            AND (x.kind = 'held' AND x.to_issue_again OR x.kind = 'stopped')
            AND x.resolved_at IS NULL
        "#,
        part.number(),
        &columns.run_nos,
        &columns.chunks,
        &columns.lines,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What the lines of chunks of a run that pays again begin with.
pub(crate) async fn begun(
    tx: &mut PgConnection,
    (run_no, part): (RunNo, Part),
    chunks: &[ChunkNo],
) -> Result<HashMap<Position, Begun>, Error> {
    let chunks: Vec<i32> = chunks.iter().map(|it| it.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT chunk AS "chunk: ChunkNo", line AS "line: LineNo", is_reserved, cash_at
        FROM payments.attempts WHERE run_no = $1 AND part = $2 AND chunk = ANY($3)
        "#,
        run_no.0,
        part.number(),
        &chunks,
    )
    .fetch_all(tx)
    .await?;
    let begun = rows.into_iter().map(|it| {
        let position = Position {
            run: run_no,
            part,
            chunk: it.chunk,
            line: it.line,
        };
        let begun = Begun {
            is_reserved: it.is_reserved,
            cash_at: it.cash_at.map(institution_of),
        };
        (position, begun)
    });
    Ok(begun.collect())
}

/// Of what a run pays again, what was never committed: in all, and what each province pays of it.
pub(crate) async fn uncommitted(
    tx: &mut PgConnection,
    run_no: RunNo,
) -> Result<(Money, Vec<(Province, Money)>), Error> {
    let rows = sqlx::query!(
        r#"
        SELECT l.province, sum(l.amount) AS "amount!: Money", sum(l.local) AS "local!: Money"
        FROM payments.attempts t JOIN payments.lines l USING (run_no, part, chunk, line)
        WHERE t.run_no = $1 AND NOT t.is_reserved
            AND NOT EXISTS (
                SELECT FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line, x.kind)
                    = (l.run_no, l.part, l.chunk, l.line, 'held')
                    AND x.resolved_at IS NULL)
        GROUP BY l.province ORDER BY l.province
        "#,
        run_no.0,
    )
    .fetch_all(tx)
    .await?;
    let total = Money::sum(rows.iter().map(|it| it.amount));
    let local = rows.into_iter().filter(|it| !it.local.is_zero());
    Ok((
        total,
        local
            .map(|it| (province_of(it.province), it.local))
            .collect(),
    ))
}

fn index_of(bytes: &[u8]) -> BlindIndex {
    BlindIndex::try_from(bytes).expect("the schema keeps indexes at 32 bytes")
}
