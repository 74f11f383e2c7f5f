-- vi: Số việc của từng cán bộ
-- en: Acts by officer
-- columns: officer act acts first_at last_at
SELECT officer, act, count(*) AS acts, min(acted_at) AS first_at, max(acted_at) AS last_at
FROM audit.approvals GROUP BY officer, act ORDER BY 1, 2
