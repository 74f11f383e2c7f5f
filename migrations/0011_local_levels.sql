-- What a province pays above the national level comes from a fund of its own.

-- Of the amount, what the line's province pays.
ALTER TABLE payments.lines
    ADD COLUMN local numeric(20, 0) NOT NULL DEFAULT 0,
    ADD CONSTRAINT local_is_part CHECK (local >= 0 AND local <= amount);
ALTER TABLE payments.lines ALTER COLUMN local DROP DEFAULT;

-- Of what is to be paid, what the provinces pay.
ALTER TABLE payments.run_parts
    ADD COLUMN local_total numeric(20, 0) NOT NULL DEFAULT 0;

-- Whose fund it is; NULL for the programme's own.
ALTER TABLE payments.appropriations ADD COLUMN province smallint;
