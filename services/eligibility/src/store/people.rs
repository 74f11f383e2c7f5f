//! What is known of people, on two axes of time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use domain::{BirthDate, Part, Period, PersonNo, Programme, Sex, stretches};
use rules::{Facts, Law, LifeEvent};
use sqlx::PgConnection;

use super::{programme_of, province_of};
use crate::Error;
use crate::determination::{Enrolled, Inputs, sex_of};

/// A person with all versions of all programmes asked for, as known at an instant.
#[derive(Debug)]
pub(crate) struct Known {
    pub person_no: PersonNo,
    birth: BirthDate,
    sex: Sex,
    enrolments: BTreeMap<Programme, Vec<Version>>,
    events: Vec<LifeEvent>,
}

/// What was known of a person in a programme from some day on.
#[derive(Debug)]
struct Version {
    version: i16,
    enrolled: Enrolled,
    valid_from: Option<NaiveDate>,
    known_on: NaiveDate,
}

impl Version {
    /// Facts hold from the day they say. A change that does not say holds from the month after it
    /// was known, so that it never reaches back; a first version, from ever.
    fn holds_from(&self) -> NaiveDate {
        self.valid_from.unwrap_or_else(|| {
            if self.version <= 1 {
                return NaiveDate::MIN;
            }
            let first = self.known_on.with_day(1).unwrap_or(self.known_on);
            first + Months::new(1)
        })
    }
}

impl Known {
    /// What a decision on a programme for a period rests on; `None` where nothing held then.
    pub fn inputs(&self, programme: Programme, period: Period) -> Option<Inputs> {
        let holding = |versions: &Vec<Version>| {
            let held = versions
                .iter()
                .filter(|it| it.holds_from() <= period.last_day());
            let latest = held.max_by_key(|it| it.version)?;
            Some(latest.enrolled.clone())
        };
        let enrolled = self.enrolments.iter();
        let enrolled: BTreeMap<Programme, Enrolled> = enrolled
            .filter_map(|(programme, versions)| Some((*programme, holding(versions)?)))
            .collect();
        enrolled.contains_key(&programme).then(|| Inputs {
            birth: self.birth,
            sex: self.sex,
            enrolled,
            events: self.events.clone(),
        })
    }

    /// Whether the registry says that the person was entitled in this period although no run had
    /// them then: arrears for a person who came late need a day that somebody wrote.
    pub fn was_entitled(&self, programme: Programme, period: Period) -> bool {
        let versions = self.enrolments.get(&programme);
        versions.is_some_and(|it| {
            let said = it.iter().filter_map(|it| it.valid_from);
            said.min().is_some_and(|from| from <= period.last_day())
        })
    }
}

/// The numbers of the next people of a programme's partition after one, as known at an instant.
pub(crate) async fn next_people(
    tx: &mut PgConnection,
    (part, programme): (Part, Programme),
    after: PersonNo,
    known_at: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<i64>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT e.person_no FROM eligibility.enrolments e
        WHERE e.part = $1 AND e.programme = $2 AND e.person_no > $3 AND e.version = 1
            AND e.known_from <= $4
        ORDER BY e.person_no LIMIT $5
        "#,
        part.number(),
        programme.number(),
        after.0,
        known_at,
        limit,
    )
    .fetch_all(tx)
    .await?)
}

/// All that was known at an instant of these people in these programmes, in the order of their
/// numbers.
pub(crate) async fn people(
    tx: &mut PgConnection,
    law: &Law,
    part: Part,
    persons: &[i64],
    programmes: &[Programme],
    known_at: DateTime<Utc>,
) -> Result<Vec<Known>, Error> {
    let wanted: Vec<PersonNo> = persons.iter().copied().map(PersonNo).collect();
    let (first, last) = stretches(&wanted);
    let mut people = persons_of(tx, part, (&first, &last), &wanted).await?;
    let key = (part, programmes, known_at);
    add_enrolments(tx, law, key, (&first, &last), &mut people).await?;
    people.retain(|_, it| !it.enrolments.is_empty());
    add_events(tx, part, persons, known_at, &mut people).await?;
    Ok(people.into_values().collect())
}

async fn persons_of(
    tx: &mut PgConnection,
    part: Part,
    (first, last): (&[i64], &[i64]),
    wanted: &[PersonNo],
) -> Result<BTreeMap<PersonNo, Known>, Error> {
    let wanted: BTreeSet<PersonNo> = wanted.iter().copied().collect();
    let rows = sqlx::query!(
        r#"
        -- LATERAL with OFFSET 0 reads each stretch by key, whatever the statistics say of tables
        -- that have just grown.
        SELECT p.person_no AS "person_no!: PersonNo", p.birth_date, p.birth_year_only, p.sex
        FROM unnest($2::bigint[], $3::bigint[]) AS s (first, last)
        CROSS JOIN LATERAL (
            SELECT * FROM eligibility.persons p
            WHERE p.part = $1 AND p.person_no BETWEEN s.first AND s.last OFFSET 0
        ) p
        "#,
        part.number(),
        first,
        last,
    )
    .fetch_all(tx)
    .await?;
    let rows = rows.into_iter().filter(|it| wanted.contains(&it.person_no));
    let known = rows.map(|row| {
        let known = Known {
            person_no: row.person_no,
            birth: BirthDate::stored(row.birth_date, row.birth_year_only),
            sex: sex_of(&row.sex).expect("the schema keeps sexes at two"),
            enrolments: BTreeMap::new(),
            events: Vec::new(),
        };
        (row.person_no, known)
    });
    Ok(known.collect())
}

