-- vi: Thay đổi giữa phê duyệt và phát lệnh (phải không có)
-- en: Changes between approval and release (must be none)
-- columns: run_no approved released
SELECT a.run_no, a.root AS approved, b.root AS released FROM audit.approvals a
JOIN audit.approvals b ON b.run_no = a.run_no AND b.act = 'release' AND b.voided_at IS NULL
WHERE a.act = 'approve' AND a.voided_at IS NULL
    AND (a.root, a.lines, a.total) IS DISTINCT FROM (b.root, b.lines, b.total)
ORDER BY 1
