-- Files of banks that were read and said as the banks' messages; each file once.
CREATE TABLE messaging.files (
    sha256      bytea       NOT NULL PRIMARY KEY CHECK (octet_length(sha256) = 32),
    institution text        NOT NULL CHECK (institution ~ '^[0-9]{6}$'),
    bytes       bigint      NOT NULL CHECK (bytes > 0),
    officer     text        NOT NULL,
    read_at     timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON messaging.files
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
