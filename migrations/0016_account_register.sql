-- The register of where each person is paid: a link is a fact, its life is steps that are only
-- added to, and what holds now is kept beside them for those who pay.

ALTER TABLE accounts.persons
    -- Where the person lives, by the registry.
    ADD COLUMN province     smallint,
    ADD COLUMN commune      integer,
    -- 1948-05-12, or 1948 where the papers know the year alone.
    ADD COLUMN birth_date   text,
    -- The last authority under which somebody else is, was or will be paid; none mostly.
    ADD COLUMN authority_no smallint;

-- Nine-digit numbers of former identity cards, by keyed index: banks still hold them.
CREATE TABLE accounts.old_numbers (
    part        smallint    NOT NULL,
    person_no   bigint      NOT NULL,
    old_index   bytea       NOT NULL CHECK (length(old_index) = 32),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (part, person_no, old_index)
);

ALTER TABLE accounts.links RENAME TO former_links;
ALTER TABLE accounts.former_links RENAME CONSTRAINT links_pkey TO former_links_pkey;

-- An account that somebody asked to be paid to. What is known when it is asked never changes.
CREATE TABLE accounts.links (
    part           smallint    NOT NULL,
    person_no      bigint      NOT NULL,
    link_no        smallint    NOT NULL CHECK (link_no > 0),
    -- The citizen's own social-security account, or an account that a benefit goes to already.
    kind           text        NOT NULL CHECK (kind IN ('ssa', 'benefit_account')),
    channel        text        NOT NULL CHECK (channel IN ('bank_account', 'wallet')),
    institution    integer     NOT NULL,
    account_sealed bytea       NOT NULL,
    account_index  bytea       NOT NULL CHECK (length(account_index) = 32),
    holder_sealed  bytea       NOT NULL,
    source         text        NOT NULL CHECK (source IN ('citizen', 'officer', 'import', 'bank')),
    -- The officer, where one asked for it: who may not approve what is paid to it.
    changed_by     text        CHECK ((changed_by IS NOT NULL) = (source = 'officer')),
    -- What it rests on: number of a decision, hash of a file.
    basis          text,
    requested_at   timestamptz NOT NULL,
    PRIMARY KEY (part, person_no, link_no)
);

CREATE INDEX links_by_officer ON accounts.links (changed_by, requested_at)
    WHERE changed_by IS NOT NULL;

-- The life of a link. Valid time may lie before the time of recording: a bank tells of a closure
-- weeks later. The step recorded last among those valid by a day says how the link stood then.
CREATE TABLE accounts.link_steps (
    part        smallint    NOT NULL,
    person_no   bigint      NOT NULL,
    link_no     smallint    NOT NULL,
    step        smallint    NOT NULL CHECK (step > 0),
    state       text        NOT NULL CHECK (state IN ('requested', 'pending', 'linked', 'refused',
        'expired', 'suspended', 'replaced', 'unlinked')),
    code        text        CHECK ((code IS NOT NULL) OR state NOT IN ('refused', 'suspended')),
    -- citizen, an officer, bank:970436, import:12, register (a rule of ours).
    actor       text        NOT NULL,
    valid_from  timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- Its place among the person's channels, as long as it is linked.
    rank        smallint    CHECK ((rank IS NOT NULL) = (state = 'linked')),
    PRIMARY KEY (part, person_no, link_no, step)
);

-- What holds now: whoever is paid to an account has a row for each, in order. Derived from the
-- steps; nothing here is evidence.
CREATE TABLE accounts.channels (
    part           smallint    NOT NULL,
    person_no      bigint      NOT NULL,
    -- 1 the social-security account, from 2 on accounts of benefits; cash needs no row.
    rank           smallint    NOT NULL CHECK (rank > 0),
    link_no        smallint    NOT NULL,
    channel        text        NOT NULL,
    institution    integer     NOT NULL,
    account_sealed bytea       NOT NULL,
    account_index  bytea       NOT NULL,
    holder_sealed  bytea       NOT NULL,
    linked_at      timestamptz NOT NULL,
    changed_by     text,
    -- The end of the cooling-off; absent where the account took no other's place.
    payable_from   timestamptz,
    -- Why nothing is paid to it until somebody has looked, and by when that is.
    hold           text        CHECK (hold IN ('suspicion', 'shared_account')),
    hold_due       timestamptz,
    CHECK ((hold IS NULL) = (hold_due IS NULL)),
    PRIMARY KEY (part, person_no, rank)
) WITH (fillfactor = 90);
-- Keyed indexes are as good as random and only ever compared for equality: hashed, one that is
-- new costs half of what a place in a sorted tree does.
CREATE INDEX channels_by_account ON accounts.channels USING hash (account_index);

