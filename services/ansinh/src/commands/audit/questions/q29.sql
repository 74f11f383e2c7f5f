-- vi: Tỷ lệ trả lại theo ngân hàng và lý do
-- en: Returns by bank and reason
-- columns: institution reason lines amount share_percent
SELECT institution, reason, count(*) AS lines, sum(amount) AS amount,
    round(100.0 * count(*) / (SELECT count(*) FROM audit.payments q
        WHERE q.institution = p.institution), 2) AS share_percent
FROM audit.payments p WHERE state IN ('returned', 'came_back')
GROUP BY institution, reason ORDER BY 3 DESC, 1
