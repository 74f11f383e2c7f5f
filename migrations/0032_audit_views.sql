-- What a state auditor reads, with psql or any other client: stable names, no account, no name, no
-- citizen number. Views ask with the owner's rights, so the auditor's role needs none on the tables.

DO $$
BEGIN
    CREATE ROLE ansinh_auditor NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT ansinh_auditor TO CURRENT_USER;
CREATE SCHEMA audit;
GRANT USAGE ON SCHEMA audit TO ansinh_auditor;

-- An end-to-end id as it is written.
CREATE FUNCTION audit.line_id(run_no bigint, part smallint, chunk integer, line integer) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 'R' || lpad(run_no::text, 6, '0') || '-' || lpad(part::text, 2, '0') || '-'
        || lpad(chunk::text, 4, '0') || '-' || lpad(line::text, 4, '0')
$$;

CREATE VIEW audit.runs AS
SELECT 'R' || lpad(r.run_no::text, 6, '0') AS run, r.run_no, r.programme, r.period, r.series,
    r.business_date, r.state, r.maker, r.lines, r.total, encode(r.root, 'hex') AS root, r.opened_at,
    r.closed_at
FROM payments.runs r;
COMMENT ON VIEW audit.runs IS 'Đợt chi: mỗi đợt một dòng. Runs, one row each.';

CREATE VIEW audit.payments AS
SELECT audit.line_id(l.run_no, l.part, l.chunk, l.line) AS line_id, l.run_no, r.programme, l.period,
    l.person_no, coalesce(l.payee_no, l.person_no) AS payee_no, l.determination_no, l.amount,
    l.deducted, l.local, l.province, l.commune, c.institution, c.channel,
    -- The same for the same account, and tells nothing else of it.
    left(encode(sha256(l.account_index), 'hex'), 16) AS account_ref,
    CASE WHEN k.line IS NOT NULL THEN 'came_back' WHEN a.status = 'credited' THEN 'credited'
        WHEN a.status = 'rejected' THEN 'returned'
        WHEN x.kind IS NOT NULL THEN x.kind
        WHEN c.released_at IS NOT NULL THEN 'in_transit' ELSE 'planned' END AS state,
    a.reason, a.booked_on, a.bank_ref, c.released_at, m.statement_no, m.line IS NOT NULL AS is_matched
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
COMMENT ON VIEW audit.payments IS 'Khoản chi: mỗi khoản một dòng. Payments, one row each.';

CREATE VIEW audit.determinations AS
SELECT d.run_no, f.programme, d.period, d.person_no, d.determination_no, d.amount, d.owed, d.local,
    d.reason, d.rule, d.law_no, d.inputs, d.explanation, f.frozen_at
FROM eligibility.determinations d JOIN eligibility.freezes f USING (run_no, part);
COMMENT ON VIEW audit.determinations IS
    'Kết quả xác định mức hưởng: ai được bao nhiêu, theo quy định nào. Determinations: who is owed how much, by which rule.';

CREATE VIEW audit.transfers AS
SELECT j.part || '/' || j.seq AS journal, t.line, j.kind, j.reference, j.recorded_at, t.run_no,
    t.debit AS debit_no, d.kind AS debit, t.credit AS credit_no, c.kind AS credit, t.amount,
    nullif(t.person_no, 0) AS person_no,
    CASE WHEN t.chunk > 0 THEN audit.line_id(t.run_no, t.part, t.chunk, t.chunk_line) END AS line_id
FROM ledger.transfers t
JOIN ledger.journals j USING (part, seq)
JOIN ledger.accounts d ON d.account_no = t.debit
JOIN ledger.accounts c ON c.account_no = t.credit;
COMMENT ON VIEW audit.transfers IS 'Bút toán: nợ, có, số tiền. Transfers: debit, credit, amount.';

CREATE FUNCTION audit.balances(as_of timestamptz DEFAULT now()) RETURNS TABLE (account_no bigint,
    account text, programme smallint, institution integer, province smallint, budget_year smallint,
    debits numeric, credits numeric) LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog AS $$
    SELECT a.account_no, a.kind, a.programme, a.institution, a.province, a.budget_year,
        coalesce(sum(s.debits), 0), coalesce(sum(s.credits), 0)
    FROM ledger.accounts a
    JOIN (
        SELECT t.debit AS account_no, t.amount AS debits, 0 AS credits
        FROM ledger.transfers t JOIN ledger.journals j USING (part, seq) WHERE j.recorded_at <= as_of
        UNION ALL
        SELECT t.credit, 0, t.amount
        FROM ledger.transfers t JOIN ledger.journals j USING (part, seq) WHERE j.recorded_at <= as_of
    ) s USING (account_no)
    GROUP BY a.account_no ORDER BY a.account_no
