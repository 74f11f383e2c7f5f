-- Distributed tables: one row a line, an entry or a determination, or what was told of a chunk's lines,
-- so they grow with the payments. Each is distributed by `part` and colocated with all others, so
-- whatever a partition joins lies on one node, and `part` is in every key.

SET citus.enable_unsafe_triggers = on;

-- 48 shards: of 16, 32 or 48 hash ranges the sixteen partitions meet 11, 12 or 14, and of more never
-- over 14 up to 128. 1 and 15 share one, 4 and 14 another.
SELECT create_distributed_table('payments.lines', 'part', shard_count => 48);

SELECT create_distributed_table('eligibility.determinations', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('eligibility.withdrawals', 'part', colocate_with => 'payments.lines');

SELECT create_distributed_table('accounts.ways', 'part', colocate_with => 'payments.lines');

SELECT create_distributed_table('payments.obligations', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.results', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.attempts', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.nettings', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.returns', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.funded_lines', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.later_lines', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.unclaimed', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.breaks', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('payments.result_refusals', 'part', colocate_with => 'payments.lines');

SELECT create_distributed_table('ledger.transfers', 'part', colocate_with => 'payments.lines');

SELECT create_distributed_table('reconciliation.instructed_chunks', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('reconciliation.answered_chunks', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('reconciliation.chunks', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('reconciliation.entries', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('reconciliation.matches', 'part', colocate_with => 'payments.lines');
SELECT create_distributed_table('reconciliation.contradictions', 'part', colocate_with => 'payments.lines');