INSERT INTO accounts.links
SELECT part, person_no, link_no, 'ssa', channel, institution, account_sealed, account_index,
    holder_sealed, 'import', NULL, NULL, linked_at
FROM accounts.former_links;
INSERT INTO accounts.link_steps
SELECT part, person_no, link_no, 1, 'linked', NULL, 'import', linked_at, linked_at, 1
FROM accounts.former_links
UNION ALL
SELECT part, person_no, link_no, 2, 'replaced', NULL, 'import', replaced_at, replaced_at, NULL
FROM accounts.former_links WHERE replaced_at IS NOT NULL;
INSERT INTO accounts.channels
SELECT part, person_no, 1, link_no, channel, institution, account_sealed, account_index,
    holder_sealed, linked_at, NULL, NULL, NULL, NULL
FROM accounts.former_links WHERE replaced_at IS NULL;
DROP TABLE accounts.former_links;

-- What a bank was asked and has not answered yet. The request is kept as it is sent, sealed for
-- the bank, so that it is asked again in the same words.
CREATE TABLE accounts.verifications (
    part           smallint    NOT NULL,
    person_no      bigint      NOT NULL,
    link_no        smallint    NOT NULL,
    institution    integer     NOT NULL,
    account_sealed bytea       NOT NULL,
    holder_sealed  bytea       NOT NULL,
    number_sealed  bytea       NOT NULL,
    attempts       smallint    NOT NULL DEFAULT 1,
    ask_again_at   timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    -- The answer that counted; later ones are held against it.
    answered_at    timestamptz,
    answer         text,
    PRIMARY KEY (part, person_no, link_no)
) WITH (fillfactor = 80);
CREATE INDEX verifications_due ON accounts.verifications (ask_again_at) WHERE answered_at IS NULL;

-- Answers of banks that changed nothing.
CREATE TABLE accounts.verification_refusals (
    institution     integer     NOT NULL,
    part            smallint    NOT NULL,
    message_id      text        NOT NULL,
    entry           integer     NOT NULL,
    verification_id text        NOT NULL,
    code            text        NOT NULL CHECK (code IN ('verification_unknown',
        'not_your_verification', 'duplicate_answer', 'contradicting_answer', 'late_answer',
        'answer_unreadable', 'wrong_partition')),
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (institution, part, message_id, entry)
);

-- What a person has to look at, by when.
CREATE TABLE accounts.reviews (
    review_no  bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind       text        NOT NULL CHECK (kind IN ('name', 'old_number', 'suspicion',
        'shared_account', 'account_restricted', 'renamed')),
    part       smallint    NOT NULL,
    person_no  bigint      NOT NULL,
    link_no    smallint    NOT NULL,
    -- Why: codes of reasons and a score, never a name.
    detail     text        NOT NULL,
    opened_at  timestamptz NOT NULL,
    due_at     timestamptz NOT NULL,
    decision   text        CHECK (decision IN ('accept', 'refuse', 'moot')),
    decided_by text,
    reason     text,
    decided_at timestamptz,
    -- When its passed deadline was told as an alarm.
    alarmed_at timestamptz,
    CHECK ((decision IS NULL) = (decided_at IS NULL)),
    CHECK (decision IS DISTINCT FROM 'accept' OR (decided_by IS NOT NULL AND reason IS NOT NULL))
);
CREATE UNIQUE INDEX one_open_review ON accounts.reviews (part, person_no, link_no, kind)
    WHERE decision IS NULL;
CREATE INDEX reviews_open ON accounts.reviews (due_at, review_no) WHERE decision IS NULL;
CREATE INDEX reviews_unalarmed ON accounts.reviews (due_at)
    WHERE decision IS NULL AND alarmed_at IS NULL;

