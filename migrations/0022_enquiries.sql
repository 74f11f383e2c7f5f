-- Unknown is a state: institutions are enquired of about lines that they have not answered, and
-- what stays unknown is settled by two officers.

ALTER TABLE payments.exceptions
    -- How often the institution was asked about an unknown line.
    ADD COLUMN enquiries  smallint NOT NULL DEFAULT 0 CHECK (enquiries >= 0),
    -- When it is asked again; NULL where it is an officer's turn.
    ADD COLUMN enquire_at timestamptz,
    ADD CONSTRAINT only_unknown_is_enquired
        CHECK (kind = 'unknown' OR (enquiries = 0 AND enquire_at IS NULL));
UPDATE payments.exceptions SET enquire_at = opened_at
    WHERE kind = 'unknown' AND resolved_at IS NULL;
CREATE INDEX enquiries_due ON payments.exceptions (enquire_at)
    WHERE enquire_at IS NOT NULL AND resolved_at IS NULL;
CREATE INDEX unknown_lines ON payments.exceptions (run_no, part, chunk, line)
    WHERE kind = 'unknown' AND resolved_at IS NULL;
GRANT UPDATE (enquiries, enquire_at) ON payments.exceptions TO ansinh_payments;

-- What was asked. A line is asked about once a round, by its own id.
CREATE TABLE payments.enquiries (
    run_no      bigint      NOT NULL,
    part        smallint    NOT NULL,
    chunk       integer     NOT NULL,
    line        integer     NOT NULL,
    round       smallint    NOT NULL CHECK (round > 0),
    institution integer     NOT NULL,
    message_id  text        NOT NULL,
    asked_at    timestamptz NOT NULL,
    PRIMARY KEY (run_no, part, chunk, line, round)
);

-- What institutions said that is no end. Nothing of it moves money.
CREATE TABLE payments.standings (
    institution integer     NOT NULL,
    part        smallint    NOT NULL,
    message_id  text        NOT NULL,
    entry       integer     NOT NULL,
    run_no      bigint      NOT NULL,
    chunk       integer     NOT NULL,
    line        integer     NOT NULL,
    standing    text        NOT NULL CHECK (standing IN ('received', 'not_received', 'pending')),
    -- Why nobody waits for it; NULL where it is about a line without an end.
    code        text        CHECK (code IN (
        'unknown_payment', 'not_your_payment', 'already_answered')),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (institution, part, message_id, entry)
);
CREATE INDEX standings_of_line ON payments.standings (run_no, part, chunk, line);

-- What officers say became of an unknown line, and on what they rest it. Another one decides.
CREATE TABLE payments.settlements (
    settlement_no bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    run_no        bigint      NOT NULL,
    part          smallint    NOT NULL,
    chunk         integer     NOT NULL,
    line          integer     NOT NULL,
    settled_as    text        NOT NULL CHECK (settled_as IN ('credited', 'rejected')),
    booked_on     date        NOT NULL,
    evidence      text        NOT NULL CHECK (btrim(evidence) <> ''),
    officer       text        NOT NULL,
    proposed_at   timestamptz NOT NULL,
    UNIQUE (settlement_no, officer)
);
CREATE INDEX settlements_of_line ON payments.settlements (run_no, part, chunk, line);

CREATE TABLE payments.settlement_decisions (
    settlement_no bigint      PRIMARY KEY,
    proposed_by   text        NOT NULL,
    officer       text        NOT NULL,
    accepted      boolean     NOT NULL,
    reason        text,
    decided_at    timestamptz NOT NULL,
    FOREIGN KEY (settlement_no, proposed_by)
        REFERENCES payments.settlements (settlement_no, officer),
    CONSTRAINT settled_by_two CHECK (officer <> proposed_by),
    CHECK (accepted OR reason IS NOT NULL)
);

GRANT SELECT, INSERT ON payments.enquiries, payments.standings, payments.settlements,
    payments.settlement_decisions TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['enquiries', 'standings', 'settlements',
        'settlement_decisions'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;

-- The sandbox's banks keep why they rejected a line, and of which they never say more than that
-- they have it.
ALTER TABLE sandbox.entries
    ADD COLUMN reason text,
    ADD COLUMN vague  boolean NOT NULL DEFAULT false;

-- What a bank of the sandbox does otherwise than it should; without one it does as it should.
CREATE TABLE sandbox.scenarios (
    institution     integer     PRIMARY KEY,
    scenario        text        CHECK (scenario IN (
        'month-end', 'duplicates', 'contradicts', 'pays-twice', 'wrong-amount', 'silent',
        'returns-late', 'offline')),
    seed            bigint      CHECK (seed BETWEEN 0 AND 4294967295),
    share_per_mille smallint    CHECK (share_per_mille BETWEEN 0 AND 1000),
    set_at          timestamptz NOT NULL,
    CHECK (num_nulls(scenario, seed, share_per_mille) IN (0, 3))
);

-- What moved for a line beside its own entry: paid again, or come back.
CREATE TABLE sandbox.movements (
    institution  integer        NOT NULL,
    part         smallint       NOT NULL,
    run_no       bigint         NOT NULL,
    chunk        integer        NOT NULL,
    line         integer        NOT NULL,
    entry_kind   text           NOT NULL CHECK (entry_kind IN ('payment', 'return')),
    amount       numeric(20, 0) NOT NULL CHECK (amount > 0),
    bank_ref     text           NOT NULL,
    statement_no bigint,
    PRIMARY KEY (institution, part, run_no, chunk, line, entry_kind),
    FOREIGN KEY (institution, part, run_no, chunk, line) REFERENCES sandbox.entries
);

GRANT SELECT, INSERT, UPDATE ON sandbox.scenarios, sandbox.movements TO ansinh_sandbox;
