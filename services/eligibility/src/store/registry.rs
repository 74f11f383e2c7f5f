//! SQL of the registry's import.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{BirthDate, Money, PersonNo, Programme, Province, Sex};
use intake::{Refused, Sums, Tally};
use privacy::{BlindIndex, Sealed};
use sqlx::{PgConnection, PgExecutor, PgPool};

use super::{Papers, programme_of, province_of};
use crate::Error;

#[derive(Debug)]
pub(crate) struct NewPerson {
    pub person_no: PersonNo,
    pub citizen_index: BlindIndex,
    pub citizen_sealed: Sealed,
    pub name_sealed: Sealed,
    pub identity_index: BlindIndex,
    pub birth_date: BirthDate,
    pub sex: Sex,
}

impl NewPerson {
    pub(crate) fn into_papers(self) -> Papers {
        Papers {
            person_no: self.person_no,
            citizen_index: self.citizen_index,
            name_sealed: self.name_sealed,
            birth_date: self.birth_date,
        }
    }
}

#[derive(Debug)]
pub(crate) struct NewEnrolment {
    pub person_no: PersonNo,
    pub version: i16,
    pub programme: Programme,
    pub province: Province,
    /// Canonical JSON.
    pub facts: String,
    pub valid_from: Option<NaiveDate>,
}

#[derive(Debug)]
pub(crate) struct Current {
    pub person_no: PersonNo,
    pub version: i16,
    pub import_no: i64,
    pub programme: Programme,
    pub province: Province,
    pub facts: String,
    pub valid_from: Option<NaiveDate>,
}

/// Number and outcome of a file that was imported before.
pub(crate) async fn import_of(
    pool: &PgPool,
    sha256: &[u8; 32],
) -> Result<Option<(i64, Sums)>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT import_no, accepted, refused, duplicates, accepted_amount AS "accepted_amount: Money",
            refused_amount AS "refused_amount: Money",
            duplicates_amount AS "duplicates_amount: Money"
        FROM eligibility.imports WHERE file_sha256 = $1
        "#,
        &sha256[..],
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|it| {
        let tally = |rows: i64, amount| Tally {
            rows: rows.unsigned_abs(),
            amount,
        };
        let accepted = tally(it.accepted, it.accepted_amount);
        let refused = tally(it.refused, it.refused_amount);
        let duplicates = tally(it.duplicates, it.duplicates_amount);
        let parts = [accepted, refused, duplicates];
        let file = Tally {
            rows: parts.iter().map(|it| it.rows).sum(),
            amount: Money::sum(parts.iter().map(|it| it.amount)),
        };
        let sums = Sums {
            file,
            accepted,
            refused,
            duplicates,
        };
        (it.import_no, sums)
    }))
}

pub(crate) async fn next_import_no(on: impl PgExecutor<'_>) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        "UPDATE eligibility.counters SET last = last + 1 WHERE name = 'import_no' RETURNING last"
    )
    .fetch_one(on)
    .await?)
}

