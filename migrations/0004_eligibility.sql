-- Who is owed what.

-- Person numbers and import numbers, handed out in blocks inside the import's transaction.
CREATE TABLE eligibility.counters (
    name text   PRIMARY KEY,
    last bigint NOT NULL
);
INSERT INTO eligibility.counters VALUES ('person_no', 0), ('import_no', 0);

CREATE TABLE eligibility.persons (
    part            smallint NOT NULL,
    person_no       bigint   NOT NULL,
    -- Keyed blind index and sealed text of the citizen number; the name is sealed too.
    citizen_index   bytea    NOT NULL UNIQUE CHECK (length(citizen_index) = 32),
    citizen_sealed  bytea    NOT NULL,
    name_sealed     bytea    NOT NULL,
    -- Keyed index of name, birth date and sex: the same citizen with other papers is noticed.
    identity_index  bytea    NOT NULL,
    birth_date      date     NOT NULL,
    birth_year_only boolean  NOT NULL,
    sex             text     NOT NULL CHECK (sex IN ('male', 'female')),
    PRIMARY KEY (part, person_no),
    CHECK (part = person_no % 16)
);

-- A person in a programme. A change closes the row and adds the next version; a run reads what
-- was known when it was frozen.
CREATE TABLE eligibility.enrolments (
    part           smallint       NOT NULL,
    programme      smallint       NOT NULL,
    person_no      bigint         NOT NULL,
    version        smallint       NOT NULL,
    province       smallint       NOT NULL,
    granted_amount numeric(20, 0),
    category       text,
    household      text,
    import_no      bigint         NOT NULL,
    known_from     timestamptz    NOT NULL,
    known_to       timestamptz,
    PRIMARY KEY (part, programme, person_no, version)
);

CREATE TABLE eligibility.imports (
    import_no         bigint         PRIMARY KEY,
    file_sha256       bytea          NOT NULL UNIQUE,
    rows              bigint         NOT NULL,
    accepted          bigint         NOT NULL,
    refused           bigint         NOT NULL,
    duplicates        bigint         NOT NULL,
    accepted_amount   numeric(20, 0) NOT NULL,
    refused_amount    numeric(20, 0) NOT NULL,
    duplicates_amount numeric(20, 0) NOT NULL,
    imported_at       timestamptz    NOT NULL,
    CHECK (accepted + refused + duplicates = rows)
);

CREATE TABLE eligibility.refusals (
    import_no bigint NOT NULL,
    line      bigint NOT NULL,
    "column"  text   NOT NULL,
    code      text   NOT NULL,
    sentence  text   NOT NULL,
    PRIMARY KEY (import_no, line, "column")
);

-- Effective-dated law: valid dates say from when it is owed, known_from when it may be applied.
CREATE TABLE eligibility.rates (
    rate_no     integer PRIMARY KEY,
    name        text    NOT NULL,
    value       numeric NOT NULL,
    age_from    integer,
    age_to      integer,
    valid_from  date    NOT NULL,
    valid_to    date,
    known_from  date    NOT NULL,
    legal_basis text    NOT NULL,
    confidence  text    NOT NULL CHECK (confidence IN ('high', 'medium', 'low')),
    CONSTRAINT rate_once UNIQUE NULLS NOT DISTINCT (name, age_from, valid_from, known_from)
);

-- The work of determining one partition of a run, and how far it is.
CREATE TABLE eligibility.freezes (
    run_no        bigint         NOT NULL,
    part          smallint       NOT NULL,
    programme     smallint       NOT NULL,
    period        date           NOT NULL,
    business_date date           NOT NULL,
    frozen_at     timestamptz    NOT NULL,
    last_person   bigint         NOT NULL DEFAULT -1,
    chunks        integer        NOT NULL DEFAULT 0,
    lines         bigint         NOT NULL DEFAULT 0,
    total         numeric(20, 0) NOT NULL DEFAULT 0,
    not_owed      bigint         NOT NULL DEFAULT 0,
    done          boolean        NOT NULL DEFAULT false,
    trace         text,
    -- Why it cannot go on, and when it is tried again; other runs do not wait for it.
    obstacle      text,
    retry_at      timestamptz,
    PRIMARY KEY (run_no, part)
) WITH (fillfactor = 50);

-- A decision with its frozen inputs; recomputing it gives the same bytes.
CREATE TABLE eligibility.determinations (
    run_no           bigint         NOT NULL,
    part             smallint       NOT NULL,
    person_no        bigint         NOT NULL,
    determination_no smallint       NOT NULL,
    -- 0 where nothing is owed; reason then says why.
    amount           numeric(20, 0) NOT NULL CHECK (amount >= 0),
    reason           text,
    rate_no          integer,
    second_rate_no   integer,
    -- Inputs and working, canonical JSON.
    explanation      text           NOT NULL,
    PRIMARY KEY (run_no, part, person_no, determination_no),
    CHECK ((amount = 0) = (reason IS NOT NULL))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eligibility.determinations
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA eligibility TO ansinh_eligibility;
GRANT UPDATE ON eligibility.counters, eligibility.freezes, eligibility.imports
    TO ansinh_eligibility;
GRANT UPDATE (known_to) ON eligibility.enrolments TO ansinh_eligibility;
