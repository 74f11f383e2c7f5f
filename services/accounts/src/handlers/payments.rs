use chrono::{DateTime, Utc};
use domain::Part;
use events::{
    Envelope, Event, PartResolved, PayeeLine, PayeesResolved, ReissueLine, ReissuesOpened, tells,
};
use messaging::{Delivered, Handler, Manner};
use sqlx::PgConnection;

use super::eligibility::{Asked, ways_of};
use crate::Error;
use crate::destination::Destination;
use crate::store::{self, Scope};

pub(crate) struct OnPayments;

impl Handler for OnPayments {
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
            if envelope.is::<ReissuesOpened>() {
                store::set_scope(tx, Scope::Nation).await?;
                said.extend(on_reissues_opened(tx, part, envelope.read()?, now).await?);
            }
        }
        messaging::append(tx, said, now).await?;
        Ok(())
    }

    fn manner(&self, subject: &str, _: &[u8]) -> Manner {
        if tells::<ReissuesOpened>(subject) {
            Manner::Joined
        } else {
            Manner::Later
        }
    }
}

/// What came back finds another way. How people are paid is counted by their regular runs, so no
/// way is kept here. The partition is told as finished behind its last chunk.
async fn on_reissues_opened(
    tx: &mut PgConnection,
    part: Part,
    opened: ReissuesOpened,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Error> {
    let asked: Vec<Asked> = opened.lines.iter().map(Asked::from).collect();
    let ways = ways_of(tx, part, opened.programme, &asked, now).await?;
    let lines = opened.lines.iter().zip(ways);
    let resolved = PayeesResolved {
        run_no: opened.run_no,
        part,
        chunk: opened.chunk,
        programme: opened.programme,
        period: opened.period,
        lines: lines.map(|(line, way)| payee_line(line, way)).collect(),
        total: opened.total,
    };
    let mut said = Vec::new();
    if !resolved.lines.is_empty() {
        said.push(Event::of(&resolved, now));
    }
    if opened.chunk.0 == opened.chunks {
        let finished = PartResolved {
            run_no: opened.run_no,
            part,
            chunks: opened.chunks,
            lines: opened.part_lines,
            total: opened.part_total,
            not_owed: 0,
        };
        said.push(Event::of(&finished, now));
    }
    Ok(said)
}

impl<'a> From<&'a ReissueLine> for Asked<'a> {
    fn from(line: &'a ReissueLine) -> Self {
        Asked {
            person_no: line.person_no,
            amount: line.amount,
            failed: &line.failed,
        }
    }
}

fn payee_line(line: &ReissueLine, (way, commune): (Destination, Option<i32>)) -> PayeeLine {
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
