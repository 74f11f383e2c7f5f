-- Runs, approvals, instructions, results.

CREATE TABLE payments.runs (
    run_no             bigint         PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    programme          smallint       NOT NULL,
    period             date           NOT NULL,
    business_date      date           NOT NULL,
    state              text           NOT NULL CHECK (state IN (
        'preparing', 'awaiting_approval', 'approved', 'reserved', 'releasing', 'released',
        'closed')),
    maker              text           NOT NULL,
    approvals_required smallint       NOT NULL CHECK (approvals_required > 0),
    lines              bigint         NOT NULL DEFAULT 0,
    total              numeric(20, 0) NOT NULL DEFAULT 0,
    root               bytea,
    opened_at          timestamptz    NOT NULL,
    closed_at          timestamptz,
    trace              text,
    CONSTRAINT one_run_a_period UNIQUE (programme, period)
);

-- The partitions of a run: what was announced, what has arrived, how far each step is.
CREATE TABLE payments.run_parts (
    run_no         bigint         NOT NULL REFERENCES payments.runs,
    part           smallint       NOT NULL,
    expected_lines bigint,
    expected_total numeric(20, 0),
    not_owed       bigint         NOT NULL DEFAULT 0,
    lines          bigint         NOT NULL DEFAULT 0,
    total          numeric(20, 0) NOT NULL DEFAULT 0,
    -- Lines set aside before release, each in a named exception.
    held_lines     bigint         NOT NULL DEFAULT 0,
    held_total     numeric(20, 0) NOT NULL DEFAULT 0,
    chunks         integer        NOT NULL DEFAULT 0,
    prepared       boolean        NOT NULL DEFAULT false,
    reserved       integer        NOT NULL DEFAULT 0,
    released       integer        NOT NULL DEFAULT 0,
    PRIMARY KEY (run_no, part)
) WITH (fillfactor = 50);

-- Up to 1,000 lines of one partition for one institution.
CREATE TABLE payments.chunks (
    run_no      bigint         NOT NULL,
    part        smallint       NOT NULL,
    chunk       integer        NOT NULL,
    institution integer        NOT NULL,
    channel     text           NOT NULL,
    -- Next free line number and what is to be paid: held lines leave a gap.
    next_line   integer        NOT NULL,
    lines       integer        NOT NULL,
    total       numeric(20, 0) NOT NULL,
    root        bytea,
    released_at timestamptz,
    answered    integer        NOT NULL DEFAULT 0,
    -- When the lines without an answer were set to unknown.
    overdue_at  timestamptz,
    PRIMARY KEY (run_no, part, chunk)
) WITH (fillfactor = 50);

CREATE TABLE payments.lines (
    run_no           bigint         NOT NULL,
    part             smallint       NOT NULL,
    chunk            integer        NOT NULL,
    line             integer        NOT NULL,
    person_no        bigint         NOT NULL,
    determination_no smallint       NOT NULL,
    amount           numeric(20, 0) NOT NULL CHECK (amount > 0),
    province         smallint       NOT NULL,
    rate_no          integer        NOT NULL,
    account_sealed   bytea,
    account_index    bytea,
    holder_sealed    bytea          NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line)
);

-- What makes a second payment impossible: one row for what is owed once, across all runs.
CREATE TABLE payments.obligations (
    part             smallint NOT NULL,
    programme        smallint NOT NULL,
    period           date     NOT NULL,
    person_no        bigint   NOT NULL,
    determination_no smallint NOT NULL,
    run_no           bigint   NOT NULL,
    chunk            integer  NOT NULL,
    line             integer  NOT NULL,
    CONSTRAINT paid_once PRIMARY KEY (part, programme, period, person_no, determination_no)
);

-- Who did what to a run. A person acts once on it, so maker, checker and releaser are three.
CREATE TABLE payments.acts (
    act_no    bigint         PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    run_no    bigint         NOT NULL REFERENCES payments.runs,
    officer   text           NOT NULL,
    act       text           NOT NULL CHECK (act IN ('open', 'approve', 'release', 'close', 'hold')),
    root      bytea,
    lines     bigint         NOT NULL,
    total     numeric(20, 0) NOT NULL,
    reason    text,
    acted_at  timestamptz    NOT NULL,
    voided_at timestamptz
);
CREATE UNIQUE INDEX different_persons ON payments.acts (run_no, officer)
    WHERE voided_at IS NULL AND act IN ('open', 'approve', 'release');

