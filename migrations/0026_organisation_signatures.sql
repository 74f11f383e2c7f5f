-- What the state and a bank say to each other is signed by the key of who says it, and what was
-- heard is kept with its signature: who delivered a message is no evidence of who wrote it.

-- Public keys (Ed25519, RFC 8032) of organisations: 'state', or an institution's BIN.
CREATE TABLE messaging.organisation_keys (
    key_no        bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    organisation  text        NOT NULL CHECK (organisation ~ '^(state|[0-9]{6})$'),
    public_key    bytea       NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
    valid_from    timestamptz NOT NULL,
    registered_by text        NOT NULL,
    registered_at timestamptz NOT NULL
);
-- Another officer has seen whose key it is; before that nothing signed by it stands.
CREATE TABLE messaging.organisation_key_confirmations (
    key_no       bigint      PRIMARY KEY REFERENCES messaging.organisation_keys,
    confirmed_by text        NOT NULL,
    confirmed_at timestamptz NOT NULL
);
-- Nothing that is made at or after the end stands; the earliest end of a key counts.
CREATE TABLE messaging.organisation_key_ends (
    key_no      bigint      NOT NULL REFERENCES messaging.organisation_keys,
    ended_at    timestamptz NOT NULL,
    ended_by    text        NOT NULL,
    reason      text        NOT NULL CHECK (reason <> ''),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (key_no, ended_at),
    -- What stood when it came stands for ever.
    CONSTRAINT ends_later CHECK (ended_at >= recorded_at)
);
CREATE VIEW messaging.keys AS
    SELECT k.key_no, k.organisation, k.public_key, k.valid_from, k.registered_by,
        c.confirmed_by, e.ended_at
    FROM messaging.organisation_keys k
    LEFT JOIN messaging.organisation_key_confirmations c USING (key_no)
    LEFT JOIN LATERAL (
        SELECT min(ended_at) AS ended_at FROM messaging.organisation_key_ends e
        WHERE e.key_no = k.key_no
    ) e ON true;

CREATE FUNCTION messaging.refuse_own_confirmation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM messaging.organisation_keys k
        WHERE k.key_no = NEW.key_no AND k.registered_by = NEW.confirmed_by) THEN
        RAISE EXCEPTION 'a key is confirmed by another officer than the one who registered it'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'another_officer';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER another_officer BEFORE INSERT ON messaging.organisation_key_confirmations
    FOR EACH ROW EXECUTE FUNCTION messaging.refuse_own_confirmation();

-- What is said to a bank, or by one, lies signed in the outbox or not at all. What was said before
-- there were signatures stays as it was.
ALTER TABLE messaging.outbox
    ADD COLUMN key_no    bigint REFERENCES messaging.organisation_keys,
    ADD COLUMN signature bytea CHECK (octet_length(signature) = 64),
    ADD CONSTRAINT signed_whole CHECK (num_nulls(key_no, signature) IN (0, 2)) NOT VALID,
    ADD CONSTRAINT signed_between_organisations
        CHECK (signature IS NOT NULL OR speaker NOT LIKE 'bank.%') NOT VALID;

-- What was heard and verified, all that its signature covers, and the signature; written in the
-- transaction of its effects. A bank's own words are kept whole.
CREATE TABLE messaging.received (
    consumer    text        NOT NULL,
    speaker     text        NOT NULL,
    part        smallint    NOT NULL,
    seq         bigint      NOT NULL,
    event_id    uuid        NOT NULL,
    subject     text        NOT NULL,
    prev_hash   bytea       NOT NULL CHECK (octet_length(prev_hash) = 32),
    created_at  timestamptz NOT NULL,
    body_sha256 bytea       NOT NULL CHECK (octet_length(body_sha256) = 32),
    body        bytea,
    key_no      bigint      NOT NULL REFERENCES messaging.organisation_keys,
    signature   bytea       NOT NULL CHECK (octet_length(signature) = 64),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, speaker, part, seq)
);
-- What came and did not verify: it has had no effect. The head of a long body is kept.
CREATE TABLE messaging.refused (
    refused_no bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    consumer   text        NOT NULL,
    speaker    text        NOT NULL,
    code       text        NOT NULL,
    subject    text        NOT NULL,
    -- As the message says; which of it is true nobody knows.
    headers    text        NOT NULL,
    body       bytea       NOT NULL CHECK (octet_length(body) <= 65536),
    body_bytes bigint      NOT NULL,
    -- Over subject, headers and the whole body: what is delivered again is kept once.
    sha256     bytea       NOT NULL CHECK (octet_length(sha256) = 32),
    refused_at timestamptz NOT NULL,
    UNIQUE (consumer, speaker, sha256)
);
CREATE INDEX refused_lately ON messaging.refused (speaker, refused_at);
DO $$
BEGIN
    ALTER TABLE messaging.received ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL;
END $$;

DO $$
DECLARE
    kept text;
    service text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['organisation_keys', 'organisation_key_confirmations',
        'organisation_key_ends', 'received', 'refused'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON messaging.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
    FOREACH service IN ARRAY ARRAY[
        'eligibility', 'accounts', 'payments', 'reconciliation', 'sandbox'] LOOP
        EXECUTE format('GRANT SELECT ON messaging.organisation_keys, messaging.keys TO %I',
            'ansinh_' || service);
        EXECUTE format('GRANT SELECT, INSERT ON messaging.received, messaging.refused TO %I',
            'ansinh_' || service);
    END LOOP;
END $$;
GRANT INSERT ON messaging.organisation_keys TO ansinh_payments;
GRANT SELECT, INSERT ON messaging.organisation_key_confirmations,
    messaging.organisation_key_ends TO ansinh_payments;
