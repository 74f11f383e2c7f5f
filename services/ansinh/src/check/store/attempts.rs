/// As the other statements: about what is paid again.
pub(in crate::check) const STATEMENTS: [(&str, &str, &str); 4] = [
    (
        "one_living_attempt",
        "each attempt at an obligation follows the one before it, which was rejected, held back or \
         stopped, or came back, and no obligation is credited twice without that",
        "WITH tried AS (
            SELECT part, programme, period, person_no, determination_no, 1::smallint AS attempt,
                run_no, chunk, line
            FROM payments.obligations o WHERE EXISTS (SELECT FROM payments.attempts a
                WHERE (a.part, a.programme, a.period, a.person_no, a.determination_no)
                    = (o.part, o.programme, o.period, o.person_no, o.determination_no))
            UNION ALL
            SELECT part, programme, period, person_no, determination_no, attempt, run_no, chunk, line
            FROM payments.attempts
        )
        SELECT a.run_no || '-' || a.part || '-' || a.chunk || '-' || a.line
        FROM payments.attempts a
        LEFT JOIN tried b
            ON (b.part, b.programme, b.period, b.person_no, b.determination_no, b.attempt)
            = (a.part, a.programme, a.period, a.person_no, a.determination_no, a.attempt - 1)
        LEFT JOIN payments.results r ON (r.run_no, r.part, r.chunk, r.line)
            = (b.run_no, b.part, b.chunk, b.line)
        LEFT JOIN payments.returns k ON (k.run_no, k.part, k.chunk, k.line)
            = (b.run_no, b.part, b.chunk, b.line)
        WHERE (a.before_run_no, a.before_chunk, a.before_line)
                IS DISTINCT FROM (b.run_no, b.chunk, b.line)
            OR r.status IS DISTINCT FROM 'rejected' AND k.line IS NULL AND (r.status IS NOT NULL OR NOT EXISTS (
                SELECT FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line) = (b.run_no, b.part, b.chunk, b.line)
                    AND (x.kind = 'held' AND x.to_issue_again
                        OR x.kind = 'stopped' AND NOT a.is_reserved)
                    AND x.resolved_at IS NULL))
        UNION ALL
        SELECT part || '/' || programme || '/' || period || ' person ' || person_no
        FROM tried JOIN payments.results r USING (run_no, part, chunk, line)
        LEFT JOIN payments.returns k USING (run_no, part, chunk, line)
        WHERE r.status = 'credited' AND k.line IS NULL
        GROUP BY part, programme, period, person_no, determination_no HAVING count(*) > 1",
    ),
    (
        "returned_is_owed",
        "what came back after its credit is what two officers said of a break, to the đồng, and the \
         line's transfers made it payable again",
        "SELECT coalesce(k.run_no, b.run_no) || '-' || coalesce(k.part, b.part) || '-'
            || coalesce(k.chunk, b.chunk) || '-' || coalesce(k.line, b.line)
        FROM (
            SELECT k.*, a.status, l.amount AS of_line,
                (SELECT sum(t.amount) FROM ledger.transfers t
                    WHERE (t.run_no, t.part, t.chunk, t.chunk_line)
                            = (k.run_no, k.part, k.chunk, k.line)
                        AND t.debit / 10000000000 IN (60, 61)
                        AND t.credit / 10000000000 IN (40, 41)) AS moved
            FROM payments.returns k
            JOIN payments.lines l USING (run_no, part, chunk, line)
            LEFT JOIN payments.results a USING (run_no, part, chunk, line)
        ) k FULL JOIN (
            SELECT b.* FROM reconciliation.breaks b
            JOIN reconciliation.resolutions r USING (part, institution, statement_no, break_no)
            JOIN reconciliation.decisions d USING (proposal_no)
            WHERE r.how = 'owed_again' AND d.officer <> d.proposed_by
        ) b USING (part, institution, statement_no, break_no)
        WHERE (k.run_no, k.chunk, k.line, k.amount, k.moved, k.of_line)
                IS DISTINCT FROM (b.run_no, b.chunk, b.line, b.amount, b.amount, b.amount)
            OR k.status <> 'credited'",
    ),
    (
        "paid_again_as_owed",
        "what is paid again is what was determined once, to the same person and for the same period",
        "SELECT a.run_no || '-' || a.part || '-' || a.chunk || '-' || a.line
        FROM payments.attempts a
        LEFT JOIN payments.lines l USING (run_no, part, chunk, line)
        LEFT JOIN payments.lines b ON (b.run_no, b.part, b.chunk, b.line)
            = (a.before_run_no, a.part, a.before_chunk, a.before_line)
        LEFT JOIN payments.runs r ON r.run_no = a.run_no
        WHERE (l.person_no, l.period, l.determination_no, l.amount, l.deducted, l.recovery_no, l.local,
                l.province, r.programme)
                IS DISTINCT FROM (a.person_no, a.period, a.determination_no, b.amount, b.deducted,
                    b.recovery_no, b.local, b.province, a.programme)
            OR r.series = 0",
    ),
    (
        "unclaimed_is_named",
        "what is unclaimed is what the lines add up to that were set aside and that nobody has claimed",
        "SELECT coalesce(b.part, c.part) || '/' || coalesce(b.account_no, c.account_no) FROM (
            SELECT part, account_no, credits - debits AS stands FROM ledger.balances
            WHERE account_no / 10000000000 = 45
        ) b FULL JOIN (
            SELECT u.part, (4500 + r.programme) * 100000000::bigint AS account_no,
                sum(l.amount) AS stands
            FROM payments.unclaimed u
            JOIN payments.lines l USING (run_no, part, chunk, line)
            JOIN payments.runs r USING (run_no)
            LEFT JOIN payments.attempts s
                ON (s.before_run_no, s.part, s.before_chunk, s.before_line)
                = (u.run_no, u.part, u.chunk, u.line)
            WHERE s.line IS NULL GROUP BY u.part, r.programme
        ) c USING (part, account_no)
        WHERE coalesce(b.stands, 0) <> coalesce(c.stands, 0)",
    ),
];
