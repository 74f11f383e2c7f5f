//! Commands that close a budget year. What they do depends on the day, so that tests give them one.

use chrono::{DateTime, Utc};
use domain::Part;
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::command::{ApproveClosing, CloseYear};
use crate::matter::{self, decide};
use crate::year_end::{refuse_early, refuse_nothing};
use crate::{Error, posting, store};

/// Keeps what is to become of a year's surplus until another officer has looked at it.
pub async fn close_year(
    tx: &mut PgConnection,
    command: CloseYear,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    refuse_early(command.year, boot::clock::today_in_vietnam(now))?;
    if command.reference.trim().is_empty() {
        let detail = "a closing names the decision that it rests on";
        return Err(Problem::new(422, "reference_missing", detail).into());
    }
    let Some(closing_no) = store::insert_closing(tx, &command, now).await? else {
        let detail = format!("a closing rests on {} already", command.reference);
        return Err(Problem::new(409, "closing_repeated", detail).into());
    };
    Ok(json!({ "closing": closing_no, "state": "ordered" }))
}

/// What is left of the year goes. What runs of the year have committed stays theirs.
pub async fn approve_closing(
    tx: &mut PgConnection,
    command: ApproveClosing,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let closing = store::lock_closing(tx, command.closing_no).await?;
    closing.allow(&command.officer)?;
    let account = closing.fund.account().number();
    let left = ledger::left(tx, Part::ZERO, &[account]).await?[0];
    refuse_nothing(left)?;
    let matter = matter::of_closing(command.closing_no, &closing, left);
    let decision = matter.decision(true, None, &command.officer);
    decide(
        tx,
        &decision,
        (command.signature.as_deref(), must_sign),
        now,
    )
    .await?;
    let journal = posting::year_closing(&closing, left)?;
    store::approve_closing(tx, command.closing_no, (&command.officer, left), now).await?;
    ledger::post(tx, Part::ZERO, &[journal], now).await?;
    Ok(json!({ "closing": command.closing_no, "state": "approved", "amount": left }))
}
