-- vi: Chọn mẫu phân tầng theo tỉnh, lặp lại được theo hạt giống
-- en: A sample by province, the same for the same seed
-- set each integer
-- set seed text
-- columns: line_id province person_no amount
SELECT line_id, province, person_no, amount FROM (
    SELECT *, row_number() OVER (PARTITION BY province
        ORDER BY encode(sha256(convert_to($2 || line_id, 'UTF8')), 'hex')) AS drawn
    FROM audit.payments
) s WHERE drawn <= $1::integer ORDER BY province, drawn
