//! SQL of the checks: reads every schema and writes none.

mod attempts;
mod funding;
mod recovery;

pub(super) use attempts::STATEMENTS as OF_ATTEMPTS;
pub(super) use funding::STATEMENTS as OF_FUNDING;
pub(super) use recovery::STATEMENTS as OF_RECOVERY;

use domain::{ChunkNo, Institution, LineNo, Money, Part, Period, PersonNo, Position, RunNo};
use futures::TryStreamExt;
use ledger::{Root, leaf_hash, merkle_root};
use sha2::{Digest, Sha256};
use sqlx::{PgPool, Row};

use super::Invariant;

/// Name, sentence, and a statement whose rows are the places where it does not hold. Each first
/// column is the place; an empty answer is a good one.
pub(super) const STATEMENTS: [(&str, &str, &str); 14] = [
    (
        "paid_is_computed",
        "every line pays exactly what eligibility determined for the person, less what is netted of an \
         overpayment, from the province what is above the national level, and nothing is left out",
        "SELECT coalesce(l.run_no, d.run_no) || '/' || coalesce(l.part, d.part) || ' person '
            || coalesce(l.person_no, d.person_no)
        FROM (SELECT * FROM eligibility.determinations WHERE amount > 0) d
        FULL JOIN (
            SELECT run_no, part, person_no, lines.period, determination_no, amount, deducted, local
            FROM payments.lines JOIN payments.runs USING (run_no) WHERE series = 0
            UNION ALL
            SELECT run_no, part, person_no, exceptions.period, determination_no, amount, 0, NULL
            FROM payments.exceptions JOIN payments.runs USING (run_no)
            WHERE kind = 'obligation_exists' AND series = 0
        ) l USING (run_no, part, person_no, period, determination_no)
        WHERE (l.amount + l.deducted IS DISTINCT FROM d.amount
                OR l.local <> least(d.local, l.amount))
            AND coalesce(l.run_no, d.run_no) IN
                (SELECT run_no FROM payments.runs WHERE state <> 'preparing')",
    ),
    (
        "owed_once",
        "every line is the one attempt at its obligation, and every attempt has its one line",
        "SELECT coalesce(l.run_no, o.run_no) || '-' || coalesce(l.part, o.part) || '-'
            || coalesce(l.chunk, o.chunk) || '-' || coalesce(l.line, o.line)
        FROM payments.lines l FULL JOIN (
            SELECT run_no, part, chunk, line, person_no, period, determination_no
            FROM payments.obligations
            UNION ALL
            SELECT run_no, part, chunk, line, person_no, period, determination_no
            FROM payments.attempts
        ) o USING (run_no, part, chunk, line)
        WHERE l.person_no IS DISTINCT FROM o.person_no OR l.period IS DISTINCT FROM o.period
            OR l.determination_no IS DISTINCT FROM o.determination_no",
    ),
    (
        "control_totals",
        "count and sum of a run are those of its lines without those held before the approval",
        "SELECT r.run_no::text FROM payments.runs r
        LEFT JOIN (
            SELECT l.run_no, count(*) AS lines, sum(l.amount) AS total FROM payments.lines l
            LEFT JOIN payments.exceptions x ON (x.run_no, x.part, x.chunk, x.line, x.kind)
                = (l.run_no, l.part, l.chunk, l.line, 'held')
                AND x.resolved_at IS NULL AND NOT x.after_approval
            WHERE x.line IS NULL GROUP BY l.run_no
        ) l USING (run_no)
        WHERE r.state <> 'preparing'
            AND (r.lines, r.total) IS DISTINCT FROM (coalesce(l.lines, 0), coalesce(l.total, 0))",
    ),
    (
        "scheduled_once",
        "each opening of the schedule that fired has exactly one run, of its month and pay day, opened \
         by who planned it, and no other run says that the schedule opened it",
        "SELECT 'programme ' || s.programme || ' period ' || s.period FROM payments.schedule s
        LEFT JOIN payments.runs r USING (run_no)
        WHERE s.state = 'fired' AND ((r.programme, r.period, r.business_date, r.maker)
                IS DISTINCT FROM (s.programme, s.period, s.pay_day, s.maker)
            OR 1 <> (SELECT count(*) FROM payments.schedule_steps x
                WHERE (x.programme, x.period, x.moment, x.step, x.run_no)
                    = (s.programme, s.period, s.moment, 'fired', s.run_no)))
        UNION ALL
        SELECT 'run ' || a.run_no FROM payments.acts a
        WHERE a.act = 'open' AND a.reason IS NOT NULL AND 1 <> (SELECT count(*)
            FROM payments.schedule s WHERE s.run_no = a.run_no AND s.state = 'fired')",
    ),
    (
        "approved_by_others",
        "maker, checkers and releaser are different persons, none of whom but the maker changed an \
         account that is paid, and what was approved is what is paid",
        "SELECT run_no || ' ' || officer FROM payments.acts
        WHERE voided_at IS NULL AND act IN ('open', 'approve', 'release', 'lend')
        GROUP BY run_no, officer HAVING count(*) > 1
        UNION ALL
        SELECT r.run_no || ' ' || a.officer FROM payments.runs r JOIN payments.acts a USING (run_no)
        WHERE a.voided_at IS NULL AND a.act IN ('approve', 'release')
            AND (a.root, a.lines, a.total) IS DISTINCT FROM (r.root, r.lines, r.total)
        UNION ALL
        SELECT DISTINCT a.run_no || ' ' || a.officer FROM payments.acts a
        JOIN payments.editors e USING (run_no, officer)
        WHERE a.voided_at IS NULL AND a.act IN ('approve', 'release', 'lend')
        UNION ALL
        SELECT a.run_no || ' ' || a.officer || ' for ' || a.principal FROM payments.acts a
        LEFT JOIN payments.delegations d ON d.proposal_no = a.delegation_no
            AND (d.principal, d.delegate) = (a.principal, a.officer)
            AND a.acted_at >= d.starts_at AND a.acted_at < d.ends_at
        WHERE a.principal IS NOT NULL AND (d.proposal_no IS NULL OR NOT EXISTS (
            SELECT FROM payments.acts l WHERE l.run_no = a.run_no AND l.act = 'lend'
                AND l.officer = a.principal))
        UNION ALL
        SELECT r.run_no || ' without approval' FROM payments.runs r
        WHERE r.state NOT IN ('preparing', 'awaiting_approval', 'sent_back') AND r.approvals_required > (
            SELECT count(*) FROM payments.acts a
            WHERE a.run_no = r.run_no AND a.act = 'approve' AND a.voided_at IS NULL)",
    ),
    (
        "every_line_has_an_end",
        "in a closed run every line is credited, returned, unknown, held or stopped",
        "SELECT l.run_no || '-' || l.part || '-' || l.chunk || '-' || l.line FROM payments.lines l
        JOIN payments.runs r ON r.run_no = l.run_no AND r.state = 'closed'
        LEFT JOIN payments.results a ON (a.run_no, a.part, a.chunk, a.line)
            = (l.run_no, l.part, l.chunk, l.line)
        LEFT JOIN payments.exceptions x ON (x.run_no, x.part, x.chunk, x.line)
            = (l.run_no, l.part, l.chunk, l.line) AND x.kind IN ('held', 'unknown', 'stopped')
            AND x.resolved_at IS NULL
        WHERE a.line IS NULL AND x.line IS NULL",
    ),
    (
        "unknown_is_sent_once",
        "while a line is unknown its obligation has no other line that could be paid",
        "SELECT x.run_no || '-' || x.part || '-' || x.chunk || '-' || x.line
        FROM payments.exceptions x
        JOIN payments.lines l ON (l.run_no, l.part, l.chunk, l.line)
            = (x.run_no, x.part, x.chunk, x.line)
        JOIN payments.runs r ON r.run_no = l.run_no
        JOIN payments.lines o ON (o.part, o.person_no, o.period, o.determination_no)
            = (l.part, l.person_no, l.period, l.determination_no)
            AND (o.run_no, o.chunk, o.line) <> (l.run_no, l.chunk, l.line)
        JOIN payments.runs q ON q.run_no = o.run_no AND q.programme = r.programme
        LEFT JOIN payments.results a ON (a.run_no, a.part, a.chunk, a.line)
            = (o.run_no, o.part, o.chunk, o.line)
        WHERE x.kind = 'unknown' AND x.resolved_at IS NULL
            AND a.status IS DISTINCT FROM 'rejected'",
    ),
    (
        "settled_by_two_officers",
        "every answer that officers gave was proposed by one and accepted by another, and none that \
         was accepted is missing",
        "SELECT coalesce(a.message_id, s.message_id) FROM (
            SELECT * FROM payments.results WHERE starts_with(message_id, 'settlement/')
        ) a FULL JOIN (
            SELECT s.*, d.officer AS decided_by, 'settlement/' || s.settlement_no AS message_id
            FROM payments.settlements s JOIN payments.settlement_decisions d USING (settlement_no)
            WHERE d.accepted
        ) s USING (message_id)
        WHERE (a.run_no, a.part, a.chunk, a.line, a.status, a.booked_on) IS DISTINCT FROM
                (s.run_no, s.part, s.chunk, s.line, s.settled_as, s.booked_on)
            OR s.decided_by = s.officer",
    ),
    (
        "counters_are_rows",
        "the counters of each institution are what results and exceptions add up to",
        "SELECT t.run_no || '/' || t.part || '/' || t.institution FROM (
            SELECT run_no, part, institution, credited_lines, credited_total, returned_lines,
                returned_total, unknown_lines FROM payments.tallies
        ) t FULL JOIN (
            SELECT c.run_no, c.part, c.institution,
                count(*) FILTER (WHERE a.status = 'credited') AS credited_lines,
                coalesce(sum(l.amount) FILTER (WHERE a.status = 'credited'), 0) AS credited_total,
                count(*) FILTER (WHERE a.status = 'rejected') AS returned_lines,
                coalesce(sum(l.amount) FILTER (WHERE a.status = 'rejected'), 0) AS returned_total,
                count(*) FILTER (WHERE x.line IS NOT NULL) AS unknown_lines
            FROM payments.chunks c JOIN payments.lines l USING (run_no, part, chunk)
            LEFT JOIN payments.results a USING (run_no, part, chunk, line)
            LEFT JOIN payments.exceptions x ON (x.run_no, x.part, x.chunk, x.line, x.kind)
                = (l.run_no, l.part, l.chunk, l.line, 'unknown') AND x.resolved_at IS NULL
            WHERE c.released_at IS NOT NULL GROUP BY c.run_no, c.part, c.institution
        ) n USING (run_no, part, institution)
        WHERE (t.credited_lines, t.credited_total, t.returned_lines, t.returned_total,
                t.unknown_lines)
            IS DISTINCT FROM (n.credited_lines, n.credited_total, n.returned_lines,
                n.returned_total, n.unknown_lines)",
    ),
    (
        "money_follows_the_line",
        "what a line's transfers moved to paid, arrears apart, and what is still in transit is what \
         its answer says",
        "SELECT l.run_no || '-' || l.part || '-' || l.chunk || '-' || l.line FROM payments.lines l
        JOIN payments.runs r ON r.run_no = l.run_no AND r.state = 'closed'
        LEFT JOIN payments.results a ON (a.run_no, a.part, a.chunk, a.line)
            = (l.run_no, l.part, l.chunk, l.line)
        LEFT JOIN (
            SELECT run_no, part, chunk, chunk_line AS line,
                -- What was overpaid and is owed after all comes back to paid: no new payment.
                sum(CASE WHEN credit / 10000000000 = 60 AND debit / 10000000000 NOT BETWEEN 60 AND 69
                    THEN amount ELSE 0 END) AS paid,
                sum(CASE WHEN credit / 10000000000 = 61 AND debit / 10000000000 NOT BETWEEN 60 AND 69
                    THEN amount ELSE 0 END) AS paid_arrears,
                sum(CASE WHEN credit / 10000000000 = 50 THEN amount
                    WHEN debit / 10000000000 = 50 THEN -amount ELSE 0 END) AS in_transit
            FROM ledger.transfers WHERE chunk > 0 GROUP BY 1, 2, 3, 4
        ) t ON (t.run_no, t.part, t.chunk, t.line) = (l.run_no, l.part, l.chunk, l.line)
        WHERE coalesce(t.in_transit, 0) <> 0
            OR coalesce(t.paid, 0) <> CASE
                WHEN a.status = 'credited' AND l.period = r.period THEN l.amount ELSE 0 END
            OR coalesce(t.paid_arrears, 0) <> CASE
                WHEN a.status = 'credited' AND l.period <> r.period THEN l.amount ELSE 0 END",
    ),
    (
        "withdrawn_has_an_end",
        "what is withdrawn is what eligibility said, and held, asked back, kept from being issued \
         again or a case: exactly one of them, and none where it was restored",
        "SELECT w.part || '/' || w.programme || '/' || w.period || ' person ' || w.person_no || '/'
            || w.determination_no || '/' || w.turn
        FROM payments.withdrawals w
        LEFT JOIN eligibility.withdrawals e
            USING (part, programme, period, person_no, determination_no, turn)
        LEFT JOIN payments.withdrawals n
            ON (n.part, n.programme, n.period, n.person_no, n.determination_no, n.turn)
            = (w.part, w.programme, w.period, w.person_no, w.determination_no, w.turn + 1)
        LEFT JOIN LATERAL (
            SELECT count(*) AS open, count(*) FILTER (WHERE x.kind = 'held') AS held
            FROM payments.exceptions x
            WHERE x.withdrawal_no = w.withdrawal_no AND x.resolved_at IS NULL
        ) x ON true
        LEFT JOIN payments.overpayments o
            ON (o.part, o.programme, o.period, o.person_no, o.determination_no, o.turn, o.state)
            = (w.part, w.programme, w.period, w.person_no, w.determination_no, w.turn, 'open')
        WHERE abs(e.amount) IS DISTINCT FROM w.amount
            OR CASE WHEN w.turn % 2 = 0 THEN x.open > 0 OR o.turn IS NOT NULL
                -- A line whose chunk was gone stays held until it is issued again.
                WHEN n.turn IS NOT NULL THEN x.open <> x.held OR o.turn IS NOT NULL
                ELSE x.open + (o.turn IS NOT NULL)::int <> 1 END",
    ),
    (
        "matched_is_credited",
        "every line that a statement settles was credited by the same institution, and the lines \
         of an entry add up to it",
        "SELECT m.run_no || '-' || m.part || '-' || m.chunk || '-' || m.line
        FROM reconciliation.matches m
        LEFT JOIN payments.results a ON (a.run_no, a.part, a.chunk, a.line, a.status)
            = (m.run_no, m.part, m.chunk, m.line, 'credited')
        LEFT JOIN payments.lines l ON (l.run_no, l.part, l.chunk, l.line)
            = (m.run_no, m.part, m.chunk, m.line)
        LEFT JOIN payments.chunks c ON (c.run_no, c.part, c.chunk) = (m.run_no, m.part, m.chunk)
        WHERE a.line IS NULL OR l.amount IS DISTINCT FROM m.amount
            OR c.institution IS DISTINCT FROM m.institution
        UNION ALL
        SELECT m.institution || '/' || m.statement_no || '/' || m.entry_no FROM (
            SELECT institution, statement_no, entry_no, sum(amount) AS amount
            FROM reconciliation.matches GROUP BY 1, 2, 3
        ) m
        LEFT JOIN (SELECT institution, statement_no, entry_no, sum(amount) AS amount,
                count(*) AS entries
            FROM reconciliation.entries GROUP BY 1, 2, 3) e
            USING (institution, statement_no, entry_no)
        -- Where a bank used a number twice, the lines are held against the entries elsewhere.
        WHERE e.amount IS DISTINCT FROM m.amount AND coalesce(e.entries, 1) = 1",
    ),
    (
        "settled_is_matched",
        "the settlement of each institution is what its statements settle",
        "SELECT coalesce(b.institution, m.institution)::text FROM (
            SELECT a.institution, sum(b.debits - b.credits) AS stands
            FROM ledger.balances b JOIN ledger.accounts a USING (account_no)
            WHERE a.account_no / 10000000000 = 70 GROUP BY a.institution
        ) b FULL JOIN (
            SELECT institution, sum(amount) AS stands FROM (
                SELECT institution, amount FROM reconciliation.matches
                UNION ALL
                -- It was settled, and came back.
                SELECT institution, -amount FROM reconciliation.resolutions
                JOIN reconciliation.breaks USING (part, institution, statement_no, break_no)
                WHERE how = 'owed_again'
            ) s GROUP BY institution
        ) m USING (institution)
        WHERE coalesce(b.stands, 0) <> coalesce(m.stands, 0)",
    ),
    (
        "suspense_is_named",
        "what is in suspense at an institution is what its open breaks add up to",
        "SELECT coalesce(b.institution, c.institution)::text FROM (
            SELECT a.institution, sum(b.debits - b.credits) AS stands
            FROM ledger.balances b JOIN ledger.accounts a USING (account_no)
            WHERE a.account_no / 10000000000 = 80 GROUP BY a.institution
        ) b FULL JOIN (
            SELECT b.institution, sum(CASE
                WHEN b.kind IN ('day_differs', 'not_on_statement', 'contradicting_result') THEN 0
                WHEN b.kind LIKE 'return%' THEN -b.amount ELSE b.amount END) AS stands
            FROM reconciliation.breaks b
            LEFT JOIN reconciliation.resolutions r
                USING (part, institution, statement_no, break_no)
            WHERE r.break_no IS NULL GROUP BY b.institution
        ) c USING (institution)
        WHERE coalesce(b.stands, 0) <> coalesce(c.stands, 0)",
    ),
];

