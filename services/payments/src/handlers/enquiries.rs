//! What institutions and officers say of lines that nobody has answered.

use chrono::{DateTime, Utc};
use domain::{Institution, Officer, Part, Position};
use events::{Envelope, Event, ResultLine, ResultStatus, StandingLine, Standings};
use messaging::{Delivered, Handler, Problem};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::results::settle;
use crate::Error;
use crate::command::{DecideUnknown, SettleUnknown};
use crate::matter::{self, decide};
use crate::result::{Found, SETTLED_BY_OFFICERS, Standing, refuse_impossible_id};
use crate::store::{self, Settlement};

/// ISO 20022 for a reason that is told in words: the evidence.
const IN_WORDS: &str = "NARR";

/// Hears what one institution says of lines whose end it cannot tell.
pub(crate) struct OnStandings {
    pub institution: Institution,
}

impl Handler for OnStandings {
    type Error = Error;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        part: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        for event in batch {
            let envelope = Envelope::parse(&event.body)?;
            if !envelope.is::<Standings>() {
                continue;
            }
            let message: Standings = envelope.read()?;
            if message.institution != self.institution || message.part != part {
                return Err(Error::WrongSpeaker(event.speaker.clone()));
            }
            on_standings(tx, &message, now).await?;
        }
        Ok(())
    }
}

/// Kept for whoever settles the line; no standing is an end, so no money moves.
async fn on_standings(
    tx: &mut PgConnection,
    message: &Standings,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    refuse_impossible_id(&message.message_id)?;
    let positions: Vec<Position> = message.lines.iter().map(|it| it.end_to_end_id).collect();
    if positions.iter().any(|it| it.part != message.part) {
        return Err(Error::ImpossibleMessage(
            "a line of another partition stands in it",
        ));
    }
    let found = store::find_lines(tx, message.part, &positions).await?;
    let code = |it: &StandingLine| {
        let known = found.get(&it.end_to_end_id);
        nobody_waits(message.institution, known.map(|it| &it.found))
    };
    let codes: Vec<_> = message.lines.iter().map(code).collect();
    store::insert_standings(tx, message, &codes, now).await
}

/// Why a word on a line is about no open question.
fn nobody_waits(from: Institution, found: Option<&Found>) -> Option<&'static str> {
    let Some(found) = found.filter(|it| it.standing != Standing::NotReleased) else {
        return Some("unknown_payment");
    };
    if found.institution != from {
        return Some("not_your_payment");
    }
    matches!(found.standing, Standing::Answered(_)).then_some("already_answered")
}

/// An officer says what became of a line, once its institution is asked no more.
pub(super) async fn on_settle_unknown(
    tx: &mut PgConnection,
    command: SettleUnknown,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let line = command.line;
    if command.evidence.trim().is_empty() {
        let detail = "a line is settled on evidence: a bank's letter, a statement";
        return Err(Problem::new(422, "evidence_missing", detail).into());
    }
    store::lock_chunks(tx, line.part, &[line]).await?;
    let open = store::enquiry_open(tx, line).await?;
    let open = open.ok_or_else(|| not_unknown(line))?;
    if let Some(again_at) = open.enquire_at {
        let detail = format!("its institution is still asked about {line}, again at {again_at}");
        return Err(Problem::new(409, "enquiry_open", detail).into());
    }
    if let Some(waiting) = store::open_settlement(tx, line).await? {
        let (number, officer) = (waiting.settlement_no, waiting.officer);
        let detail = format!("settlement {number} of {line} by {officer} is not decided");
        return Err(Problem::new(409, "settlement_open", detail).into());
    }
    let booked_on = command.booked_on.unwrap_or(open.business_date);
    if booked_on < open.business_date {
        let detail = format!("{line} was instructed for {}", open.business_date);
        return Err(Problem::new(422, "booked_too_early", detail).into());
    }
    let settlement_no = store::insert_settlement(tx, &command, booked_on, now).await?;
    Ok(json!({
        "settlement": settlement_no,
        "line": line,
        "as": command.settled_as,
        "booked_on": booked_on,
    }))
}

