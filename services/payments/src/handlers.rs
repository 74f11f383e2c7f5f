//! One `on_…` per event heard or command taken.

mod acts;
mod cash;
mod commands;
mod enquiries;
mod funding;
mod keys;
mod overpayments;
mod pauses;
mod preparation;
mod proposals;
mod reissue;
mod release;
mod results;
mod returns;
mod schedule;
mod withdrawals;
mod year_end;

pub use commands::OnCommand;
pub(crate) use commands::open_run;
pub(crate) use enquiries::OnStandings;
pub use pauses::{approve_limit, limit_institution, pause, resume, stop};
pub use schedule::{approve_order, order_schedule, plan_schedule};
pub use year_end::{approve_closing, close_year};

use chrono::{DateTime, Utc};
use domain::{Institution, Part};
use events::{
    BreaksResolved, ClearingTold, Envelope, Event, PartResolved, PayeesResolved, PayeesWithdrawn,
    Results, StatementMatched, tells,
};
use messaging::{Delivered, Handler, Manner};
use sqlx::PgConnection;

use crate::{Error, breaker, posting, store};

pub(crate) struct OnAccounts;

impl Handler for OnAccounts {
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
        let (mut ends, mut posted) = (Vec::new(), Vec::new());
        for (part, batch) in joined {
            let (mut journals, mut ended) = (Vec::new(), Vec::new());
            for event in *batch {
                let envelope = Envelope::parse(&event.body)?;
                if envelope.is::<PartResolved>() {
                    ended.push(envelope.read()?);
                    continue;
                }
                // What follows an end in its partition comes after it.
                preparation::on_parts_resolved(tx, &ended, now).await?;
                ended.clear();
                if envelope.is::<PayeesResolved>() {
                    let resolved = envelope.read()?;
                    journals.extend(preparation::on_payees_resolved(tx, resolved, now).await?);
                } else if envelope.is::<PayeesWithdrawn>() {
                    let message = envelope.read()?;
                    journals.extend(withdrawals::on_payees_withdrawn(tx, &message, now).await?);
                }
            }
            ends.extend(ended);
            posted.push((*part, journals));
        }
        preparation::on_parts_resolved(tx, &ends, now).await?;
        // Last: who holds a partition's books waits for nobody.
        for (part, journals) in posted.iter().filter(|(_, it)| !it.is_empty()) {
            ledger::post(tx, *part, journals, now).await?;
        }
        Ok(())
    }

    /// What is prepared belongs to a run that nobody works on yet.
    fn manner(&self, subject: &str, body: &[u8]) -> Manner {
        if tells::<PayeesResolved>(subject) || tells::<PartResolved>(subject) && is_short(body) {
            Manner::Joined
        } else if tells::<PartResolved>(subject) || tells::<PayeesWithdrawn>(subject) {
            Manner::Alone
        } else {
            Manner::Later
        }
    }
}

/// Lines of a partition that are read, with the run's row locked, while others of the run wait.
const SHORT: i64 = 1_000;

/// Whether a partition has few lines: at its end all of them are read.
fn is_short(body: &[u8]) -> bool {
    let resolved = Envelope::parse(body).and_then(|it| it.read::<PartResolved>());
    resolved.is_ok_and(|it| it.lines <= SHORT)
}

pub(crate) struct OnBank {
    pub institution: Institution,
}

impl Handler for OnBank {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let mut said = Vec::new();
        for event in batch {
            let envelope = Envelope::parse(&event.body)?;
            if !envelope.is::<Results>() {
                continue;
            }
            let message: Results = envelope.read()?;
            // The channel says who speaks; a message in another's name is nobody's.
            if message.institution != self.institution || message.part != part {
                return Err(Error::WrongSpeaker(event.speaker.clone()));
            }
            if let Some(applied) = results::on_results(tx, message, now).await? {
                said.push(applied);
            }
        }
        breaker::on_answers(tx, (part, self.institution), &said, now).await?;
        let said = said.iter().map(|it| Event::of(it, now)).collect();
        messaging::append(tx, said, now).await?;
        Ok(())
    }
}

pub(crate) struct OnReconciliation;

impl Handler for OnReconciliation {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let told: Vec<Envelope> = batch
            .iter()
            .map(|it| Envelope::parse(&it.body))
            .collect::<Result<_, _>>()?;
        let resolved = told.iter().filter(|it| it.is::<BreaksResolved>());
        let resolved: Vec<BreaksResolved> =
            resolved.map(Envelope::read).collect::<Result<_, _>>()?;
        returns::lock(tx, part, &resolved).await?;
        let mut resolved = resolved.iter();
        for envelope in &told {
            if envelope.is::<StatementMatched>() {
                on_statement_matched(tx, part, &envelope.read()?, now).await?;
            } else if envelope.is::<BreaksResolved>() {
                let resolved = resolved.next().expect("it was read with its batch");
                on_breaks_resolved(tx, part, resolved, now).await?;
            }
        }
        Ok(())
    }
}

/// The bank's own account of what it paid: settlement against cash, the rest to suspense.
async fn on_statement_matched(
    tx: &mut PgConnection,
    part: Part,
    matched: &StatementMatched,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if let Some(journal) = posting::statement(matched) {
        ledger::post(tx, part, &[journal], now).await?;
    }
    store::add_matched(tx, part, matched).await?;
    store::insert_breaks(tx, part, matched).await?;
    let after = format!("statement/{}/{}", matched.institution, matched.statement_no);
    tell_clearing(tx, (part, matched.institution), after, now).await
}

/// Says how the institution's clearing accounts stand now, for whoever closes its day.
async fn tell_clearing(
    tx: &mut PgConnection,
    (part, institution): (Part, Institution),
    after: String,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let stands = ledger::clearing(tx, part, institution).await?;
    let told = ClearingTold {
        part,
        institution,
        after,
        released: stands.released,
        in_transit: stands.in_transit,
        unknown: stands.unknown,
        settled: stands.settled,
        suspense_debits: stands.suspense_debits,
        suspense_credits: stands.suspense_credits,
    };
    messaging::append(tx, vec![Event::of(&told, now)], now).await?;
    Ok(())
}

/// A case is closed: its money leaves suspense, lines that it settles count as matched, and a line
/// that came back is payable again.
async fn on_breaks_resolved(
    tx: &mut PgConnection,
    part: Part,
    resolved: &BreaksResolved,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let journals = resolved.resolved.iter();
    let mut journals: Vec<_> = journals
        .filter_map(|it| posting::resolution(resolved, it))
        .collect();
    journals.extend(returns::on_owed_again(tx, part, resolved, now).await?);
    if !journals.is_empty() {
        ledger::post(tx, part, &journals, now).await?;
    }
    store::add_resolved(tx, resolved).await?;
    let first = resolved.resolved.first().map_or(0, |it| it.break_no);
    let (institution, statement_no) = (resolved.institution, resolved.statement_no);
    let after = format!("resolution/{institution}/{statement_no}/{first}");
    tell_clearing(tx, (part, institution), after, now).await
}