$$;
COMMENT ON FUNCTION audit.balances IS
    'Số dư các tài khoản tại một thời điểm, tính từ các bút toán. Balances as of a time, from the transfers.';

CREATE VIEW audit.approvals AS
SELECT a.act_no, a.run_no, a.act, a.officer, a.principal, a.lines, a.total,
    encode(a.root, 'hex') AS root, a.reason, a.acted_at, a.voided_at, a.statement,
    encode(a.signature, 'hex') AS signature, encode(k.public_key, 'hex') AS public_key
FROM payments.acts a LEFT JOIN payments.officer_keys k USING (key_no);
COMMENT ON VIEW audit.approvals IS
    'Ai lập, phê duyệt, phát lệnh; văn bản đã ký và chữ ký. Who opened, approved, released; what was signed.';

CREATE VIEW audit.decisions AS
SELECT p.proposal_no, p.kind, p.proposed, p.maker, p.reason, p.proposed_at, d.officer AS decided_by,
    d.is_accepted, d.reason AS decided_why, d.decided_at, d.statement,
    encode(d.signature, 'hex') AS signature
FROM payments.proposals p LEFT JOIN payments.proposal_decisions d USING (proposal_no);
COMMENT ON VIEW audit.decisions IS 'Đề nghị và quyết định của người khác. Proposals and what another officer decided.';

CREATE VIEW audit.bank_messages AS
SELECT m.consumer, m.speaker, m.part, m.seq, m.event_id, m.subject, m.created_at, m.received_at,
    encode(m.body_sha256, 'hex') AS body_sha256, m.key_no, k.organisation AS signed_by,
    encode(m.signature, 'hex') AS signature
FROM messaging.received m JOIN messaging.organisation_keys k USING (key_no);
COMMENT ON VIEW audit.bank_messages IS
    'Thông điệp với ngân hàng: ai ký, khi nào, trên nội dung nào. Messages with banks: who signed, when, over what.';

CREATE VIEW audit.breaks AS
SELECT b.institution, b.statement_no, b.part, b.break_no, b.kind, b.amount,
    CASE WHEN b.line IS NOT NULL THEN audit.line_id(b.run_no, b.part, b.chunk, b.line) END AS line_id,
    s.date AS stated_on, r.how, r.resolved_at, p.officer AS proposed_by, d.officer AS decided_by, p.reason
FROM reconciliation.breaks b
JOIN reconciliation.statements s USING (institution, statement_no)
LEFT JOIN reconciliation.resolutions r USING (part, institution, statement_no, break_no)
LEFT JOIN reconciliation.proposals p ON p.proposal_no = r.proposal_no
LEFT JOIN reconciliation.decisions d ON d.proposal_no = r.proposal_no;
COMMENT ON VIEW audit.breaks IS 'Chênh lệch khi đối soát và cách xử lý. Breaks and how each was closed.';

CREATE VIEW audit.access_log AS
SELECT entry_no, recorded_at, actor, role, purpose, case_ref, person_no, fields, unmasked, service
FROM privacy.access_log;
COMMENT ON VIEW audit.access_log IS 'Ai đã xem dữ liệu của ai, vì sao. Who looked at whose data, and why.';

CREATE VIEW audit.checkpoints AS
SELECT size, encode(root, 'hex') AS root, note, sealed_at FROM proof.checkpoints;
COMMENT ON VIEW audit.checkpoints IS 'Điểm kiểm tra đã ký của nhật ký. Signed checkpoints of the log.';

CREATE VIEW audit.destinations AS
SELECT l.person_no, l.link_no, l.kind, l.channel, l.institution,
    left(encode(sha256(l.account_index), 'hex'), 16) AS account_ref, l.source, l.changed_by,
    s.step, s.state, s.code, s.actor, s.valid_from, s.recorded_at
FROM accounts.links l JOIN accounts.link_steps s USING (part, person_no, link_no);
COMMENT ON VIEW audit.destinations IS
    'Nơi nhận tiền và mọi thay đổi. Where people are paid, each change of it.';

