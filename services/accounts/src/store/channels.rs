use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{Channel, Institution, Officer, Part, PersonNo, stretches};
use events::HoldReason;
use privacy::{BlindIndex, Sealed};
use sqlx::PgConnection;

use super::suspicions::{AccountKey, columns};
use super::{Keys, index_of};
use crate::Error;
use crate::destination::{Candidate, Channels};
use crate::link::LinkId;

/// A channel that begins.
#[derive(Debug)]
pub(crate) struct NewChannel {
    pub link: LinkId,
    pub rank: i16,
    pub channel: Channel,
    pub institution: Institution,
    pub account_sealed: Sealed,
    pub account_index: BlindIndex,
    pub holder_sealed: Sealed,
    pub changed_by: Option<Officer>,
    pub payable_from: Option<DateTime<Utc>>,
}

/// An account that more people are paid to than one may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shared {
    pub link: LinkId,
    pub people: i64,
}

/// A link that is paid to an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub account_index: BlindIndex,
    pub link: LinkId,
    pub rank: i16,
}

/// Where people of one partition can be paid, each with all their accounts in order.
pub(crate) async fn channels_of(
    tx: &mut PgConnection,
    part: Part,
    persons: &[PersonNo],
) -> Result<HashMap<PersonNo, Channels>, Error> {
    let (first, last) = stretches(persons);
    let mut found = people_of(tx, part, (&first, &last), persons).await?;
    let rows = sqlx::query!(
        r#"
        SELECT c.person_no AS "person_no!: PersonNo", c.rank AS "rank!",
            c.channel AS "channel!: Channel", c.institution AS "institution!: Institution",
            c.account_sealed AS "account_sealed!", c.account_index AS "account_index!",
            c.holder_sealed AS "holder_sealed!", c.linked_at AS "linked_at!",
            c.changed_by AS "changed_by?: Officer", c.payable_from AS "payable_from?",
            c.hold AS "hold?: HoldReason", c.hold_due AS "hold_due?"
        FROM unnest($2::bigint[], $3::bigint[]) AS s (first, last)
        CROSS JOIN LATERAL (
            SELECT * FROM accounts.channels c
            WHERE c.part = $1 AND c.person_no BETWEEN s.first AND s.last
            ORDER BY c.person_no, c.rank OFFSET 0
        ) c
        "#,
        part.number(),
        &first,
        &last,
    )
    .fetch_all(tx)
    .await?;
    for it in rows {
        let Some(channels) = found.get_mut(&it.person_no) else {
            continue;
        };
        channels.candidates.push(Candidate {
            rank: it.rank,
            channel: it.channel,
            institution: it.institution,
            account_sealed: Sealed::from(it.account_sealed),
            account_index: index_of(&it.account_index),
            holder_sealed: Sealed::from(it.holder_sealed),
            linked_at: it.linked_at,
            changed_by: it.changed_by,
            payable_from: it.payable_from,
            hold: it.hold.zip(it.hold_due),
        });
    }
    for channels in found.values_mut() {
        channels.candidates.sort_by_key(|it| it.rank);
    }
    Ok(found)
}

/// Those people of stretches who are asked for, without their channels.
async fn people_of(
    tx: &mut PgConnection,
    part: Part,
    (first, last): (&[i64], &[i64]),
    persons: &[PersonNo],
) -> Result<HashMap<PersonNo, Channels>, Error> {
    let wanted: HashSet<PersonNo> = persons.iter().copied().collect();
    let rows = sqlx::query!(
        r#"
        -- LATERAL with OFFSET 0 reads each stretch by key, whatever the statistics say of tables
        -- that have just grown.
        SELECT p.person_no AS "person_no!: PersonNo", p.name_sealed AS "name_sealed!",
            p.authority_no, p.commune
        FROM unnest($2::bigint[], $3::bigint[]) AS s (first, last)
        CROSS JOIN LATERAL (
            SELECT * FROM accounts.persons p
            WHERE p.part = $1 AND p.person_no BETWEEN s.first AND s.last OFFSET 0
        ) p
        "#,
        part.number(),
        first,
        last,
    )
    .fetch_all(tx)
    .await?;
    let mut found: HashMap<PersonNo, Channels> = HashMap::with_capacity(persons.len());
    for it in rows.into_iter().filter(|it| wanted.contains(&it.person_no)) {
        let channels = Channels {
            name_sealed: Sealed::from(it.name_sealed),
            authority_no: it.authority_no,
            commune: it.commune,
            candidates: Vec::new(),
        };
        found.insert(it.person_no, channels);
    }
    Ok(found)
}

