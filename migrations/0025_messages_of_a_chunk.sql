-- With which message of a chunk a line came to a bank of the sandbox: the statement that shows the
-- message's funds shows its entries, and no others of the chunk.
ALTER TABLE sandbox.entries ADD COLUMN message smallint NOT NULL DEFAULT 0;