/// Keeps what became of a file: its number, its digest, and its sheet where one was named. A
/// file that was imported before is from then on known by its newest import.
pub(crate) async fn insert_import(
    pool: &PgPool,
    (import_no, sha256, sheet): (i64, &[u8; 32], Option<&str>),
    sums: &Sums,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let count = |it: Tally| i64::try_from(it.rows).expect("a file has fewer rows than i64");
    sqlx::query!(
        r#"
        INSERT INTO eligibility.imports
            (import_no, file_sha256, rows, accepted, refused, duplicates, accepted_amount,
             refused_amount, duplicates_amount, imported_at, sheet)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (file_sha256) DO UPDATE
        SET (import_no, accepted, refused, duplicates, accepted_amount, refused_amount,
                duplicates_amount, imported_at)
            = (EXCLUDED.import_no, EXCLUDED.accepted, EXCLUDED.refused, EXCLUDED.duplicates,
                EXCLUDED.accepted_amount, EXCLUDED.refused_amount, EXCLUDED.duplicates_amount,
                EXCLUDED.imported_at)
        "#,
        import_no,
        &sha256[..],
        count(sums.file),
        count(sums.accepted),
        count(sums.refused),
        count(sums.duplicates),
        sums.accepted.amount as Money,
        sums.refused.amount as Money,
        sums.duplicates.amount as Money,
        now,
        sheet,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// One import at a time numbers people, so that numbers follow the file.
pub(crate) async fn lock_registry(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT last FROM eligibility.counters WHERE name = 'person_no' FOR UPDATE")
        .fetch_one(tx)
        .await?;
    Ok(())
}

/// The first of `count` new numbers.
pub(crate) async fn take_person_numbers(tx: &mut PgConnection, count: usize) -> Result<i64, Error> {
    let count = i64::try_from(count).expect("a batch is small");
    let last = sqlx::query_scalar!(
        "UPDATE eligibility.counters SET last = last + $1 WHERE name = 'person_no' RETURNING last",
        count,
    )
    .fetch_one(tx)
    .await?;
    Ok(last - count + 1)
}

pub(crate) async fn persons_by_index(
    tx: &mut PgConnection,
    indexes: &[Vec<u8>],
) -> Result<Vec<(BlindIndex, PersonNo, BlindIndex)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT citizen_index, person_no AS "person_no: PersonNo", identity_index
        FROM eligibility.persons WHERE citizen_index = ANY($1)
        "#,
        indexes,
    )
    .fetch_all(tx)
    .await?;
    let index = |it: &[u8]| BlindIndex::try_from(it).expect("the schema keeps indexes at 32 bytes");
    let found = rows.into_iter();
    Ok(found
        .map(|it| {
            (
                index(&it.citizen_index),
                it.person_no,
                index(&it.identity_index),
            )
        })
        .collect())
}

pub(crate) async fn current_enrolments(
    tx: &mut PgConnection,
    wanted: &[(PersonNo, Programme)],
) -> Result<Vec<Current>, Error> {
    let parts: Vec<i16> = wanted
        .iter()
        .map(|(person, _)| person.part().number())
        .collect();
    let programmes: Vec<i16> = wanted
        .iter()
        .map(|(_, programme)| programme.number())
        .collect();
    let persons: Vec<i64> = wanted.iter().map(|(person, _)| person.0).collect();
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT e.person_no AS "person_no: PersonNo", e.programme, e.version, e.import_no,
            e.province, e.facts, e.valid_from
        FROM unnest($1::smallint[], $2::smallint[], $3::bigint[]) AS w (part, programme, person_no)
        CROSS JOIN LATERAL (
            SELECT * FROM eligibility.enrolments e
            WHERE e.part = w.part AND e.programme = w.programme AND e.person_no = w.person_no
                AND e.known_to IS NULL OFFSET 0
        ) e
        "#,
        &parts,
        &programmes,
        &persons,
    )
    .fetch_all(tx)
    .await?;
    let current = rows.into_iter().map(|it| Current {
        person_no: it.person_no,
        version: it.version,
        import_no: it.import_no,
        programme: programme_of(it.programme),
        province: province_of(it.province),
        facts: it.facts,
        valid_from: it.valid_from,
    });
    Ok(current.collect())
}

