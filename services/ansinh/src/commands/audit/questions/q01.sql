-- vi: Tổng kiểm soát: đợt chi → khoản chi → sổ cái → sao kê
-- en: Control totals: run → payments → ledger → statement
-- columns: run_no programme period lines amount credited_lines credited booked stated
SELECT r.run_no, r.programme, r.period, r.lines, r.total AS amount,
    p.credited_lines, p.credited, coalesce(t.booked, 0) AS booked, p.stated
FROM audit.runs r
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'credited') AS credited_lines,
        coalesce(sum(amount) FILTER (WHERE state = 'credited'), 0) AS credited,
        coalesce(sum(amount) FILTER (WHERE is_matched), 0) AS stated
    FROM audit.payments p WHERE p.run_no = r.run_no
) p
LEFT JOIN (
    SELECT run_no, sum(amount) AS booked FROM audit.transfers
    WHERE debit_no / 10000000000 IN (50, 55) AND credit_no / 10000000000 IN (60, 61) GROUP BY run_no
) t USING (run_no)
ORDER BY r.run_no
