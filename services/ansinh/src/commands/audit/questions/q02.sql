-- vi: Khoản đã ghi có mà không có bút toán, hoặc ngược lại
-- en: Credited payments without a transfer, or the other way
-- columns: line_id amount booked
SELECT coalesce(p.line_id, t.line_id) AS line_id, p.amount, t.booked
FROM (SELECT line_id, amount FROM audit.payments WHERE state IN ('credited', 'came_back')) p
FULL JOIN (
    SELECT line_id, sum(amount) AS booked FROM audit.transfers
    WHERE debit_no / 10000000000 IN (50, 55) AND credit_no / 10000000000 IN (60, 61)
        AND line_id IS NOT NULL GROUP BY line_id
) t USING (line_id)
WHERE p.amount IS DISTINCT FROM t.booked ORDER BY 1
