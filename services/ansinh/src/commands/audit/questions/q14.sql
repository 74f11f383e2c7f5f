-- vi: Tỷ lệ tiền mặt theo tỉnh
-- en: Cash by province
-- set period date
-- columns: province lines cash_lines cash amount
SELECT province, count(*) AS lines, count(*) FILTER (WHERE channel = 'cash') AS cash_lines,
    coalesce(sum(amount) FILTER (WHERE channel = 'cash'), 0) AS cash, sum(amount) AS amount
FROM audit.payments WHERE period = $1 GROUP BY province ORDER BY province
