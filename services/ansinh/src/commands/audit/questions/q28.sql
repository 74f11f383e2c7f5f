-- vi: Người có mức tăng nhiều nhất giữa hai kỳ
-- en: Who rose most between two periods
-- set before date
-- set after date
-- columns: person_no before after change
SELECT person_no, b.amount AS before, a.amount AS after, a.amount - b.amount AS change
FROM (SELECT person_no, sum(amount) AS amount FROM audit.payments WHERE period = $1 GROUP BY 1) b
JOIN (SELECT person_no, sum(amount) AS amount FROM audit.payments WHERE period = $2 GROUP BY 1) a
    USING (person_no)
WHERE a.amount > b.amount ORDER BY 4 DESC, 1 LIMIT 1000
