-- vi: Một người nhận từ nhiều chương trình trong một kỳ
-- en: One person paid by more than one programme in a period
-- set period date
-- columns: person_no programmes amount
SELECT person_no, count(DISTINCT programme) AS programmes, sum(amount) AS amount
FROM audit.payments WHERE period = $1 AND state = 'credited'
GROUP BY person_no HAVING count(DISTINCT programme) > 1 ORDER BY 3 DESC, 1
