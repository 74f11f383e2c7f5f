//! All SQL of accounts.

use chrono::{DateTime, Utc};
use domain::{Channel, Institution, Money, Part, PersonNo};
use events::PersonsRegistered;
use intake::{Refused, Sums, Tally};
use privacy::{BlindIndex, Sealed};
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::link::Destination;

#[derive(Debug)]
pub(crate) struct NewLink {
    pub person_no: PersonNo,
    pub link_no: i16,
    pub channel: Channel,
    pub institution: Institution,
    pub account_sealed: Sealed,
    pub account_index: BlindIndex,
    pub holder_sealed: Sealed,
}

/// A person's active link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linked {
    pub link_no: i16,
    pub institution: Institution,
    pub account_index: BlindIndex,
}

pub(crate) async fn insert_persons(
    tx: &mut PgConnection,
    registered: &PersonsRegistered,
) -> Result<(), Error> {
    let numbers: Vec<i64> = registered.persons.iter().map(|it| it.person_no.0).collect();
    let indexes: Vec<&[u8]> = registered
        .persons
        .iter()
        .map(|it| &it.citizen_index.as_bytes()[..])
        .collect();
    let names: Vec<&[u8]> = registered
        .persons
        .iter()
        .map(|it| it.name.as_bytes())
        .collect();
    sqlx::query!(
        r#"
        INSERT INTO accounts.persons (part, person_no, citizen_index, name_sealed)
        SELECT $1, p.* FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS p
        ON CONFLICT DO NOTHING
        "#,
        registered.part.number(),
        &numbers,
        &indexes as &[&[u8]],
        &names as &[&[u8]],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Where each person is paid now; people without a link get cash.
pub(crate) async fn destinations(
    tx: &mut PgConnection,
    part: Part,
    persons: &[PersonNo],
) -> Result<Vec<(PersonNo, Destination)>, Error> {
    let numbers: Vec<i64> = persons.iter().map(|it| it.0).collect();
    let rows = sqlx::query!(
        r#"
        -- LATERAL with OFFSET 0 looks each person up by key, whatever the statistics say of
        -- tables that have just grown.
        SELECT n.person_no AS "person_no!: PersonNo", p.name_sealed AS "name_sealed!",
            l.channel AS "channel?: Channel", l.institution AS "institution?: Institution",
            l.account_sealed AS "account_sealed?", l.account_index AS "account_index?",
            l.holder_sealed AS "holder_sealed?"
        FROM unnest($2::bigint[]) AS n (person_no)
        CROSS JOIN LATERAL (
            SELECT name_sealed FROM accounts.persons p
            WHERE p.part = $1 AND p.person_no = n.person_no OFFSET 0
        ) p
        LEFT JOIN LATERAL (
            SELECT channel, institution, account_sealed, account_index, holder_sealed
            FROM accounts.links l
            WHERE l.part = $1 AND l.person_no = n.person_no AND l.replaced_at IS NULL OFFSET 0
        ) l ON true
        "#,
        part.number(),
        &numbers,
    )
    .fetch_all(tx)
    .await?;
    let found = rows.into_iter().map(|it| {
        let linked = it.channel.zip(it.institution).zip(it.holder_sealed);
        let destination = match linked {
            Some(((channel, institution), holder)) => Destination {
                channel,
                institution,
                account: it.account_sealed.map(Sealed::from),
                account_index: it.account_index.as_deref().map(index_of),
                holder: Sealed::from(holder),
            },
            None => Destination::cash(Sealed::from(it.name_sealed)),
        };
        (it.person_no, destination)
    });
    Ok(found.collect())
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

pub(crate) async fn active_links(
    tx: &mut PgConnection,
    persons: &[PersonNo],
) -> Result<Vec<(PersonNo, Linked)>, Error> {
    let parts: Vec<i16> = persons.iter().map(|it| it.part().number()).collect();
    let numbers: Vec<i64> = persons.iter().map(|it| it.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT l.person_no AS "person_no: PersonNo", l.link_no,
            l.institution AS "institution: Institution", l.account_index
        FROM unnest($1::smallint[], $2::bigint[]) AS w (part, person_no)
        CROSS JOIN LATERAL (
            SELECT * FROM accounts.links l
            WHERE l.part = w.part AND l.person_no = w.person_no AND l.replaced_at IS NULL OFFSET 0
        ) l
        "#,
        &parts,
        &numbers,
    )
    .fetch_all(tx)
    .await?;
    let linked = rows.into_iter().map(|it| {
        let account_index = index_of(&it.account_index);
        (
            it.person_no,
            Linked {
                link_no: it.link_no,
                institution: it.institution,
                account_index,
            },
        )
    });
    Ok(linked.collect())
}

/// Ends the former links of these people and begins the new ones.
pub(crate) async fn insert_links(
    tx: &mut PgConnection,
    links: &[NewLink],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let parts: Vec<i16> = links
        .iter()
        .map(|it| it.person_no.part().number())
        .collect();
    let persons: Vec<i64> = links.iter().map(|it| it.person_no.0).collect();
    let link_nos: Vec<i16> = links.iter().map(|it| it.link_no).collect();
    let channels: Vec<String> = links.iter().map(|it| it.channel.to_string()).collect();
    let institutions: Vec<i32> = links.iter().map(|it| it.institution.number()).collect();
    let accounts: Vec<&[u8]> = links
        .iter()
        .map(|it| it.account_sealed.as_bytes())
        .collect();
    let indexes: Vec<&[u8]> = links
        .iter()
        .map(|it| &it.account_index.as_bytes()[..])
        .collect();
    let holders: Vec<&[u8]> = links.iter().map(|it| it.holder_sealed.as_bytes()).collect();
    sqlx::query!(
        r#"
        UPDATE accounts.links l SET replaced_at = $4
        FROM unnest($1::smallint[], $2::bigint[], $3::smallint[]) AS n (part, person_no, link_no)
        WHERE n.link_no > 1 AND l.part = n.part AND l.person_no = n.person_no
            AND l.replaced_at IS NULL
        "#,
        &parts,
        &persons,
        &link_nos,
        now,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO accounts.links (part, person_no, link_no, channel, institution,
            account_sealed, account_index, holder_sealed, linked_at)
        SELECT n.*, $9 FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::text[],
            $5::int[], $6::bytea[], $7::bytea[], $8::bytea[]) AS n
        "#,
        &parts,
        &persons,
        &link_nos,
        &channels,
        &institutions,
        &accounts as &[&[u8]],
        &indexes as &[&[u8]],
        &holders as &[&[u8]],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The outcome of a file that was imported before.
pub(crate) async fn import_of(pool: &PgPool, sha256: &[u8; 32]) -> Result<Option<Sums>, Error> {
    let row = sqlx::query!(
        "SELECT rows, accepted, refused, duplicates FROM accounts.imports WHERE file_sha256 = $1",
        &sha256[..],
    )
    .fetch_optional(pool)
    .await?;
    let tally = |rows: i64| Tally {
        rows: rows.unsigned_abs(),
        amount: Money::ZERO,
    };
    Ok(row.map(|it| Sums {
        file: tally(it.rows),
        accepted: tally(it.accepted),
        refused: tally(it.refused),
        duplicates: tally(it.duplicates),
    }))
}

pub(crate) async fn insert_import(
    pool: &PgPool,
    sha256: &[u8; 32],
    sums: &Sums,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let count = |it: Tally| i64::try_from(it.rows).expect("a file has fewer rows than i64");
    sqlx::query!(
        r#"
        INSERT INTO accounts.imports (file_sha256, rows, accepted, refused, duplicates, imported_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        "#,
        &sha256[..],
        count(sums.file),
        count(sums.accepted),
        count(sums.refused),
        count(sums.duplicates),
        now,
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(crate) async fn insert_refusals(
    tx: &mut PgConnection,
    sha256: &[u8; 32],
    refused: &[Refused],
) -> Result<(), Error> {
    let lines: Vec<i64> = refused.iter().map(|it| it.line.cast_signed()).collect();
    let columns: Vec<&str> = refused.iter().map(|it| it.column).collect();
    let codes: Vec<&str> = refused.iter().map(|it| it.code).collect();
    let sentences: Vec<&str> = refused.iter().map(|it| &it.sentence[..]).collect();
    // An import that was cut off left its refusals here already.
    sqlx::query!(
        r#"
        INSERT INTO accounts.refusals (file_sha256, line, "column", code, sentence)
        SELECT $1, r.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS r
        ON CONFLICT DO NOTHING
        "#,
        &sha256[..],
        &lines,
        &columns as &[&str],
        &codes as &[&str],
        &sentences as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn index_of(bytes: &[u8]) -> BlindIndex {
    BlindIndex::try_from(bytes).expect("the schema keeps indexes at 32 bytes")
}