pub(super) async fn holds(
    pool: &PgPool,
    name: &'static str,
    sentence: &'static str,
    statement: &'static str,
) -> anyhow::Result<Invariant> {
    // Built from constants of this file; not `query!`, because it runs each of a list.
    let mut rows = sqlx::query(statement).fetch(pool);
    let mut broken = Vec::new();
    while let Some(row) = rows.try_next().await? {
        if broken.len() < 100 {
            broken.push(row.try_get::<Option<String>, _>(0)?.unwrap_or_default());
        }
    }
    drop(rows);
    let covered = sqlx::query_scalar!(r#"SELECT count(*) AS "lines!" FROM payments.lines"#)
        .fetch_one(pool)
        .await?;
    Ok(Invariant {
        name,
        sentence,
        covered: covered.unsigned_abs(),
        broken,
    })
}

/// Re-hashes all that was ever said.
pub(super) async fn outbox_chain(pool: &PgPool) -> anyhow::Result<Invariant> {
    let mut rows = sqlx::query!(
        r#"
        SELECT speaker, part AS "part: Part", seq, event_id, subject, body, prev_hash, hash
        FROM messaging.outbox ORDER BY speaker, part, seq
        "#
    )
    .fetch(pool);
    let (mut broken, mut covered) = (Vec::new(), 0);
    let mut at: Option<(String, Part, i64, Vec<u8>)> = None;
    while let Some(row) = rows.try_next().await? {
        let before = at.filter(|(speaker, part, ..)| *speaker == row.speaker && *part == row.part);
        let (seq, prev) = before.map_or((0, vec![0; 32]), |(_, _, seq, hash)| (seq, hash));
        let length = u64::try_from(row.subject.len())?;
        let hash = Sha256::new()
            .chain_update(&prev)
            .chain_update(row.seq.to_be_bytes())
            .chain_update(row.event_id.as_bytes())
            .chain_update(length.to_be_bytes())
            .chain_update(&row.subject)
            .chain_update(&row.body)
            .finalize();
        if row.seq != seq + 1 || row.prev_hash != prev || row.hash[..] != hash[..] {
            broken.push(format!("{}/{}/{}", row.speaker, row.part, row.seq));
        }
        covered += 1;
        at = Some((row.speaker, row.part, row.seq, row.hash));
    }
    broken.truncate(100);
    Ok(Invariant {
        name: "said_in_order",
        sentence: "all that was said is there, without gap and as it was chained",
        covered,
        broken,
    })
}

/// Sequences between organisations whose cursor stands elsewhere than what was verified leads to.
/// What was said before there were signatures counts as it was.
pub(super) async fn moved_without_message(pool: &PgPool) -> anyhow::Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT c.consumer || ' hears ' || c.speaker || '/' || c.part AS "place!"
        FROM messaging.cursors c
        LEFT JOIN (
            SELECT speaker, part, max(seq) AS last FROM messaging.outbox
            WHERE speaker LIKE 'bank.%' AND signature IS NULL GROUP BY speaker, part
        ) u USING (speaker, part)
        LEFT JOIN (
            SELECT consumer, speaker, part, count(*) AS messages, max(seq) AS last
            FROM messaging.received GROUP BY consumer, speaker, part
        ) r USING (consumer, speaker, part)
        WHERE c.speaker LIKE 'bank.%'
            AND (c.seq <> coalesce(r.last, u.last, 0)
                OR coalesce(r.messages, 0) <> c.seq - coalesce(u.last, 0))
        "#
    )
    .fetch_all(pool)
    .await?)
}

