-- vi: Số thứ tự sự kiện bị thiếu
-- en: Gaps in the numbers of events
-- columns: speaker part expected found
SELECT speaker, part, before + 1 AS expected, seq AS found FROM (
    SELECT speaker, part, seq, lag(seq, 1, 0::bigint) OVER (PARTITION BY speaker, part ORDER BY seq) AS before
    FROM audit.events
) s WHERE seq <> before + 1 ORDER BY 1, 2, 3
