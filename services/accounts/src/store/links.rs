use chrono::{DateTime, Utc};
use domain::{Channel, Institution, Officer, PersonNo};
use privacy::{BlindIndex, Sealed};
use sqlx::PgConnection;

use super::{Keys, index_of};
use crate::Error;
use crate::link::{Kind, Link, LinkId, Source, State};
use crate::refusal::RefusalCode;

#[derive(Debug)]
pub(crate) struct NewLink {
    pub id: LinkId,
    pub kind: Kind,
    pub channel: Channel,
    pub institution: Institution,
    pub account_sealed: Sealed,
    pub account_index: BlindIndex,
    pub holder_sealed: Sealed,
    pub source: Source,
    pub changed_by: Option<Officer>,
    pub basis: Option<String>,
}

/// A step in the life of a link.
#[derive(Debug, Clone)]
pub(crate) struct NewStep {
    pub id: LinkId,
    pub step: i16,
    pub state: State,
    pub actor: String,
    pub valid_from: DateTime<Utc>,
    /// Its place among the person's channels, where it is linked.
    pub rank: Option<i16>,
}

/// Where somebody was paid on a day, by what was known on another.
#[derive(Debug, Clone)]
pub struct PaidAt {
    pub link: LinkId,
    pub kind: Kind,
    pub channel: Channel,
    pub institution: Institution,
    pub since: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

/// A step as it is told.
#[derive(Debug, Clone)]
pub struct StepRow {
    pub link: LinkId,
    pub kind: Kind,
    pub institution: Institution,
    pub step: i16,
    pub state: String,
    pub code: Option<String>,
    pub actor: String,
    pub valid_from: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
}

pub(crate) async fn insert_links(
    tx: &mut PgConnection,
    links: &[NewLink],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(links.iter().map(|it| it.id.person_no));
    let numbers: Vec<i16> = links.iter().map(|it| it.id.link_no).collect();
    let kinds: Vec<&str> = links.iter().map(|it| it.kind.as_str()).collect();
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
    let sources: Vec<&str> = links.iter().map(|it| it.source.as_str()).collect();
    let officers: Vec<Option<&str>> = links
        .iter()
        .map(|it| it.changed_by.as_ref().map(Officer::as_str))
        .collect();
    let bases: Vec<Option<&str>> = links.iter().map(|it| it.basis.as_deref()).collect();
    sqlx::query!(
        r#"
        INSERT INTO accounts.links (part, person_no, link_no, kind, channel, institution,
            account_sealed, account_index, holder_sealed, source, changed_by, basis, requested_at)
        SELECT n.*, $13 FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::text[],
            $5::text[], $6::int[], $7::bytea[], $8::bytea[], $9::bytea[], $10::text[],
            $11::text[], $12::text[]) AS n
        "#,
        &keys.parts,
        &keys.persons,
        &numbers,
        &kinds as &[&str],
        &channels,
        &institutions,
        &accounts as &[&[u8]],
        &indexes as &[&[u8]],
        &holders as &[&[u8]],
        &sources as &[&str],
        &officers as &[Option<&str>],
        &bases as &[Option<&str>],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_steps(
    tx: &mut PgConnection,
    steps: &[NewStep],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(steps.iter().map(|it| it.id.person_no));
    let links: Vec<i16> = steps.iter().map(|it| it.id.link_no).collect();
    let numbers: Vec<i16> = steps.iter().map(|it| it.step).collect();
    let states: Vec<&str> = steps.iter().map(|it| it.state.as_str()).collect();
    let codes: Vec<Option<&str>> = steps
        .iter()
        .map(|it| it.state.code().map(RefusalCode::as_str))
        .collect();
    let actors: Vec<&str> = steps.iter().map(|it| &it.actor[..]).collect();
    let valid: Vec<DateTime<Utc>> = steps.iter().map(|it| it.valid_from).collect();
    let ranks: Vec<Option<i16>> = steps.iter().map(|it| it.rank).collect();
    sqlx::query!(
        r#"
        INSERT INTO accounts.link_steps
            (part, person_no, link_no, step, state, code, actor, valid_from, rank, recorded_at)
        SELECT n.*, $10 FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::smallint[],
            $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::smallint[]) AS n
        "#,
        &keys.parts,
        &keys.persons,
        &links,
        &numbers,
        &states as &[&str],
        &codes as &[Option<&str>],
        &actors as &[&str],
        &valid,
        &ranks as &[Option<i16>],
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// All links of these people with where each stands, by person and number.
pub(crate) async fn links_of(
    tx: &mut PgConnection,
    persons: &[PersonNo],
) -> Result<Vec<Link>, Error> {
    let keys = Keys::of(persons.iter().copied());
    let rows = sqlx::query!(
        r#"
        SELECT l.person_no AS "person_no: PersonNo", l.link_no, l.kind AS "kind: Kind",
            l.channel AS "channel: Channel", l.institution AS "institution: Institution",
            l.account_index, l.account_sealed, l.holder_sealed, l.changed_by,
            s.step AS "step!", s.state AS "state!", s.code AS "code?",
            s.valid_from AS "valid_from!", f.first_linked_at AS "first_linked_at?"
        FROM unnest($1::smallint[], $2::bigint[]) AS k (part, person_no)
        CROSS JOIN LATERAL (
            SELECT * FROM accounts.links l
            WHERE l.part = k.part AND l.person_no = k.person_no OFFSET 0
        ) l
        CROSS JOIN LATERAL (
            SELECT step, state, code, valid_from FROM accounts.link_steps s
            WHERE s.part = l.part AND s.person_no = l.person_no AND s.link_no = l.link_no
            ORDER BY s.step DESC LIMIT 1
        ) s
        CROSS JOIN LATERAL (
            SELECT min(recorded_at) AS first_linked_at FROM accounts.link_steps f
            WHERE f.part = l.part AND f.person_no = l.person_no AND f.link_no = l.link_no
                AND f.state = 'linked'
        ) f
        ORDER BY l.part, l.person_no, l.link_no
        "#,
        &keys.parts,
        &keys.persons,
    )
    .fetch_all(tx)
    .await?;
    let mut links = Vec::with_capacity(rows.len());
    for it in rows {
        let state = State::read(&it.state, it.code.as_deref());
        links.push(Link {
            id: LinkId {
                person_no: it.person_no,
                link_no: it.link_no,
            },
            kind: it.kind,
            channel: it.channel,
            institution: it.institution,
            account_index: index_of(&it.account_index),
            account_sealed: Sealed::from(it.account_sealed),
            holder_sealed: Sealed::from(it.holder_sealed),
            changed_by: it.changed_by,
            state: state.ok_or(Error::StateUnknown(it.state))?,
            step: it.step,
            since: it.valid_from,
            first_linked_at: it.first_linked_at,
        });
    }
    Ok(links)
}

/// Where the person was paid at `about`, by what was recorded until `known`: the link that stood
/// then, in the order of the person's channels at that time. `None` is cash.
pub(crate) async fn paid_at(
    tx: &mut PgConnection,
    person_no: PersonNo,
    about: DateTime<Utc>,
    known: DateTime<Utc>,
) -> Result<Option<PaidAt>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT l.link_no, l.kind AS "kind: Kind", l.channel AS "channel: Channel",
            l.institution AS "institution: Institution", s.valid_from AS "valid_from!",
            s.recorded_at AS "recorded_at!"
        FROM accounts.links l
        CROSS JOIN LATERAL (
            -- The step recorded last among those valid by then: what was recorded later knows
            -- better, also of earlier days.
            SELECT state, valid_from, recorded_at, rank FROM accounts.link_steps s
            WHERE s.part = l.part AND s.person_no = l.person_no AND s.link_no = l.link_no
                AND s.valid_from <= $3 AND s.recorded_at <= $4
            ORDER BY s.step DESC LIMIT 1
        ) s
        WHERE l.part = $1 AND l.person_no = $2 AND s.state = 'linked'
        ORDER BY s.rank, l.link_no LIMIT 1
        "#,
        person_no.part().number(),
        person_no.0,
        about,
        known,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| PaidAt {
        link: LinkId {
            person_no,
            link_no: it.link_no,
        },
        kind: it.kind,
        channel: it.channel,
        institution: it.institution,
        since: it.valid_from,
        recorded_at: it.recorded_at,
    }))
}

/// All that happened to a person's links, in the order of recording.
pub(crate) async fn steps_of(
    tx: &mut PgConnection,
    person_no: PersonNo,
) -> Result<Vec<StepRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT s.link_no, l.kind AS "kind: Kind", l.institution AS "institution: Institution",
            s.step, s.state, s.code, s.actor, s.valid_from, s.recorded_at
        FROM accounts.link_steps s JOIN accounts.links l USING (part, person_no, link_no)
        WHERE s.part = $1 AND s.person_no = $2
        ORDER BY s.recorded_at, s.link_no, s.step
        "#,
        person_no.part().number(),
        person_no.0,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| StepRow {
            link: LinkId {
                person_no,
                link_no: it.link_no,
            },
            kind: it.kind,
            institution: it.institution,
            step: it.step,
            state: it.state,
            code: it.code,
            actor: it.actor,
            valid_from: it.valid_from,
            recorded_at: it.recorded_at,
        })
        .collect())
}
