-- vi: Một tài khoản, nhiều người hưởng
-- en: One account, many beneficiaries
-- set province smallint?
-- columns: account_ref institution people amount
SELECT account_ref, institution, count(DISTINCT person_no) AS people, sum(amount) AS amount
FROM audit.payments
WHERE account_ref IS NOT NULL AND ($1::smallint IS NULL OR province = $1)
GROUP BY account_ref, institution HAVING count(DISTINCT person_no) > 1 ORDER BY 3 DESC, 1
