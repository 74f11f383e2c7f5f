-- What was instructed and what was answered is kept by the chunk, each line at its place in arrays: as
-- rows with a key of four columns each they cost ten times what they say.

-- The lines of one message of instructions. A chunk has more of them where lines left later.
CREATE TABLE reconciliation.instructed_chunks (
    run_no          bigint           NOT NULL,
    part            smallint         NOT NULL,
    chunk           integer          NOT NULL,
    -- A line is instructed once, so the first line of a message tells it from the chunk's others.
    first_line      integer          NOT NULL GENERATED ALWAYS AS (lines[1]) STORED,
    institution     integer          NOT NULL,
    -- Ascending. What stands at the same place in the other arrays is of the same line.
    lines           integer[]        NOT NULL CHECK (num_nulls(VARIADIC lines) = 0),
    amounts         numeric(20, 0)[] NOT NULL CHECK (num_nulls(VARIADIC amounts) = 0),
    -- NULL where the line is cash.
    account_indexes bytea[]          NOT NULL,
    PRIMARY KEY (run_no, part, chunk, first_line),
    CONSTRAINT of_each_line CHECK (cardinality(amounts) = cardinality(lines)
        AND cardinality(account_indexes) = cardinality(lines))
);
INSERT INTO reconciliation.instructed_chunks
    (run_no, part, chunk, institution, lines, amounts, account_indexes)
SELECT run_no, part, chunk, institution, array_agg(line ORDER BY line),
    array_agg(amount ORDER BY line), array_agg(account_index ORDER BY line)
FROM reconciliation.instructions GROUP BY run_no, part, chunk, institution;

-- The lines of a chunk of which one message says the same.
CREATE TABLE reconciliation.answered_chunks (
    run_no      bigint           NOT NULL,
    part        smallint         NOT NULL,
    chunk       integer          NOT NULL,
    -- A line is answered once.
    first_line  integer          NOT NULL GENERATED ALWAYS AS (lines[1]) STORED,
    institution integer          NOT NULL,
    status      text             NOT NULL,
    booked_on   date             NOT NULL,
    -- Ascending. What stands at the same place in the other array is of the same line.
    lines       integer[]        NOT NULL CHECK (num_nulls(VARIADIC lines) = 0),
    amounts     numeric(20, 0)[] NOT NULL CHECK (num_nulls(VARIADIC amounts) = 0),
    PRIMARY KEY (run_no, part, chunk, first_line),
    CONSTRAINT of_each_line CHECK (cardinality(amounts) = cardinality(lines))
);
INSERT INTO reconciliation.answered_chunks
    (run_no, part, chunk, institution, status, booked_on, lines, amounts)
SELECT run_no, part, chunk, institution, status, booked_on, array_agg(line ORDER BY line),
    array_agg(amount ORDER BY line)
FROM reconciliation.results GROUP BY run_no, part, chunk, institution, status, booked_on;

-- Indexes are random bytes, and trying to compress the others costs more than it saves. Nobody looks
-- for what is in an array, and the samples of statistics would read megabytes of them.
ALTER TABLE reconciliation.instructed_chunks
    ALTER COLUMN lines SET STORAGE EXTERNAL, ALTER COLUMN lines SET STATISTICS 0,
    ALTER COLUMN amounts SET STORAGE EXTERNAL, ALTER COLUMN amounts SET STATISTICS 0,
    ALTER COLUMN account_indexes SET STORAGE EXTERNAL,
    ALTER COLUMN account_indexes SET STATISTICS 0;
ALTER TABLE reconciliation.answered_chunks
    ALTER COLUMN lines SET STORAGE EXTERNAL, ALTER COLUMN lines SET STATISTICS 0,
    ALTER COLUMN amounts SET STORAGE EXTERNAL, ALTER COLUMN amounts SET STATISTICS 0;

-- Line by line, for whoever reads few chunks or all of them. A condition on the line itself is looked at
-- after all lines of the chunk were taken out of the arrays; sets taken out in the select list are never
-- joined before that, so two of these are joined line to line and not each to each.
DROP TABLE reconciliation.instructions;
CREATE VIEW reconciliation.instructions AS
SELECT run_no, part, chunk, unnest(lines) AS line, institution, unnest(amounts) AS amount,
    unnest(account_indexes) AS account_index
FROM reconciliation.instructed_chunks;

DROP TABLE reconciliation.results;
CREATE VIEW reconciliation.results AS
SELECT run_no, part, chunk, unnest(lines) AS line, institution, status, unnest(amounts) AS amount,
    booked_on
FROM reconciliation.answered_chunks;

GRANT SELECT, INSERT ON reconciliation.instructed_chunks, reconciliation.answered_chunks
    TO ansinh_reconciliation;
GRANT SELECT ON reconciliation.instructions, reconciliation.results TO ansinh_reconciliation;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation.instructed_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation.answered_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION messaging.refuse_change();
