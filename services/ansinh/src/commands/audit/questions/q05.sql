-- vi: Chi cho người đã dừng hưởng: nghĩa vụ bị thu hồi sau khi đã chi
-- en: Paid after a stop: what turned out not to be owed
-- columns: journal line_id person_no amount recorded_at
SELECT journal, line_id, person_no, amount, recorded_at FROM audit.transfers
WHERE kind = 'overpayment' AND credit_no / 10000000000 = 65 ORDER BY recorded_at, journal, line
