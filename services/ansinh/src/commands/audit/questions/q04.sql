-- vi: Đã chi theo tháng và chương trình, so với dự toán còn lại
-- en: Paid by month and programme, and what is left of the appropriation
-- columns: programme period lines amount left_of_budget
SELECT p.programme, p.period, count(*) AS lines, sum(p.amount) AS amount,
    (SELECT coalesce(sum(b.credits - b.debits), 0) FROM audit.balances(now()) b
        WHERE b.programme = p.programme AND b.account_no / 10000000000 = 20) AS left_of_budget
FROM audit.payments p WHERE p.state = 'credited'
GROUP BY p.programme, p.period ORDER BY 1, 2
