-- vi: Số tiền khoản chi khác kết quả xác định
-- en: Payments of another amount than was determined
-- columns: line_id person_no period amount determined
SELECT p.line_id, p.person_no, p.period, p.amount, d.amount AS determined
FROM audit.payments p
JOIN audit.runs r ON r.run_no = p.run_no AND r.series = 0
LEFT JOIN audit.determinations d
    ON (d.run_no, d.person_no, d.period, d.determination_no)
    = (p.run_no, p.person_no, p.period, p.determination_no)
WHERE p.amount + p.deducted IS DISTINCT FROM d.amount ORDER BY 1
