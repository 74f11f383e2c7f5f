//! SQL of where people live.

use chrono::{DateTime, Utc};
use domain::{BirthDate, Commune, PersonNo};
use privacy::{BlindIndex, Sealed};
use sqlx::PgConnection;

use super::province_of;
use crate::Error;
use crate::residence::Place;

/// Who said where a person lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Author {
    /// The registry file of this number.
    File(i64),
    /// The life event of this number of its teller.
    Move(String),
}

#[derive(Debug)]
pub(crate) struct NewResidence {
    pub person_no: PersonNo,
    pub version: i16,
    pub place: Place,
    pub author: Author,
}

/// What is known of where a person lives.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub person_no: PersonNo,
    /// Of the residence that stands; 0 where there is none.
    pub version: i16,
    pub current: Option<Place>,
    /// What the newest file said that said something new.
    pub by_file: Option<(i64, Place)>,
    /// The latest move of those that were told since.
    pub moved: Option<(String, Place)>,
}

/// What others are told of a person.
#[derive(Debug)]
pub(crate) struct Papers {
    pub person_no: PersonNo,
    pub citizen_index: BlindIndex,
    pub name_sealed: Sealed,
    pub birth_date: BirthDate,
}

/// A place as it is stored.
pub(crate) fn place_of(province: Option<i16>, commune: Option<i32>) -> Option<Place> {
    let known = |it| Commune::from_number(it).expect("only communes are stored");
    Some(Place {
        province: province_of(province?),
        commune: commune.map(known),
    })
}

fn keys(persons: &[PersonNo]) -> (Vec<i16>, Vec<i64>) {
    let parts = persons.iter().map(|it| it.part().number());
    (parts.collect(), persons.iter().map(|it| it.0).collect())
}

/// Those of whom a move was ever told with where to, each once.
pub(crate) async fn people_moving(
    tx: &mut PgConnection,
    persons: &[PersonNo],
) -> Result<Vec<PersonNo>, Error> {
    let (parts, persons) = keys(persons);
    Ok(sqlx::query_scalar!(
        r#"
        SELECT DISTINCT w.person_no AS "person_no!: PersonNo"
        FROM unnest($1::smallint[], $2::bigint[]) AS w (part, person_no)
        CROSS JOIN LATERAL (
            SELECT FROM eligibility.life_events l
            WHERE l.part = w.part AND l.person_no = w.person_no AND l.province IS NOT NULL
            LIMIT 1
        ) l
        ORDER BY 1
        "#,
        &parts,
        &persons,
    )
    .fetch_all(tx)
    .await?)
}

/// What is known of people, of each who is asked for once.
pub(crate) async fn standing(
    tx: &mut PgConnection,
    persons: &[PersonNo],
) -> Result<Vec<Standing>, Error> {
    let (parts, persons) = keys(persons);
    let rows = sqlx::query!(
        r#"
        SELECT w.person_no AS "person_no!: PersonNo", c.version AS "version?",
            c.province AS "province?", c.commune,
            f.import_no, f.province AS "file_province?", f.commune AS file_commune,
            m.event_id AS "event_id?", m.province AS move_province, m.commune AS move_commune
        FROM unnest($1::smallint[], $2::bigint[]) AS w (part, person_no)
        LEFT JOIN LATERAL (
            SELECT r.version, r.province, r.commune FROM eligibility.residences r
            WHERE r.part = w.part AND r.person_no = w.person_no
            ORDER BY r.version DESC LIMIT 1
        ) c ON true
        LEFT JOIN LATERAL (
            -- What a revocation brought back was said when its file said it first.
            SELECT r.import_no, r.province, r.commune,
                (SELECT min(o.known_from) FROM eligibility.residences o
                    WHERE (o.part, o.person_no, o.import_no)
                        = (r.part, r.person_no, r.import_no)) AS said_at
            FROM eligibility.residences r
            WHERE r.part = w.part AND r.person_no = w.person_no AND r.import_no IS NOT NULL
            ORDER BY r.version DESC LIMIT 1
        ) f ON true
        LEFT JOIN LATERAL (
            SELECT l.event_id, l.province, l.commune FROM eligibility.life_events l
            WHERE l.part = w.part AND l.person_no = w.person_no AND l.province IS NOT NULL
                AND (f.said_at IS NULL OR l.known_at > f.said_at)
                AND NOT EXISTS (SELECT FROM eligibility.revocations r
                    WHERE (r.part, r.person_no, r.event_id)
                        = (l.part, l.person_no, l.event_id))
            ORDER BY l.happened_on DESC, l.known_at DESC, l.event_id DESC LIMIT 1
        ) m ON true
        "#,
        &parts,
        &persons,
    )
    .fetch_all(tx)
    .await?;
    let standing = rows.into_iter().map(|it| Standing {
        person_no: it.person_no,
        version: it.version.unwrap_or_default(),
        current: place_of(it.province, it.commune),
        by_file: it
            .import_no
            .zip(place_of(it.file_province, it.file_commune)),
        moved: it.event_id.zip(place_of(it.move_province, it.move_commune)),
    });
    Ok(standing.collect())
}

