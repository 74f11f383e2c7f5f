-- vi: Thay đổi theo tháng của từng xã
-- en: Month on month by commune
-- columns: province commune period lines amount change
SELECT province, commune, period, count(*) AS lines, sum(amount) AS amount,
    sum(amount) - lag(sum(amount)) OVER (PARTITION BY province, commune ORDER BY period) AS change
FROM audit.payments GROUP BY province, commune, period ORDER BY 1, 2, 3
