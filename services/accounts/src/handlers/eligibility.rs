use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Channel, Money, Part, PersonNo, Programme};
use events::{
    EntitlementLine, EntitlementsDetermined, EntitlementsWithdrawn, Envelope, Event, FailedWay,
    PartDetermined, PartResolved, PayeeLine, PayeesResolved, PayeesWithdrawn, PersonsRegistered,
    tells,
};
use messaging::{Delivered, Handler, Manner};
use sqlx::PgConnection;

use crate::Error;
use crate::authority::Authority;
use crate::destination::{self, Channels, Destination};
use crate::store::{self, Scope, Way};

pub(crate) struct OnEligibility;

impl Handler for OnEligibility {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.apply_joined(tx, &[(part, batch)], now).await
    }

    async fn apply_joined(
        &self,
        tx: &mut PgConnection,
        joined: &[(Part, &[Delivered])],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        store::set_scope(tx, Scope::Nation).await?;
        let mut said = Vec::new();
        for event in joined.iter().flat_map(|(_, batch)| *batch) {
            let envelope = Envelope::parse(&event.body)?;
            if envelope.is::<PersonsRegistered>() {
                store::upsert_persons(tx, &envelope.read()?).await?;
            } else if envelope.is::<EntitlementsDetermined>() {
                let resolved =
                    on_entitlements_determined(tx, event.part, envelope.read()?, now).await?;
                said.push(Event::of(&resolved, now));
            } else if envelope.is::<PartDetermined>() {
                said.push(Event::of(&on_part_determined(&envelope.read()?), now));
            } else if envelope.is::<EntitlementsWithdrawn>() {
                let EntitlementsWithdrawn { part, lines } = envelope.read()?;
                said.push(Event::of(&PayeesWithdrawn { part, lines }, now));
            }
        }
        messaging::append(tx, said, now).await?;
        Ok(())
    }

    /// Others lock people of several partitions together, before they say something.
    fn manner(&self, subject: &str, _: &[u8]) -> Manner {
        if tells::<PersonsRegistered>(subject) {
            Manner::Alone
        } else {
            Manner::Joined
        }
    }
}

/// What is owed finds its way: an account of the person or of who may take it for them, or cash.
pub(crate) async fn on_entitlements_determined(
    tx: &mut PgConnection,
    part: Part,
    determined: EntitlementsDetermined,
    now: DateTime<Utc>,
) -> Result<PayeesResolved, Error> {
    let asked: Vec<Asked> = determined.lines.iter().map(Asked::from).collect();
    let programme = determined.programme;
    let ways = ways_of(tx, part, programme, &asked, now).await?;
    let period = determined.period.first_day();
    store::insert_run(tx, determined.run_no, programme, period).await?;
    let of_lines = determined.lines.iter().zip(&ways);
    let rows = of_lines.map(|(line, (destination, _))| Way {
        person_no: line.person_no,
        determination_no: line.determination_no,
        destination,
    });
    store::insert_ways(tx, determined.run_no, part, rows).await?;
    let lines = determined.lines.into_iter().zip(ways);
    Ok(PayeesResolved {
        run_no: determined.run_no,
        part,
        chunk: determined.chunk,
        programme,
        period: determined.period,
        lines: lines.map(|(line, way)| payee_line(&line, way)).collect(),
        total: determined.total,
    })
}

/// A payment that asks for its way.
pub(super) struct Asked<'a> {
    pub person_no: PersonNo,
    pub amount: Money,
    /// The ways that have not brought it to its person.
    pub failed: &'a [FailedWay],
}

impl From<&EntitlementLine> for Asked<'_> {
    fn from(line: &EntitlementLine) -> Self {
        Asked {
            person_no: line.person_no,
            amount: line.amount,
            failed: &[],
        }
    }
}

