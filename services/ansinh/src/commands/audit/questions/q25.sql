-- vi: Tiền của Nhà nước đang ở từng ngân hàng
-- en: The state's money at each bank
-- columns: institution account debits credits stands
SELECT institution, account, debits, credits, debits - credits AS stands
FROM audit.balances(now()) WHERE institution > 0 ORDER BY institution, account_no
