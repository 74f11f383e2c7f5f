-- Auditors look one payment up: by the parts of its end-to-end id, which keys begin with, and not by the
-- id that is put together for people.
CREATE OR REPLACE VIEW audit.payments AS
SELECT audit.line_id(l.run_no, l.part, l.chunk, l.line) AS line_id, l.run_no, r.programme, l.period,
    l.person_no, coalesce(l.payee_no, l.person_no) AS payee_no, l.determination_no, l.amount,
    l.deducted, l.local, l.province, l.commune, c.institution, c.channel,
    -- The same for the same account, and tells nothing else of it.
    left(encode(sha256(l.account_index), 'hex'), 16) AS account_ref,
    CASE WHEN k.line IS NOT NULL THEN 'came_back' WHEN a.status = 'credited' THEN 'credited'
        WHEN a.status = 'rejected' THEN 'returned'
        WHEN x.kind IS NOT NULL THEN x.kind
        WHEN c.released_at IS NOT NULL THEN 'in_transit' ELSE 'planned' END AS state,
    a.reason, a.booked_on, a.bank_ref, c.released_at, m.statement_no, m.line IS NOT NULL AS is_matched,
    l.part, l.chunk, l.line
FROM payments.lines l
JOIN payments.runs r USING (run_no)
JOIN payments.chunks c USING (run_no, part, chunk)
LEFT JOIN payments.results a USING (run_no, part, chunk, line)
LEFT JOIN payments.returns k USING (run_no, part, chunk, line)
LEFT JOIN reconciliation.matches m USING (run_no, part, chunk, line)
LEFT JOIN LATERAL (SELECT e.kind FROM payments.exceptions e
    WHERE (e.run_no, e.part, e.chunk, e.line) = (l.run_no, l.part, l.chunk, l.line)
        AND e.kind IN ('held', 'unknown', 'stopped') AND e.resolved_at IS NULL
    ORDER BY e.kind LIMIT 1) x ON true;

CREATE OR REPLACE VIEW audit.transfers AS
SELECT j.part || '/' || j.seq AS journal, t.line, j.kind, j.reference, j.recorded_at, t.run_no,
    t.debit AS debit_no, d.kind AS debit, t.credit AS credit_no, c.kind AS credit, t.amount,
    nullif(t.person_no, 0) AS person_no,
    CASE WHEN t.chunk > 0 THEN audit.line_id(t.run_no, t.part, t.chunk, t.chunk_line) END AS line_id,
    t.part, t.chunk, t.chunk_line
FROM ledger.transfers t
JOIN ledger.journals j USING (part, seq)
JOIN ledger.accounts d ON d.account_no = t.debit
JOIN ledger.accounts c ON c.account_no = t.credit;

-- What was said to the line's bank and what it said, wherever the line is named. Bodies hold sealed
-- accounts, so the owner looks.
CREATE FUNCTION audit.messages_of(line_id text) RETURNS TABLE (subject text, part smallint, seq bigint,
    event_id uuid, created_at timestamptz, received_at timestamptz, signed_by text, body_sha256 text,
    signature text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH place AS (
        SELECT c.part, 'bank.' || c.institution || '.%' AS speaker, convert_to('"' || line_id || '"', 'UTF8') AS named
        FROM payments.chunks c
        WHERE (c.run_no, c.part, c.chunk) = (substr(split_part(line_id, '-', 1), 2)::bigint,
            split_part(line_id, '-', 2)::smallint, split_part(line_id, '-', 3)::integer)
    ), said AS (
        SELECT m.subject, m.part, m.seq, m.event_id, m.created_at, m.received_at, m.key_no,
            m.body_sha256, m.signature
        FROM place p JOIN messaging.received m ON m.part = p.part AND m.speaker LIKE p.speaker
        WHERE position(p.named IN m.body) > 0
        UNION ALL
        SELECT o.subject, o.part, o.seq, o.event_id, o.recorded_at, NULL, o.key_no, sha256(o.body),
            o.signature
        FROM place p JOIN messaging.outbox o ON o.part = p.part AND o.speaker LIKE p.speaker
        WHERE o.key_no IS NOT NULL AND position(p.named IN o.body) > 0
    )
    SELECT DISTINCT s.subject, s.part, s.seq, s.event_id, s.created_at, s.received_at, k.organisation,
        encode(s.body_sha256, 'hex'), encode(s.signature, 'hex')
    FROM said s JOIN messaging.organisation_keys k USING (key_no) ORDER BY s.created_at, s.seq
$$;
COMMENT ON FUNCTION audit.messages_of IS
    'Thông điệp với ngân hàng có nêu khoản chi. Messages with the bank that name the payment.';
REVOKE ALL ON FUNCTION audit.messages_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.messages_of TO ansinh_auditor;

DO $$
DECLARE
    told record;
BEGIN
    FOR told IN SELECT * FROM (VALUES
        ('payments', 'part', 'Phần (0–15) · Partition'),
        ('payments', 'chunk', 'Số gói trong phần · Number of the chunk'),
        ('payments', 'line', 'Dòng trong gói · Line of the chunk'),
        ('transfers', 'part', 'Phần (0–15) · Partition'),
        ('transfers', 'chunk', 'Gói của khoản chi, 0 nếu không thuộc khoản nào · The payment''s chunk, or 0'),
        ('transfers', 'chunk_line', 'Dòng trong gói, 0 nếu không thuộc khoản nào · Line of the chunk, or 0')
    ) AS t (of_view, name, words) LOOP
        EXECUTE format('COMMENT ON COLUMN audit.%I.%I IS %L', told.of_view, told.name, told.words);
    END LOOP;
END $$;
