use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::{Money, Part, Position, RunNo};
use events::{PayeesWithdrawn, ResultStatus, WithdrawnLine};
use ledger::Journal;
use sqlx::PgConnection;

use crate::holds::restate;
use crate::result::Standing;
use crate::store::{self, Cancelled, Excepted, Found, HeldBy, Hold, Moved};
use crate::withdrawal::{
    Consequence, Obligated, Open, Turn, Undoing, consequence, pieces, undoing,
};
use crate::{Error, posting};

/// Obligations are withdrawn or restored: each line is held, asked back, kept from being issued
/// again, or overpaid, by where its money is; and back.
///
/// The journals are the caller's to post when the batch is through: whoever holds the partition's
/// head may not wait for those who reserve and release.
pub(super) async fn on_payees_withdrawn(
    tx: &mut PgConnection,
    message: &PayeesWithdrawn,
    now: DateTime<Utc>,
) -> Result<Vec<Journal>, Error> {
    let part = message.part;
    let mut journals = Vec::new();
    for piece in pieces(&message.lines) {
        let turns = store::insert_withdrawals(tx, part, piece, now).await?;
        let before = store::turns_before(tx, part, &turns).await?;
        if let Some(missing) = turns
            .iter()
            .find(|it| it.told.turn > 1 && !before.contains_key(&it.withdrawal_no))
        {
            return Err(Error::TurnMissing {
                turn: missing.told.turn,
            });
        }
        let lines = locked_lines(tx, part, &turns).await?;
        let (restored, withdrawn): (Vec<Turn>, Vec<Turn>) =
            turns.into_iter().partition(|it| it.told.is_restored());
        let (mut moved, opened) = withdraw(tx, part, &withdrawn, &lines, now).await?;
        let (freed, cancelled) = restore(tx, part, &restored, (&before, &lines), now).await?;
        moved.extend(freed);
        // What is approved stays what was approved.
        let open: BTreeSet<RunNo> = lines
            .values()
            .filter(|it| !it.is_approved)
            .map(|it| it.line.position.run)
            .collect();
        moved.retain(|it| open.contains(&it.run_no));
        restate(tx, part, &moved, now).await?;
        journals.extend(opened.into_iter().chain(cancelled));
    }
    Ok(journals)
}

/// Lines that were asked back are answered: credited they are overpaid, rejected they stay.
pub(super) async fn on_recalls_answered(
    tx: &mut PgConnection,
    part: Part,
    answered: &[(i64, Obligated, ResultStatus)],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if answered.is_empty() {
        return Ok(());
    }
    let numbers: Vec<i64> = answered.iter().map(|(number, ..)| *number).collect();
    store::resolve_recalls(tx, &numbers, now).await?;
    let turns = store::turns(tx, &numbers).await?;
    let consequences: Vec<(&Turn, Option<Obligated>, Consequence)> = answered
        .iter()
        .filter_map(|(number, line, status)| {
            let follows = consequence(Some(Standing::Answered(*status)), false);
            Some((turns.get(number)?, Some(*line), follows))
        })
        .collect();
    let (_, journals) = follow(tx, part, &consequences, now).await?;
    if !journals.is_empty() {
        ledger::post(tx, part, &journals, now).await?;
    }
    Ok(())
}

/// The lines of these obligations, kept as they are until the transaction ends.
async fn locked_lines(
    tx: &mut PgConnection,
    part: Part,
    turns: &[Turn],
) -> Result<HashMap<i64, Found>, Error> {
    let found = store::obligated(tx, part, turns).await?;
    let positions: Vec<Position> = found.values().map(|it| it.line.position).collect();
    let runs: Vec<RunNo> = positions.iter().map(|it| it.run).collect();
    store::lock_parts(tx, part, &runs).await?;
    store::lock_unreleased(tx, &runs).await?;
    store::lock_chunks(tx, part, &positions).await?;
    // Read again: a release or an answer may have come in between.
    store::obligated(tx, part, turns).await
}

async fn withdraw(
    tx: &mut PgConnection,
    part: Part,
    turns: &[Turn],
    lines: &HashMap<i64, Found>,
    now: DateTime<Utc>,
) -> Result<(Vec<Moved>, Vec<Journal>), Error> {
    let mut consequences = Vec::with_capacity(turns.len());
    for turn in turns {
        let found = lines.get(&turn.withdrawal_no);
        if found.is_none() {
            tracing::warn!(
                part = part.number(),
                withdrawal = turn.withdrawal_no,
                "Withdrawn is what never became a line; a person has to look"
            );
        }
        let follows = consequence(
            found.map(|it| it.standing),
            found.is_some_and(|it| it.is_held),
        );
        consequences.push((turn, found.map(|it| it.line), follows));
    }
    follow(tx, part, &consequences, now).await
}

