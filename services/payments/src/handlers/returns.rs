//! What a bank had credited came back, and two officers say that it is owed again.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Money, Part, Position};
use events::{BreaksResolved, Resolution, ResultStatus};
use ledger::{Account, Journal};
use sqlx::PgConnection;

use crate::posting::{self, CameBack};
use crate::result::Standing;
use crate::store::{self, EndedCase, Excepted, FoundLine, Recovered, Return};
use crate::{Error, withdrawal::Turn};

/// The payments that resolutions say came back, each with the number of its break.
fn came_back(resolved: &BreaksResolved) -> impl Iterator<Item = (i32, Position)> {
    let again = resolved.resolved.iter();
    let again = again.filter(|it| it.how == Resolution::OwedAgain);
    again.flat_map(|it| (it.lines.iter()).map(|line| (it.break_no, line.end_to_end_id)))
}

/// Keeps the chunks of what came back as they are until the transaction ends. Before anything is
/// posted: whoever holds the partition's head may not wait for those who reserve and release.
pub(super) async fn lock(
    tx: &mut PgConnection,
    part: Part,
    batch: &[BreaksResolved],
) -> Result<(), Error> {
    let lines: Vec<Position> = batch.iter().flat_map(came_back).map(|(_, it)| it).collect();
    if lines.is_empty() {
        return Ok(());
    }
    store::lock_chunks(tx, part, &lines).await
}

/// Each line is payable again, and a run of a later series may follow it. Where it is not owed any
/// more, the case of its overpayment ends, and the line stays for a person.
pub(super) async fn on_owed_again(
    tx: &mut PgConnection,
    part: Part,
    resolved: &BreaksResolved,
    now: DateTime<Utc>,
) -> Result<Vec<Journal>, Error> {
    let lines: Vec<(i32, Position)> = came_back(resolved).collect();
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let positions: Vec<Position> = lines.iter().map(|(_, it)| *it).collect();
    let found = store::find_lines(tx, part, &positions).await?;
    let cases = store::end_overpayments(tx, part, &positions, now).await?;
    let (mut journals, mut returns) = (Vec::new(), Vec::new());
    for (break_no, position) in lines {
        let known = credited(resolved, position, found.get(&position))?;
        let back = stands(position, known, cases.get(&position));
        returns.push(Return {
            position,
            break_no,
            amount: back.amount,
        });
        journals.push(posting::returned(resolved, break_no, &back));
    }
    store::insert_returns(tx, (part, resolved), &returns, now).await?;
    keep_what_is_not_owed(tx, part, &cases, now).await?;
    Ok(journals)
}

/// The line as our books have it, which its institution credited: reconciliation has that from us.
fn credited<'a>(
    resolved: &BreaksResolved,
    position: Position,
    found: Option<&'a FoundLine>,
) -> Result<&'a FoundLine, Error> {
    let is_credited = |it: &&FoundLine| {
        it.found.institution == resolved.institution
            && it.found.standing == Standing::Answered(ResultStatus::Credited)
    };
    found
        .filter(is_credited)
        .ok_or_else(|| Error::ControlTotals {
            run: position.run,
            part: position.part,
            detail: format!("{position} came back and was never credited"),
        })
}

fn stands(position: Position, known: &FoundLine, case: Option<&EndedCase>) -> CameBack {
    CameBack {
        position,
        programme: known.programme,
        province: known.province,
        person_no: known.person_no,
        is_arrears: known.is_arrears,
        amount: known.found.amount,
        overpaid: case.map(|it| overpaid(it, known)).unwrap_or_default(),
    }
}

/// The accounts that hold what a case was about.
fn overpaid(case: &EndedCase, known: &FoundLine) -> Vec<(Account, Money)> {
    let (programme, province) = (known.programme, known.province);
    let recovered = case.recovered.iter().map(|(_, amount)| *amount);
    let gone = Money::sum(recovered.chain([case.written_off]));
    let open = case.amount.checked_sub(gone).unwrap_or_default();
    let mut overpaid = vec![
        (Account::receivable(programme, province), open),
        (Account::forgone(programme, province), case.written_off),
    ];
    overpaid.extend(case.recovered.iter().map(|(from, amount)| match from {
        Recovered::Repaid(institution) => {
            (Account::repaid(programme, *institution, province), *amount)
        }
        Recovered::Netted(province) => (Account::paid(programme, *province), *amount),
    }));
    overpaid
}

/// Lines that came back and are withdrawn are not paid again. What had been recovered of them is
/// owed to the person, by a name.
async fn keep_what_is_not_owed(
    tx: &mut PgConnection,
    part: Part,
    cases: &HashMap<Position, EndedCase>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let numbers: Vec<i64> = cases.values().map(|it| it.withdrawal_no).collect();
    let turns: HashMap<i64, Turn> = store::turns(tx, &numbers).await?;
    let (mut excepted, mut owed_back) = (Vec::new(), Vec::new());
    for (position, case) in cases {
        let turn = &turns[&case.withdrawal_no];
        excepted.push(Excepted {
            kind: "withdrawn",
            turn,
            line: Some(*position),
        });
        let recovered = Money::sum(case.recovered.iter().map(|(_, amount)| *amount));
        if !recovered.is_zero() {
            tracing::warn!(
                case = case.case_no,
                "What was recovered came back from the bank as well; owed to the person"
            );
            owed_back.push((*position, turn.told.person_no, recovered));
        }
    }
    store::open_exceptions(tx, part, &excepted, now).await?;
    store::open_over_recovered(tx, part, &owed_back, now).await
}
