-- vi: Khoản bị trả lại và chưa chi lại
-- en: Returned and not paid again
-- columns: line_id person_no reason booked_on amount
SELECT p.line_id, p.person_no, p.reason, p.booked_on, p.amount FROM audit.payments p
WHERE p.state IN ('returned', 'came_back') AND NOT EXISTS (
    SELECT FROM audit.payments q WHERE q.programme = p.programme AND q.period = p.period
        AND q.person_no = p.person_no AND q.determination_no = p.determination_no
        AND q.run_no > p.run_no)
ORDER BY p.booked_on, 1
