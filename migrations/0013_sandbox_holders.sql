-- Who holds which account, as the sandbox banks know it. Names and numbers are sealed with each
-- bank's own key; an account is found by the blind index of its number. An account that is not
-- here has whatever holder is asked for, unless its number says otherwise.
CREATE TABLE sandbox.holders (
    institution    integer     NOT NULL,
    account_index  bytea       NOT NULL CHECK (octet_length(account_index) = 32),
    holder         bytea       NOT NULL,
    citizen_number bytea,
    -- Nine digits, of the former identity card.
    old_number     bytea,
    standing       text        NOT NULL
        CHECK (standing IN ('open', 'closed', 'restricted', 'unknown')),
    -- The number of the account that took this one's place.
    moved_to       bytea,
    changed_at     timestamptz NOT NULL,
    PRIMARY KEY (institution, account_index)
);

-- How often a bank was asked the same: some answer the third time only.
CREATE TABLE sandbox.verifications (
    institution     integer NOT NULL,
    verification_id text    NOT NULL,
    asked           integer NOT NULL,
    PRIMARY KEY (institution, verification_id)
);

-- Answers that a slow bank sends later.
CREATE TABLE sandbox.late_verifications (
    institution integer     NOT NULL,
    part        smallint    NOT NULL,
    message_id  text        NOT NULL,
    due_at      timestamptz NOT NULL,
    body        text        NOT NULL,
    sent        boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (institution, part, message_id)
);
CREATE INDEX late_unsent ON sandbox.late_verifications (due_at) WHERE NOT sent;

GRANT SELECT, INSERT, UPDATE ON sandbox.holders, sandbox.verifications,
    sandbox.late_verifications TO ansinh_sandbox;
