-- What has to be evident later is sealed into a transparency log. Here is its queue: one entry a row
-- of evidence, written by the database itself in the transaction that writes the row.

-- One spelling of times and bytes, whatever the session's.
SET LOCAL timezone = 'UTC';
SET LOCAL bytea_output = 'hex';
SET LOCAL datestyle = 'ISO';

DO $$
BEGIN
    CREATE ROLE ansinh_audit NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT ansinh_audit TO CURRENT_USER;
CREATE SCHEMA proof;

-- Salts what is committed to, so that who sees the log cannot find a row by trying. Nobody but the
-- owner reads it.
CREATE TABLE proof.secrets (
    secret bytea NOT NULL DEFAULT sha256(convert_to(
        gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
);
CREATE UNIQUE INDEX one_secret ON proof.secrets ((true));
INSERT INTO proof.secrets DEFAULT VALUES;

-- Entries have gapless numbers in their lane: 0 to 15 are the partitions' books, 32 to 47 what the
-- partitions hear from other organisations, the others are one for each kind of decision.
CREATE TABLE proof.heads (
    lane smallint PRIMARY KEY CHECK (lane BETWEEN 0 AND 63),
    seq  bigint   NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO proof.heads (lane) SELECT generate_series(0, 63);

CREATE TABLE proof.entries (
    lane        smallint    NOT NULL REFERENCES proof.heads,
    seq         bigint      NOT NULL CHECK (seq > 0),
    source      text        NOT NULL,
    -- Which row of its source.
    key         text        NOT NULL,
    -- Of the tree over what the row stands for, where it has one.
    root        bytea       CHECK (octet_length(root) = 32),
    -- SHA-256 over salt and content.
    commitment  bytea       NOT NULL CHECK (octet_length(commitment) = 32),
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (lane, seq),
    CONSTRAINT entered_once UNIQUE (source, key)
);

-- Which entry became which leaf of the log.
CREATE TABLE proof.leaves (
    index bigint   PRIMARY KEY CHECK (index >= 0),
    lane  smallint NOT NULL,
    seq   bigint   NOT NULL,
    CONSTRAINT sealed_once UNIQUE (lane, seq),
    FOREIGN KEY (lane, seq) REFERENCES proof.entries
);
-- How far each lane is sealed.
CREATE TABLE proof.sealed (
    lane smallint PRIMARY KEY REFERENCES proof.heads,
    seq  bigint   NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO proof.sealed (lane) SELECT lane FROM proof.heads;
-- Signed once a size; never another root for the same.
CREATE TABLE proof.checkpoints (
    size      bigint      PRIMARY KEY CHECK (size > 0),
    root      bytea       NOT NULL CHECK (octet_length(root) = 32),
    -- The signed note (C2SP tlog-checkpoint), as it was published.
    note      text        NOT NULL,
    sealed_at timestamptz NOT NULL
);

CREATE FUNCTION proof.salt(lane smallint, seq bigint) RETURNS bytea LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT sha256(secret || int2send(lane) || int8send(seq)) FROM proof.secrets
$$;
REVOKE ALL ON FUNCTION proof.salt FROM PUBLIC;

-- Enters the rows of a statement. Arguments: source, lane, key, content and root, each an expression
-- over the row f; for changes also which of them count, over f and the row b before.
CREATE FUNCTION proof.enter() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog SET timezone = 'UTC' SET bytea_output = 'hex'
    SET datestyle = 'ISO' AS $$
DECLARE
    rows_of text := CASE TG_OP WHEN 'UPDATE' THEN 'fresh f JOIN before b ON ' || TG_ARGV[5]
        ELSE 'fresh f' END;
BEGIN
    EXECUTE format($enter$
        WITH entered AS (
            SELECT (%s)::smallint AS lane, %s AS key, (%s)::text AS content, %s AS root FROM %s
        ), numbered AS (
            SELECT *, row_number() OVER (PARTITION BY lane ORDER BY key) AS n FROM entered
        ), moved AS (
            UPDATE proof.heads h SET seq = h.seq + c.count
            FROM (SELECT lane, count(*) AS count FROM entered GROUP BY lane) c
            WHERE h.lane = c.lane RETURNING h.lane, h.seq - c.count AS before
        )
        INSERT INTO proof.entries (lane, seq, source, key, root, commitment)
        SELECT lane, before + n, %L, key, root,
            sha256(proof.salt(lane, before + n) || convert_to(content, 'UTF8'))
        FROM numbered JOIN moved USING (lane)
        $enter$, TG_ARGV[1], TG_ARGV[2], TG_ARGV[3], TG_ARGV[4], rows_of, TG_ARGV[0]);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION proof.enter FROM PUBLIC;

-- Leaves of the books are salted from now on: a proof of one payment shows the hashes of others.
ALTER TABLE ledger.heads ADD COLUMN secret bytea;
UPDATE ledger.heads SET secret = sha256(convert_to(
    gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));
ALTER TABLE ledger.heads ALTER COLUMN secret SET NOT NULL;
ALTER TABLE ledger.journals ADD COLUMN is_salted boolean NOT NULL DEFAULT false;
ALTER TABLE ledger.journals ALTER COLUMN is_salted SET DEFAULT true;

DO $$
DECLARE
    source record;
BEGIN
    FOR source IN SELECT * FROM (VALUES
        ('journal', 'ledger.journals', 'f.part', 'f.part || ''/'' || f.seq',
            'jsonb_build_array(f.part, f.seq, f.kind, f.reference, f.run_no, f.lines, f.total, f.hash, f.recorded_at)',
            'f.root', NULL),
        ('act', 'payments.acts', '16', 'f.act_no::text',
            'jsonb_build_array(f.act_no, f.run_no, f.officer, f.act, f.root, f.lines, f.total, f.reason, f.acted_at, f.key_no, f.statement, f.signature, f.principal, f.delegation_no)',
            'NULL::bytea', NULL),
        ('act-voided', 'payments.acts', '16', 'f.act_no::text',
            'jsonb_build_array(f.act_no, f.voided_at)', 'NULL::bytea',
            'f.act_no = b.act_no AND b.voided_at IS NULL AND f.voided_at IS NOT NULL'),
        ('proposal', 'payments.proposals', '16', 'f.proposal_no::text',
            'jsonb_build_array(f.proposal_no, f.kind, f.proposed, f.maker, f.reason, f.proposed_at)',
            'NULL::bytea', NULL),
        ('decision', 'payments.proposal_decisions', '16', 'f.proposal_no::text',
            'jsonb_build_array(f.proposal_no, f.officer, f.is_accepted, f.reason, f.key_no, f.statement, f.signature, f.decided_at)',
            'NULL::bytea', NULL),
        ('officer-key', 'payments.officer_keys', '16', 'f.key_no::text',
            'jsonb_build_array(f.key_no, f.officer, f.public_key, f.registered_by, f.registered_at)',
            'NULL::bytea', NULL),
        ('law', 'eligibility.laws', '17', 'f.law_no::text',
            'jsonb_build_array(f.law_no, f.sha256, f.maker, f.reason, f.proposed_at)',
            'NULL::bytea', NULL),
        ('law-approval', 'eligibility.laws', '17', 'f.law_no::text',
            'jsonb_build_array(f.law_no, f.checker, f.approved_at)', 'NULL::bytea',
            'f.law_no = b.law_no AND b.approved_at IS NULL AND f.approved_at IS NOT NULL'),
        ('access', 'privacy.access_log', '18', 'f.entry_no::text',
            'jsonb_build_array(f.entry_no, f.recorded_at, f.actor, f.role, f.purpose, f.case_ref, f.person_no, f.fields, f.unmasked, f.service)',
            'NULL::bytea', NULL),
        ('organisation-key', 'messaging.organisation_keys', '19', 'f.key_no::text',
            'jsonb_build_array(f.key_no, f.organisation, f.public_key, f.valid_from, f.registered_by, f.registered_at)',
            'NULL::bytea', NULL),
        ('organisation-key-confirmation', 'messaging.organisation_key_confirmations', '19',
            'f.key_no::text', 'jsonb_build_array(f.key_no, f.confirmed_by, f.confirmed_at)',
            'NULL::bytea', NULL),
        ('case-decision', 'reconciliation.decisions', '20', 'f.proposal_no::text',
            'jsonb_build_array(f.proposal_no, f.proposed_by, f.officer, f.accepted, f.reason, f.decided_at)',
            'NULL::bytea', NULL),
        ('bank-day', 'reconciliation.closings', '20', 'f.institution || ''/'' || f.date',
            'jsonb_build_array(f.institution, f.date, f.closing_no, f.hash, f.public_key, f.signature, f.officer, f.closed_at)',
            'NULL::bytea', NULL),
        ('message', 'messaging.received', '32 + f.part',
            'f.consumer || ''/'' || f.speaker || ''/'' || f.part || ''/'' || f.seq',
            'jsonb_build_array(f.event_id, f.subject, f.prev_hash, f.created_at, f.body_sha256, f.key_no, f.signature, f.received_at, sha256(f.body))',
            'NULL::bytea', NULL)
    ) AS s (name, of_table, lane, key, content, root, changed) LOOP
        IF source.changed IS NULL THEN
            EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %s REFERENCING NEW TABLE AS fresh
                FOR EACH STATEMENT EXECUTE FUNCTION proof.enter(%L, %L, %L, %L, %L)',
                'evident_' || source.name, source.of_table, source.name, source.lane, source.key,
                source.content, source.root);
        ELSE
            EXECUTE format('CREATE TRIGGER %I AFTER UPDATE ON %s
                REFERENCING NEW TABLE AS fresh OLD TABLE AS before
                FOR EACH STATEMENT EXECUTE FUNCTION proof.enter(%L, %L, %L, %L, %L, %L)',
                'evident_' || source.name, source.of_table, source.name, source.lane, source.key,
                source.content, source.root, source.changed);
        END IF;
        -- What is there already is entered too.
        EXECUTE format($enter$
            WITH entered AS (
                SELECT (%s)::smallint AS lane, %s AS key, (%s)::text AS content, %s AS root FROM %s f
            ), numbered AS (
                SELECT *, row_number() OVER (PARTITION BY lane ORDER BY key) AS n FROM entered
            ), moved AS (
                UPDATE proof.heads h SET seq = h.seq + c.count
                FROM (SELECT lane, count(*) AS count FROM entered GROUP BY lane) c
                WHERE h.lane = c.lane RETURNING h.lane, h.seq - c.count AS before
            )
            INSERT INTO proof.entries (lane, seq, source, key, root, commitment)
            SELECT lane, before + n, %L, key, root,
                sha256(proof.salt(lane, before + n) || convert_to(content, 'UTF8'))
            FROM numbered JOIN moved USING (lane)
            $enter$, source.lane, source.key, source.content, source.root,
            CASE source.name WHEN 'act-voided'
                    THEN '(SELECT * FROM payments.acts WHERE voided_at IS NOT NULL)'
                WHEN 'law-approval'
                    THEN '(SELECT * FROM eligibility.laws WHERE approved_at IS NOT NULL)'
                ELSE source.of_table END,
            source.name);
    END LOOP;
END $$;

-- Checkpoints are evidence as well: the next round enters those before it, when there is something to
-- seal, so that none is left out of the record later.
CREATE FUNCTION proof.enter_checkpoints() RETURNS void LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog SET timezone = 'UTC' SET bytea_output = 'hex' AS $$
    WITH entered AS (
        SELECT f.size::text AS key, jsonb_build_array(f.size, f.root, f.note)::text AS content,
            row_number() OVER (ORDER BY f.size) AS n
        FROM proof.checkpoints f
        LEFT JOIN proof.entries e ON (e.source, e.key) = ('checkpoint', f.size::text)
        WHERE e.key IS NULL
    ), moved AS (
        UPDATE proof.heads SET seq = seq + (SELECT count(*) FROM entered) WHERE lane = 21
        RETURNING seq - (SELECT count(*) FROM entered) AS before
    )
    INSERT INTO proof.entries (lane, seq, source, key, commitment)
    SELECT 21, before + n, 'checkpoint', key,
        sha256(proof.salt(21::smallint, before + n) || convert_to(content, 'UTF8'))
    FROM entered CROSS JOIN moved
$$;
REVOKE ALL ON FUNCTION proof.enter_checkpoints FROM PUBLIC;
GRANT EXECUTE ON FUNCTION proof.enter_checkpoints TO ansinh_audit;

-- How long the oldest entry has waited to be sealed: money is not released on evidence that is not
-- kept. NULL where none waits.
CREATE VIEW proof.waiting AS
    SELECT min(e.recorded_at) AS since FROM proof.sealed s
    JOIN proof.entries e ON e.lane = s.lane AND e.seq = s.seq + 1;

GRANT USAGE ON SCHEMA proof TO ansinh_audit, ansinh_payments;
GRANT SELECT ON proof.waiting, proof.checkpoints TO ansinh_payments;
GRANT SELECT ON proof.entries, proof.heads TO ansinh_audit;
GRANT SELECT, INSERT ON proof.leaves, proof.checkpoints TO ansinh_audit;
GRANT SELECT, UPDATE ON proof.sealed TO ansinh_audit;
GRANT USAGE ON SCHEMA messaging TO ansinh_audit;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['secrets', 'entries', 'leaves', 'checkpoints'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON proof.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;
