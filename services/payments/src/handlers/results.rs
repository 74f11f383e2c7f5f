use chrono::{DateTime, Utc};
use domain::{ChunkNo, Money, Part, Position};
use events::{AppliedResult, RefusedResult, ResultLine, ResultStatus, Results, ResultsApplied};
use sqlx::PgConnection;

use super::overpayments::on_credited;
use super::withdrawals::on_recalls_answered;
use crate::Error;
use crate::posting::{self, Answered, transfer_line};
use crate::result::{Judgement, Standing, judge, refuse_impossible};
use crate::store::{self, FoundLine, Refusal};
use crate::withdrawal::Obligated;

/// A bank answers: each line is applied once or kept as a refusal with its code.
pub(super) async fn on_results(
    tx: &mut PgConnection,
    message: Results,
    now: DateTime<Utc>,
) -> Result<Option<ResultsApplied>, Error> {
    refuse_impossible(&message)?;
    let part = message.part;
    let positions: Vec<Position> = message.lines.iter().map(|it| it.end_to_end_id).collect();
    // The chunks stay locked until the end: nobody else may call their lines unknown meanwhile.
    store::lock_chunks(tx, part, &positions).await?;
    let mut found = store::find_lines(tx, part, &positions).await?;
    let (mut answered, mut applied, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut recalled, mut contradicting) = (Vec::new(), Vec::new());
    for (entry, line) in (1..).zip(&message.lines) {
        let known = found.get_mut(&line.end_to_end_id);
        match judge(
            line,
            message.institution,
            part,
            known.as_deref().map(|it| &it.found),
        ) {
            Judgement::Apply(status) => {
                let known = known.expect("only a payment that was found is applied");
                answered.push(answer(line, known, status));
                recalled.extend(known.recall.map(|it| (it, obligated(line, known), status)));
                known.found.standing = Standing::Answered(status);
                applied.push(line);
            }
            Judgement::Refuse(code) => {
                let payment = known.map(|it| (it.person_no, it.found.amount));
                contradicting.extend(contradiction(line, code));
                refusals.push(Refusal {
                    entry,
                    position: line.end_to_end_id,
                    code,
                    payment,
                });
            }
        }
    }
    store::insert_results(tx, part, &message.message_id, &applied).await?;
    store::insert_result_refusals(tx, &message, &refusals, now).await?;
    store::open_contradictions(tx, part, &refusals, now).await?;
    let said = ResultsApplied {
        part,
        institution: message.institution,
        message_id: message.message_id.clone(),
        lines: applied.into_iter().map(told).collect(),
        refused: contradicting,
    };
    if answered.is_empty() {
        return Ok((!said.refused.is_empty()).then_some(said));
    }
    book(tx, (part, &message.message_id), &answered, now).await?;
    on_recalls_answered(tx, part, &recalled, now).await?;
    Ok(Some(said))
}

/// Officers settle an unknown line: from here on it is as if its institution had answered.
pub(super) async fn settle(
    tx: &mut PgConnection,
    message_id: &str,
    line: &ResultLine,
    known: &FoundLine,
    now: DateTime<Utc>,
) -> Result<ResultsApplied, Error> {
    let (part, status) = (line.end_to_end_id.part, line.status);
    store::insert_results(tx, part, message_id, &[line]).await?;
    let answered = [answer(line, known, status)];
    book(tx, (part, message_id), &answered, now).await?;
    let recalled = known.recall.map(|it| (it, obligated(line, known), status));
    on_recalls_answered(tx, part, recalled.as_slice(), now).await?;
    Ok(ResultsApplied {
        part,
        institution: known.found.institution,
        message_id: message_id.to_owned(),
        lines: vec![told(line)],
        refused: Vec::new(),
    })
}

/// Money and counters of lines that have their answer now.
async fn book(
    tx: &mut PgConnection,
    (part, message_id): (Part, &str),
    answered: &[Answered],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let netted = on_credited(tx, part, answered, now).await?;
    let journals = posting::results(message_id, answered, &netted);
    let posted = ledger::post(tx, part, &journals, now).await;
    posted.map_err(|error| match error {
        // The bank gave one id to two messages: its mistake, and no reason to stop its others.
        ledger::Error::ReferenceReused { .. } => {
            Error::ImpossibleMessage("an earlier message has its id")
        }
        other => other.into(),
    })?;
    store::count_answers(tx, part, answered).await?;
    store::close_unknown(tx, part, answered, now).await
}

/// What reconciliation has to know of a refusal: that the bank says two different things.
fn contradiction(line: &ResultLine, code: &str) -> Option<RefusedResult> {
    let contradicts = [
        "unknown_payment",
        "not_your_payment",
        "amount_mismatch",
        "contradicting_result",
    ];
    contradicts.contains(&code).then(|| RefusedResult {
        end_to_end_id: line.end_to_end_id,
        code: code.to_owned(),
        status: line.status,
        amount: line.amount,
    })
}

fn answer(line: &ResultLine, known: &FoundLine, status: ResultStatus) -> Answered {
    Answered {
        line: transfer_line(known.person_no, line.end_to_end_id),
        run_no: line.end_to_end_id.run,
        programme: known.programme,
        institution: known.found.institution,
        province: known.province,
        is_arrears: known.is_arrears,
        amount: known.found.amount,
        deduction: known.deduction,
        was_unknown: known.found.standing == Standing::Unknown,
        status,
    }
}

fn obligated(line: &ResultLine, known: &FoundLine) -> Obligated {
    let deducted = known.deduction.map(|it| it.amount);
    Obligated {
        position: line.end_to_end_id,
        amount: Money::sum([known.found.amount, deducted.unwrap_or_default()]),
        province: known.province,
        is_arrears: known.is_arrears,
    }
}

fn told(line: &ResultLine) -> AppliedResult {
    let Position {
        run,
        chunk,
        line: number,
        ..
    } = line.end_to_end_id;
    AppliedResult {
        run_no: run,
        chunk: ChunkNo(chunk.0),
        line: number,
        status: line.status,
        amount: line.amount,
        booked_on: line.booked_on,
    }
}
