-- vi: Khoản ngân hàng trả lời chậm hơn số giờ
-- en: Payments answered later than so many hours
-- set hours integer
-- columns: line_id institution released_at booked_on amount
SELECT line_id, institution, released_at, booked_on, amount FROM audit.payments
WHERE booked_on > (released_at + make_interval(hours => $1))::date ORDER BY 1