/// Writes what follows from withdrawals; gives back the lines held and the journals to be posted.
async fn follow(
    tx: &mut PgConnection,
    part: Part,
    consequences: &[(&Turn, Option<Obligated>, Consequence)],
    now: DateTime<Utc>,
) -> Result<(Vec<Moved>, Vec<Journal>), Error> {
    let (mut holds, mut excepted, mut cases) = (Vec::new(), Vec::new(), Vec::new());
    let mut journals = Vec::new();
    for (turn, line, follows) in consequences {
        let except = |kind: &'static str| Excepted {
            kind,
            turn,
            line: line.map(|it| it.position),
        };
        match (follows, line) {
            (Consequence::Hold, Some(line)) => holds.push(Hold {
                position: line.position,
                reason: &turn.told.reason,
                by: HeldBy::Withdrawal(turn.withdrawal_no),
            }),
            (Consequence::Recall, Some(_)) => excepted.push(except("recall")),
            (Consequence::Overpayment, Some(line)) => {
                within(&turn.told, line)?;
                journals.push(posting::overpayment(&turn.told, line, turn.told.amount));
                cases.push((*turn, *line));
            }
            (Consequence::Withdraw, _) | (_, None) => excepted.push(except("withdrawn")),
        }
    }
    let held = store::hold_lines(tx, part, &holds, now).await?;
    store::open_exceptions(tx, part, &excepted, now).await?;
    store::open_overpayments(tx, part, &cases, now).await?;
    Ok((held.moved, journals))
}

/// More cannot come back than was paid: the books and eligibility would have parted.
fn within(told: &WithdrawnLine, line: &Obligated) -> Result<(), Error> {
    if told.amount <= line.amount {
        return Ok(());
    }
    Err(Error::ControlTotals {
        run: line.position.run,
        part: line.position.part,
        detail: format!(
            "{} pays {} đồng, of which {} are withdrawn",
            line.position, line.amount, told.amount
        ),
    })
}

/// Undoes the turns before these; gives back the lines set free and the journals to be posted.
async fn restore(
    tx: &mut PgConnection,
    part: Part,
    turns: &[Turn],
    (before, lines): (&HashMap<i64, i64>, &HashMap<i64, Found>),
    now: DateTime<Utc>,
) -> Result<(Vec<Moved>, Vec<Journal>), Error> {
    let numbers: Vec<i64> = turns
        .iter()
        .filter_map(|it| before.get(&it.withdrawal_no).copied())
        .collect();
    let exceptions: HashMap<i64, store::OpenException> = store::open_of(tx, &numbers)
        .await?
        .into_iter()
        .map(|it| (it.withdrawal_no, it))
        .collect();
    let (mut free, mut again, mut resolved) = (Vec::new(), Vec::new(), Vec::new());
    let mut cases = Vec::new();
    for turn in turns {
        let found = lines.get(&turn.withdrawal_no);
        let exception = before
            .get(&turn.withdrawal_no)
            .and_then(|it| exceptions.get(it));
        // What is in no exception is a case.
        let open = exception.map_or(Open::Overpayment, |it| it.open(found));
        match (undoing(open), exception) {
            (Undoing::SetFree, Some(it)) => free.push(it.exception_no),
            (Undoing::IssueAgain, Some(it)) => again.push(it.exception_no),
            (Undoing::Resolve, Some(it)) => resolved.push(it.exception_no),
            (Undoing::CancelCase, _) | (_, None) => cases.push(turn.clone()),
        }
    }
    store::mark_to_issue_again(tx, &again).await?;
    store::resolve(tx, &resolved, now).await?;
    let cancelled = store::cancel_overpayments(tx, part, &cases, now).await?;
    let journals = give_back(tx, part, &cases, (&cancelled, lines), now).await?;
    let freed = store::free_lines(tx, part, &free, now).await?;
    Ok((freed, journals))
}

/// What of cancelled cases was still open, or was given up, is paid again; what had come back is owed
/// to the person, by a name.
async fn give_back(
    tx: &mut PgConnection,
    part: Part,
    cases: &[Turn],
    (cancelled, lines): (&HashMap<i64, Cancelled>, &HashMap<i64, Found>),
    now: DateTime<Utc>,
) -> Result<Vec<Journal>, Error> {
    let (mut journals, mut owed_back) = (Vec::with_capacity(cases.len()), Vec::new());
    for turn in cases {
        let case = cancelled.get(&turn.withdrawal_no);
        let Some((case, found)) = case.zip(lines.get(&turn.withdrawal_no)) else {
            continue;
        };
        let came_back = Money::sum([case.sums.repaid, case.sums.netted]);
        let gone = Money::sum([came_back, case.sums.written_off]);
        let open = case.amount.checked_sub(gone).unwrap_or_default();
        let again = (open, case.sums.written_off);
        journals.extend(posting::restored(&turn.told, &found.line, again));
        if !came_back.is_zero() {
            tracing::warn!(
                part = part.number(),
                withdrawal = turn.withdrawal_no,
                "What came back of an overpayment is owed after all; a person has to look"
            );
            owed_back.push((found.line.position, turn.told.person_no, came_back));
        }
    }
    store::open_over_recovered(tx, part, &owed_back, now).await?;
    Ok(journals)
}
