-- vi: Một người làm nhiều việc trong một đợt chi (phải không có)
-- en: One person in more than one act of a run (must be none)
-- columns: run_no officer acts
SELECT run_no, officer, string_agg(act, ', ' ORDER BY act_no) AS acts FROM audit.approvals
WHERE voided_at IS NULL AND act IN ('open', 'approve', 'release')
GROUP BY run_no, officer HAVING count(*) > 1 ORDER BY 1, 2
