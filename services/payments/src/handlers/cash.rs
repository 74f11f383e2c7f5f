//! Cash at communes. Whatever is decided about an entry is a result of its institution: the first one
//! stands, whoever gives it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{Channel, Institution, Money, Part, Position};
use events::{Event, ResultLine, ResultStatus, Results};
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::results::on_results;
use crate::Error;
use crate::cash::{CashStatement, Decision, MOVED, NOT_FETCHED, decide, row_refused};
use crate::command::{AgeCash, CashReturn, MoveCash, TakeCash};
use crate::store::{self, FoundLine, SignedReturn};
use crate::unclaimed::{self, AGED_MAX};

/// Paid at the commune, with the receipt's number.
pub(super) async fn on_take_cash(
    tx: &mut PgConnection,
    command: TakeCash,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let receipt = command.receipt.trim().to_owned();
    if receipt.is_empty() {
        let detail = "cash is paid against a receipt";
        return Err(Problem::new(422, "receipt_missing", detail).into());
    }
    let of_cash = (command.line, Decision::Take);
    answer(tx, of_cash, (receipt, None, command.paid_on), now).await?;
    tracing::info!(line = %command.line, officer = %command.officer, "Cash was paid");
    Ok(json!({ "line": command.line, "state": "credited" }))
}

/// Not paid in cash any more: it is payable again, and the next run that pays again finds an account.
pub(super) async fn on_move_cash(
    tx: &mut PgConnection,
    command: MoveCash,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let of_cash = (command.line, Decision::Move);
    let moved = (command.officer.to_string(), Some(MOVED), command.moved_on);
    answer(tx, of_cash, moved, now).await?;
    tracing::info!(line = %command.line, officer = %command.officer, "A cash entry is cancelled");
    Ok(json!({ "line": command.line, "state": "returned", "next": "run reissue" }))
}

async fn answer(
    tx: &mut PgConnection,
    (line, decision): (Position, Decision),
    (bank_ref, reason, booked_on): (String, Option<&'static str>, NaiveDate),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    store::lock_chunks(tx, line.part, &[line]).await?;
    let found = store::find_lines(tx, line.part, &[line]).await?;
    let found = found.get(&line);
    let is_cash = found.is_some_and(|it| is_cash(it.found.institution));
    let standing = found.map(|it| it.found.standing);
    let asked_back = found.is_some_and(|it| it.recall.is_some());
    let refused = |code: &'static str| {
        let status = if code == "line_unknown" { 404 } else { 409 };
        Problem::new(status, code, format!("{line}: {code}"))
    };
    let status = decide(decision, is_cash, standing, asked_back).map_err(refused)?;
    let found = found.ok_or_else(|| refused("line_unknown"))?;
    let result = ResultLine {
        end_to_end_id: line,
        status,
        reason: reason.map(str::to_owned),
        amount: found.found.amount,
        bank_ref,
        booked_on,
    };
    let message = Results {
        institution: found.found.institution,
        part: line.part,
        message_id: format!("TM-{line}"),
        lines: vec![result],
    };
    apply(tx, message, now).await
}

/// An agent's list comes back: all control totals first, then every row, the first answer to each
/// stands.
pub(super) async fn on_cash_return(
    tx: &mut PgConnection,
    command: CashReturn,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    command.check()?;
    if !is_cash(command.institution) {
        let detail = format!("{} pays no cash", command.institution);
        return Err(Problem::new(422, "not_cash", detail).into());
    }
    let signed = signed(tx, &command).await?;
    if !store::insert_cash_return(tx, &command, &signed, now).await? {
        let detail = format!("the return {} was taken already", command.return_no);
        return Err(Problem::new(409, "return_repeated", detail).into());
    }
    let mut by_part: BTreeMap<Part, Vec<ResultLine>> = BTreeMap::new();
    for (row, it) in (1..).zip(&command.rows) {
        let (status, reason) = if it.is_paid {
            (ResultStatus::Credited, None)
        } else {
            (ResultStatus::Rejected, Some(NOT_FETCHED.to_owned()))
        };
        by_part.entry(it.line.part).or_default().push(ResultLine {
            end_to_end_id: it.line,
            status,
            reason,
            amount: it.amount,
            bank_ref: format!("{row}"),
            booked_on: command.paid_on,
        });
    }
    let mut is_known = 0;
    for (part, lines) in &by_part {
        let positions: Vec<Position> = lines.iter().map(|it| it.end_to_end_id).collect();
        store::lock_chunks(tx, *part, &positions).await?;
        let found = store::find_lines(tx, *part, &positions).await?;
        for it in lines {
            let known = found.get(&it.end_to_end_id);
            if let Some(code) = misfit(&command, it, known) {
                let row = it.bank_ref.parse().unwrap_or_default();
                return Err(row_refused(row, it.end_to_end_id, code).into());
            }
            is_known += 1;
        }
    }
    let before = store::count_results(tx, command.run_no, command.institution).await?;
    for (part, lines) in by_part {
        let message = Results {
            institution: command.institution,
            part,
            message_id: command.message_id(),
            lines,
        };
        apply(tx, message, now).await?;
    }
    let after = store::count_results(tx, command.run_no, command.institution).await?;
    Ok(json!({
        "return": command.return_no,
        "rows": is_known,
        "applied": after - before,
        "answered_before": is_known - (after - before),
        "paid": command.paid,
        "balance": command.balance,
    }))
}

