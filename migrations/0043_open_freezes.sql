-- Workers look for what is left to determine several times a second, beside partitions of all earlier
-- runs that are done.
CREATE INDEX freezes_open ON eligibility.freezes (run_no, part) WHERE NOT done;