-- Two axes of time: how it stood on a day, by what was known then or at any other time.
CREATE FUNCTION audit.destinations_at(valid_at timestamptz, known_at timestamptz) RETURNS TABLE (
    person_no bigint, link_no smallint, channel text, institution integer, account_ref text,
    since timestamptz) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT d.person_no, d.link_no, d.channel, d.institution, d.account_ref, d.valid_from FROM (
        SELECT DISTINCT ON (person_no, link_no) * FROM audit.destinations
        WHERE valid_from <= valid_at AND recorded_at <= known_at
        ORDER BY person_no, link_no, recorded_at DESC, step DESC
    ) d WHERE d.state = 'linked' ORDER BY d.person_no, d.link_no
$$;
COMMENT ON FUNCTION audit.destinations_at IS
    'Nơi nhận tiền tại một thời điểm, theo những gì đã biết lúc khác. Where people were paid, as known at a time.';

CREATE VIEW audit.events AS
SELECT o.speaker, o.part, o.seq, o.event_id, o.subject, o.recorded_at, encode(o.hash, 'hex') AS hash
FROM messaging.outbox o;
COMMENT ON VIEW audit.events IS 'Sự kiện mà các dịch vụ đã nói, không có nội dung. What services said, without content.';

DO $$
DECLARE
    told record;
