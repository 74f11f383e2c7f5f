-- vi: Phê duyệt, phát lệnh ngoài giờ làm việc
-- en: Approvals and releases outside of working hours
-- columns: act_no run_no act officer acted_at
SELECT act_no, run_no, act, officer, acted_at FROM audit.approvals
WHERE act IN ('approve', 'release') AND (
    (acted_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::time NOT BETWEEN '07:00' AND '18:00'
    OR extract(isodow FROM acted_at AT TIME ZONE 'Asia/Ho_Chi_Minh') > 5)
ORDER BY act_no
