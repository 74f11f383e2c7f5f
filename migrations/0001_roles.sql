-- One role a service: it may touch its own schema and say its own subjects, nothing else.
-- Roles belong to the whole server, so another database may have made them already.
DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY[
        'eligibility', 'accounts', 'payments', 'reconciliation', 'sandbox']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'ansinh_' || service);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        EXECUTE format('GRANT %I TO CURRENT_USER', 'ansinh_' || service);
        EXECUTE format('CREATE SCHEMA %I', service);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', service, 'ansinh_' || service);
    END LOOP;
END $$;

CREATE SCHEMA messaging;
CREATE SCHEMA ledger;

-- What is recorded is never changed: the second lock beside the missing grant.
CREATE FUNCTION messaging.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