BEGIN
    FOR told IN SELECT * FROM (VALUES
        ('account_ref', 'Ký hiệu tài khoản, không phải số · Pseudonym of the account'),
        ('act', 'Việc đã làm: open, approve, release, close, … · What was done'),
        ('act_no', 'Số thứ tự của việc · Number of the act'),
        ('acted_at', 'Thời điểm làm · When it was done'),
        ('actor', 'Người xem, theo mã · Who looked'),
        ('amount', 'Số tiền, đồng · Amount, whole đồng'),
        ('bank_ref', 'Số tham chiếu của ngân hàng · The bank''s reference'),
        ('body_sha256', 'SHA-256 của nội dung · SHA-256 of the body'),
        ('booked_on', 'Ngày ngân hàng ghi sổ · Day the bank booked it'),
        ('break_no', 'Số chênh lệch trong sao kê và phần · Number of the break'),
        ('business_date', 'Ngày chi · Pay day'),
        ('case_ref', 'Hồ sơ liên quan · The case it was for'),
        ('channel', 'Kênh chi trả · Channel'),
        ('changed_by', 'Cán bộ thay đổi · Officer who changed it'),
        ('closed_at', 'Thời điểm đóng · When it was closed'),
        ('code', 'Mã lý do · Code of the reason'),
        ('commune', 'Mã xã, phường, đặc khu · Code of the commune'),
        ('consumer', 'Dịch vụ đã nhận · Service that heard it'),
        ('created_at', 'Thời điểm bên gửi lập · When its sender made it'),
        ('credit', 'Tài khoản có · Credited account'),
        ('credit_no', 'Số tài khoản có · Its number'),
        ('debit', 'Tài khoản nợ · Debited account'),
        ('debit_no', 'Số tài khoản nợ · Its number'),
        ('decided_at', 'Thời điểm quyết định · When it was decided'),
        ('decided_by', 'Người quyết định · Who decided'),
        ('decided_why', 'Lý do của người quyết định · Why it was refused'),
        ('deducted', 'Đã khấu trừ để thu hồi, đồng · Netted of an overpayment'),
        ('determination_no', 'Lần xác định của kỳ · Number of the determination'),
        ('entry_no', 'Số thứ tự · Number of the entry'),
        ('event_id', 'Mã thông điệp · Id of the message'),
        ('explanation', 'Cách tính, JSON · Inputs and working, JSON'),
        ('fields', 'Các trường đã xem · Fields that were looked at'),
        ('frozen_at', 'Thời điểm chốt danh sách · When the list was frozen'),
        ('hash', 'Mã băm nối chuỗi · Chained hash'),
        ('how', 'Cách xử lý · How it was closed'),
        ('inputs', 'Dữ liệu đầu vào, JSON · Inputs, JSON'),
        ('institution', 'Mã ngân hàng, tổ chức · Code of the institution'),
        ('is_accepted', 'Đã chấp thuận · Accepted'),
        ('is_matched', 'Đã khớp sao kê · A statement settles it'),
        ('journal', 'Chứng từ ghi sổ: phần/số · Journal: partition/number'),
        ('key_no', 'Số khoá đã ký · Number of the key'),
        ('kind', 'Loại · Kind'),
        ('law_no', 'Bộ quy định đã áp dụng · Number of the law'),
        ('line', 'Dòng trong chứng từ · Line of the journal'),
        ('line_id', 'Mã khoản chi · End-to-end id of the payment'),
        ('link_no', 'Số lần liên kết · Number of the link'),
        ('lines', 'Số khoản · Number of payments'),
        ('local', 'Phần tỉnh chi, đồng · The province''s part'),
        ('maker', 'Người lập · Maker'),
        ('note', 'Văn bản đã ký · Signed note'),
        ('officer', 'Người làm · Officer'),
        ('opened_at', 'Thời điểm mở · When it was opened'),
        ('owed', 'Tổng được hưởng của kỳ · What the period owes in all'),
        ('part', 'Phần (0–15) · Partition'),
        ('payee_no', 'Người nhận thay, mã số nội bộ · Who is paid, pseudonymous'),
        ('period', 'Kỳ hưởng · Period'),
        ('person_no', 'Người hưởng, mã số nội bộ · Beneficiary, pseudonymous'),
        ('principal', 'Người được thay mặt · In whose place'),
        ('programme', 'Mã chương trình · Number of the programme'),
        ('proposal_no', 'Số đề nghị · Number of the proposal'),
        ('proposed', 'Nội dung đề nghị, JSON · What was proposed'),
        ('proposed_at', 'Thời điểm đề nghị · When it was proposed'),
        ('proposed_by', 'Người đề nghị · Who proposed it'),
        ('province', 'Mã tỉnh · Code of the province'),
        ('public_key', 'Khoá công khai Ed25519, hex · Public key'),
        ('purpose', 'Mục đích xem · Purpose'),
        ('reason', 'Lý do · Reason'),
        ('received_at', 'Thời điểm nhận · When it was heard'),
        ('recorded_at', 'Thời điểm ghi · When it was recorded'),
        ('reference', 'Số tham chiếu, không trùng · Reference, unique'),
        ('released_at', 'Thời điểm gửi đi · When it was released'),
        ('resolved_at', 'Thời điểm xử lý xong · When it was closed'),
        ('role', 'Vai trò · Role'),
        ('root', 'Mã băm gốc, hex · Root hash'),
        ('rule', 'Phiên bản quy định · Version of the rules'),
        ('run', 'Mã đợt chi · Run'),
        ('run_no', 'Số đợt chi · Number of the run'),
        ('sealed_at', 'Thời điểm niêm phong · When it was sealed'),
        ('seq', 'Số thứ tự liên tục · Gapless number'),
        ('series', 'Lần chi: 0 là chính · 0 is the regular run'),
        ('service', 'Dịch vụ · Service'),
        ('signature', 'Chữ ký Ed25519, hex · Signature'),
        ('signed_by', 'Bên ký · Who signed'),
        ('size', 'Số lá của nhật ký · Leaves of the log'),
        ('source', 'Nguồn · Where it came from'),
        ('speaker', 'Bên nói · Speaker'),
        ('state', 'Trạng thái · State'),
        ('stated_on', 'Ngày sao kê · Day of the statement'),
        ('statement', 'Văn bản đã ký · What was signed'),
        ('statement_no', 'Số sao kê · Number of the statement'),
        ('step', 'Bước · Step'),
        ('subject', 'Loại thông điệp · Subject'),
        ('total', 'Tổng tiền, đồng · Sum, whole đồng'),
        ('unmasked', 'Xem không che · Unmasked'),
        ('valid_from', 'Có hiệu lực từ · Valid from'),
        ('voided_at', 'Thời điểm mất hiệu lực · When it was voided')
    ) AS t (name, words) LOOP
        DECLARE
            of_view text;
        BEGIN
            FOR of_view IN SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind = 'v'
                    AND a.attname = told.name AND a.attnum > 0 LOOP
                EXECUTE format('COMMENT ON COLUMN audit.%I.%I IS %L', of_view, told.name, told.words);
            END LOOP;
        END;
    END LOOP;
END $$;

-- What auditors asked through the command line, before it was answered.
CREATE TABLE audit.queries (
    query_no   bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    asked_by   text        NOT NULL,
    question   text        NOT NULL,
    parameters jsonb       NOT NULL,
    asked_at   timestamptz NOT NULL
);
COMMENT ON TABLE audit.queries IS 'Câu hỏi kiểm toán đã được chạy. Questions that were asked.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.queries
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();

GRANT SELECT ON ALL TABLES IN SCHEMA audit TO ansinh_auditor;
REVOKE ALL ON FUNCTION audit.balances, audit.destinations_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.balances, audit.destinations_at TO ansinh_auditor;
