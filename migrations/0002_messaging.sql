-- Effects exactly once over delivery at least once.

-- The record of everything said. A gapless sequence and a hash chain for each (speaker, part).
CREATE TABLE messaging.outbox (
    speaker     text        NOT NULL,
    part        smallint    NOT NULL CHECK (part BETWEEN 0 AND 15),
    seq         bigint      NOT NULL CHECK (seq > 0),
    event_id    uuid        NOT NULL,
    subject     text        NOT NULL,
    body        bytea       NOT NULL,
    trace       text,
    prev_hash   bytea       NOT NULL,
    hash        bytea       NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (speaker, part, seq),
    UNIQUE (event_id)
);
-- JSON shrinks to a quarter at little cost where the server has lz4; else the default stays.
DO $$
BEGIN
    ALTER TABLE messaging.outbox ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN NULL;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON messaging.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();

-- The last number and hash of each sequence; its row lock makes the sequence commit-ordered.
CREATE TABLE messaging.heads (
    speaker text     NOT NULL,
    part    smallint NOT NULL,
    seq     bigint   NOT NULL DEFAULT 0,
    hash    bytea    NOT NULL,
    PRIMARY KEY (speaker, part)
) WITH (fillfactor = 50);

-- How far the relay has published.
CREATE TABLE messaging.published (
    speaker text     NOT NULL,
    part    smallint NOT NULL,
    seq     bigint   NOT NULL DEFAULT 0,
    PRIMARY KEY (speaker, part)
) WITH (fillfactor = 50);

-- How far a consumer has applied; moves in the transaction of the effects.
CREATE TABLE messaging.cursors (
    consumer text     NOT NULL,
    speaker  text     NOT NULL,
    part     smallint NOT NULL,
    seq      bigint   NOT NULL DEFAULT 0,
    hash     bytea    NOT NULL,
    PRIMARY KEY (consumer, speaker, part)
) WITH (fillfactor = 50);

-- Events that cannot be applied, kept whole until a person has looked.
CREATE TABLE messaging.parked (
    consumer  text        NOT NULL,
    speaker   text        NOT NULL,
    part      smallint    NOT NULL,
    seq       bigint      NOT NULL,
    event_id  uuid        NOT NULL,
    subject   text        NOT NULL,
    body      bytea       NOT NULL,
    error     text        NOT NULL,
    parked_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, speaker, part, seq)
);

-- Answers to commands by their idempotency key.
CREATE TABLE messaging.commands (
    service         text        NOT NULL,
    idempotency_key text        NOT NULL,
    command         text        NOT NULL,
    body_hash       bytea       NOT NULL,
    answer          text        NOT NULL,
    answered_at     timestamptz NOT NULL,
    PRIMARY KEY (service, idempotency_key)
);

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY[
        'eligibility', 'accounts', 'payments', 'reconciliation', 'sandbox']
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA messaging TO %I', 'ansinh_' || service);
        EXECUTE format('GRANT SELECT, INSERT ON messaging.outbox, messaging.parked,
            messaging.commands TO %I', 'ansinh_' || service);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON messaging.heads, messaging.published,
            messaging.cursors TO %I', 'ansinh_' || service);
    END LOOP;
END $$;
