-- Fourteen kinds of break, the rules that find them, and what comes back on a statement.

ALTER TABLE reconciliation.entries
    ADD COLUMN entry_kind text NOT NULL DEFAULT 'payment'
        CHECK (entry_kind IN ('payment', 'return', 'charge')),
    -- The day for which the bank booked it, where it says so.
    ADD COLUMN booked_on date;
ALTER TABLE reconciliation.statements ADD COLUMN returned numeric(20, 0) NOT NULL DEFAULT 0;
ALTER TABLE reconciliation.pages ADD COLUMN returned numeric(20, 0) NOT NULL DEFAULT 0;

-- What was settled, beside the line that it settles: the day is added up from here.
ALTER TABLE reconciliation.matches ADD COLUMN amount numeric(20, 0);
-- The statement settles it for another day than the bank's result said.
ALTER TABLE reconciliation.matches ADD COLUMN other_day boolean NOT NULL DEFAULT false;
ALTER TABLE reconciliation.matches DISABLE TRIGGER append_only;
UPDATE reconciliation.matches m SET amount = i.amount FROM reconciliation.instructions i
WHERE (i.run_no, i.part, i.chunk, i.line) = (m.run_no, m.part, m.chunk, m.line);
ALTER TABLE reconciliation.matches ENABLE TRIGGER append_only;
ALTER TABLE reconciliation.matches ALTER COLUMN amount SET NOT NULL;

ALTER TABLE reconciliation.breaks
    -- What the line's result says was credited and no statement settles, for this reason.
    ADD COLUMN unsettled numeric(20, 0),
    DROP CONSTRAINT breaks_kind_check,
    ADD CONSTRAINT breaks_kind_check CHECK (kind IN (
        'not_instructed', 'wrong_institution', 'amount_differs', 'account_differs',
        'debited_twice', 'debited_though_rejected', 'debited_without_result', 'day_differs',
        'fee_taken', 'returned_after_credit', 'returned_twice', 'return_unexplained',
        'not_on_statement', 'contradicting_result'));
ALTER TABLE reconciliation.breaks DISABLE TRIGGER append_only;
UPDATE reconciliation.breaks SET unsettled = amount WHERE kind = 'not_on_statement';
ALTER TABLE reconciliation.breaks ENABLE TRIGGER append_only;
-- A line is told of as unsettled once, however many statements lack it.
DROP INDEX reconciliation.missing_once;
CREATE UNIQUE INDEX unsettled_once ON reconciliation.breaks (run_no, part, chunk, line)
    WHERE unsettled IS NOT NULL;
CREATE INDEX breaks_of_line ON reconciliation.breaks (run_no, part, chunk, line);

-- What a bank said against what it was told or said before; nothing of it took effect.
CREATE TABLE reconciliation.contradictions (
    run_no      bigint         NOT NULL,
    part        smallint       NOT NULL,
    chunk       integer        NOT NULL,
    line        integer        NOT NULL,
    institution integer        NOT NULL,
    code        text           NOT NULL,
    amount      numeric(20, 0) NOT NULL,
    PRIMARY KEY (part, institution, run_no, chunk, line)
);

-- How often each rule decided in one partition of a statement.
CREATE TABLE reconciliation.rule_hits (
    institution  integer  NOT NULL,
    statement_no bigint   NOT NULL,
    part         smallint NOT NULL,
    -- 1 is asked first.
    priority     smallint NOT NULL,
    rule         text     NOT NULL,
    hits         bigint   NOT NULL,
    PRIMARY KEY (institution, statement_no, part, priority)
);

-- Cases: a break is open until it has a resolution. What an officer proposes another one decides.
CREATE TABLE reconciliation.proposals (
    proposal_no          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    institution          integer     NOT NULL,
    statement_no         bigint      NOT NULL,
    part                 smallint    NOT NULL,
    break_no             integer     NOT NULL,
    how                  text        NOT NULL CHECK (how IN (
        'accepted', 'matched', 'split', 'offset', 'written_off')),
    -- The other case of an offset.
    against_statement_no bigint,
    against_part         smallint,
    against_break_no     integer,
    reason               text        NOT NULL CHECK (btrim(reason) <> ''),
    officer              text        NOT NULL,
    proposed_at          timestamptz NOT NULL,
    UNIQUE (proposal_no, officer),
    CHECK ((how = 'offset') = (against_break_no IS NOT NULL)),
    FOREIGN KEY (part, institution, statement_no, break_no) REFERENCES reconciliation.breaks
);
CREATE INDEX proposals_of_case ON reconciliation.proposals
    (part, institution, statement_no, break_no);

-- The payments that the money was, of a match or a split.
CREATE TABLE reconciliation.proposal_lines (
    proposal_no bigint   NOT NULL REFERENCES reconciliation.proposals,
    run_no      bigint   NOT NULL,
    part        smallint NOT NULL,
    chunk       integer  NOT NULL,
    line        integer  NOT NULL,
    PRIMARY KEY (proposal_no, run_no, part, chunk, line)
);

CREATE TABLE reconciliation.decisions (
    proposal_no bigint      PRIMARY KEY,
    proposed_by text        NOT NULL,
    officer     text        NOT NULL,
    accepted    boolean     NOT NULL,
    reason      text,
    decided_at  timestamptz NOT NULL,
    UNIQUE (proposal_no, accepted),
    FOREIGN KEY (proposal_no, proposed_by)
        REFERENCES reconciliation.proposals (proposal_no, officer),
    CONSTRAINT different_persons CHECK (officer <> proposed_by)
);

