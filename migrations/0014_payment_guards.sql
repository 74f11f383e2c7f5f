-- Banks' sealed messages.

-- What a bank was told of an account it keeps as it was sealed for it.
ALTER TABLE sandbox.entries DROP COLUMN account, ADD COLUMN account_sealed bytea;

-- A statement whose accounts do not open is refused as a whole.
ALTER TABLE reconciliation.refusals
    DROP CONSTRAINT refusals_code_check,
    ADD CONSTRAINT refusals_code_check CHECK (code IN (
        'statement_repeated', 'statement_total_mismatch', 'statement_balance_mismatch',
        'statement_opening_mismatch', 'statement_header_differs', 'not_your_statement',
        'account_unreadable'));
