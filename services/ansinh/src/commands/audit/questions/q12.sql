-- vi: Tài khoản do cán bộ thay đổi, và ai
-- en: Accounts that officers changed, and who
-- columns: changed_by people
SELECT changed_by, count(DISTINCT person_no) AS people FROM audit.destinations
WHERE changed_by IS NOT NULL GROUP BY changed_by ORDER BY 2 DESC, 1
