//! SQL of schema `privacy`: the access log, and how far sealing again is.

use chrono::{DateTime, Utc};
use domain::PersonNo;
use sqlx::PgConnection;

use crate::Field;
use crate::access::{Access, AccessRow, Purpose, Role};
use crate::reseal::Position;

pub(crate) async fn insert_access(
    tx: &mut PgConnection,
    access: &Access<'_>,
    service: &str,
    now: DateTime<Utc>,
) -> Result<i64, sqlx::Error> {
    let fields: Vec<&str> = access.fields.iter().map(|it| it.name()).collect();
    sqlx::query_scalar!(
        r#"
        INSERT INTO privacy.access_log
            (recorded_at, actor, role, purpose, case_ref, part, person_no, fields, unmasked, service)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        RETURNING entry_no
        "#,
        now,
        access.actor,
        access.role.code(),
        access.purpose.code(),
        access.case_ref,
        access.person_no.part().number(),
        access.person_no as PersonNo,
        &fields as &[&str],
        access.unmasked,
        service,
    )
    .fetch_one(tx)
    .await
}

pub(crate) async fn accesses_of(
    connection: &mut PgConnection,
    person_no: PersonNo,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<AccessRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        SELECT entry_no, recorded_at, actor, role, purpose, case_ref, fields, unmasked, service
        FROM privacy.access_log
        WHERE part = $1 AND person_no = $2 AND entry_no < coalesce($3, 9223372036854775807)
        ORDER BY entry_no DESC LIMIT $4
        "#,
        person_no.part().number(),
        person_no as PersonNo,
        before,
        i64::from(limit),
    )
    .fetch_all(connection)
    .await?;
    let rows = rows.into_iter().map(|it| {
        let field = |code: &String| Field::from_name(code).ok_or_else(|| unknown(code));
        Ok(AccessRow {
            entry_no: it.entry_no,
            recorded_at: it.recorded_at,
            actor: it.actor,
            role: Role::from_code(&it.role).ok_or_else(|| unknown(&it.role))?,
            purpose: Purpose::from_code(&it.purpose).ok_or_else(|| unknown(&it.purpose))?,
            case_ref: it.case_ref,
            fields: it.fields.iter().map(field).collect::<Result<_, _>>()?,
            unmasked: it.unmasked,
            service: it.service,
        })
    });
    rows.collect()
}

/// A code of a newer version of this program.
fn unknown(code: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("the access log has the unknown code {code}").into())
}

/// How far a table is, locked until the transaction ends; `None` where somebody else has it.
pub(crate) async fn take_position(
    tx: &mut PgConnection,
    table: &str,
    version: u8,
) -> Result<Option<Position>, sqlx::Error> {
    sqlx::query!(
        r#"
        INSERT INTO privacy.reseals (table_name, version, after_person)
        VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
        "#,
        table,
        i16::from(version),
        Position::start(version).after as PersonNo,
    )
    .execute(&mut *tx)
    .await?;
    let row = sqlx::query!(
        r#"
        SELECT version, after_person AS "after_person: PersonNo", resealed, unreadable, finished_at
        FROM privacy.reseals WHERE table_name = $1 FOR UPDATE SKIP LOCKED
        "#,
        table,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| Position {
        version: u8::try_from(it.version).expect("the schema keeps versions from 1 to 255"),
        after: it.after_person,
        resealed: it.resealed,
        unreadable: it.unreadable,
        finished_at: it.finished_at,
    }))
}

pub(crate) async fn put_position(
    tx: &mut PgConnection,
    table: &str,
    position: &Position,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        UPDATE privacy.reseals
        SET (version, after_person, resealed, unreadable, finished_at) = ($2, $3, $4, $5, $6)
        WHERE table_name = $1
        "#,
        table,
        i16::from(position.version),
        position.after as PersonNo,
        position.resealed,
        position.unreadable,
        position.finished_at,
    )
    .execute(tx)
    .await?;
    Ok(())
}
