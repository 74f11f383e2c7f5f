-- vi: Xem dữ liệu cá nhân không gắn hồ sơ
-- en: Views of personal data without a case
-- columns: entry_no recorded_at actor purpose person_no unmasked
SELECT entry_no, recorded_at, actor, purpose, person_no, unmasked FROM audit.access_log
WHERE case_ref IS NULL AND role <> 'citizen' ORDER BY entry_no
