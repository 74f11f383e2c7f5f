-- Several instances of a service share its work: each unit of it is done by one of them at a time.

-- The instances that are alive, and in which groups of units each wants its share. An instance puts its
-- end off again and again; the database's clock decides who is late. It does so in one session, which
-- holds a lock: of a process that was killed nothing has to be waited for.
CREATE TABLE messaging.instances (
    instance   uuid        PRIMARY KEY,
    service    text        NOT NULL,
    groups     text[]      NOT NULL,
    session    integer     NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The lock of the session that speaks for an instance. Nobody else's keys begin with -41.
CREATE FUNCTION messaging.lock_session() RETURNS boolean LANGUAGE sql AS $$
    SELECT pg_try_advisory_lock(-41, pg_backend_pid())
$$;

CREATE FUNCTION messaging.is_alive(it messaging.instances) RETURNS boolean LANGUAGE sql AS $$
    SELECT it.expires_at > clock_timestamp() AND EXISTS (
        SELECT FROM pg_locks k
        WHERE k.locktype = 'advisory' AND k.pid = it.session
            -- As the view shows -41.
            AND (k.classid, k.objid, k.objsubid) = ('4294967255'::oid, it.session::oid, 2))
$$;

-- Ends the sessions of instances that say nothing any more: one that sleeps keeps the locks of what it
-- has in hand, and no timeout ends a session in the middle of a COPY. Its pool names the instance.
CREATE FUNCTION messaging.end_sessions(ended uuid[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))
    FROM messaging.instances i
    JOIN pg_stat_activity a ON a.application_name = 'ansinh_' || i.service || ' ' || i.instance
    WHERE i.instance = ANY (ended) AND a.datname = current_database() AND NOT messaging.is_alive(i)
$$;
REVOKE ALL ON FUNCTION messaging.end_sessions FROM PUBLIC;

-- Who does a unit. A lease ends with its owner's instance, so that what is renewed is one row, however
-- many leases there are. The epoch rises with each change of owner; nothing ever removes a unit, or its
-- epochs would begin again.
CREATE TABLE messaging.leases (
    unit     text        PRIMARY KEY,
    owner    uuid,
    epoch    bigint      NOT NULL CHECK (epoch > 0),
    taken_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The fence stands where the work is written down: the epoch of the last owner that began with it. A
-- transaction of an earlier one finds its row no more.
ALTER TABLE messaging.cursors ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
ALTER TABLE messaging.published ADD COLUMN epoch bigint NOT NULL DEFAULT 0;

DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY[
        'eligibility', 'accounts', 'payments', 'reconciliation', 'sandbox']
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON messaging.instances TO %I',
            'ansinh_' || service);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON messaging.leases TO %I',
            'ansinh_' || service);
        EXECUTE format('GRANT EXECUTE ON FUNCTION messaging.end_sessions TO %I',
            'ansinh_' || service);
    END LOOP;
END $$;
