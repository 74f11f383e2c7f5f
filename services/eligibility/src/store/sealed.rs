//! SQL of sealing people again.

use domain::PersonNo;
use privacy::{Replacement, Sealed, SealedRow};
use sqlx::PgConnection;

/// The next people, with number and name where one of them is not sealed with this version.
pub(crate) async fn sealed_after(
    tx: &mut PgConnection,
    after: PersonNo,
    version: u8,
    limit: i64,
) -> Result<Vec<SealedRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT w.person_no AS "person_no!: PersonNo",
            CASE WHEN w.other THEN w.citizen_sealed END AS citizen_sealed,
            CASE WHEN w.other THEN w.name_sealed END AS name_sealed
        FROM (
            -- The first byte is the key's version; a value without bytes is of no version.
            SELECT part, person_no, citizen_sealed, name_sealed,
                coalesce(get_byte(nullif(citizen_sealed, ''), 0), 0) <> $3
                    OR coalesce(get_byte(nullif(name_sealed, ''), 0), 0) <> $3 AS other
            FROM eligibility.persons WHERE (part, person_no) > ($1, $2)
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
    let rows = rows.into_iter().map(|it| {
        let values = it.citizen_sealed.into_iter().chain(it.name_sealed);
        SealedRow {
            person_no: it.person_no,
            values: values.map(Sealed::from).collect(),
        }
    });
    Ok(rows.collect())
}

/// Number and name sealed anew, where both are still what was read.
pub(crate) async fn replace_sealed(
    tx: &mut PgConnection,
    rows: &[Replacement],
) -> Result<u64, sqlx::Error> {
    let parts: Vec<i16> = rows.iter().map(|it| it.person_no.part().number()).collect();
    let numbers: Vec<i64> = rows.iter().map(|it| it.person_no.0).collect();
    let column = |of: fn(&Replacement) -> &Sealed| -> Vec<&[u8]> {
        rows.iter().map(|it| of(it).as_bytes()).collect()
    };
    let (old_citizens, old_names) = (column(|it| &it.old[0]), column(|it| &it.old[1]));
    let (citizens, names) = (column(|it| &it.new[0]), column(|it| &it.new[1]));
    let replaced = sqlx::query!(
        r#"
        UPDATE eligibility.persons p
        SET citizen_sealed = r.citizen_sealed, name_sealed = r.name_sealed
        FROM unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])
            AS r (part, person_no, old_citizen, old_name, citizen_sealed, name_sealed)
        WHERE p.part = r.part AND p.person_no = r.person_no
            AND p.citizen_sealed = r.old_citizen AND p.name_sealed = r.old_name
        "#,
        &parts,
        &numbers,
        &old_citizens as &[&[u8]],
        &old_names as &[&[u8]],
        &citizens as &[&[u8]],
        &names as &[&[u8]],
    )
    .execute(tx)
    .await?;
    Ok(replaced.rows_affected())
}