/// The way of each: the person's own, or that of who may take it for them; and for cash the commune
/// of the beneficiary.
pub(super) async fn ways_of(
    tx: &mut PgConnection,
    part: Part,
    programme: Programme,
    asked: &[Asked<'_>],
    now: DateTime<Utc>,
) -> Result<Vec<(Destination, Option<i32>)>, Error> {
    let mut persons: Vec<PersonNo> = asked.iter().map(|it| it.person_no).collect();
    // Arrears stand beside the month's line of the same person.
    persons.dedup();
    let channels = store::channels_of(tx, part, &persons).await?;
    let led = Led::read(tx, &channels, now).await?;
    let way = |it: &Asked| -> Result<(Destination, Option<i32>), Error> {
        let own = channels.get(&it.person_no);
        let own = own.ok_or(Error::PersonUnknown(it.person_no))?;
        let authority = led.authorities.get(&it.person_no);
        let covering = authority.filter(|it| it.covers(programme));
        let payee = covering.and_then(|it| Some((it, led.payees.get(&it.payee_no)?)));
        let left = |channels: &Channels| destination::without_failed(channels.clone(), it.failed);
        let way = match (payee, it.failed.is_empty()) {
            (Some((authority, payee)), true) => {
                destination::through(authority, programme, payee, it.amount, now)
            }
            (Some((authority, payee)), false) => {
                destination::through(authority, programme, &left(payee), it.amount, now)
            }
            (None, true) => destination::choose(it.person_no, programme, own, now),
            (None, false) => destination::choose(it.person_no, programme, &left(own), now),
        };
        let commune = own.commune.filter(|_| way.channel == Channel::Cash);
        Ok((way, commune))
    };
    asked.iter().map(way).collect()
}

/// Those whose payment an authority leads to somebody else: few, so they cost the others nothing.
struct Led {
    authorities: HashMap<PersonNo, Authority>,
    payees: HashMap<PersonNo, Channels>,
}

impl Led {
    async fn read(
        tx: &mut PgConnection,
        channels: &HashMap<PersonNo, Channels>,
        now: DateTime<Utc>,
    ) -> Result<Led, Error> {
        let led = channels.iter().filter(|(_, it)| it.authority_no.is_some());
        let mut led: Vec<PersonNo> = led.map(|(person_no, _)| *person_no).collect();
        let (authorities, mut payees) = if led.is_empty() {
            (HashMap::new(), HashMap::new())
        } else {
            led.sort();
            let day = boot::clock::today_in_vietnam(now);
            (store::authorities_on(tx, &led, day).await?, HashMap::new())
        };
        let mut wanted: Vec<PersonNo> = authorities.values().map(|it| it.payee_no).collect();
        wanted.sort_by_key(|it| (it.part(), *it));
        wanted.dedup();
        for of_part in wanted.chunk_by(|a, b| a.part() == b.part()) {
            payees.extend(store::channels_of(tx, of_part[0].part(), of_part).await?);
        }
        Ok(Led {
            authorities,
            payees,
        })
    }
}

fn payee_line(line: &EntitlementLine, (way, commune): (Destination, Option<i32>)) -> PayeeLine {
    PayeeLine {
        line: line.line,
        person_no: line.person_no,
        determination_no: line.determination_no,
        amount: line.amount,
        local: line.local,
        province: line.province,
        rate_no: line.rate_no,
        period: line.period,
        channel: way.channel,
        institution: way.institution,
        account: way.account,
        account_index: way.account_index,
        holder: way.holder,
        payee_no: Some(way.payee_no).filter(|it| *it != line.person_no),
        hold: way.hold,
        changed_by: way.changed_by.into_iter().collect(),
        commune,
    }
}

/// The control totals travel on, so that payments can hold what it got against them.
fn on_part_determined(determined: &PartDetermined) -> PartResolved {
    PartResolved {
        run_no: determined.run_no,
        part: determined.part,
        chunks: determined.chunks,
        lines: determined.lines,
        total: determined.total,
        not_owed: determined.not_owed,
    }
}