/// Adds residences; the one before ends where the new one begins. A file that was read for long
/// says what it says no earlier than what was told meanwhile.
pub(crate) async fn insert_residences(
    tx: &mut PgConnection,
    residences: &[NewResidence],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let persons: Vec<PersonNo> = residences.iter().map(|it| it.person_no).collect();
    let (parts, persons) = keys(&persons);
    let versions: Vec<i16> = residences.iter().map(|it| it.version).collect();
    let provinces = residences.iter().map(|it| it.place.province.number());
    let provinces: Vec<i16> = provinces.collect();
    let communes = residences.iter().map(|it| it.place.commune);
    let communes: Vec<Option<i32>> = communes.map(|it| it.map(Commune::number)).collect();
    let (mut imports, mut events) = (Vec::new(), Vec::new());
    for it in residences {
        let (import, event) = match &it.author {
            Author::File(import_no) => (Some(*import_no), None),
            Author::Move(event_id) => (None, Some(&event_id[..])),
        };
        imports.push(import);
        events.push(event);
    }
    sqlx::query!(
        r#"
        UPDATE eligibility.residences r SET known_to = greatest($4, r.known_from)
        FROM unnest($1::smallint[], $2::bigint[], $3::smallint[]) AS n (part, person_no, version)
        WHERE (r.part, r.person_no, r.version) = (n.part, n.person_no, n.version - 1)
            AND n.version > 1
        "#,
        &parts,
        &persons,
        &versions,
        now,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        r#"
        INSERT INTO eligibility.residences
            (part, person_no, version, province, commune, import_no, event_id, known_from)
        SELECT n.*, greatest($8, b.known_from)
        FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::smallint[],
            $5::integer[], $6::bigint[], $7::text[])
            AS n (part, person_no, version, province, commune, import_no, event_id)
        LEFT JOIN eligibility.residences b
            ON (b.part, b.person_no, b.version) = (n.part, n.person_no, n.version - 1)
        "#,
        &parts,
        &persons,
        &versions,
        &provinces,
        &communes as &[Option<i32>],
        &imports as &[Option<i64>],
        &events as &[Option<&str>],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn papers(
    tx: &mut PgConnection,
    persons: &[PersonNo],
) -> Result<Vec<Papers>, Error> {
    let (parts, persons) = keys(persons);
    let rows = sqlx::query!(
        r#"
        SELECT p.person_no AS "person_no: PersonNo", p.citizen_index, p.name_sealed,
            p.birth_date, p.birth_year_only
        FROM unnest($1::smallint[], $2::bigint[]) AS w (part, person_no)
        JOIN eligibility.persons p ON (p.part, p.person_no) = (w.part, w.person_no)
        ORDER BY p.part, p.person_no
        "#,
        &parts,
        &persons,
    )
    .fetch_all(tx)
    .await?;
    let papers = rows.into_iter().map(|it| Papers {
        person_no: it.person_no,
        citizen_index: BlindIndex::try_from(&it.citizen_index[..])
            .expect("the schema keeps indexes at 32 bytes"),
        name_sealed: it.name_sealed.into(),
        birth_date: BirthDate::stored(it.birth_date, it.birth_year_only),
    });
    Ok(papers.collect())
}
