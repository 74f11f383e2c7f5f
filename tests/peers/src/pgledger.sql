-- A ledger in the shape of pgledger: a function moves money between two accounts, each of which keeps its
-- balance and version, and every transfer has two entries that say what they were before and after.
CREATE SCHEMA peer;

CREATE TABLE peer.accounts (
    account_id  bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name        text        NOT NULL UNIQUE,
    balance     numeric     NOT NULL DEFAULT 0,
    version     bigint      NOT NULL DEFAULT 0,
    may_be_negative boolean NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT not_overdrawn CHECK (may_be_negative OR balance >= 0)
);

CREATE TABLE peer.transfers (
    transfer_id  bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    from_account bigint      NOT NULL REFERENCES peer.accounts,
    to_account   bigint      NOT NULL REFERENCES peer.accounts,
    amount       numeric     NOT NULL CHECK (amount > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (from_account <> to_account)
);

CREATE TABLE peer.entries (
    entry_id    bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    transfer_id bigint      NOT NULL REFERENCES peer.transfers,
    account_id  bigint      NOT NULL REFERENCES peer.accounts,
    amount      numeric     NOT NULL,
    before      numeric     NOT NULL,
    after       numeric     NOT NULL,
    version     bigint      NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON peer.entries (account_id, version);
CREATE INDEX ON peer.entries (transfer_id);

CREATE FUNCTION peer.move(payer bigint, payee bigint, sum numeric) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    moved   bigint;
    of_payer peer.accounts;
    of_payee peer.accounts;
BEGIN
    -- In the order of their numbers, so that two transfers never wait for each other in a ring.
    PERFORM FROM peer.accounts WHERE account_id IN (payer, payee) ORDER BY account_id FOR UPDATE;
    INSERT INTO peer.transfers (from_account, to_account, amount) VALUES (payer, payee, sum)
    RETURNING transfer_id INTO moved;
    UPDATE peer.accounts SET balance = balance - sum, version = version + 1, updated_at = now()
    WHERE account_id = payer RETURNING * INTO STRICT of_payer;
    UPDATE peer.accounts SET balance = balance + sum, version = version + 1, updated_at = now()
    WHERE account_id = payee RETURNING * INTO STRICT of_payee;
    INSERT INTO peer.entries (transfer_id, account_id, amount, before, after, version)
    VALUES (moved, payer, -sum, of_payer.balance + sum, of_payer.balance, of_payer.version),
        (moved, payee, sum, of_payee.balance - sum, of_payee.balance, of_payee.version);
    RETURN moved;
END $$;