/// Another officer accepts what was proposed, and money moves as by a result; or refuses it.
pub(super) async fn on_decide_unknown(
    tx: &mut PgConnection,
    command: DecideUnknown,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let line = command.line;
    let reason = command.reason.as_deref().map_or("", str::trim);
    if !command.accept && reason.is_empty() {
        let detail = "a settlement is refused for a reason";
        return Err(Problem::new(422, "reason_missing", detail).into());
    }
    store::lock_chunks(tx, line.part, &[line]).await?;
    let settlement = store::open_settlement(tx, line).await?;
    let settlement = settlement.ok_or_else(|| {
        let detail = format!("nobody has said what became of {line}");
        Problem::new(404, "settlement_unknown", detail)
    })?;
    if settlement.officer == command.officer {
        return Err(same_person(&command.officer, line).into());
    }
    let matter = matter::of_settlement(&settlement);
    let decision = matter.decision(command.accept, Some(reason), &command.officer);
    decide(
        tx,
        &decision,
        (command.signature.as_deref(), must_sign),
        now,
    )
    .await?;
    store::insert_settlement_decision(tx, &settlement, &command, now).await?;
    if command.accept {
        carry_out(tx, line, &settlement, now).await?;
    }
    Ok(json!({
        "settlement": settlement.settlement_no,
        "line": line,
        "as": settlement.settled_as,
        "accepted": command.accept,
    }))
}

/// From now on this is the line's first answer; what its institution says later contradicts it or
/// repeats it.
async fn carry_out(
    tx: &mut PgConnection,
    line: Position,
    settlement: &Settlement,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut found = store::find_lines(tx, line.part, &[line]).await?;
    let known = found.remove(&line);
    let known = known.filter(|it| it.found.standing == Standing::Unknown);
    let known = known.ok_or_else(|| not_unknown(line))?;
    let message_id = format!("{SETTLED_BY_OFFICERS}{}", settlement.settlement_no);
    let rejected = settlement.settled_as == ResultStatus::Rejected;
    let answer = ResultLine {
        end_to_end_id: line,
        status: settlement.settled_as,
        reason: rejected.then(|| IN_WORDS.to_owned()),
        amount: known.found.amount,
        bank_ref: message_id.clone(),
        booked_on: settlement.booked_on,
    };
    let applied = settle(tx, &message_id, &answer, &known, now).await?;
    messaging::append(tx, vec![Event::of(&applied, now)], now).await?;
    Ok(())
}

fn not_unknown(line: Position) -> Problem {
    Problem::new(409, "not_unknown", format!("{line} is not unknown"))
}

fn same_person(officer: &Officer, line: Position) -> Problem {
    let detail = format!("{officer} said what became of {line} and may not decide it as well");
    Problem::new(403, "same_person", detail)
}

#[cfg(test)]
mod tests {
    use domain::Money;

    use super::*;

    #[test]
    fn a_word_counts_where_somebody_waits_for_it() {
        let [ours, other] = ["970436", "970405"].map(|it| it.parse().unwrap());
        let found = |standing| Found {
            institution: ours,
            amount: Money::dong(540_000),
            standing,
        };
        assert_eq!(nobody_waits(ours, None), Some("unknown_payment"));
        for (standing, from, code) in [
            (Standing::NotReleased, ours, Some("unknown_payment")),
            (Standing::Unknown, other, Some("not_your_payment")),
            (
                Standing::Answered(ResultStatus::Credited),
                ours,
                Some("already_answered"),
            ),
            (Standing::InTransit, ours, None),
            (Standing::Unknown, ours, None),
        ] {
            assert_eq!(nobody_waits(from, Some(&found(standing))), code);
        }
    }
}