-- Whom the central bank warns of, by the index of the account.
CREATE TABLE accounts.suspicions (
    suspicion_id  text        PRIMARY KEY,
    institution   integer     NOT NULL,
    account_index bytea       NOT NULL CHECK (length(account_index) = 32),
    kind          text        NOT NULL,
    raised_on     date        NOT NULL,
    recorded_at   timestamptz NOT NULL,
    cleared_at    timestamptz
);
CREATE INDEX suspicions_by_account ON accounts.suspicions (account_index)
    WHERE cleared_at IS NULL;

-- Who is told of a change, at the place that ends and at the one that begins.
CREATE TABLE accounts.notices (
    notice_no   bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    part        smallint    NOT NULL,
    person_no   bigint      NOT NULL,
    -- The link through which the person is told, and the one that it is about.
    told_at     smallint    NOT NULL,
    about       smallint    NOT NULL,
    what        text        NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX notices_of ON accounts.notices (part, person_no);

CREATE TABLE accounts.alarms (
    alarm_no  bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind      text        NOT NULL CHECK (kind IN ('shared_account', 'officer_velocity',
        'review_overdue', 'mass_closure', 'contradicting_answer')),
    -- An officer, an institution, a review's number, a link; never a name or a number.
    subject   text        NOT NULL,
    count     bigint      NOT NULL,
    raised_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX one_alarm ON accounts.alarms (kind, subject, count);

-- Somebody else is paid for the person: who, for what, how much, until when, on what proof.
CREATE TABLE accounts.authorities (
    part          smallint       NOT NULL,
    person_no     bigint         NOT NULL,
    authority_no  smallint       NOT NULL CHECK (authority_no > 0),
    payee_no      bigint         NOT NULL,
    kind          text           NOT NULL CHECK (kind IN ('guardian', 'household_head',
        'collection')),
    -- Programmes that it is for; empty for all.
    programmes    smallint[]     NOT NULL,
    -- The most that the payee may take for the person in one payment.
    amount_max    numeric(20, 0) CHECK (amount_max > 0),
    proof         text           NOT NULL,
    valid_from    date           NOT NULL,
    valid_to      date,
    granted_by    text           NOT NULL,
    recorded_at   timestamptz    NOT NULL,
    PRIMARY KEY (part, person_no, authority_no),
    CHECK (person_no <> payee_no),
    CHECK (valid_to >= valid_from),
    -- Law 41/2024/QH15, article 10: who collects for another does so for twelve months at most.
    CONSTRAINT collection_ends CHECK (kind <> 'collection'
        OR (valid_to IS NOT NULL AND valid_to <= valid_from + interval '12 months'))
);
CREATE TABLE accounts.authority_ends (
    part         smallint    NOT NULL,
    person_no    bigint      NOT NULL,
    authority_no smallint    NOT NULL,
    ends_on      date        NOT NULL,
    reason       text        NOT NULL,
    ended_by     text        NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (part, person_no, authority_no)
);

-- What an officer may see: a province, or the nation.
CREATE TABLE accounts.officers (
    officer      text        PRIMARY KEY,
    province     smallint,
    appointed_by text        NOT NULL,
    appointed_at timestamptz NOT NULL
);

-- A citizen who has shown who they are. The token is the door's; only its hash is kept.
CREATE TABLE accounts.sessions (
    session_hash bytea       PRIMARY KEY CHECK (length(session_hash) = 32),
    part         smallint    NOT NULL,
    person_no    bigint      NOT NULL,
    -- The number that was shown: banks are asked whether the account's holder has it.
    number_sealed bytea      NOT NULL,
    opened_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    closed_at    timestamptz
);
-- A proof of identity opens one session.
CREATE TABLE accounts.identity_tokens (
    token_hash bytea       PRIMARY KEY CHECK (length(token_hash) = 32),
    used_at    timestamptz NOT NULL
);

-- What people ask of their data, with the days of Law 91/2025/QH15 and Decree 356/2025/NĐ-CP.
CREATE TABLE accounts.subject_requests (
    request_no     bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    part           smallint    NOT NULL,
    person_no      bigint      NOT NULL,
    kind           text        NOT NULL CHECK (kind IN ('view', 'copy', 'correct', 'restrict',
        'object', 'withdraw', 'delete')),
    received_on    date        NOT NULL,
    acknowledge_by date        NOT NULL,
    answer_by      date        NOT NULL,
    -- The person's own words, where they wrote any.
    detail_sealed  bytea,
    recorded_at    timestamptz NOT NULL
);
CREATE TABLE accounts.subject_request_steps (
    request_no  bigint      NOT NULL REFERENCES accounts.subject_requests,
    step        smallint    NOT NULL CHECK (step > 0),
    state       text        NOT NULL CHECK (state IN ('acknowledged', 'extended', 'answered',
        'refused')),
    -- For an extension the new day.
    answer_by   date,
    officer     text        NOT NULL,
    reason      text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (request_no, step)
);

-- A bank's own list of accounts, held against ours.
CREATE TABLE accounts.bank_lists (
    list_no     bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    institution integer     NOT NULL,
    as_of       date        NOT NULL,
    file_sha256 bytea       NOT NULL UNIQUE,
    rows        bigint      NOT NULL,
    refused     bigint      NOT NULL,
    -- Rows of accounts that nobody here is paid to.
    not_ours    bigint      NOT NULL,
    agreed      bigint      NOT NULL,
    closed      bigint      NOT NULL,
    restricted  bigint      NOT NULL,
    renamed     bigint      NOT NULL,
    moved       bigint      NOT NULL,
    imported_at timestamptz NOT NULL,
    CHECK (rows = refused + not_ours + agreed + closed + restricted + renamed + moved)
);

-- Which way each line of a run went, written as the run found its payees: what the indicators
-- count, and what was known then. Rows come in the order of runs.
CREATE TABLE accounts.runs (
    run_no    bigint   PRIMARY KEY,
    programme smallint NOT NULL,
    period    date     NOT NULL
);
CREATE TABLE accounts.ways (
    run_no           bigint   NOT NULL,
    part             smallint NOT NULL,
    person_no        bigint   NOT NULL,
    determination_no smallint NOT NULL,
    payee_no         bigint   NOT NULL,
    means            text     NOT NULL CHECK (means IN ('ssa', 'benefit_account', 'cash')),
    hold             text
);
CREATE INDEX ways_of_run ON accounts.ways USING brin (run_no);

-- Indicators of Decision 826/QĐ-TTg as they were told on a day.
CREATE TABLE accounts.indicators (
    taken_on    date        NOT NULL PRIMARY KEY,
    body        jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL
);

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA accounts TO ansinh_accounts;
GRANT UPDATE (name_sealed, province, commune, birth_date, authority_no) ON accounts.persons
    TO ansinh_accounts;
GRANT UPDATE, DELETE ON accounts.channels TO ansinh_accounts;
GRANT UPDATE ON accounts.verifications, accounts.officers TO ansinh_accounts;
GRANT UPDATE (decision, decided_by, reason, decided_at, alarmed_at) ON accounts.reviews TO ansinh_accounts;
GRANT UPDATE (cleared_at) ON accounts.suspicions TO ansinh_accounts;
GRANT UPDATE (closed_at) ON accounts.sessions TO ansinh_accounts;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['links', 'link_steps', 'authorities', 'authority_ends', 'notices',
        'alarms', 'identity_tokens', 'subject_requests', 'subject_request_steps', 'bank_lists',
        'verification_refusals', 'old_numbers', 'ways', 'runs'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON accounts.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

-- An officer of a province finds nothing of another. Each transaction says for whom it reads:
-- `nation` for what the register does by itself, else the number of a province. Who says nothing
-- finds nothing. The other tables of a person are seen with the person.
ALTER TABLE accounts.persons ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts.persons FORCE ROW LEVEL SECURITY;
CREATE POLICY by_province ON accounts.persons
    USING ((SELECT current_setting('ansinh.scope', true)) = 'nation'
        OR province::text = (SELECT current_setting('ansinh.scope', true)));
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['links', 'link_steps', 'channels', 'verifications', 'reviews',
        'authorities', 'authority_ends', 'notices', 'old_numbers', 'subject_requests',
        'sessions'] LOOP
        EXECUTE format('ALTER TABLE accounts.%I ENABLE ROW LEVEL SECURITY', kept);
        EXECUTE format('ALTER TABLE accounts.%I FORCE ROW LEVEL SECURITY', kept);
        EXECUTE format('CREATE POLICY with_person ON accounts.%1$I
            USING ((SELECT current_setting(''ansinh.scope'', true)) = ''nation''
                OR EXISTS (SELECT FROM accounts.persons p
                    WHERE p.part = %1$I.part AND p.person_no = %1$I.person_no))', kept);
    END LOOP;
END $$;