CREATE TABLE reconciliation.resolutions (
    part         smallint    NOT NULL,
    institution  integer     NOT NULL,
    statement_no bigint      NOT NULL,
    break_no     integer     NOT NULL,
    how          text        NOT NULL,
    -- NULL where a later statement or result closed the case.
    proposal_no  bigint,
    accepted     boolean     NOT NULL DEFAULT true CHECK (accepted),
    resolved_at  timestamptz NOT NULL,
    PRIMARY KEY (part, institution, statement_no, break_no),
    FOREIGN KEY (part, institution, statement_no, break_no) REFERENCES reconciliation.breaks,
    CONSTRAINT accepted_by_another FOREIGN KEY (proposal_no, accepted)
        REFERENCES reconciliation.decisions (proposal_no, accepted),
    CHECK ((how IN ('shown_later', 'late_result')) = (proposal_no IS NULL)),
    CHECK (how IN ('accepted', 'matched', 'split', 'offset', 'written_off', 'shown_later',
        'late_result'))
);

-- A bank's day on which a statement was refused: nothing of it is matched, and it is not closed.
CREATE TABLE reconciliation.freezes (
    freeze_no    bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    institution  integer     NOT NULL,
    date         date        NOT NULL,
    statement_no bigint      NOT NULL,
    page         integer     NOT NULL,
    code         text        NOT NULL,
    frozen_at    timestamptz NOT NULL
);
CREATE INDEX freezes_of_day ON reconciliation.freezes (institution, date);

-- A right statement of the day ends it, or an officer who says why.
CREATE TABLE reconciliation.thaws (
    freeze_no    bigint      PRIMARY KEY REFERENCES reconciliation.freezes,
    statement_no bigint,
    officer      text,
    reason       text,
    thawed_at    timestamptz NOT NULL,
    CHECK ((statement_no IS NULL) = (officer IS NOT NULL)),
    CHECK ((officer IS NULL) = (reason IS NULL))
);

-- Whose the messages are: the lines of one institution are found without those of the others.
CREATE TABLE reconciliation.chunks (
    institution integer  NOT NULL,
    part        smallint NOT NULL,
    run_no      bigint   NOT NULL,
    chunk       integer  NOT NULL,
    PRIMARY KEY (institution, part, run_no, chunk)
);
INSERT INTO reconciliation.chunks
SELECT DISTINCT institution, part, run_no, chunk FROM reconciliation.instructions;

-- What each institution was told and answered, counted as it is heard: a row for each partition.
CREATE TABLE reconciliation.tallies (
    institution      integer        NOT NULL,
    part             smallint       NOT NULL,
    instructed_lines bigint         NOT NULL DEFAULT 0,
    instructed_total numeric(20, 0) NOT NULL DEFAULT 0,
    answered_lines   bigint         NOT NULL DEFAULT 0,
    answered_total   numeric(20, 0) NOT NULL DEFAULT 0,
    PRIMARY KEY (institution, part)
) WITH (fillfactor = 50);
INSERT INTO reconciliation.tallies
SELECT institution, part, count(*), sum(i.amount), count(r.line), coalesce(sum(r.amount), 0)
FROM reconciliation.instructions i
LEFT JOIN reconciliation.results r USING (run_no, part, chunk, line, institution)
GROUP BY institution, part;

-- How the ledger's clearing accounts stood, as payments told it, and what had been answered then.
CREATE TABLE reconciliation.clearings (
    clearing_no      bigint         PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    institution      integer        NOT NULL,
    part             smallint       NOT NULL,
    after            text           NOT NULL,
    released         numeric(20, 0) NOT NULL,
    in_transit       numeric(20, 0) NOT NULL,
    unknown          numeric(20, 0) NOT NULL,
    settled          numeric(20, 0) NOT NULL,
    suspense_debits  numeric(20, 0) NOT NULL,
    suspense_credits numeric(20, 0) NOT NULL,
    answered         numeric(20, 0) NOT NULL,
    UNIQUE (institution, part, after)
);

-- A bank's closed day: the report as it was signed, byte for byte.
CREATE TABLE reconciliation.closings (
    institution integer     NOT NULL,
    date        date        NOT NULL,
    closing_no  bigint      NOT NULL CHECK (closing_no > 0),
    body        bytea       NOT NULL,
    hash        bytea       NOT NULL CHECK (hash = sha256(body)),
    public_key  bytea       NOT NULL CHECK (length(public_key) = 32),
    signature   bytea       NOT NULL CHECK (length(signature) = 64),
    officer     text        NOT NULL,
    closed_at   timestamptz NOT NULL,
    PRIMARY KEY (institution, date),
    UNIQUE (institution, closing_no)
);

GRANT SELECT, INSERT ON reconciliation.contradictions, reconciliation.rule_hits,
    reconciliation.proposals, reconciliation.proposal_lines, reconciliation.decisions,
    reconciliation.resolutions, reconciliation.freezes, reconciliation.thaws,
    reconciliation.chunks, reconciliation.tallies, reconciliation.clearings, reconciliation.closings
    TO ansinh_reconciliation;
GRANT UPDATE ON reconciliation.tallies TO ansinh_reconciliation;
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY['contradictions', 'rule_hits', 'proposals', 'proposal_lines',
        'decisions', 'resolutions', 'freezes', 'thaws', 'chunks',
        'clearings', 'closings'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE
            ON reconciliation.%I FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change()',
            kept);
    END LOOP;
END $$;
