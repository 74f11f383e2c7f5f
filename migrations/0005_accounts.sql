-- Where each person is paid.

CREATE TABLE accounts.persons (
    part          smallint NOT NULL,
    person_no     bigint   NOT NULL,
    citizen_index bytea    NOT NULL UNIQUE CHECK (length(citizen_index) = 32),
    name_sealed   bytea    NOT NULL,
    PRIMARY KEY (part, person_no)
);

-- A link of a person to an account at a bank or wallet; a change adds the next one.
CREATE TABLE accounts.links (
    part           smallint    NOT NULL,
    person_no      bigint      NOT NULL,
    link_no        smallint    NOT NULL,
    channel        text        NOT NULL CHECK (channel IN ('bank_account', 'wallet')),
    institution    integer     NOT NULL,
    account_sealed bytea       NOT NULL,
    account_index  bytea       NOT NULL CHECK (length(account_index) = 32),
    holder_sealed  bytea       NOT NULL,
    linked_at      timestamptz NOT NULL,
    replaced_at    timestamptz,
    PRIMARY KEY (part, person_no, link_no)
);
CREATE UNIQUE INDEX one_active_link ON accounts.links (part, person_no)
    WHERE replaced_at IS NULL;

CREATE TABLE accounts.imports (
    import_no   bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    file_sha256 bytea       NOT NULL UNIQUE,
    rows        bigint      NOT NULL,
    accepted    bigint      NOT NULL,
    refused     bigint      NOT NULL,
    duplicates  bigint      NOT NULL,
    imported_at timestamptz NOT NULL,
    CHECK (accepted + refused + duplicates = rows)
);

CREATE TABLE accounts.refusals (
    file_sha256 bytea  NOT NULL,
    line        bigint NOT NULL,
    "column"    text   NOT NULL,
    code        text   NOT NULL,
    sentence    text   NOT NULL,
    PRIMARY KEY (file_sha256, line, "column")
);

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA accounts TO ansinh_accounts;
GRANT UPDATE (replaced_at) ON accounts.links TO ansinh_accounts;