pub(crate) async fn insert_persons(
    tx: &mut PgConnection,
    persons: &[NewPerson],
) -> Result<(), Error> {
    let parts: Vec<i16> = persons
        .iter()
        .map(|it| it.person_no.part().number())
        .collect();
    let numbers: Vec<i64> = persons.iter().map(|it| it.person_no.0).collect();
    let indexes: Vec<&[u8]> = persons
        .iter()
        .map(|it| &it.citizen_index.as_bytes()[..])
        .collect();
    let sealed: Vec<&[u8]> = persons
        .iter()
        .map(|it| it.citizen_sealed.as_bytes())
        .collect();
    let names: Vec<&[u8]> = persons.iter().map(|it| it.name_sealed.as_bytes()).collect();
    let identities: Vec<&[u8]> = persons
        .iter()
        .map(|it| &it.identity_index.as_bytes()[..])
        .collect();
    let births: Vec<NaiveDate> = persons.iter().map(|it| it.birth_date.date()).collect();
    let year_only: Vec<bool> = persons
        .iter()
        .map(|it| it.birth_date.is_year_only())
        .collect();
    let sexes: Vec<&str> = persons
        .iter()
        .map(|it| {
            if it.sex == Sex::Male {
                "male"
            } else {
                "female"
            }
        })
        .collect();
    sqlx::query!(
        r#"
        INSERT INTO eligibility.persons (part, person_no, citizen_index, citizen_sealed,
            name_sealed, identity_index, birth_date, birth_year_only, sex)
        SELECT p.* FROM unnest($1::smallint[], $2::bigint[], $3::bytea[], $4::bytea[],
            $5::bytea[], $6::bytea[], $7::date[], $8::boolean[], $9::text[]) AS p
        "#,
        &parts,
        &numbers,
        &indexes as &[&[u8]],
        &sealed as &[&[u8]],
        &names as &[&[u8]],
        &identities as &[&[u8]],
        &births,
        &year_only,
        &sexes as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Adds enrolments; an earlier version of the same one ends where the new one begins.
pub(crate) async fn insert_enrolments(
    tx: &mut PgConnection,
    import_no: i64,
    accepted: &[NewEnrolment],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let parts: Vec<i16> = accepted
        .iter()
        .map(|it| it.person_no.part().number())
        .collect();
    let programmes: Vec<i16> = accepted.iter().map(|it| it.programme.number()).collect();
    let persons: Vec<i64> = accepted.iter().map(|it| it.person_no.0).collect();
    let versions: Vec<i16> = accepted.iter().map(|it| it.version).collect();
    let provinces: Vec<i16> = accepted.iter().map(|it| it.province.number()).collect();
    let facts: Vec<&str> = accepted.iter().map(|it| &it.facts[..]).collect();
    let valid_from: Vec<Option<NaiveDate>> = accepted.iter().map(|it| it.valid_from).collect();
    sqlx::query!(
        r#"
        UPDATE eligibility.enrolments e SET known_to = $5
        FROM unnest($1::smallint[], $2::smallint[], $3::bigint[], $4::smallint[])
            AS n (part, programme, person_no, version)
        WHERE (e.part, e.programme, e.person_no, e.version)
            = (n.part, n.programme, n.person_no, n.version - 1) AND n.version > 1
        "#,
        &parts,
        &programmes,
        &persons,
        &versions,
        now,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO eligibility.enrolments (part, programme, person_no, version, province,
            facts, valid_from, import_no, known_from)
        SELECT e.*, $8, $9 FROM unnest($1::smallint[], $2::smallint[], $3::bigint[],
            $4::smallint[], $5::smallint[], $6::text[], $7::date[]) AS e
        "#,
        &parts,
        &programmes,
        &persons,
        &versions,
        &provinces,
        &facts as &[&str],
        &valid_from as &[Option<NaiveDate>],
        import_no,
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_refusals(
    tx: &mut PgConnection,
    import_no: i64,
    refused: &[Refused],
) -> Result<(), Error> {
    let lines: Vec<i64> = refused.iter().map(|it| it.line.cast_signed()).collect();
    let columns: Vec<&str> = refused.iter().map(|it| it.column).collect();
    let codes: Vec<&str> = refused.iter().map(|it| it.code).collect();
    let sentences: Vec<&str> = refused.iter().map(|it| &it.sentence[..]).collect();
    sqlx::query!(
        r#"
        INSERT INTO eligibility.refusals (import_no, line, "column", code, sentence)
        SELECT $1, r.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS r
        "#,
        import_no,
        &lines,
        &columns as &[&str],
        &codes as &[&str],
        &sentences as &[&str],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A refusal as it was stored.
#[derive(Debug)]
pub(crate) struct StoredRefusal {
    pub line: i64,
    pub column: String,
    pub code: String,
    pub sentence: String,
}

/// The next refusals of an import behind a line, in the order of lines.
pub(crate) async fn refusals(
    pool: &PgPool,
    import_no: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<StoredRefusal>, Error> {
    Ok(sqlx::query_as!(
        StoredRefusal,
        r#"
        SELECT line, "column", code, sentence FROM eligibility.refusals
        WHERE import_no = $1 AND line > $2 ORDER BY line LIMIT $3
        "#,
        import_no,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?)
}
