-- vi: Nghĩa vụ có nhiều lần chi, và lần nào đã ghi có
-- en: Obligations with more than one attempt, and which was credited
-- columns: person_no programme period attempts credited amount
SELECT person_no, programme, period, count(*) AS attempts,
    count(*) FILTER (WHERE state = 'credited') AS credited, max(amount) AS amount
FROM audit.payments GROUP BY person_no, programme, period, determination_no
HAVING count(*) > 1 ORDER BY 5 DESC, 1, 3