/// Recomputes the root of every prepared run from its lines.
pub(super) async fn run_roots(pool: &PgPool) -> anyhow::Result<Invariant> {
    let runs = sqlx::query!(
        r#"
        SELECT run_no AS "run_no: RunNo", root AS "root!" FROM payments.runs
        WHERE root IS NOT NULL ORDER BY run_no
        "#
    )
    .fetch_all(pool)
    .await?;
    let (mut broken, mut covered) = (Vec::new(), 0);
    for run in runs {
        let (root, lines) = run_root(pool, run.run_no).await?;
        covered += lines;
        if run.root[..] != root.0 {
            broken.push(run.run_no.to_string());
        }
    }
    Ok(Invariant {
        name: "approved_root",
        sentence: "the root of each run is that of its lines: who is paid how much and where",
        covered,
        broken,
    })
}

async fn run_root(pool: &PgPool, run_no: RunNo) -> anyhow::Result<(Root, u64)> {
    let mut rows = sqlx::query!(
        r#"
        SELECT l.part AS "part: Part", l.chunk AS "chunk: ChunkNo", l.line AS "line: LineNo",
            l.person_no AS "person_no: PersonNo", l.payee_no AS "payee_no: PersonNo",
            l.determination_no, l.amount AS "amount: Money", c.institution, l.account_index, nullif(l.period, r.period) AS "arrears_of: Period"
        FROM payments.lines l JOIN payments.chunks c USING (run_no, part, chunk)
        JOIN payments.runs r USING (run_no)
        LEFT JOIN payments.exceptions x ON (x.run_no, x.part, x.chunk, x.line, x.kind)
            = (l.run_no, l.part, l.chunk, l.line, 'held')
            AND x.resolved_at IS NULL AND NOT x.after_approval
        WHERE l.run_no = $1 AND x.line IS NULL
        ORDER BY l.part, l.chunk, l.line
        "#,
        run_no.0,
    )
    .fetch(pool);
    let (mut chunk_roots, mut leaves, mut open, mut lines) = (Vec::new(), Vec::new(), None, 0);
    while let Some(row) = rows.try_next().await? {
        if open.is_some_and(|it| it != (row.part, row.chunk)) {
            chunk_roots.push(leaf_hash(&merkle_root(leaves.drain(..)).0));
        }
        open = Some((row.part, row.chunk));
        let position = Position {
            run: run_no,
            part: row.part,
            chunk: row.chunk,
            line: row.line,
        };
        let institution = Institution::from_number(row.institution);
        let index: Option<[u8; 32]> = row.account_index.and_then(|it| it.try_into().ok());
        let leaf = payments::LineLeaf {
            position,
            person_no: row.person_no,
            payee_no: row.payee_no,
            determination_no: row.determination_no,
            arrears_of: row.arrears_of,
            amount: row.amount,
            institution: institution
                .ok_or_else(|| anyhow::anyhow!("{position} has no institution"))?,
            account_index: index.as_ref(),
        };
        leaves.push(leaf.hash());
        lines += 1;
    }
    if !leaves.is_empty() {
        chunk_roots.push(leaf_hash(&merkle_root(leaves).0));
    }
    Ok((merkle_root(chunk_roots), lines))
}
