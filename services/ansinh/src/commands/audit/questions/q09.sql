-- vi: Mức hưởng ngoài khoảng thường gặp của chương trình
-- en: Amounts far from the programme's middle
-- set times bigint
-- columns: line_id programme amount middle
SELECT p.line_id, p.programme, p.amount, m.middle FROM audit.payments p
JOIN (
    SELECT programme, percentile_disc(0.5) WITHIN GROUP (ORDER BY amount) AS middle
    FROM audit.payments GROUP BY programme
) m USING (programme)
WHERE p.amount > m.middle * $1::bigint ORDER BY p.amount DESC, 1