/// Begins channels, where those that stood at the same rank have ended.
pub(crate) async fn begin_channels(
    tx: &mut PgConnection,
    begun: &[NewChannel],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(begun.iter().map(|it| it.link.person_no));
    let ranks: Vec<i16> = begun.iter().map(|it| it.rank).collect();
    let links: Vec<i16> = begun.iter().map(|it| it.link.link_no).collect();
    let channels: Vec<String> = begun.iter().map(|it| it.channel.to_string()).collect();
    let institutions: Vec<i32> = begun.iter().map(|it| it.institution.number()).collect();
    let accounts: Vec<&[u8]> = begun
        .iter()
        .map(|it| it.account_sealed.as_bytes())
        .collect();
    let indexes: Vec<&[u8]> = begun
        .iter()
        .map(|it| &it.account_index.as_bytes()[..])
        .collect();
    let holders: Vec<&[u8]> = begun.iter().map(|it| it.holder_sealed.as_bytes()).collect();
    let officers: Vec<Option<&str>> = begun
        .iter()
        .map(|it| it.changed_by.as_ref().map(Officer::as_str))
        .collect();
    let payable: Vec<Option<DateTime<Utc>>> = begun.iter().map(|it| it.payable_from).collect();
    sqlx::query!(
        r#"
        INSERT INTO accounts.channels (part, person_no, rank, link_no, channel, institution,
            account_sealed, account_index, holder_sealed, linked_at, changed_by, payable_from)
        SELECT n.part, n.person_no, n.rank, n.link_no, n.channel, n.institution, n.account, n.index,
            n.holder, $11, n.officer, n.payable
        FROM unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::text[],
            $6::int[], $7::bytea[], $8::bytea[], $9::bytea[], $10::text[], $12::timestamptz[])
            AS n (part, person_no, rank, link_no, channel, institution, account, index, holder,
                officer, payable)
        "#,
        &keys.parts,
        &keys.persons,
        &ranks,
        &links,
        &channels,
        &institutions,
        &accounts as &[&[u8]],
        &indexes as &[&[u8]],
        &holders as &[&[u8]],
        &officers as &[Option<&str>],
        now,
        &payable as &[Option<DateTime<Utc>>],
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends the channels of these links; those of other links stay.
pub(crate) async fn end_channels(tx: &mut PgConnection, links: &[LinkId]) -> Result<(), Error> {
    let keys = Keys::of(links.iter().map(|it| it.person_no));
    let numbers: Vec<i16> = links.iter().map(|it| it.link_no).collect();
    sqlx::query!(
        r#"
        DELETE FROM accounts.channels c
        USING unnest($1::smallint[], $2::bigint[], $3::smallint[]) AS n (part, person_no, link_no)
        WHERE c.part = n.part AND c.person_no = n.person_no AND c.link_no = n.link_no
        "#,
        &keys.parts,
        &keys.persons,
        &numbers,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Ranks that people use, to give the next account of a benefit its place.
pub(crate) async fn ranks_of(
    tx: &mut PgConnection,
    person_no: PersonNo,
) -> Result<Vec<(i16, i16)>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT rank, link_no FROM accounts.channels
        WHERE part = $1 AND person_no = $2 ORDER BY rank
        "#,
        person_no.part().number(),
        person_no.0,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|it| (it.rank, it.link_no)).collect())
}

