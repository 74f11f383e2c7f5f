-- vi: Các khoản chi của một đợt, theo thứ tự cộng dồn
-- en: The payments of a run, in the order in which they are added up
-- set run bigint
-- columns: line_id person_no programme period province commune institution channel state amount
SELECT line_id, person_no, programme, period, province, commune, institution, channel, state, amount
FROM audit.payments WHERE run_no = $1 ORDER BY line_id COLLATE "C"
