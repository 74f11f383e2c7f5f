-- vi: Chữ số đầu của số tiền (Benford) và số tròn
-- en: First digits of amounts, and round ones
-- columns: first_digit lines round_lines amount
SELECT left(amount::text, 1) AS first_digit, count(*) AS lines,
    count(*) FILTER (WHERE amount % 100000 = 0) AS round_lines, sum(amount) AS amount
FROM audit.payments GROUP BY 1 ORDER BY 1
