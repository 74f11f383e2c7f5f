-- vi: Khoản chi không qua tài khoản an sinh xã hội
-- en: Payments not made to a social-security account
-- set period date
-- columns: channel lines amount share_percent
SELECT channel, count(*) AS lines, sum(amount) AS amount,
    round(100.0 * count(*) / sum(count(*)) OVER (), 1) AS share_percent
FROM audit.payments WHERE period = $1 GROUP BY channel ORDER BY 2 DESC
