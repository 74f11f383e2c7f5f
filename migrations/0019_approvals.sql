-- Approvals and releases are signed by who gives them, and how many are needed follows from the sum.

-- How many persons approve a run that pays this much or more; the highest row that it reaches.
CREATE TABLE payments.approval_levels (
    from_total numeric(20, 0) PRIMARY KEY,
    approvals  smallint       NOT NULL CHECK (approvals BETWEEN 1 AND 9)
);
INSERT INTO payments.approval_levels VALUES (0, 1), (1000000000000, 2), (10000000000000, 3);

-- Public keys (Ed25519, RFC 8032) by which officers sign; the private ones are theirs alone.
CREATE TABLE payments.officer_keys (
    key_no        bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    officer       text        NOT NULL,
    public_key    bytea       NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
    -- Somebody else has seen whose key it is.
    registered_by text        NOT NULL CHECK (registered_by <> officer),
    registered_at timestamptz NOT NULL
);
CREATE INDEX keys_of_officer ON payments.officer_keys (officer, key_no);
CREATE TABLE payments.officer_key_ends (
    key_no   bigint      PRIMARY KEY REFERENCES payments.officer_keys,
    ended_by text        NOT NULL,
    reason   text        NOT NULL,
    ended_at timestamptz NOT NULL
);

-- The text that was signed is kept as it was: who verifies it later needs nothing of ours.
ALTER TABLE payments.acts
    ADD COLUMN key_no    bigint REFERENCES payments.officer_keys,
    ADD COLUMN statement text,
    ADD COLUMN signature bytea CHECK (octet_length(signature) = 64),
    ADD CONSTRAINT signed_whole CHECK (
        num_nulls(key_no, statement, signature) IN (0, 3)
        AND (signature IS NULL OR act IN ('approve', 'release')));

-- Nobody signs with the key of another.
CREATE FUNCTION payments.refuse_foreign_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM payments.officer_keys k
        WHERE k.key_no = NEW.key_no AND k.officer = NEW.officer) THEN
        RAISE EXCEPTION 'the key is none of the officer who acts'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'own_key';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER own_key BEFORE INSERT ON payments.acts
    FOR EACH ROW WHEN (NEW.key_no IS NOT NULL) EXECUTE FUNCTION payments.refuse_foreign_keys();

GRANT SELECT ON payments.approval_levels TO ansinh_payments;
GRANT SELECT, INSERT ON payments.officer_keys, payments.officer_key_ends TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['officer_keys', 'officer_key_ends', 'approval_levels'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;
