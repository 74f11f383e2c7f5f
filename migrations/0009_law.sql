-- Law as data, facts on two axes of time, life events, arrears.

-- A law is the whole folder of programmes; each applied change is the next law. Nothing is edited:
-- who proposes is not who approves.
CREATE TABLE eligibility.laws (
    law_no      bigint      PRIMARY KEY CHECK (law_no > 0),
    sha256      bytea       NOT NULL UNIQUE CHECK (length(sha256) = 32),
    maker       text        NOT NULL,
    reason      text        NOT NULL,
    proposed_at timestamptz NOT NULL,
    -- NULL while it is a proposal. The law that the program ships is law 1, and its own checker.
    checker     text,
    approved_at timestamptz,
    CHECK ((checker IS NULL) = (approved_at IS NULL)),
    CONSTRAINT law_checker_differs CHECK (checker IS NULL OR checker <> maker OR law_no = 1)
);

CREATE TABLE eligibility.law_files (
    law_no bigint NOT NULL REFERENCES eligibility.laws,
    path   text   NOT NULL,
    text   text   NOT NULL,
    PRIMARY KEY (law_no, path)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON eligibility.law_files
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();

-- What is known of a person for a programme: canonical JSON by the names of its evidence.
ALTER TABLE eligibility.enrolments ADD COLUMN facts text NOT NULL DEFAULT '{}';
UPDATE eligibility.enrolments SET facts = '{'
    || concat_ws(',',
        '"category":' || CASE WHEN programme = 3 THEN '["' || category || '"]'
            ELSE '"' || category || '"' END,
        '"granted_amount":"' || granted_amount || '"',
        '"household":"' || household || '"')
    || '}';
ALTER TABLE eligibility.enrolments
    ALTER COLUMN facts DROP DEFAULT,
    DROP COLUMN granted_amount, DROP COLUMN category, DROP COLUMN household,
    -- From when the facts hold. Where a first version does not say, from ever, and the person is
    -- owed nothing for a month before the first run that knows them.
    ADD COLUMN valid_from date;
ALTER TABLE eligibility.imports ADD COLUMN sheet text;

-- What happened to a person, as the population register or an import told it.
CREATE TABLE eligibility.life_events (
    part        smallint    NOT NULL,
    person_no   bigint      NOT NULL,
    -- The teller's own number of the event: told twice, it is one.
    event_id    text        NOT NULL,
    kind        text        NOT NULL,
    happened_on date        NOT NULL,
    known_at    timestamptz NOT NULL,
    source      text        NOT NULL,
    PRIMARY KEY (part, person_no, event_id)
);
-- A later word that an event never was.
CREATE TABLE eligibility.revocations (
    part       smallint    NOT NULL,
    person_no  bigint      NOT NULL,
    event_id   text        NOT NULL,
    known_at   timestamptz NOT NULL,
    source     text        NOT NULL,
    PRIMARY KEY (part, person_no, event_id)
);

ALTER TABLE eligibility.freezes ADD COLUMN law_no bigint REFERENCES eligibility.laws;
CREATE INDEX freezes_of_programme ON eligibility.freezes (programme, part, period);

-- A determination is of a period of its own: the run's, or a past one whose arrears it is.
ALTER TABLE eligibility.determinations DISABLE TRIGGER append_only;
ALTER TABLE eligibility.determinations
    ADD COLUMN period date,
    ADD COLUMN law_no bigint,
    -- The version of the rules that held: HTXH/2025-07.
    ADD COLUMN rule   text,
    -- What the period owes in all; amount is what of it was not obligated before.
    ADD COLUMN owed   numeric(20, 0),
    -- The part of the amount that is above the national level.
    ADD COLUMN local  numeric(20, 0) NOT NULL DEFAULT 0,
    -- Frozen inputs, canonical JSON: with the law they give the same explanation again.
    ADD COLUMN inputs text NOT NULL DEFAULT '{}';
UPDATE eligibility.determinations d SET period = f.period, owed = d.amount
    FROM eligibility.freezes f WHERE (f.run_no, f.part) = (d.run_no, d.part);
ALTER TABLE eligibility.determinations
    ALTER COLUMN period SET NOT NULL, ALTER COLUMN owed SET NOT NULL,
    ALTER COLUMN local DROP DEFAULT, ALTER COLUMN inputs DROP DEFAULT,
    DROP CONSTRAINT determinations_pkey,
    DROP COLUMN second_rate_no,
    ADD PRIMARY KEY (run_no, part, person_no, period, determination_no);
ALTER TABLE eligibility.determinations ENABLE TRIGGER append_only;

-- What was obligated and turned out not to be owed. Told to payments, which knows where the money
-- is: the line is held, called back, or an overpayment.
CREATE TABLE eligibility.withdrawals (
    part             smallint       NOT NULL,
    person_no        bigint         NOT NULL,
    programme        smallint       NOT NULL,
    period           date           NOT NULL,
    determination_no smallint       NOT NULL,
    -- Withdrawn (+) and restored (−) in turn, from 1.
    turn             smallint       NOT NULL,
    amount           numeric(20, 0) NOT NULL CHECK (amount <> 0),
    reason           text           NOT NULL,
    recorded_at      timestamptz    NOT NULL,
    PRIMARY KEY (part, person_no, programme, period, determination_no, turn)
);

DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['life_events', 'revocations', 'withdrawals'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON eligibility.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;
DROP TABLE eligibility.rates;

GRANT SELECT, INSERT ON eligibility.laws, eligibility.law_files, eligibility.life_events,
    eligibility.revocations, eligibility.withdrawals TO ansinh_eligibility;
GRANT UPDATE (checker, approved_at) ON eligibility.laws TO ansinh_eligibility;
