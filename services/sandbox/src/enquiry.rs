//! What a bank says when it is asked about payments that it has not answered: what its books say.

mod store;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{EndToEndId, Institution, Money};
use events::{
    Enquiries, Enquiry, Event, ResultLine, ResultStatus, Results, StandingAtBank, StandingLine,
    Standings,
};
use sqlx::PgConnection;

use crate::Error;
use crate::banks::Status;

/// A line as the bank's books have it.
#[derive(Debug, Clone)]
pub(crate) struct Booked {
    pub amount: Money,
    pub status: Status,
    pub reason: Option<String>,
    pub bank_ref: String,
    /// It never says more than that it has it.
    pub vague: bool,
}

/// Answers an enquiry; what the bank pays does not change by it.
pub(crate) async fn on_enquiries(
    tx: &mut PgConnection,
    bank: Institution,
    message: &Enquiries,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Error> {
    if message.institution != bank {
        return Err(Error::Instructions {
            message: message.message_id.clone(),
            detail: "it is for another bank",
        });
    }
    let books = store::booked(tx, message).await?;
    let (results, standings) = answers(message, &books);
    let results = results.map(|it| Event::of(&it, now));
    Ok(results
        .into_iter()
        .chain(standings.map(|it| Event::of(&it, now)))
        .collect())
}

/// The end of each line whose end the bank tells, and how the others stand.
fn answers(
    message: &Enquiries,
    books: &HashMap<EndToEndId, Booked>,
) -> (Option<Results>, Option<Standings>) {
    let (mut ends, mut standings) = (Vec::new(), Vec::new());
    for asked in &message.lines {
        let booked = books.get(&asked.end_to_end_id);
        match booked.and_then(|it| end(asked, it)) {
            Some(end) => ends.push(end),
            None => standings.push(StandingLine {
                end_to_end_id: asked.end_to_end_id,
                standing: standing(asked, booked),
            }),
        }
    }
    let message_id = format!("{}-{}", message.institution, message.message_id);
    let results = (!ends.is_empty()).then(|| Results {
        institution: message.institution,
        part: message.part,
        message_id: message_id.clone(),
        lines: ends,
    });
    let standings = (!standings.is_empty()).then_some(Standings {
        institution: message.institution,
        part: message.part,
        message_id,
        lines: standings,
    });
    (results, standings)
}

fn end(asked: &Enquiry, booked: &Booked) -> Option<ResultLine> {
    let status = match booked.status {
        _ if booked.vague => return None,
        Status::Silent => return None,
        Status::Credited => ResultStatus::Credited,
        Status::Rejected => ResultStatus::Rejected,
    };
    Some(ResultLine {
        end_to_end_id: asked.end_to_end_id,
        status,
        reason: booked.reason.clone(),
        amount: booked.amount,
        bank_ref: booked.bank_ref.clone(),
        booked_on: asked.business_date,
    })
}

/// Who never says more says the one thing and then the other.
fn standing(asked: &Enquiry, booked: Option<&Booked>) -> StandingAtBank {
    match booked {
        Some(it) if it.vague && asked.round % 2 == 1 => StandingAtBank::Received,
        Some(it) if it.vague => StandingAtBank::Pending,
        _ => StandingAtBank::NotReceived,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bank_says_what_its_books_say_or_that_it_is_at_it_or_knows_nothing() {
        let booked = |status, reason: Option<&str>, vague| Booked {
            amount: Money::dong(540_000),
            status,
            reason: reason.map(str::to_owned),
            bank_ref: "FT1".to_owned(),
            vague,
        };
        let id =
            |line: i32| -> EndToEndId { format!("R000001-07-0001-{line:04}").parse().unwrap() };
        let books = HashMap::from([
            (id(1), booked(Status::Credited, None, false)),
            (id(2), booked(Status::Rejected, Some("AC04"), false)),
            (id(3), booked(Status::Silent, None, false)),
            (id(4), booked(Status::Credited, None, true)),
        ]);
        let message = |round| Enquiries {
            institution: "970436".parse().unwrap(),
            part: id(1).part,
            message_id: format!("E{round}-{}", id(1)),
            lines: (1..=5)
                .map(|line| Enquiry {
                    end_to_end_id: id(line),
                    amount: Money::dong(540_000),
                    business_date: "2026-12-01".parse().unwrap(),
                    round,
                })
                .collect(),
        };
        for (round, vague) in [(1, "received"), (2, "pending")] {
            let (results, standings) = answers(&message(round), &books);
            let results = results.unwrap();
            assert_eq!(results.message_id, format!("970436-E{round}-{}", id(1)));
            let ends: Vec<_> = (results.lines.iter())
                .map(|it| (it.end_to_end_id.line.0, it.status, it.reason.as_deref()))
                .collect();
            assert_eq!(
                ends,
                [
                    (1, ResultStatus::Credited, None),
                    (2, ResultStatus::Rejected, Some("AC04"))
                ]
            );
            let said: Vec<_> = (standings.unwrap().lines.iter())
                .map(|it| (it.end_to_end_id.line.0, it.standing.code()))
                .collect();
            assert_eq!(said, [(3, "not_received"), (4, vague), (5, "not_received")]);
        }
    }
}
