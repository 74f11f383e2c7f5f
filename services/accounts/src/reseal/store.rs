//! SQL of sealing people again.

use domain::PersonNo;
use privacy::{Replacement, Sealed, SealedRow};
use sqlx::PgConnection;

/// The next people, with their name where it is not sealed with this version.
pub(super) async fn sealed_after(
    tx: &mut PgConnection,
    after: PersonNo,
    version: u8,
    limit: i64,
) -> Result<Vec<SealedRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT w.person_no AS "person_no!: PersonNo",
            CASE WHEN w.other THEN w.name_sealed END AS name_sealed
        FROM (
            -- The first byte is the key's version; a value without bytes is of no version.
            SELECT part, person_no, name_sealed,
                coalesce(get_byte(nullif(name_sealed, ''), 0), 0) <> $3 AS other
            FROM accounts.persons WHERE (part, person_no) > ($1, $2)
            ORDER BY part, person_no LIMIT $4
        ) w
        ORDER BY w.part, w.person_no
        "#,
        after.part().number(),
        after as PersonNo,
        i32::from(version),
        limit,
    )
    .fetch_all(tx)
    .await?;
    let rows = rows.into_iter().map(|it| SealedRow {
        person_no: it.person_no,
        values: it.name_sealed.into_iter().map(Sealed::from).collect(),
    });
    Ok(rows.collect())
}

/// Sealing again is the register's own work, and is done for everybody.
pub(super) async fn for_the_nation(tx: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!("SELECT set_config('ansinh.scope', 'nation', true)")
        .fetch_one(tx)
        .await?;
    Ok(())
}

/// Names sealed anew, where they are still what was read.
pub(super) async fn replace_sealed(
    tx: &mut PgConnection,
    rows: &[Replacement],
) -> Result<u64, sqlx::Error> {
    let parts: Vec<i16> = rows.iter().map(|it| it.person_no.part().number()).collect();
    let numbers: Vec<i64> = rows.iter().map(|it| it.person_no.0).collect();
    let old_names: Vec<&[u8]> = rows.iter().map(|it| it.old[0].as_bytes()).collect();
    let names: Vec<&[u8]> = rows.iter().map(|it| it.new[0].as_bytes()).collect();
    let replaced = sqlx::query!(
        r#"
        UPDATE accounts.persons p SET name_sealed = r.name_sealed
        FROM unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[])
            AS r (part, person_no, old_name, name_sealed)
        WHERE p.part = r.part AND p.person_no = r.person_no AND p.name_sealed = r.old_name
        "#,
        &parts,
        &numbers,
        &old_names as &[&[u8]],
        &names as &[&[u8]],
    )
    .execute(tx)
    .await?;
    Ok(replaced.rows_affected())
}