CREATE TABLE payments.appropriations (
    reference   text           PRIMARY KEY,
    programme   smallint       NOT NULL,
    budget_year smallint       NOT NULL,
    amount      numeric(20, 0) NOT NULL CHECK (amount > 0),
    officer     text           NOT NULL,
    recorded_at timestamptz    NOT NULL
);

-- The first final answer of a bank about a line; it stands.
CREATE TABLE payments.results (
    run_no     bigint         NOT NULL,
    part       smallint       NOT NULL,
    chunk      integer        NOT NULL,
    line       integer        NOT NULL,
    status     text           NOT NULL CHECK (status IN ('credited', 'rejected')),
    reason     text,
    bank_ref   text           NOT NULL,
    booked_on  date           NOT NULL,
    message_id text           NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line)
);

-- Answers that changed nothing, each with its stable code.
CREATE TABLE payments.result_refusals (
    institution   integer     NOT NULL,
    part          smallint    NOT NULL,
    message_id    text        NOT NULL,
    entry         integer     NOT NULL,
    end_to_end_id text        NOT NULL,
    code          text        NOT NULL CHECK (code IN (
        'unknown_payment', 'not_your_payment', 'amount_mismatch', 'duplicate_result',
        'contradicting_result', 'reason_missing', 'wrong_partition')),
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (institution, part, message_id, entry)
);

-- Lines that need a person, by name of what is wrong.
CREATE TABLE payments.exceptions (
    exception_no bigint         PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    run_no       bigint         NOT NULL,
    part         smallint       NOT NULL,
    chunk        integer,
    line         integer,
    person_no    bigint         NOT NULL,
    kind         text           NOT NULL CHECK (kind IN (
        'held', 'obligation_exists', 'unknown', 'contradicted')),
    amount       numeric(20, 0) NOT NULL,
    detail       text           NOT NULL,
    opened_at    timestamptz    NOT NULL,
    resolved_at  timestamptz
);
CREATE UNIQUE INDEX one_exception_a_kind ON payments.exceptions (run_no, part, chunk, line, kind);

-- Counters by institution, so that no screen counts lines.
CREATE TABLE payments.tallies (
    run_no         bigint         NOT NULL,
    part           smallint       NOT NULL,
    institution    integer        NOT NULL,
    released_lines bigint         NOT NULL DEFAULT 0,
    released_total numeric(20, 0) NOT NULL DEFAULT 0,
    credited_lines bigint         NOT NULL DEFAULT 0,
    credited_total numeric(20, 0) NOT NULL DEFAULT 0,
    returned_lines bigint         NOT NULL DEFAULT 0,
    returned_total numeric(20, 0) NOT NULL DEFAULT 0,
    unknown_lines  bigint         NOT NULL DEFAULT 0,
    unknown_total  numeric(20, 0) NOT NULL DEFAULT 0,
    matched_lines  bigint         NOT NULL DEFAULT 0,
    matched_total  numeric(20, 0) NOT NULL DEFAULT 0,
    missing_lines  bigint         NOT NULL DEFAULT 0,
    missing_total  numeric(20, 0) NOT NULL DEFAULT 0,
    PRIMARY KEY (run_no, part, institution)
) WITH (fillfactor = 50);

-- What reconciliation found different, as it told us.
CREATE TABLE payments.breaks (
    institution  integer        NOT NULL,
    statement_no bigint         NOT NULL,
    part         smallint       NOT NULL,
    break_no     integer        NOT NULL,
    kind         text           NOT NULL,
    run_no       bigint,
    chunk        integer,
    line         integer,
    entry_no     bigint,
    amount       numeric(20, 0) NOT NULL,
    PRIMARY KEY (institution, statement_no, part, break_no)
);

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA payments TO ansinh_payments;
GRANT UPDATE ON payments.runs, payments.run_parts, payments.chunks, payments.tallies
    TO ansinh_payments;
GRANT UPDATE (voided_at) ON payments.acts TO ansinh_payments;
GRANT UPDATE (resolved_at) ON payments.exceptions TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['lines', 'obligations', 'results', 'result_refusals', 'breaks',
        'appropriations'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;
