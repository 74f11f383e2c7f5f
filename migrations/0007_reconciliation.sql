-- What the bank's statement says against what was instructed and what the bank answered.

-- Runs that banks were instructed for; a closed one is looked at no more.
CREATE TABLE reconciliation.runs (
    run_no bigint  PRIMARY KEY,
    closed boolean NOT NULL DEFAULT false
);

CREATE TABLE reconciliation.instructions (
    run_no        bigint         NOT NULL,
    part          smallint       NOT NULL,
    chunk         integer        NOT NULL,
    line          integer        NOT NULL,
    institution   integer        NOT NULL,
    amount        numeric(20, 0) NOT NULL,
    account_index bytea,
    PRIMARY KEY (run_no, part, chunk, line)
);

CREATE TABLE reconciliation.results (
    run_no      bigint         NOT NULL,
    part        smallint       NOT NULL,
    chunk       integer        NOT NULL,
    line        integer        NOT NULL,
    institution integer        NOT NULL,
    status      text           NOT NULL,
    amount      numeric(20, 0) NOT NULL,
    booked_on   date           NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line)
);

CREATE TABLE reconciliation.statements (
    institution   integer        NOT NULL,
    statement_no  bigint         NOT NULL,
    date          date           NOT NULL,
    pages         integer        NOT NULL,
    opening       numeric(20, 0) NOT NULL,
    received      numeric(20, 0) NOT NULL,
    debits        numeric(20, 0) NOT NULL,
    entries_count bigint         NOT NULL,
    closing       numeric(20, 0) NOT NULL,
    state         text           NOT NULL CHECK (state IN (
        'arriving', 'received', 'matched', 'refused')),
    -- Why the whole statement was refused.
    code          text,
    received_at   timestamptz    NOT NULL,
    PRIMARY KEY (institution, statement_no)
) WITH (fillfactor = 50);

CREATE TABLE reconciliation.pages (
    institution  integer        NOT NULL,
    statement_no bigint         NOT NULL,
    page         integer        NOT NULL,
    entries      integer        NOT NULL,
    debits       numeric(20, 0) NOT NULL,
    PRIMARY KEY (institution, statement_no, page)
);

-- The position is the entry's own claim, 0 where its id is none of ours.
CREATE TABLE reconciliation.entries (
    part          smallint       NOT NULL,
    institution   integer        NOT NULL,
    statement_no  bigint         NOT NULL,
    entry_no      bigint         NOT NULL,
    run_no        bigint         NOT NULL,
    chunk         integer        NOT NULL,
    line          integer        NOT NULL,
    amount        numeric(20, 0) NOT NULL,
    account_index bytea,
    bank_ref      text           NOT NULL,
    PRIMARY KEY (part, institution, statement_no, entry_no)
);

CREATE TABLE reconciliation.matched_parts (
    institution  integer        NOT NULL,
    statement_no bigint         NOT NULL,
    part         smallint       NOT NULL,
    matched      bigint         NOT NULL,
    breaks       bigint         NOT NULL,
    matched_at   timestamptz    NOT NULL,
    PRIMARY KEY (institution, statement_no, part)
);

CREATE TABLE reconciliation.matches (
    run_no       bigint   NOT NULL,
    part         smallint NOT NULL,
    chunk        integer  NOT NULL,
    line         integer  NOT NULL,
    institution  integer  NOT NULL,
    statement_no bigint   NOT NULL,
    entry_no     bigint   NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line)
);

-- Every difference found, in the order in which it was told.
CREATE TABLE reconciliation.breaks (
    part         smallint       NOT NULL,
    institution  integer        NOT NULL,
    statement_no bigint         NOT NULL,
    break_no     integer        NOT NULL,
    kind         text           NOT NULL CHECK (kind IN (
        'not_instructed', 'amount_differs', 'account_differs', 'debited_twice',
        'debited_though_rejected', 'debited_without_result', 'not_on_statement')),
    run_no       bigint,
    chunk        integer,
    line         integer,
    entry_no     bigint,
    amount       numeric(20, 0) NOT NULL,
    PRIMARY KEY (part, institution, statement_no, break_no)
);
-- What is missing is told once, however many statements lack it.
CREATE UNIQUE INDEX missing_once ON reconciliation.breaks (run_no, part, chunk, line)
    WHERE kind = 'not_on_statement';

-- Refusals of statements and pages that never became part of one.
CREATE TABLE reconciliation.refusals (
    refusal_no   bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    institution  integer     NOT NULL,
    statement_no bigint      NOT NULL,
    page         integer     NOT NULL,
    code         text        NOT NULL CHECK (code IN (
        'statement_repeated', 'statement_total_mismatch', 'statement_balance_mismatch',
        'statement_opening_mismatch', 'statement_header_differs', 'not_your_statement')),
    recorded_at  timestamptz NOT NULL
);

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA reconciliation TO ansinh_reconciliation;
GRANT UPDATE ON reconciliation.statements, reconciliation.runs TO ansinh_reconciliation;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['instructions', 'results', 'pages', 'entries', 'matched_parts',
        'matches', 'breaks', 'refusals'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON reconciliation.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()',
            kept);
    END LOOP;
END $$;