async fn add_enrolments(
    tx: &mut PgConnection,
    law: &Law,
    (part, programmes, known_at): (Part, &[Programme], DateTime<Utc>),
    (first, last): (&[i64], &[i64]),
    people: &mut BTreeMap<PersonNo, Known>,
) -> Result<(), Error> {
    let numbers: Vec<i16> = programmes.iter().map(|it| it.number()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT e.person_no AS "person_no!: PersonNo", e.programme, e.version, e.province, e.facts,
            e.valid_from, e.known_from
        FROM unnest($2::bigint[], $3::bigint[]) AS s (first, last)
        CROSS JOIN unnest($4::smallint[]) AS g (programme)
        CROSS JOIN LATERAL (
            SELECT * FROM eligibility.enrolments e
            WHERE e.part = $1 AND e.programme = g.programme
                AND e.person_no BETWEEN s.first AND s.last AND e.known_from <= $5 OFFSET 0
        ) e
        "#,
        part.number(),
        first,
        last,
        &numbers,
        known_at,
    )
    .fetch_all(tx)
    .await?;
    for row in rows {
        let Some(known) = people.get_mut(&row.person_no) else {
            continue;
        };
        let programme = programme_of(row.programme);
        let rules = law
            .programme(programme)
            .ok_or_else(|| Error::Inputs(format!("the law has no programme {programme}")))?;
        let facts = Facts::stored(rules, &row.facts)
            .map_err(|it| Error::Inputs(format!("facts of a person: {}", it.sentence)))?;
        known
            .enrolments
            .entry(programme)
            .or_default()
            .push(Version {
                version: row.version,
                enrolled: Enrolled {
                    province: province_of(row.province),
                    facts,
                },
                valid_from: row.valid_from,
                known_on: boot::clock::today_in_vietnam(row.known_from),
            });
    }
    Ok(())
}

async fn add_events(
    tx: &mut PgConnection,
    part: Part,
    persons: &[i64],
    known_at: DateTime<Utc>,
    people: &mut BTreeMap<PersonNo, Known>,
) -> Result<(), Error> {
    let rows = sqlx::query!(
        r#"
        SELECT l.person_no AS "person_no: PersonNo", l.kind, l.happened_on, l.known_at
        FROM eligibility.life_events l
        WHERE l.part = $1 AND l.person_no = ANY($2) AND l.known_at <= $3
            AND NOT EXISTS (SELECT FROM eligibility.revocations r
                WHERE (r.part, r.person_no, r.event_id) = (l.part, l.person_no, l.event_id)
                    AND r.known_at <= $3)
        ORDER BY l.person_no, l.happened_on, l.known_at, l.event_id
        "#,
        part.number(),
        persons,
        known_at,
    )
    .fetch_all(tx)
    .await?;
    for row in rows {
        if let Some(known) = people.get_mut(&row.person_no) {
            known.events.push(LifeEvent {
                kind: row.kind.parse().map_err(|it: domain::Refusal| {
                    Error::Inputs(format!("a life event: {}", it.sentence))
                })?,
                happened_on: row.happened_on,
                known_on: boot::clock::today_in_vietnam(row.known_at),
            });
        }
    }
    Ok(())
}

/// Which of a programme's people something became known of between two instants.
pub(crate) async fn people_with_news(
    tx: &mut PgConnection,
    (part, programme): (Part, Programme),
    (after, until): (DateTime<Utc>, DateTime<Utc>),
    (first, last): (PersonNo, PersonNo),
) -> Result<Vec<i64>, Error> {
    Ok(sqlx::query_scalar!(
        r#"
        SELECT person_no AS "person_no!" FROM eligibility.enrolments
        WHERE part = $1 AND programme = $2 AND person_no BETWEEN $5 AND $6
            AND known_from > $3 AND known_from <= $4
        UNION
        SELECT person_no FROM eligibility.life_events
        WHERE part = $1 AND person_no BETWEEN $5 AND $6 AND known_at > $3 AND known_at <= $4
        UNION
        SELECT person_no FROM eligibility.revocations
        WHERE part = $1 AND person_no BETWEEN $5 AND $6 AND known_at > $3 AND known_at <= $4
        ORDER BY 1
        "#,
        part.number(),
        programme.number(),
        after,
        until,
        first.0,
        last.0,
    )
    .fetch_all(tx)
    .await?)
}

/// Who hears news of a partition and who ends its determination take turns, so that no news falls
/// between them. Several are locked in their order.
pub(crate) async fn lock_news(tx: &mut PgConnection, parts: BTreeSet<Part>) -> Result<(), Error> {
    if parts.is_empty() {
        return Ok(());
    }
    let parts: Vec<i64> = parts.iter().map(|it| i64::from(it.number())).collect();
    sqlx::query!(
        r#"
        SELECT pg_advisory_xact_lock(hashtextextended('ansinh news', p.part))
        FROM unnest($1::bigint[]) AS p (part)
        "#,
        &parts,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The programmes that people are enrolled in.
pub(crate) async fn programmes_of(
    tx: &mut PgConnection,
    part: Part,
    persons: &[i64],
) -> Result<Vec<(Programme, i64)>, Error> {
    let numbers: Vec<i16> = Programme::ALL.iter().map(|it| it.number()).collect();
    let rows = sqlx::query!(
        r#"
        SELECT e.programme, e.person_no FROM unnest($3::smallint[]) AS g (programme)
        JOIN eligibility.enrolments e
            ON e.part = $1 AND e.programme = g.programme AND e.person_no = ANY($2)
            AND e.version = 1
        ORDER BY e.programme, e.person_no
        "#,
        part.number(),
        persons,
        &numbers,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| (programme_of(it.programme), it.person_no))
        .collect())
}
