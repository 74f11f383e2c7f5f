-- Double-entry books. Only payments writes; nothing is ever changed.

CREATE TABLE ledger.accounts (
    account_no  bigint   PRIMARY KEY,
    kind        text     NOT NULL,
    programme   smallint,
    institution integer,
    province    smallint,
    -- The side on which the account may not be overdrawn.
    normal      text     NOT NULL CHECK (normal IN ('debit', 'credit', 'any'))
);

-- A control account's turnover, a row for each partition, so that partitions never wait for one
-- another. The constraint keeps an appropriation from being overspent.
CREATE TABLE ledger.balances (
    part       smallint       NOT NULL CHECK (part BETWEEN 0 AND 15),
    account_no bigint         NOT NULL REFERENCES ledger.accounts,
    normal     text           NOT NULL,
    debits     numeric(20, 0) NOT NULL DEFAULT 0 CHECK (debits >= 0),
    credits    numeric(20, 0) NOT NULL DEFAULT 0 CHECK (credits >= 0),
    PRIMARY KEY (part, account_no),
    CONSTRAINT not_overdrawn CHECK (
        CASE normal WHEN 'debit' THEN debits >= credits WHEN 'credit' THEN credits >= debits
        ELSE true END)
) WITH (fillfactor = 50);

CREATE TABLE ledger.heads (
    part smallint PRIMARY KEY CHECK (part BETWEEN 0 AND 15),
    seq  bigint   NOT NULL DEFAULT 0,
    hash bytea    NOT NULL
) WITH (fillfactor = 50);
INSERT INTO ledger.heads (part, hash)
SELECT part, decode(repeat('00', 32), 'hex') FROM generate_series(0, 15) AS part;

CREATE TABLE ledger.journals (
    part        smallint       NOT NULL CHECK (part BETWEEN 0 AND 15),
    seq         bigint         NOT NULL CHECK (seq > 0),
    kind        text           NOT NULL,
    reference   text           NOT NULL,
    run_no      bigint         NOT NULL,
    lines       integer        NOT NULL CHECK (lines > 0),
    total       numeric(20, 0) NOT NULL CHECK (total > 0),
    root        bytea          NOT NULL CHECK (length(root) = 32),
    prev_hash   bytea          NOT NULL CHECK (length(prev_hash) = 32),
    hash        bytea          NOT NULL CHECK (length(hash) = 32),
    recorded_at timestamptz    NOT NULL,
    PRIMARY KEY (part, seq),
    CONSTRAINT reference_once UNIQUE (part, reference)
);

-- Both sides in one row, so that a journal cannot be out of balance. No foreign key to the control
-- accounts: posting checks and locks them once a chunk.
CREATE TABLE ledger.transfers (
    run_no     bigint         NOT NULL,
    part       smallint       NOT NULL,
    seq        bigint         NOT NULL,
    line       integer        NOT NULL,
    debit      bigint         NOT NULL,
    credit     bigint         NOT NULL,
    amount     numeric(20, 0) NOT NULL CHECK (amount > 0),
    -- The person's sub-ledger and the payment line; 0 where a transfer concerns none.
    person_no  bigint         NOT NULL,
    chunk      integer        NOT NULL,
    chunk_line integer        NOT NULL,
    PRIMARY KEY (run_no, part, seq, line),
    CHECK (debit <> credit)
);

DO $$
DECLARE
    hot text;
BEGIN
    FOREACH hot IN ARRAY ARRAY['accounts', 'journals', 'transfers'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON ledger.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', hot);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA ledger TO ansinh_payments;
GRANT SELECT, INSERT ON ledger.accounts, ledger.journals, ledger.transfers TO ansinh_payments;
GRANT SELECT, INSERT, UPDATE ON ledger.balances TO ansinh_payments;
GRANT SELECT, UPDATE ON ledger.heads TO ansinh_payments;
