//! What must hold of money before it is anybody's, and of what goes out.

/// As the others: name, sentence, and a statement whose rows are the places where it does not hold.
pub(in crate::check) const STATEMENTS: [(&str, &str, &str); 2] = [
    (
        "budget_adds_up",
        "what was appropriated to each programme, level and year is what its runs took and what is \
         left, and no run takes from another year or more than it needs",
        "SELECT 'account ' || coalesce(b.account_no, s.account_no) FROM (
            SELECT account_no, sum(credits - debits) AS stands FROM ledger.balances
            WHERE account_no / 10000000000 = 20 GROUP BY account_no
        ) b FULL JOIN (
            SELECT (2000 + programme) * 100000000::bigint + year * 100 + level AS account_no,
                sum(amount) AS stands
            FROM (
                SELECT programme, budget_year AS year, coalesce(province, 0) AS level, amount
                FROM payments.appropriations
                UNION ALL
                SELECT r.programme, r.budget_year, s.province, -s.amount
                FROM payments.funding_sums s JOIN payments.runs r USING (run_no)
                UNION ALL
                SELECT r.programme, r.budget_year, s.province, s.amount
                FROM payments.stops s JOIN payments.runs r USING (run_no)
                UNION ALL
                SELECT programme, budget_year, province, -amount FROM payments.year_closings
                WHERE amount IS NOT NULL
                UNION ALL
                SELECT programme, budget_year + 1, province, amount FROM payments.year_closings
                WHERE amount IS NOT NULL AND how = 'carried_over'
                UNION ALL
                SELECT r.programme, extract(year FROM g.paid_on)::smallint, 0, -g.amount
                FROM payments.givings_back g JOIN payments.exceptions USING (exception_no)
                JOIN payments.runs r USING (run_no)
            ) m GROUP BY programme, year, level
        ) s USING (account_no)
        WHERE coalesce(b.stands, 0) <> coalesce(s.stands, 0)
        UNION ALL
        SELECT 'run ' || t.run_no || ' account ' || t.account_no FROM (
            SELECT t.run_no, side.account_no,
                sum(side.amount) FILTER (WHERE t.chunk = 0) AS committed,
                sum(side.amount) AS stands
            FROM ledger.transfers t
            CROSS JOIN LATERAL (VALUES (t.credit, t.amount), (t.debit, -t.amount))
                AS side (account_no, amount)
            WHERE side.account_no / 10000000000 = 30 GROUP BY 1, 2
        ) t
        LEFT JOIN payments.runs r USING (run_no)
        LEFT JOIN (
            SELECT run_no, province, sum(amount) AS amount FROM (
                SELECT run_no, province, amount FROM payments.funding_sums
                UNION ALL SELECT run_no, province, -amount FROM payments.stops
            ) f GROUP BY run_no, province
        ) s ON s.run_no = t.run_no AND s.province = t.account_no % 100
        WHERE coalesce(t.committed, 0) <> coalesce(s.amount, 0) OR t.stands < 0
            OR t.account_no / 100 % 1000000 <> r.budget_year
            OR t.stands <> 0 AND r.state NOT IN ('approved')
        UNION ALL
        SELECT 'run ' || n.run_no || ' level ' || n.province FROM payments.needs n
        JOIN payments.runs r USING (run_no)
        LEFT JOIN (
            SELECT run_no, province, sum(amount) AS amount FROM payments.funding_sums
            GROUP BY run_no, province
        ) s USING (run_no, province)
        WHERE coalesce(s.amount, 0) > n.amount
            OR r.state <> 'unfunded' AND coalesce(s.amount, 0) <> n.amount
                -- Who stops a run lets go of what it had no money for.
                AND NOT EXISTS (SELECT FROM payments.exceptions x
                    WHERE x.run_no = n.run_no AND x.kind = 'stopped')
                AND NOT EXISTS (SELECT FROM payments.exceptions x WHERE x.run_no = n.run_no
                    AND x.held_by = 'funding' AND x.resolved_at IS NULL)",
    ),
    (
        "released_in_order",
        "what is out went in a wave that an officer opened, not out is what was stopped, and nobody \
         resumed what they had paused",
        "SELECT 'run ' || c.run_no || ' chunk ' || c.part || '/' || c.chunk FROM payments.chunks c
        JOIN payments.runs r USING (run_no)
        WHERE c.messages > 0 AND c.wave > r.wave OR c.standing = 'stopped' AND c.stopped_by IS NULL
            OR (c.released_at IS NOT NULL) <> (c.messages > 0)
        UNION ALL
        SELECT 'line ' || x.run_no || '-' || x.part || '-' || x.chunk || '-' || x.line
        FROM payments.exceptions x
        LEFT JOIN payments.results a USING (run_no, part, chunk, line)
        LEFT JOIN payments.chunks c USING (run_no, part, chunk)
        WHERE x.kind = 'stopped' AND (a.line IS NOT NULL OR c.standing <> 'stopped')
        UNION ALL
        SELECT 'order ' || o.order_no FROM payments.release_orders o
        JOIN payments.release_orders p ON p.order_no = o.ends
        WHERE o.officer = p.officer OR o.scope <> p.scope
        UNION ALL
        SELECT 'run ' || w.run_no || ' wave ' || w.wave FROM payments.wave_openings w
        JOIN payments.acts a USING (run_no, officer)
        WHERE a.voided_at IS NULL AND a.act IN ('open', 'edit', 'approve')",
    ),
];