/// Sets aside what was not fetched for so long as terms say, and raises the alarm; it is payable again
/// where somebody names it.
pub(super) async fn on_age_cash(
    tx: &mut PgConnection,
    command: &AgeCash,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let lines = store::unfetched_lines(tx, command.as_of, AGED_MAX).await?;
    let mut aged = Vec::new();
    for of_part in lines.chunk_by(|a, b| a.part == b.part) {
        let part = of_part[0].part;
        store::lock_chunks(tx, part, of_part).await?;
        let by = (&command.officer, now);
        let set_aside = store::insert_unclaimed(tx, part, of_part, by).await?;
        let journals = unclaimed::set_aside(&set_aside);
        if !journals.is_empty() {
            ledger::post(tx, part, &journals, now).await?;
        }
        aged.extend(set_aside);
    }
    if !aged.is_empty() {
        store::raise_unclaimed(tx, command.as_of, now).await?;
        tracing::warn!(
            lines = aged.len(),
            "Cash that nobody has fetched is unclaimed now"
        );
    }
    let total = Money::sum(aged.iter().map(|it| it.amount));
    Ok(json!({ "as_of": command.as_of, "lines": aged.len(), "total": total }))
}

/// Why a row is none of the agent's list; what is answered already is for the road of results.
fn misfit(
    command: &CashReturn,
    it: &ResultLine,
    known: Option<&FoundLine>,
) -> Option<&'static str> {
    let Some(known) = known else {
        return Some("line_unknown");
    };
    if known.found.institution != command.institution {
        return Some("not_your_payment");
    }
    if known.found.standing == crate::result::Standing::NotReleased {
        return Some("not_released");
    }
    (known.found.amount != it.amount).then_some("amount_mismatch")
}

async fn signed(tx: &mut PgConnection, command: &CashReturn) -> Result<SignedReturn, Error> {
    let refused = |status, code, detail| Error::from(Problem::new(status, code, detail));
    let missing = || refused(403, "signature_missing", "who returns a list signs it");
    let given = command.signature.as_deref().ok_or_else(missing)?;
    let key = approval::key_of(tx, &command.officer).await?;
    let unknown = || refused(403, "key_unknown", "no key of the officer is registered");
    let key = key.ok_or_else(unknown)?;
    let statement = CashStatement { of: command }.to_string();
    let signature = hex::decode(given).unwrap_or_default();
    if !approval::stands(&key.public_key, &statement, &signature) {
        let detail = "the signature is not the officer's over these rows and sums";
        return Err(refused(403, "signature_invalid", detail));
    }
    Ok(SignedReturn {
        key_no: key.key_no,
        statement,
        signature,
    })
}

async fn apply(tx: &mut PgConnection, message: Results, now: DateTime<Utc>) -> Result<(), Error> {
    if let Some(said) = on_results(tx, message, now).await? {
        messaging::append(tx, vec![Event::of(&said, now)], now).await?;
    }
    Ok(())
}

fn is_cash(institution: Institution) -> bool {
    let info = institution.info();
    info.is_some_and(|it| it.channel == Channel::Cash)
}
