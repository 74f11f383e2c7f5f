-- What was booked for one payment is found without reading all of its run. The rows of a journal lie
-- together, so a summary of a few blocks each is enough, and posting pays next to nothing for it.
CREATE INDEX transfers_of_lines ON ledger.transfers USING brin (
    run_no int8_minmax_multi_ops, part int2_minmax_multi_ops, chunk int4_minmax_multi_ops
) WITH (pages_per_range = 16, autosummarize = on);