/// Holds what is paid to these links until somebody has looked.
pub(crate) async fn hold_channels(
    tx: &mut PgConnection,
    links: &[LinkId],
    reason: HoldReason,
    due: DateTime<Utc>,
) -> Result<(), Error> {
    let keys = Keys::of(links.iter().map(|it| it.person_no));
    let numbers: Vec<i16> = links.iter().map(|it| it.link_no).collect();
    sqlx::query!(
        r#"
        UPDATE accounts.channels c SET hold = $4, hold_due = $5
        FROM unnest($1::smallint[], $2::bigint[], $3::smallint[]) AS n (part, person_no, link_no)
        WHERE c.part = n.part AND c.person_no = n.person_no AND c.link_no = n.link_no
            -- A suspicion weighs more than a shared account, and keeps its deadline.
            AND (c.hold IS NULL OR (c.hold = 'shared_account' AND $4 = 'suspicion'))
        "#,
        &keys.parts,
        &keys.persons,
        &numbers,
        reason.code(),
        due,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Lets a link be paid again.
pub(crate) async fn free_channel(
    tx: &mut PgConnection,
    link: LinkId,
    reason: HoldReason,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE accounts.channels SET hold = NULL, hold_due = NULL
        WHERE part = $1 AND person_no = $2 AND link_no = $3 AND hold = $4
        "#,
        link.person_no.part().number(),
        link.person_no.0,
        link.link_no,
        reason.code(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Which of these accounts more than `people_max` people are paid to, by the links that are.
pub(crate) async fn shared(
    tx: &mut PgConnection,
    accounts: &[AccountKey],
    people_max: i64,
) -> Result<Vec<Shared>, Error> {
    let (institutions, indexes) = columns(accounts);
    let rows = sqlx::query!(
        r#"
        WITH crowded AS (
            SELECT k.institution, k.account_index, w.people
            FROM (SELECT DISTINCT * FROM unnest($1::int[], $2::bytea[])
                AS k (institution, account_index)) k
            CROSS JOIN LATERAL (
                SELECT count(DISTINCT c.person_no) AS people FROM accounts.channels c
                WHERE c.account_index = k.account_index AND c.institution = k.institution OFFSET 0
            ) w
            WHERE w.people > $3
        )
        SELECT c.person_no AS "person_no: PersonNo", c.link_no, w.people AS "people!"
        FROM crowded w CROSS JOIN LATERAL (
            SELECT part, person_no, link_no FROM accounts.channels c
            WHERE c.account_index = w.account_index AND c.institution = w.institution OFFSET 0
        ) c
        ORDER BY c.part, c.person_no, c.link_no
        "#,
        &institutions,
        &indexes as &[&[u8]],
        people_max,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| Shared {
            link: LinkId {
                person_no: it.person_no,
                link_no: it.link_no,
            },
            people: it.people,
        })
        .collect())
}

/// The links that are paid to these accounts.
pub(crate) async fn links_at(
    tx: &mut PgConnection,
    accounts: &[AccountKey],
) -> Result<Vec<At>, Error> {
    let (institutions, indexes) = columns(accounts);
    let rows = sqlx::query!(
        r#"
        SELECT c.account_index, c.person_no AS "person_no: PersonNo", c.link_no, c.rank
        FROM unnest($1::int[], $2::bytea[]) AS k (institution, account_index)
        CROSS JOIN LATERAL (
            SELECT * FROM accounts.channels c
            WHERE c.account_index = k.account_index AND c.institution = k.institution OFFSET 0
        ) c
        ORDER BY c.part, c.person_no, c.link_no
        "#,
        &institutions,
        &indexes as &[&[u8]],
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|it| At {
            account_index: index_of(&it.account_index),
            link: LinkId {
                person_no: it.person_no,
                link_no: it.link_no,
            },
            rank: it.rank,
        })
        .collect())
}
