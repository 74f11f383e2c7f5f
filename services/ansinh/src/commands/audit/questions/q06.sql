-- vi: Khoản xác định không ghi phiên bản quy định
-- en: Determinations without a version of the rules
-- columns: run_no person_no period amount
SELECT run_no, person_no, period, amount FROM audit.determinations
WHERE amount > 0 AND (rule IS NULL OR law_no IS NULL) ORDER BY 1, 2, 3
