-- Reference tables: a copy on every node, read beside any partition. They are few rows that lines of
-- many partitions are held against, and their keys have no `part`.
--
-- Run as the owner on the coordinator, after `ansinh migrate` and before anything is recorded; then
-- 2-distributed.sql, then 3-coordinator.sql, which answers with no row. Why, and what is asked of the
-- nodes, is in README.md.

-- All triggers of the tables here and in 2-distributed.sql are `append_only`: they refuse a statement
-- and read no table, so they are as right on a shard as on the whole. Without this setting, which the
-- workers need as well (README.md), Citus refuses tables with triggers.
SET citus.enable_unsafe_triggers = on;

-- What is deducted from a line by which decision; lines and nettings refer to it.
SELECT create_reference_table('payments.recoveries');
-- Lines that are held, stopped, unknown or contradicted: the exception, never the rule. Their number
-- is the nation's, so that people can name one.
SELECT create_reference_table('payments.exceptions');
-- Cases of reconciliation. Proposals and resolutions, which stay on the coordinator, refer to them.
SELECT create_reference_table('reconciliation.breaks');
