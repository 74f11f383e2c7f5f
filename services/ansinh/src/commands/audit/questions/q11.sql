-- vi: Tài khoản thay đổi trong vòng số ngày trước khi chi
-- en: Accounts changed less than so many days before payment
-- set days integer
-- columns: line_id person_no institution changed_at released_at amount
SELECT p.line_id, p.person_no, p.institution, d.recorded_at AS changed_at, p.released_at, p.amount
FROM audit.payments p
JOIN audit.destinations d ON d.person_no = p.payee_no AND d.account_ref = p.account_ref
    AND d.state = 'linked'
WHERE p.released_at - d.recorded_at BETWEEN interval '0' AND make_interval(days => $1)
ORDER BY 1
