-- A run is sent back with a reason; limits change, and rights are lent for a time, by a proposal
-- that another officer decides.

ALTER TABLE payments.runs
    DROP CONSTRAINT runs_state_check,
    ADD CONSTRAINT runs_state_check CHECK (state IN (
        'preparing', 'awaiting_approval', 'sent_back', 'approved', 'reserved', 'releasing',
        'released', 'closed'));

-- One proposes, another decides; what is signed is kept with its signature.
CREATE TABLE payments.proposals (
    proposal_no bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    kind        text        NOT NULL CHECK (kind IN (
        'approval_level', 'guard_limit', 'delegation')),
    -- What holds once it is accepted, as it was asked for.
    proposed    jsonb       NOT NULL,
    maker       text        NOT NULL,
    reason      text        NOT NULL CHECK (reason <> ''),
    proposed_at timestamptz NOT NULL
);
CREATE TABLE payments.proposal_decisions (
    proposal_no bigint      PRIMARY KEY REFERENCES payments.proposals,
    officer     text        NOT NULL,
    is_accepted boolean     NOT NULL,
    reason      text        CHECK (is_accepted OR reason <> ''),
    key_no      bigint      REFERENCES payments.officer_keys,
    statement   text,
    signature   bytea       CHECK (octet_length(signature) = 64),
    decided_at  timestamptz NOT NULL,
    CONSTRAINT decided_whole CHECK (num_nulls(key_no, statement, signature) IN (0, 3))
);
CREATE TRIGGER own_key BEFORE INSERT ON payments.proposal_decisions
    FOR EACH ROW WHEN (NEW.key_no IS NOT NULL) EXECUTE FUNCTION payments.refuse_foreign_keys();
CREATE FUNCTION payments.refuse_own_decisions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM payments.proposals p
        WHERE p.proposal_no = NEW.proposal_no AND NEW.officer IN (
            p.maker, p.proposed ->> 'principal', p.proposed ->> 'delegate')) THEN
        RAISE EXCEPTION 'who proposes or is concerned does not decide'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'other_person';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER other_person BEFORE INSERT ON payments.proposal_decisions
    FOR EACH ROW EXECUTE FUNCTION payments.refuse_own_decisions();

-- What was accepted last holds; what held before stays readable.
ALTER TABLE payments.approval_levels
    ADD COLUMN known_at    timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN proposal_no bigint REFERENCES payments.proposals,
    DROP CONSTRAINT approval_levels_pkey,
    ADD PRIMARY KEY (from_total, known_at);
CREATE VIEW payments.levels_in_force AS
SELECT DISTINCT ON (from_total) from_total, approvals FROM payments.approval_levels
ORDER BY from_total, known_at DESC;
ALTER TABLE payments.guard_answers DROP CONSTRAINT guard_answers_guard_fkey;
ALTER TABLE payments.guard_limits
    ADD COLUMN known_at    timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN proposal_no bigint REFERENCES payments.proposals,
    DROP CONSTRAINT guard_limits_pkey,
    ADD PRIMARY KEY (guard, known_at);

-- Who acts in whose place, and until when.
CREATE TABLE payments.delegations (
    proposal_no bigint      PRIMARY KEY REFERENCES payments.proposals,
    principal   text        NOT NULL,
    delegate    text        NOT NULL,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    CHECK (principal <> delegate),
    CONSTRAINT ends_within_a_year CHECK (
        ends_at > starts_at AND ends_at <= starts_at + interval '366 days')
);
CREATE TABLE payments.delegation_ends (
    proposal_no bigint      PRIMARY KEY REFERENCES payments.delegations,
    ended_by    text        NOT NULL,
    reason      text        NOT NULL CHECK (reason <> ''),
    ended_at    timestamptz NOT NULL
);
CREATE INDEX delegations_of ON payments.delegations (delegate, principal);

-- Who lends a right has used it: beside the act of a delegate stands one of the principal.
ALTER TABLE payments.acts
    ADD COLUMN principal     text,
    ADD COLUMN delegation_no bigint REFERENCES payments.delegations (proposal_no),
    ADD CONSTRAINT lent_whole CHECK (
        (principal IS NULL) = (delegation_no IS NULL)
        AND (principal IS NULL OR act IN ('approve', 'release'))),
    DROP CONSTRAINT acts_act_check,
    ADD CONSTRAINT acts_act_check CHECK (act IN (
        'open', 'edit', 'approve', 'release', 'close', 'hold', 'free', 'lend', 'send_back',
        'submit'));
DROP INDEX payments.different_persons;
CREATE UNIQUE INDEX different_persons ON payments.acts (run_no, officer)
    WHERE voided_at IS NULL AND act IN ('open', 'edit', 'approve', 'release', 'lend');

GRANT SELECT ON payments.levels_in_force TO ansinh_payments;
GRANT SELECT, INSERT ON payments.proposals, payments.proposal_decisions, payments.delegations,
    payments.delegation_ends, payments.approval_levels, payments.guard_limits TO ansinh_payments;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['proposals', 'proposal_decisions', 'delegations',
        'delegation_ends'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON payments.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()', kept);
    END LOOP;
END $$;
