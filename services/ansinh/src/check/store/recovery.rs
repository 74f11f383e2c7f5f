//! What must hold of overpayments and how they come back.

/// As the others: name, sentence, and a statement whose rows are the places where it does not hold.
pub(in crate::check) const STATEMENTS: [(&str, &str, &str); 5] = [
    (
        "overpaid_is_receivable",
        "what is to be recovered is what the open cases add up to, less what came back or was given \
         up, which stands on accounts of its own, and no case has more of it than its amount",
        "SELECT coalesce(b.part, c.part) || '/' || coalesce(b.account_no, c.account_no) FROM (
            SELECT part, account_no, credits - debits AS stands FROM ledger.balances
            WHERE account_no / 10000000000 BETWEEN 65 AND 67
        ) b FULL JOIN (
            SELECT part, account_no, sum(stands) AS stands FROM (
                SELECT part, (6500 + programme) * 100000000::bigint + province AS account_no,
                    amount AS stands
                FROM payments.overpayments WHERE state = 'open'
                UNION ALL
                SELECT o.part, (6500 + o.programme) * 100000000::bigint + o.province, -r.amount
                FROM payments.repayments r JOIN payments.overpayments o USING (case_no)
                WHERE o.state = 'open'
                UNION ALL
                SELECT o.part, (6600 + o.programme) * 100000000::bigint
                    + r.institution::bigint * 100 + o.province, r.amount
                FROM payments.repayments r JOIN payments.overpayments o USING (case_no)
                WHERE o.state <> 'returned'
                UNION ALL
                SELECT o.part, (6500 + o.programme) * 100000000::bigint + o.province, -n.amount
                FROM payments.nettings n JOIN payments.recoveries USING (recovery_no)
                JOIN payments.overpayments o USING (case_no) WHERE o.state = 'open'
                UNION ALL
                SELECT o.part, (kind.no + o.programme) * 100000000::bigint + o.province,
                    kind.sign * w.amount
                FROM payments.write_offs w JOIN payments.overpayments o USING (case_no)
                CROSS JOIN (VALUES (6500, -1), (6700, 1)) AS kind (no, sign)
                WHERE o.state = 'open'
            ) s GROUP BY part, account_no
        ) c USING (part, account_no)
        WHERE coalesce(b.stands, 0) <> coalesce(c.stands, 0)
        UNION ALL
        SELECT 'case ' || o.case_no FROM payments.overpayments o
        WHERE o.amount < (SELECT coalesce(sum(r.amount), 0) FROM payments.repayments r
                WHERE r.case_no = o.case_no)
            + (SELECT coalesce(sum(w.amount), 0) FROM payments.write_offs w
                WHERE w.case_no = o.case_no)
            + (SELECT coalesce(sum(n.amount), 0) FROM payments.nettings n
                JOIN payments.recoveries r USING (recovery_no) WHERE r.case_no = o.case_no)",
    ),
    (
        "deducted_as_decided",
        "what a line pays less than is owed was decided for its person and programme, is of the \
         month itself, once a run, and within the instalment, the sum decided and the cap",
        "SELECT l.run_no || '-' || l.part || '-' || l.chunk || '-' || l.line
        FROM payments.lines l
        JOIN payments.runs r USING (run_no)
        JOIN payments.recoveries d USING (recovery_no)
        JOIN payments.overpayments o USING (case_no)
        WHERE (l.part, l.person_no, r.programme, r.period)
                IS DISTINCT FROM (o.part, o.person_no, o.programme, l.period)
            OR l.deducted > d.amount OR d.monthly IS NULL OR l.deducted > d.monthly
            -- A cap that was accepted while the run was prepared may or may not have held.
            OR r.series = 0 AND l.deducted * 100 > (l.amount + l.deducted) * greatest(
                    (SELECT c.percent FROM payments.netting_caps c
                        WHERE c.valid_from <= r.business_date
                        ORDER BY c.valid_from DESC, c.known_at DESC LIMIT 1),
                    (SELECT c.percent FROM payments.netting_caps c
                        WHERE c.valid_from <= r.business_date AND c.known_at <= r.opened_at
                        ORDER BY c.valid_from DESC, c.known_at DESC LIMIT 1))
        UNION ALL
        SELECT 'run ' || l.run_no || ' person ' || l.person_no FROM payments.lines l
        WHERE l.recovery_no IS NOT NULL GROUP BY l.run_no, l.person_no HAVING count(*) > 1",
    ),
    (
        "netted_is_credited",
        "a deduction has recovered something exactly where its line was credited, all of it but what \
         a named exception gives back",
        "SELECT coalesce(l.run_no, n.run_no) || '-' || coalesce(l.part, n.part) || '-'
            || coalesce(l.chunk, n.chunk) || '-' || coalesce(l.line, n.line)
        FROM (
            SELECT l.* FROM payments.lines l
            JOIN payments.results a USING (run_no, part, chunk, line)
            WHERE l.recovery_no IS NOT NULL AND a.status = 'credited'
                -- What came back is paid again, and has recovered its part already.
                AND NOT EXISTS (SELECT FROM payments.returns k
                    JOIN payments.lines p USING (run_no, part, chunk, line)
                    WHERE (p.part, p.recovery_no, p.person_no, p.period, p.determination_no)
                            = (l.part, l.recovery_no, l.person_no, l.period, l.determination_no)
                        AND (k.run_no, k.chunk, k.line) <> (l.run_no, l.chunk, l.line)
                        AND k.run_no < l.run_no)
        ) l FULL JOIN payments.nettings n USING (run_no, part, chunk, line)
        WHERE (l.recovery_no, l.deducted) IS DISTINCT FROM (n.recovery_no, n.amount + n.excess)
            OR n.excess > (SELECT coalesce(sum(x.amount), 0) FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line, x.kind)
                    = (n.run_no, n.part, n.chunk, n.line, 'over_recovered'))
        UNION ALL
        SELECT 'case ' || o.case_no FROM payments.overpayments o
        WHERE o.state <> 'open' AND (SELECT coalesce(sum(x.amount), 0)
                FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line, x.kind)
                    = (o.run_no, o.part, o.chunk, o.line, 'over_recovered'))
            < (SELECT coalesce(sum(r.amount), 0) FROM payments.repayments r
                WHERE r.case_no = o.case_no)
            + (SELECT coalesce(sum(n.amount), 0) FROM payments.nettings n
                JOIN payments.recoveries r USING (recovery_no) WHERE r.case_no = o.case_no)",
    ),
    (
        "recovery_is_decided",
        "every recovery, write-off and cap is what one officer proposed and another accepted, and \
         nothing that was accepted is missing",
        "SELECT 'proposal ' || coalesce(p.proposal_no, s.proposal_no) FROM (
            SELECT p.proposal_no, p.kind, p.proposed FROM payments.proposals p
            JOIN payments.proposal_decisions d USING (proposal_no)
            WHERE p.kind IN ('recovery', 'write_off', 'netting_cap', 'repayment') AND d.is_accepted
                AND d.officer <> p.maker
        ) p FULL JOIN (
            SELECT recovery_no AS proposal_no, 'recovery' AS kind, case_no, amount,
                NULL::smallint AS percent, decided_on AS day, decision_no AS text
            FROM payments.recoveries
            UNION ALL
            SELECT proposal_no, 'write_off', case_no, amount, NULL, NULL, basis
            FROM payments.write_offs
            UNION ALL
            SELECT proposal_no, 'repayment', case_no, amount, NULL, paid_on, reference
            FROM payments.repayments WHERE proposal_no IS NOT NULL
            UNION ALL
            SELECT proposal_no, 'netting_cap', NULL, NULL, percent, valid_from, NULL
            FROM payments.netting_caps WHERE proposal_no IS NOT NULL
        ) s USING (proposal_no, kind)
        WHERE ((p.proposed ->> 'case_no')::bigint, (p.proposed ->> 'amount')::numeric,
                (p.proposed ->> 'percent')::smallint,
                coalesce(p.proposed ->> 'decided_on', p.proposed ->> 'valid_from',
                    p.proposed -> 'receipt' ->> 'paid_on')::date,
                btrim(coalesce(p.proposed ->> 'decision_no', p.proposed ->> 'basis',
                    p.proposed -> 'receipt' ->> 'reference')))
            IS DISTINCT FROM (s.case_no, s.amount, s.percent, s.day, s.text)
            OR s.proposal_no IS NULL",
    ),
    (
        "closed_by_two",
        "what was recovered too much is given back, and what was contradicted is closed, exactly where \
         one officer proposed it and another accepted it, by the sum that the books have",
        "SELECT 'exception ' || x.exception_no FROM payments.exceptions x
        LEFT JOIN payments.givings_back g USING (exception_no)
        WHERE x.kind = 'over_recovered'
            AND (x.resolved_at IS NOT NULL, x.amount)
                IS DISTINCT FROM (g.exception_no IS NOT NULL, coalesce(g.amount, x.amount))
        UNION ALL
        SELECT 'exception ' || x.exception_no FROM payments.exceptions x
        WHERE x.kind = 'contradicted' AND x.resolved_at IS NOT NULL
            AND NOT EXISTS (SELECT FROM payments.upheld_results u
                WHERE (u.run_no, u.part, u.chunk, u.line, u.upheld_at)
                    = (x.run_no, x.part, x.chunk, x.line, x.resolved_at))
        UNION ALL
        SELECT 'proposal ' || u.proposal_no FROM payments.upheld_results u
        LEFT JOIN payments.results a USING (run_no, part, chunk, line)
        WHERE a.status IS DISTINCT FROM u.status
        UNION ALL
        SELECT 'proposal ' || coalesce(p.proposal_no, s.proposal_no) FROM (
            SELECT p.proposal_no, p.proposed FROM payments.proposals p
            JOIN payments.proposal_decisions d USING (proposal_no)
            WHERE p.kind IN ('give_back', 'first_answer') AND d.is_accepted
                AND d.officer <> p.maker
        ) p FULL JOIN (
            SELECT proposal_no, exception_no, amount, institution, paid_on,
                NULL AS line, NULL AS status, reference AS text
            FROM payments.givings_back
            UNION ALL
            SELECT proposal_no, NULL, NULL, NULL, NULL,
                audit.line_id(run_no, part, chunk, line), status, basis
            FROM payments.upheld_results
        ) s USING (proposal_no)
        WHERE ((p.proposed ->> 'exception_no')::bigint, (p.proposed ->> 'amount')::numeric,
                (p.proposed -> 'receipt' ->> 'institution')::integer,
                (p.proposed -> 'receipt' ->> 'paid_on')::date, p.proposed ->> 'line',
                p.proposed ->> 'status',
                btrim(coalesce(p.proposed ->> 'basis', p.proposed -> 'receipt' ->> 'reference')))
            IS DISTINCT FROM (s.exception_no, s.amount, s.institution, s.paid_on, s.line, s.status,
                s.text)
            OR s.proposal_no IS NULL OR p.proposal_no IS NULL
        UNION ALL
        SELECT 'given back' FROM (SELECT coalesce(sum(amount), 0) AS total
            FROM payments.givings_back) g
        WHERE g.total <> (SELECT coalesce(sum(credits - debits), 0) FROM ledger.balances
            WHERE account_no / 10000000000 = 68)",
    ),
];
