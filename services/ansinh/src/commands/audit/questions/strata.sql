-- vi: Số khoản chi của từng tầng
-- en: Payments by stratum
-- set run bigint
-- set by text
-- columns: stratum lines amount
SELECT stratum, count(*) AS lines, sum(amount) AS amount FROM (
    SELECT amount, CASE $2 WHEN 'province' THEN province::text WHEN 'institution' THEN institution::text
        WHEN 'channel' THEN channel END AS stratum
    FROM audit.payments WHERE run_no = $1
) s GROUP BY stratum ORDER BY stratum COLLATE "C"
