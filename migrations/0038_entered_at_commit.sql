-- Evidence gets its number when its transaction commits. The counter of a lane is locked from there to
-- the end of the transaction: before, from the row's writing on, so that two services that heard
-- messages in the same partition waited for each other's work.

-- Each source has its own function, made of the words by which it was entered so far: their plans are
-- kept, and nothing is put together at run time.
DO $$
DECLARE
    source record;
    name   text;
    words  text[];
BEGIN
    FOR source IN
        SELECT t.tgname, t.tgrelid::regclass AS of_table,
            string_to_array(encode(t.tgargs, 'escape'), '\000') AS args
        FROM pg_trigger t WHERE t.tgfoid = 'proof.enter'::regproc ORDER BY t.tgname
    LOOP
        words := source.args;
        name := 'enter_' || replace(words[1], '-', '_');
        EXECUTE format($make$
            CREATE FUNCTION proof.%1$I() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
                SET search_path = pg_catalog SET timezone = 'UTC' SET bytea_output = 'hex'
                SET datestyle = 'ISO' AS $enter$
            DECLARE
                f       %2$s%%ROWTYPE := NEW;
                to_lane smallint;
                to_seq  bigint;
            BEGIN
                UPDATE proof.heads h SET seq = h.seq + 1 WHERE h.lane = (%4$s)::smallint
                    RETURNING h.lane, h.seq INTO STRICT to_lane, to_seq;
                INSERT INTO proof.entries (lane, seq, source, key, root, commitment)
                VALUES (to_lane, to_seq, %3$L, %5$s, %7$s,
                    sha256(proof.salt(to_lane, to_seq) || convert_to((%6$s)::text, 'UTF8')));
                RETURN NULL;
            END $enter$ $make$,
            name, source.of_table, words[1], words[2], words[3], words[4], words[5]);
        EXECUTE format('REVOKE ALL ON FUNCTION proof.%I FROM PUBLIC', name);
        EXECUTE format('DROP TRIGGER %I ON %s', source.tgname, source.of_table);
        EXECUTE format('CREATE CONSTRAINT TRIGGER %I AFTER %s ON %s DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW %s EXECUTE FUNCTION proof.%I()', source.tgname,
            CASE WHEN words[6] = '' THEN 'INSERT' ELSE 'UPDATE' END, source.of_table,
            CASE WHEN words[6] = '' THEN '' ELSE format('WHEN (%s)',
                replace(replace(words[6], 'f.', 'NEW.'), 'b.', 'OLD.')) END,
            name);
    END LOOP;
END $$;
DROP FUNCTION proof.enter();
