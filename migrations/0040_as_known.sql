-- Two axes of time for what an auditor asks about the past: how it stood about a day, by what was known
-- at another. Destinations have theirs; these are rules, determinations and balances.

-- An id never loses a digit, however many runs, chunks or lines there are.
CREATE OR REPLACE FUNCTION audit.line_id(run_no bigint, part smallint, chunk integer, line integer)
    RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 'R' || lpad(run_no::text, greatest(6, length(run_no::text)), '0') || '-'
        || lpad(part::text, 2, '0') || '-'
        || lpad(chunk::text, greatest(4, length(chunk::text)), '0') || '-'
        || lpad(line::text, greatest(4, length(line::text)), '0')
$$;

CREATE VIEW audit.rules AS
SELECT split_part(f.path, '/', 1) AS programme_code,
    left(f.path, -length('.toml')) AS rule, l.law_no,
    substring(f.text FROM '(?n)^valid_from = "([0-9-]{10})"$')::date AS valid_from,
    substring(f.text FROM '(?n)^valid_to = "([0-9-]{10})"$')::date AS valid_to,
    substring(f.text FROM '(?n)^known_from = "([0-9-]{10})"$')::date AS known_from,
    substring(f.text FROM '(?n)^legal_basis = "([^"]*)"$') AS legal_basis,
    l.maker, l.checker, l.approved_at, encode(sha256(convert_to(f.text, 'UTF8')), 'hex') AS sha256,
    f.text
FROM eligibility.laws l JOIN eligibility.law_files f USING (law_no)
WHERE l.approved_at IS NOT NULL AND f.path ~ '^[^/]+/[0-9]{4}-[0-9]{2}[^/.]*\.toml$';
COMMENT ON VIEW audit.rules IS
    'Phiên bản quy định của mỗi bộ đã phê duyệt. Versions of rules, of each law that was approved.';

-- Which version of each programme holds for a day: of the law that was approved last by then, the one
-- that was known last.
CREATE FUNCTION audit.rules_at(about date, known_at timestamptz DEFAULT now()) RETURNS TABLE (
    programme_code text, rule text, law_no bigint, valid_from date, valid_to date, known_from date,
    legal_basis text, sha256 text) LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
    SELECT DISTINCT ON (r.programme_code) r.programme_code, r.rule, r.law_no, r.valid_from,
        r.valid_to, r.known_from, r.legal_basis, r.sha256
    FROM audit.rules r
    WHERE r.law_no = (SELECT max(l.law_no) FROM eligibility.laws l WHERE l.approved_at <= known_at)
        AND r.valid_from <= about AND (r.valid_to IS NULL OR about <= r.valid_to)
        AND r.known_from <= (known_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
    ORDER BY r.programme_code, r.known_from DESC, r.valid_from DESC
$$;
COMMENT ON FUNCTION audit.rules_at IS
    'Quy định về một ngày, theo những gì đã biết lúc khác. Rules about a day, as known at a time.';

-- What each person was owed for a month by what had been determined until then.
CREATE FUNCTION audit.determinations_at(about date, known_at timestamptz DEFAULT now())
    RETURNS TABLE (programme smallint, period date, person_no bigint, owed numeric, run_no bigint,
    determination_no smallint, rule text, law_no bigint, reason text, frozen_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT DISTINCT ON (d.programme, d.person_no) d.programme, d.period, d.person_no, d.owed,
        d.run_no, d.determination_no, d.rule, d.law_no, d.reason, d.frozen_at
    FROM audit.determinations d
    WHERE d.period = date_trunc('month', about)::date AND d.frozen_at <= known_at
    ORDER BY d.programme, d.person_no, d.frozen_at DESC, d.determination_no DESC
$$;
COMMENT ON FUNCTION audit.determinations_at IS
    'Mức hưởng của một tháng, theo những gì đã biết lúc khác. What a month owed, as known at a time.';

-- The value date of a transfer: when the bank booked it or stated it, else the day it was recorded.
CREATE FUNCTION audit.balances_at(about date, known_at timestamptz DEFAULT now()) RETURNS TABLE (
    account_no bigint, account text, programme smallint, institution integer, province smallint,
    budget_year smallint, debits numeric, credits numeric) LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
    WITH known AS (
        SELECT t.debit, t.credit, t.amount
        FROM ledger.journals j
        JOIN ledger.transfers t USING (part, seq)
        LEFT JOIN payments.results a ON j.kind = 'results'
            AND (a.run_no, a.part, a.chunk, a.line) = (t.run_no, t.part, t.chunk, t.chunk_line)
        LEFT JOIN reconciliation.statements s ON j.kind = 'statement'
            AND j.reference = 'statement/' || s.institution || '/' || s.statement_no
        WHERE j.recorded_at <= known_at
            AND coalesce(a.booked_on, s.date,
                (j.recorded_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date) <= about
    )
    SELECT a.account_no, a.kind, a.programme, a.institution, a.province, a.budget_year,
        coalesce(sum(k.debits), 0), coalesce(sum(k.credits), 0)
    FROM (
        SELECT debit AS account_no, amount AS debits, 0 AS credits FROM known
        UNION ALL
        SELECT credit, 0, amount FROM known
    ) k
    JOIN ledger.accounts a USING (account_no)
    GROUP BY a.account_no ORDER BY a.account_no
$$;
COMMENT ON FUNCTION audit.balances_at IS
    'Số dư về một ngày, theo những gì đã biết lúc khác. Balances about a day, as known at a time.';

DO $$
DECLARE
    told record;
BEGIN
    FOR told IN SELECT * FROM (VALUES
        ('programme_code', 'Mã chữ của chương trình · Code of the programme'),
        ('rule', 'Phiên bản quy định · Version of the rules'),
        ('law_no', 'Bộ quy định · Number of the law'),
        ('valid_from', 'Có hiệu lực từ · Valid from'),
        ('valid_to', 'Hết hiệu lực sau ngày · Last day on which it is valid'),
        ('known_from', 'Được áp dụng từ · Known, so applied, from'),
        ('legal_basis', 'Căn cứ pháp lý · What it rests on'),
        ('maker', 'Người lập · Maker'),
        ('checker', 'Người phê duyệt · Who approved it'),
        ('approved_at', 'Thời điểm phê duyệt · When it was approved'),
        ('sha256', 'SHA-256 của văn bản, hex · SHA-256 of the text'),
        ('text', 'Văn bản, TOML · The text')
    ) AS t (name, words) LOOP
        EXECUTE format('COMMENT ON COLUMN audit.rules.%I IS %L', told.name, told.words);
    END LOOP;
END $$;

GRANT SELECT ON audit.rules TO ansinh_auditor;
REVOKE ALL ON FUNCTION audit.rules_at, audit.determinations_at, audit.balances_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.rules_at, audit.determinations_at, audit.balances_at
    TO ansinh_auditor;
