-- When a checkpoint was there, by the word of an authority with a clock (RFC 3161).

CREATE TABLE proof.time_stamps (
    size       bigint      NOT NULL REFERENCES proof.checkpoints,
    authority  text        NOT NULL,
    -- One of several that stamped this checkpoint: names its file beside the log.
    number     smallint    NOT NULL CHECK (number > 0),
    -- The whole TimeStampResp, as it was answered.
    response   bytea       NOT NULL,
    stamped_at timestamptz NOT NULL,
    kept_at    timestamptz NOT NULL,
    PRIMARY KEY (size, authority),
    CONSTRAINT one_file_a_stamp UNIQUE (size, number)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON proof.time_stamps
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
CREATE TRIGGER "evident_time-stamp" AFTER INSERT ON proof.time_stamps
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION proof.enter('time-stamp', '21',
        'f.size || ''/'' || f.number', 'jsonb_build_array(f.size, f.authority, f.number, '
        'sha256(f.response), f.stamped_at, f.kept_at)', 'NULL::bytea');
GRANT SELECT, INSERT ON proof.time_stamps TO ansinh_audit;

CREATE VIEW audit.time_stamps AS
SELECT size, number, authority, stamped_at, kept_at, encode(response, 'hex') AS response
FROM proof.time_stamps;
COMMENT ON VIEW audit.time_stamps IS
    'Dấu thời gian RFC 3161 trên điểm kiểm tra của nhật ký. Time stamps of the log''s checkpoints.';
COMMENT ON COLUMN audit.time_stamps.size IS 'Số lá của nhật ký · Leaves of the log';
COMMENT ON COLUMN audit.time_stamps.number IS 'Số thứ tự của dấu · Number of the stamp';
COMMENT ON COLUMN audit.time_stamps.authority IS 'Tổ chức cấp dấu thời gian · Who stamped it';
COMMENT ON COLUMN audit.time_stamps.stamped_at IS 'Thời điểm trong dấu · Time in the stamp';
COMMENT ON COLUMN audit.time_stamps.kept_at IS 'Thời điểm nhận dấu · When it was kept';
COMMENT ON COLUMN audit.time_stamps.response IS 'Dấu thời gian, hex · The stamp (TimeStampResp), hex';
GRANT SELECT ON audit.time_stamps TO ansinh_auditor;

-- Who may ask with a client of their own, psql for one: a login each, of the auditors' role. Its
-- settings make the server's log keep each statement of it with its name; only a superuser changes those.
CREATE TABLE audit.admissions (
    admission_no bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    login        text        NOT NULL,
    -- Admitted, or no more.
    is_admitted  boolean     NOT NULL,
    -- After this the password is none; NULL where nobody has said.
    ends_at      timestamptz,
    decided_by   text        NOT NULL CHECK (decided_by <> login),
    reason       text        NOT NULL CHECK (reason <> ''),
    decided_at   timestamptz NOT NULL
);
COMMENT ON TABLE audit.admissions IS
    'Ai được truy vấn trực tiếp, do ai quyết định. Who may ask directly, and who decided so.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.admissions
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
CREATE TRIGGER "evident_auditor" AFTER INSERT ON audit.admissions
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION proof.enter('auditor', '18',
        'f.admission_no::text', 'jsonb_build_array(f.admission_no, f.login, f.is_admitted, f.ends_at, '
        'f.decided_by, f.reason, f.decided_at)', 'NULL::bytea');
GRANT SELECT ON audit.admissions TO ansinh_auditor;

-- The password comes as what SCRAM keeps of it (RFC 5803), so that no log ever has it. With the rights
-- of who calls it: a superuser, or who may make roles and set log_statement.
CREATE FUNCTION audit.admit(login text, verifier text, ends_at timestamptz) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    setting record;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
        -- A role of somebody else's is none that we change.
        IF NOT EXISTS (SELECT FROM audit.admissions a WHERE a.login = admit.login) THEN
            RAISE EXCEPTION 'role % is there already', login USING ERRCODE = 'duplicate_object';
        END IF;
    ELSE
        EXECUTE format('CREATE ROLE %I', login);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L CONNECTION LIMIT 3 VALID UNTIL %L', login,
        verifier, coalesce(ends_at::text, 'infinity'));
    EXECUTE format('GRANT ansinh_auditor TO %I', login);
    FOR setting IN SELECT * FROM (VALUES
        ('log_statement', 'all'), ('log_error_verbosity', 'default'),
        ('log_min_error_statement', 'error'), ('default_transaction_read_only', 'on'),
        ('statement_timeout', '10min'), ('idle_in_transaction_session_timeout', '10min'),
        ('search_path', 'audit')) s (name, value)
    LOOP
        EXECUTE format('ALTER ROLE %I SET %I = %L', login, setting.name, setting.value);
    END LOOP;
END $$;

-- The role stays, so that its name in the log is never somebody else's.
CREATE FUNCTION audit.dismiss(login text) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('ALTER ROLE %I NOLOGIN PASSWORD NULL', login);
    EXECUTE format('REVOKE ansinh_auditor FROM %I', login);
END $$;
REVOKE ALL ON FUNCTION audit.admit, audit.dismiss FROM PUBLIC;

-- Who asks makes no table either, not even one of a session.
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
