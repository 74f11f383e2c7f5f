-- The texts of the law, and what auditors asked, are evidence as well.

-- One spelling of times and bytes, whatever the session's.
SET LOCAL timezone = 'UTC';
SET LOCAL bytea_output = 'hex';
SET LOCAL datestyle = 'ISO';

DO $$
DECLARE
    source record;
BEGIN
    FOR source IN SELECT * FROM (VALUES
        ('law-file', 'eligibility.law_files', '17', 'f.law_no || ''/'' || f.path',
            'jsonb_build_array(f.law_no, f.path, sha256(convert_to(f.text, ''UTF8'')))'),
        ('query', 'audit.queries', '18', 'f.query_no::text',
            'jsonb_build_array(f.query_no, f.asked_by, f.question, f.parameters, f.asked_at)')
    ) AS s (name, of_table, lane, key, content) LOOP
        EXECUTE format('CREATE TRIGGER %I AFTER INSERT ON %s REFERENCING NEW TABLE AS fresh
            FOR EACH STATEMENT EXECUTE FUNCTION proof.enter(%L, %L, %L, %L, %L)',
            'evident_' || source.name, source.of_table, source.name, source.lane, source.key,
            source.content, 'NULL::bytea');
        -- What is there already is entered too.
        EXECUTE format($enter$
            WITH entered AS (
                SELECT (%s)::smallint AS lane, %s AS key, (%s)::text AS content FROM %s f
            ), numbered AS (
                SELECT *, row_number() OVER (PARTITION BY lane ORDER BY key) AS n FROM entered
            ), moved AS (
                UPDATE proof.heads h SET seq = h.seq + c.count
                FROM (SELECT lane, count(*) AS count FROM entered GROUP BY lane) c
                WHERE h.lane = c.lane RETURNING h.lane, h.seq - c.count AS before
            )
            INSERT INTO proof.entries (lane, seq, source, key, commitment)
            SELECT lane, before + n, %L, key,
                sha256(proof.salt(lane, before + n) || convert_to(content, 'UTF8'))
            FROM numbered JOIN moved USING (lane)
            $enter$, source.lane, source.key, source.content, source.of_table, source.name);
    END LOOP;
END $$;
