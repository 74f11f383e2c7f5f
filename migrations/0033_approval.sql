-- What two officers do together has one noun: a matter that one proposes and another decides, with
-- the text that was signed. The keys by which officers sign belong to it.

SET LOCAL timezone = 'UTC';
SET LOCAL bytea_output = 'hex';
SET LOCAL datestyle = 'ISO';

CREATE SCHEMA approval;
ALTER TABLE payments.officer_keys SET SCHEMA approval;
ALTER TABLE payments.officer_key_ends SET SCHEMA approval;

-- Nobody signs with the key of another.
ALTER FUNCTION payments.refuse_foreign_keys() SET SCHEMA approval;
CREATE OR REPLACE FUNCTION approval.refuse_foreign_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM approval.officer_keys k
        WHERE k.key_no = NEW.key_no AND k.officer = NEW.officer) THEN
        RAISE EXCEPTION 'the key is none of the officer who acts'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'own_key';
    END IF;
    RETURN NEW;
END $$;

CREATE TABLE approval.decisions (
    kind        text        NOT NULL CHECK (kind IN (
        'institution_limit', 'year_closing', 'schedule_order', 'settlement', 'organisation_key',
        'law', 'case', 'review', 'appointment')),
    -- Which matter of its kind.
    key         text        NOT NULL CHECK (key <> ''),
    -- Who proposed it; nobody where it arose by itself.
    maker       text,
    officer     text        NOT NULL,
    is_accepted boolean     NOT NULL,
    -- In the words of who decides.
    reason      text,
    -- What was signed, as it was: who verifies it later needs nothing of ours.
    statement   text        NOT NULL CHECK (statement <> ''),
    key_no      bigint      REFERENCES approval.officer_keys,
    signature   bytea       CHECK (octet_length(signature) = 64),
    decided_at  timestamptz NOT NULL,
    PRIMARY KEY (kind, key),
    CONSTRAINT other_person CHECK (maker <> officer),
    CONSTRAINT signed_whole CHECK ((key_no IS NULL) = (signature IS NULL))
);
CREATE INDEX decisions_latest ON approval.decisions (decided_at DESC);
CREATE TRIGGER own_key BEFORE INSERT ON approval.decisions
    FOR EACH ROW WHEN (NEW.key_no IS NOT NULL) EXECUTE FUNCTION approval.refuse_foreign_keys();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON approval.decisions
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
CREATE TRIGGER evident_approval AFTER INSERT ON approval.decisions REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION proof.enter('approval', '22', 'f.kind || ''/'' || f.key',
        'jsonb_build_array(f.kind, f.key, f.maker, f.officer, f.is_accepted, f.reason, f.statement, f.key_no, f.signature, f.decided_at)',
        'NULL::bytea');

-- A service decides about what is its own, and verifies by keys that payments registers.
ALTER TABLE approval.decisions ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen_by_all ON approval.decisions FOR SELECT USING (true);
DO $$
DECLARE
    own record;
BEGIN
    FOR own IN SELECT * FROM (VALUES
        ('payments', '{institution_limit,year_closing,schedule_order,settlement,organisation_key}'),
        ('eligibility', '{law}'), ('reconciliation', '{case}'), ('accounts', '{review,appointment}')
    ) AS t (service, kinds) LOOP
        EXECUTE format('CREATE POLICY %I ON approval.decisions FOR INSERT TO %I
            WITH CHECK (kind = ANY (%L::text[]))',
            'of_' || own.service, 'ansinh_' || own.service, own.kinds);
        EXECUTE format('GRANT USAGE ON SCHEMA approval TO %I', 'ansinh_' || own.service);
        EXECUTE format('GRANT SELECT ON approval.officer_keys, approval.officer_key_ends TO %I',
            'ansinh_' || own.service);
        EXECUTE format('GRANT SELECT, INSERT ON approval.decisions TO %I', 'ansinh_' || own.service);
    END LOOP;
END $$;

CREATE VIEW audit.matters AS
SELECT d.kind, d.key, d.maker, d.officer AS decided_by, d.is_accepted, d.reason AS decided_why,
    d.decided_at, d.statement, encode(d.signature, 'hex') AS signature,
    encode(k.public_key, 'hex') AS public_key
FROM approval.decisions d LEFT JOIN approval.officer_keys k USING (key_no);
COMMENT ON VIEW audit.matters IS
    'Quyết định của hai cán bộ và văn bản đã ký. What two officers decided together, and what was signed.';
COMMENT ON COLUMN audit.matters.kind IS 'Loại việc · Kind of matter';
COMMENT ON COLUMN audit.matters.key IS 'Việc nào trong loại đó · Which one of its kind';
COMMENT ON COLUMN audit.matters.maker IS 'Người đề nghị · Who proposed it';
COMMENT ON COLUMN audit.matters.decided_by IS 'Người quyết định · Who decided';
COMMENT ON COLUMN audit.matters.is_accepted IS 'Đã chấp thuận · Accepted';
COMMENT ON COLUMN audit.matters.decided_why IS 'Lý do của người quyết định · Why, in their words';
COMMENT ON COLUMN audit.matters.decided_at IS 'Thời điểm quyết định · When it was decided';
COMMENT ON COLUMN audit.matters.statement IS 'Văn bản đã ký · What was signed';
COMMENT ON COLUMN audit.matters.signature IS 'Chữ ký Ed25519, hex · Signature';
COMMENT ON COLUMN audit.matters.public_key IS 'Khoá công khai Ed25519, hex · Public key';
GRANT SELECT ON audit.matters TO ansinh_auditor;
