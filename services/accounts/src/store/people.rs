use domain::{PersonNo, Province};
use events::PersonsRegistered;
use privacy::{BlindIndex, Sealed};
use sqlx::PgConnection;

use super::{Keys, index_of};
use crate::Error;

/// A person as the register of accounts knows them.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub person_no: PersonNo,
    pub name_sealed: Sealed,
    pub province: Option<i16>,
    pub birth_date: Option<String>,
}

/// People who can be linked from now on; who is known already has moved or was corrected.
pub(crate) async fn upsert_persons(
    tx: &mut PgConnection,
    registered: &PersonsRegistered,
) -> Result<(), Error> {
    let persons = &registered.persons;
    let numbers: Vec<i64> = persons.iter().map(|it| it.person_no.0).collect();
    let indexes: Vec<&[u8]> = persons
        .iter()
        .map(|it| &it.citizen_index.as_bytes()[..])
        .collect();
    let names: Vec<&[u8]> = persons.iter().map(|it| it.name.as_bytes()).collect();
    let provinces: Vec<Option<i16>> = persons
        .iter()
        .map(|it| it.province.map(Province::number))
        .collect();
    let communes: Vec<Option<i32>> = persons.iter().map(|it| it.commune).collect();
    let births: Vec<Option<&str>> = persons.iter().map(|it| it.birth_date.as_deref()).collect();
    sqlx::query!(
        r#"
        INSERT INTO accounts.persons
            (part, person_no, citizen_index, name_sealed, province, commune, birth_date)
        SELECT $1, p.* FROM unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::smallint[],
            $6::integer[], $7::text[]) AS p
        ON CONFLICT (part, person_no) DO UPDATE SET name_sealed = excluded.name_sealed,
            province = coalesce(excluded.province, persons.province),
            commune = coalesce(excluded.commune, persons.commune),
            birth_date = coalesce(excluded.birth_date, persons.birth_date)
        "#,
        registered.part.number(),
        &numbers,
        &indexes as &[&[u8]],
        &names as &[&[u8]],
        &provinces as &[Option<i16>],
        &communes as &[Option<i32>],
        &births as &[Option<&str>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn persons_by_index(
    tx: &mut PgConnection,
    indexes: &[&[u8]],
) -> Result<Vec<(BlindIndex, PersonNo)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT citizen_index, person_no AS "person_no: PersonNo"
        FROM accounts.persons WHERE citizen_index = ANY($1)
        "#,
        indexes as &[&[u8]],
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (index_of(&it.citizen_index), it.person_no))
        .collect())
}

/// These people, each locked until the transaction ends: what happens to a person's links happens
/// one after the other. In the order of their keys, so that two who lock never wait in a ring.
pub(crate) async fn lock_persons(
    tx: &mut PgConnection,
    persons: &[PersonNo],
) -> Result<Vec<Person>, Error> {
    let keys = Keys::of(persons.iter().copied());
    let rows = sqlx::query!(
        r#"
        SELECT p.person_no AS "person_no: PersonNo", p.name_sealed, p.province, p.birth_date
        FROM accounts.persons p
        JOIN unnest($1::smallint[], $2::bigint[]) AS k (part, person_no) USING (part, person_no)
        ORDER BY p.part, p.person_no FOR NO KEY UPDATE OF p
        "#,
        &keys.parts,
        &keys.persons,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| Person {
            person_no: it.person_no,
            name_sealed: Sealed::from(it.name_sealed),
            province: it.province,
            birth_date: it.birth_date,
        })
        .collect())
}

/// The person, without a lock: for those who only look.
pub(crate) async fn person(
    tx: &mut PgConnection,
    person_no: PersonNo,
) -> Result<Option<Person>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT name_sealed, province, birth_date FROM accounts.persons
        WHERE part = $1 AND person_no = $2
        "#,
        person_no.part().number(),
        person_no.0,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| Person {
        person_no,
        name_sealed: Sealed::from(it.name_sealed),
        province: it.province,
        birth_date: it.birth_date,
    }))
}

/// Former numbers that the population register knows of people.
pub(crate) async fn insert_old_number(
    tx: &mut PgConnection,
    person_no: PersonNo,
    index: BlindIndex,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO accounts.old_numbers (part, person_no, old_index, recorded_at)
        VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
        "#,
        person_no.part().number(),
        person_no.0,
        &index.as_bytes()[..],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn old_numbers_of(
    tx: &mut PgConnection,
    persons: &[PersonNo],
) -> Result<Vec<(PersonNo, BlindIndex)>, Error> {
    let keys = Keys::of(persons.iter().copied());
    let rows = sqlx::query!(
        r#"
        SELECT o.person_no AS "person_no: PersonNo", o.old_index
        FROM accounts.old_numbers o
        JOIN unnest($1::smallint[], $2::bigint[]) AS k (part, person_no) USING (part, person_no)
        "#,
        &keys.parts,
        &keys.persons,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (it.person_no, index_of(&it.old_index)))
        .collect())
}
