-- vi: Chênh lệch sao kê chưa xử lý
-- en: Breaks of statements that are not closed
-- columns: institution statement_no part break_no kind line_id amount stated_on
SELECT institution, statement_no, part, break_no, kind, line_id, amount, stated_on
FROM audit.breaks WHERE how IS NULL ORDER BY stated_on, 1, 2, 3, 4
