//! SQL of the key status: counts in every schema, with the owner's rights.

use sqlx::{AssertSqlSafe, PgPool};

/// How many values of a column are sealed with one version.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Count {
    pub column: String,
    /// 0 where a value has no bytes at all.
    pub version: i32,
    pub rows: i64,
    pub resealed: bool,
}

/// Every column of bytes whose name ends in `_sealed`, whichever table it is in, as a statement
/// that counts it. A service that may change the column seals it again after a rotation.
const COUNTS: &str = r#"
    SELECT format(
        'SELECT %1$L AS "column", CASE WHEN length(%2$I) > 0 THEN get_byte(%2$I, 0) ELSE 0 END
            AS version, count(*) AS rows, %3$L::boolean AS resealed
        FROM %4$I.%5$I WHERE %2$I IS NOT NULL GROUP BY 2 ORDER BY 2',
        concat_ws('.', n.nspname, c.relname, a.attname), a.attname,
        EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'ansinh_' || n.nspname
            AND has_column_privilege(r.oid, c.oid, a.attnum, 'UPDATE')),
        n.nspname, c.relname)
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attname LIKE '%\_sealed' AND a.atttypid = 'bytea'::regtype
        AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT a.attisdropped
    ORDER BY n.nspname, c.relname, a.attnum
"#;

pub(super) async fn sealed_by_version(pool: &PgPool) -> Result<Vec<Count>, sqlx::Error> {
    let counts: Vec<String> = sqlx::query_scalar(COUNTS).fetch_all(pool).await?;
    let mut all = Vec::new();
    for count in counts {
        // Made of names in the catalogue, which `format` quotes.
        let mut counted = sqlx::query_as(AssertSqlSafe(count)).fetch_all(pool).await?;
        all.append(&mut counted);
    }
    Ok(all)
}
