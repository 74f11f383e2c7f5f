-- Who looked at whose data, and how far sealing with a new key is.

CREATE SCHEMA privacy;

-- One row a look, written in the transaction that reads what is shown.
CREATE TABLE privacy.access_log (
    entry_no    bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    recorded_at timestamptz NOT NULL,
    actor       text        NOT NULL CHECK (actor ~ '^[a-z][a-z0-9.-]{1,63}$'),
    role        text        NOT NULL CHECK (role IN ('citizen', 'officer', 'auditor', 'system')),
    purpose     text        NOT NULL CHECK (purpose ~ '^[a-z_]{1,40}$'),
    -- Nine digits in a row would be somebody's number.
    case_ref    text        CHECK (length(case_ref) <= 64 AND case_ref !~ '[0-9]{9}'),
    part        smallint    NOT NULL,
    person_no   bigint      NOT NULL,
    fields      text[]      NOT NULL,
    unmasked    boolean     NOT NULL,
    service     text        NOT NULL,
    CHECK (part = person_no % 16),
    CHECK (NOT unmasked OR cardinality(fields) > 0)
);
-- A person's own view, the newest first.
CREATE INDEX access_log_person ON privacy.access_log (part, person_no, entry_no);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON privacy.access_log
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();

-- How far each table's rows are sealed with the current key; its row lock shares the work.
CREATE TABLE privacy.reseals (
    table_name   text     PRIMARY KEY,
    version      smallint NOT NULL CHECK (version BETWEEN 1 AND 255),
    after_person bigint   NOT NULL,
    resealed     bigint   NOT NULL DEFAULT 0,
    -- Rows that open with no key that is held; they stay as they are.
    unreadable   bigint   NOT NULL DEFAULT 0,
    finished_at  timestamptz
) WITH (fillfactor = 50);

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['eligibility', 'accounts', 'payments', 'reconciliation']
    LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA privacy TO %I', 'ansinh_' || service);
        EXECUTE format('GRANT SELECT, INSERT ON privacy.access_log TO %I', 'ansinh_' || service);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON privacy.reseals TO %I',
            'ansinh_' || service);
    END LOOP;
END $$;

-- Nothing of a person may be changed but the key that it is sealed with.
GRANT UPDATE (citizen_sealed, name_sealed) ON eligibility.persons TO ansinh_eligibility;
GRANT UPDATE (name_sealed) ON accounts.persons TO ansinh_accounts;
