-- The outside world's own books: what the sandbox banks did. An Sinh never reads them.

CREATE TABLE sandbox.entries (
    institution   integer        NOT NULL,
    part          smallint       NOT NULL,
    run_no        bigint         NOT NULL,
    chunk         integer        NOT NULL,
    line          integer        NOT NULL,
    amount        numeric(20, 0) NOT NULL,
    account       text,
    status        text           NOT NULL CHECK (status IN ('credited', 'rejected', 'silent')),
    bank_ref      text           NOT NULL,
    PRIMARY KEY (institution, part, run_no, chunk, line)
);

-- Money the treasury moved to the bank with its instructions. A chunk is carried out at once, so
-- the statement that shows its funds shows its entries too.
CREATE TABLE sandbox.funds (
    institution  integer        NOT NULL,
    part         smallint       NOT NULL,
    run_no       bigint         NOT NULL,
    chunk        integer        NOT NULL,
    amount       numeric(20, 0) NOT NULL,
    statement_no bigint,
    PRIMARY KEY (institution, part, run_no, chunk)
);

-- Results that a slow bank sends later.
CREATE TABLE sandbox.delayed (
    institution integer     NOT NULL,
    part        smallint    NOT NULL,
    message_id  text        NOT NULL,
    due_at      timestamptz NOT NULL,
    body        text        NOT NULL,
    sent        boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (institution, part, message_id)
);
CREATE INDEX unsent ON sandbox.delayed (due_at) WHERE NOT sent;

CREATE TABLE sandbox.statements (
    institution  integer        NOT NULL,
    statement_no bigint         NOT NULL,
    date         date           NOT NULL,
    closing      numeric(20, 0) NOT NULL,
    PRIMARY KEY (institution, statement_no)
);

GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA sandbox TO ansinh_sandbox;
