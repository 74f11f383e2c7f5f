//! SQL of what happens in people's lives.

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Commune, PersonNo};
use rules::EventKind;
use sqlx::PgConnection;

use super::residences::place_of;
use crate::Error;
use crate::residence::Place;

/// An event's number with its teller; a number is of one person.
pub(crate) type EventKey = (PersonNo, String);

#[derive(Debug)]
pub(crate) struct NewLifeEvent<'a> {
    pub person_no: PersonNo,
    pub event_id: &'a str,
    pub kind: EventKind,
    pub happened_on: NaiveDate,
    /// Where to, of a move.
    pub place: Option<Place>,
    pub source: &'a str,
}

#[derive(Debug)]
pub(crate) struct NewRevocation<'a> {
    pub person_no: PersonNo,
    pub event_id: &'a str,
    pub source: &'a str,
}

/// What was told of an event: its kind, its day and, of a move, where to.
pub(crate) type StoredEvent = (String, NaiveDate, Option<Place>);

/// Those of the events that are stored, with what was told of them.
pub(crate) async fn life_events(
    tx: &mut PgConnection,
    keys: &[EventKey],
) -> Result<Vec<(EventKey, StoredEvent)>, Error> {
    let (parts, persons, events) = columns(keys);
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT l.person_no AS "person_no: PersonNo", l.event_id, l.kind, l.happened_on,
            l.province, l.commune
        FROM unnest($1::smallint[], $2::bigint[], $3::text[]) AS w (part, person_no, event_id)
        CROSS JOIN LATERAL (
            SELECT * FROM eligibility.life_events l
            WHERE l.part = w.part AND l.person_no = w.person_no AND l.event_id = w.event_id
            OFFSET 0
        ) l
        "#,
        &parts,
        &persons,
        &events as &[&str],
    )
    .fetch_all(tx)
    .await?;
    let found = rows.into_iter();
    Ok(found
        .map(|it| {
            let place = place_of(it.province, it.commune);
            (
                (it.person_no, it.event_id),
                (it.kind, it.happened_on, place),
            )
        })
        .collect())
}

/// Those of the events that never were.
pub(crate) async fn revocations(
    tx: &mut PgConnection,
    keys: &[EventKey],
) -> Result<Vec<EventKey>, Error> {
    let (parts, persons, events) = columns(keys);
    let rows = sqlx::query!(
        r#"
        SELECT DISTINCT r.person_no AS "person_no: PersonNo", r.event_id
        FROM unnest($1::smallint[], $2::bigint[], $3::text[]) AS w (part, person_no, event_id)
        CROSS JOIN LATERAL (
            SELECT * FROM eligibility.revocations r
            WHERE r.part = w.part AND r.person_no = w.person_no AND r.event_id = w.event_id
            OFFSET 0
        ) r
        "#,
        &parts,
        &persons,
        &events as &[&str],
    )
    .fetch_all(tx)
    .await?;
    let found = rows.into_iter();
    Ok(found.map(|it| (it.person_no, it.event_id)).collect())
}

fn columns(keys: &[EventKey]) -> (Vec<i16>, Vec<i64>, Vec<&str>) {
    (
        keys.iter().map(|(it, _)| it.part().number()).collect(),
        keys.iter().map(|(it, _)| it.0).collect(),
        keys.iter().map(|(_, it)| &it[..]).collect(),
    )
}

/// Adds events. One that another transaction has just added is an error of the database: it is
/// looked at again when the caller comes again.
pub(crate) async fn insert_life_events(
    tx: &mut PgConnection,
    events: &[NewLifeEvent<'_>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let parts: Vec<i16> = events
        .iter()
        .map(|it| it.person_no.part().number())
        .collect();
    let persons: Vec<i64> = events.iter().map(|it| it.person_no.0).collect();
    let ids: Vec<&str> = events.iter().map(|it| it.event_id).collect();
    let kinds: Vec<&str> = events.iter().map(|it| it.kind.code()).collect();
    let days: Vec<NaiveDate> = events.iter().map(|it| it.happened_on).collect();
    let sources: Vec<&str> = events.iter().map(|it| it.source).collect();
    let places: Vec<Option<Place>> = events.iter().map(|it| it.place).collect();
    let provinces = places.iter().map(|it| it.map(|it| it.province.number()));
    let provinces: Vec<Option<i16>> = provinces.collect();
    let communes = places.iter().map(|it| it.and_then(|it| it.commune));
    let communes: Vec<Option<i32>> = communes.map(|it| it.map(Commune::number)).collect();
    sqlx::query!(
        r#"
        INSERT INTO eligibility.life_events
            (part, person_no, event_id, kind, happened_on, source, province, commune, known_at)
        SELECT e.*, $9 FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[],
            $5::date[], $6::text[], $7::smallint[], $8::integer[]) AS e
        "#,
        &parts,
        &persons,
        &ids as &[&str],
        &kinds as &[&str],
        &days,
        &sources as &[&str],
        &provinces as &[Option<i16>],
        &communes as &[Option<i32>],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_revocations(
    tx: &mut PgConnection,
    revocations: &[NewRevocation<'_>],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let parts: Vec<i16> = revocations
        .iter()
        .map(|it| it.person_no.part().number())
        .collect();
    let persons: Vec<i64> = revocations.iter().map(|it| it.person_no.0).collect();
    let ids: Vec<&str> = revocations.iter().map(|it| it.event_id).collect();
    let sources: Vec<&str> = revocations.iter().map(|it| it.source).collect();
    sqlx::query!(
        r#"
        INSERT INTO eligibility.revocations (part, person_no, event_id, source, known_at)
        SELECT r.*, $5
        FROM unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[]) AS r
        "#,
        &parts,
        &persons,
        &ids as &[&str],
        &sources as &[&str],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}
