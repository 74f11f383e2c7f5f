//! Lines without an answer: their institution is asked what became of them, a few times and ever
//! more rarely; after that two officers settle them. Nothing is instructed again.

use std::time::Duration;

use boot::Context;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Institution, Part, Position};
use events::{Enquiries, Enquiry, Event};
use messaging::Signers;
use sqlx::PgConnection;

use crate::Error;
use crate::store::{self, UnknownLine};

/// Lines of one message, and messages of one round of the watch.
const LINES_MAX: i64 = 1_000;
const MESSAGES_MAX: usize = 100;

/// How often an institution is asked about a line, and when again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rounds {
    pub max: i16,
    /// After the first; each is twice as long as the one before.
    pub pause: TimeDelta,
}

/// What is due about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Ask for this time, and look again then.
    Ask { round: i16, again_at: DateTime<Utc> },
    /// All rounds are over: officers find out.
    HandOver,
}

impl Rounds {
    /// What follows when a line was asked about `asked` times and has waited after that.
    pub(crate) fn after(self, asked: i16, now: DateTime<Utc>) -> Due {
        if asked >= self.max {
            return Due::HandOver;
        }
        let pause = 2_i32
            .checked_pow(u32::from(asked.unsigned_abs()))
            .and_then(|it| self.pause.checked_mul(it));
        let again_at = pause.and_then(|it| now.checked_add_signed(it));
        Due::Ask {
            round: asked + 1,
            again_at: again_at.unwrap_or(DateTime::<Utc>::MAX_UTC),
        }
    }
}

/// Asks about lines that are unknown, until the process stops.
pub(crate) async fn watch_unknown(ctx: Context) {
    let pause = Duration::from_millis(ctx.settings.payments.enquiry_pause_ms);
    let rounds = Rounds {
        max: ctx.settings.payments.enquiry_rounds,
        pause: TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX),
    };
    let look = (pause / 4).clamp(Duration::from_millis(100), Duration::from_secs(5));
    while !ctx.stop.is_cancelled() {
        for _ in 0..MESSAGES_MAX {
            match enquire(&ctx, rounds, Utc::now()).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(error = %error, "Enquiring waits");
                    break;
                }
            }
        }
        tokio::select! {
            () = ctx.stop.cancelled() => {}
            () = tokio::time::sleep(look) => {}
        }
    }
}

/// What is due at the institution and partition that have waited longest; false where nothing is.
async fn enquire(ctx: &Context, rounds: Rounds, now: DateTime<Utc>) -> Result<bool, Error> {
    let mut tx = ctx.pool.begin().await?;
    let Some((institution, part)) = store::longest_unknown(&mut tx, now).await? else {
        return Ok(false);
    };
    let lines = store::take_unknown(&mut tx, (institution, part), now, LINES_MAX).await?;
    let said = ask(&mut tx, (institution, part), &lines, rounds, now).await?;
    let signers = Signers::of_state(&ctx.keys);
    messaging::append_signed(&mut tx, &signers, said, now).await?;
    tx.commit().await?;
    Ok(!lines.is_empty())
}

/// One message about those whose round has come; the others are handed to officers.
async fn ask(
    tx: &mut PgConnection,
    (institution, part): (Institution, Part),
    lines: &[UnknownLine],
    rounds: Rounds,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Error> {
    let (mut asked, mut handed_over) = (Vec::new(), Vec::new());
    for line in lines {
        match rounds.after(line.enquiries, now) {
            Due::Ask { round, again_at } => asked.push((line, round, again_at)),
            Due::HandOver => handed_over.push(line.exception_no),
        }
    }
    store::hand_over(tx, &handed_over).await?;
    if !handed_over.is_empty() {
        let lines = handed_over.len();
        tracing::warn!(%institution, %part, lines, "What stays unknown waits for officers");
    }
    let Some((first, round, _)) = asked.first() else {
        return Ok(Vec::new());
    };
    let message = Enquiries {
        institution,
        part,
        message_id: message_id(first.position, *round),
        lines: asked
            .iter()
            .map(|(line, round, _)| Enquiry {
                end_to_end_id: line.position,
                amount: line.amount,
                business_date: line.business_date,
                round: *round,
            })
            .collect(),
    };
    let again: Vec<_> = asked
        .iter()
        .map(|(line, round, again_at)| (*line, *round, *again_at))
        .collect();
    store::insert_enquiries(tx, &message, &again, now).await?;
    let lines = message.lines.len();
    tracing::info!(%institution, %part, lines, "Enquired about lines without an answer");
    Ok(vec![Event::of(&message, now)])
}

/// A line is asked about once a round, so its first line names a message.
fn message_id(first: Position, round: i16) -> String {
    format!("E{round}-{first}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_then_officers_find_out() {
        let rounds = Rounds {
            max: 4,
            pause: TimeDelta::hours(1),
        };
        let now = DateTime::UNIX_EPOCH;
        let ask = |round, hours| Due::Ask {
            round,
            again_at: now + TimeDelta::hours(hours),
        };
        let due = [0, 1, 2, 3, 4, 5].map(|it| rounds.after(it, now));
        assert_eq!(
            due,
            [
                ask(1, 1),
                ask(2, 2),
                ask(3, 4),
                ask(4, 8),
                Due::HandOver,
                Due::HandOver
            ]
        );
        let never = Rounds { max: 0, ..rounds };
        assert_eq!(never.after(0, now), Due::HandOver);
    }

    #[test]
    fn a_pause_without_end_is_none_that_wraps() {
        let rounds = Rounds {
            max: 100,
            pause: TimeDelta::MAX,
        };
        for asked in [0, 1, 40, 99] {
            let Due::Ask { again_at, .. } = rounds.after(asked, DateTime::UNIX_EPOCH) else {
                panic!("it is asked");
            };
            assert!(
                again_at > DateTime::UNIX_EPOCH + TimeDelta::days(36_500),
                "{asked}"
            );
        }
    }

    #[test]
    fn an_id_fits_where_banks_keep_it() {
        let last: Position = "R999999-15-99999-1000".parse().unwrap();
        assert!(message_id(last, 9).len() <= 35 - "970436-".len());
    }
}
