-- vi: Phê duyệt thay người khác theo uỷ quyền
-- en: Acts in the place of another, by delegation
-- columns: act_no run_no act officer principal acted_at
SELECT act_no, run_no, act, officer, principal, acted_at FROM audit.approvals
WHERE principal IS NOT NULL ORDER BY act_no
