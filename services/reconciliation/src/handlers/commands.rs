use approval::Signing;
use chrono::{DateTime, Utc};
use domain::{EndToEndId, Officer};
use events::{BreaksResolved, Event, Resolution, ResolvedBreak, SettledLine};
use messaging::{Command, CommandHandler, Problem};
use privacy::Signer;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::close_day::on_close_day;
use crate::Error;
use crate::case::{Case, CaseNo, LineStanding, Remedy};
use crate::command::{Decide, Propose, ThawDay};
use crate::matter;
use crate::store::{self, Proposal};

pub(crate) struct OnCommand {
    /// Signs the reports of closed days.
    pub signer: Signer,
    /// Whether also those sign who have no key.
    pub signatures_required: bool,
}

impl CommandHandler for OnCommand {
    type Error = Error;

    /// Takes a command by its name; the answer is what the caller is shown.
    async fn take(
        &self,
        tx: &mut PgConnection,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        match command.name.as_str() {
            "propose" => on_propose(tx, read(command)?, now).await,
            "decide" => {
                let required = self.signatures_required;
                on_decide(tx, read(command)?, required, now).await
            }
            "thaw-day" => on_thaw_day(tx, read(command)?, now).await,
            "close-day" => on_close_day(tx, &self.signer, read(command)?, now).await,
            other => {
                let detail = format!("there is no command {other}");
                Err(Problem::new(404, "command_unknown", detail).into())
            }
        }
    }
}

fn read<T: DeserializeOwned>(command: &Command) -> Result<T, Error> {
    serde_json::from_slice(&command.body)
        .map_err(|it| Problem::new(422, "command_malformed", it.to_string()).into())
}

fn reasoned(reason: Option<&str>) -> Result<(), Error> {
    if reason.is_some_and(|it| !it.trim().is_empty()) {
        return Ok(());
    }
    Err(Problem::new(422, "reason_missing", "officers say why").into())
}

/// Says what a case is to be closed with; one proposal of a case waits at a time.
async fn on_propose(
    tx: &mut PgConnection,
    command: Propose,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    reasoned(Some(&command.reason))?;
    store::lock_cases(tx, command.case.institution).await?;
    let case = case_of(tx, command.case).await?;
    if let Some(open) = case.proposed {
        let detail = format!("proposal {open} of {} is not decided", case.no);
        return Err(Problem::new(409, "proposal_open", detail).into());
    }
    let remedy = remedy(tx, command.how, &command.lines, command.against).await?;
    case.allow(&remedy)?;
    let proposal_no = store::insert_proposal(tx, &command, now).await?;
    Ok(json!({
        "proposal": proposal_no,
        "case": command.case,
        "how": command.how.code(),
        "amount": case.amount,
    }))
}

/// Another officer accepts what was proposed, which closes the case, or refuses it.
async fn on_decide(
    tx: &mut PgConnection,
    command: Decide,
    must_sign: bool,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    if !command.accept {
        reasoned(command.reason.as_deref())?;
    }
    let proposal = store::proposal(tx, command.proposal_no).await?;
    let proposal = proposal.ok_or_else(|| {
        let detail = format!("there is no proposal {}", command.proposal_no);
        Problem::new(404, "proposal_unknown", detail)
    })?;
    store::lock_cases(tx, proposal.case.institution).await?;
    let case = case_of(tx, proposal.case).await?;
    if case.proposed != Some(proposal.proposal_no) {
        let detail = format!("proposal {} is decided", proposal.proposal_no);
        return Err(Problem::new(409, "proposal_decided", detail).into());
    }
    if proposal.officer == command.officer {
        return Err(same_person(&command.officer, proposal.proposal_no).into());
    }
    let matter = matter::of_proposal(&proposal, &case);
    let decision = matter.decision(command.accept, command.reason.as_deref(), &command.officer);
    let signing = Signing {
        signature: command.signature.as_deref(),
        is_required: must_sign,
    };
    approval::decide(tx, &decision, signing, now).await?;
    store::insert_decision(tx, &proposal, &command, now).await?;
    if command.accept {
        carry_out(tx, &proposal, &case, now).await?;
    }
    Ok(json!({
        "proposal": proposal.proposal_no,
        "case": proposal.case,
        "how": proposal.how.code(),
        "accepted": command.accept,
    }))
}

/// Closes the case, or both of an offset, and says what becomes of the money.
async fn carry_out(
    tx: &mut PgConnection,
    proposal: &Proposal,
    case: &Case,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let remedy = remedy(tx, proposal.how, &proposal.lines, proposal.against).await?;
    case.allow(&remedy)?;
    let settled: Vec<_> = remedy.lines.iter().map(|it| (*case, *it)).collect();
    store::insert_matches_of(tx, case.no.institution, &settled, now).await?;
    let mut said = Vec::new();
    for closed in [Some(*case), remedy.against].into_iter().flatten() {
        let by = Some(proposal.proposal_no);
        store::insert_resolutions(tx, &[(closed.no, proposal.how)], by, now).await?;
        let fact = resolved(&closed, proposal.how, &remedy.lines);
        said.push(Event::of(&fact, now));
    }
    messaging::append(tx, said, now).await?;
    Ok(())
}

fn resolved(case: &Case, how: Resolution, lines: &[LineStanding]) -> BreaksResolved {
    let settled = lines.iter().map(|it| SettledLine {
        end_to_end_id: it.line,
        amount: it.amount,
        was_unsettled: it.unsettled,
    });
    let came_back = case.line.filter(|_| how == Resolution::OwedAgain);
    let came_back = came_back.map(|line| SettledLine {
        end_to_end_id: line,
        amount: case.amount,
        was_unsettled: false,
    });
    BreaksResolved {
        institution: case.no.institution,
        statement_no: case.no.statement_no,
        part: case.no.part,
        resolved: vec![ResolvedBreak {
            break_no: case.no.break_no,
            kind: case.kind,
            how,
            amount: case.amount,
            lines: settled.chain(came_back).collect(),
        }],
    }
}

pub(crate) async fn case_of(tx: &mut PgConnection, no: CaseNo) -> Result<Case, Error> {
    let case = store::case(tx, no).await?;
    Ok(case.ok_or_else(|| {
        let detail = format!("no statement had a break {no}");
        Problem::new(404, "case_unknown", detail)
    })?)
}

async fn remedy(
    tx: &mut PgConnection,
    how: Resolution,
    lines: &[EndToEndId],
    against: Option<CaseNo>,
) -> Result<Remedy, Error> {
    let mut named = lines.to_vec();
    named.sort_unstable();
    named.dedup();
    let standings = store::standings(tx, &named).await?;
    if standings.len() != lines.len() {
        let detail = "a line was never instructed, or it is named twice";
        return Err(Problem::new(404, "line_unknown", detail).into());
    }
    let against = match against {
        Some(no) => Some(case_of(tx, no).await?),
        None => None,
    };
    Ok(Remedy {
        how,
        lines: standings,
        against,
    })
}

fn same_person(officer: &Officer, proposal_no: i64) -> Problem {
    let detail = format!("{officer} made proposal {proposal_no} and may not decide it as well");
    Problem::new(403, "same_person", detail)
}

/// An officer answers for going on with a day that a statement froze.
async fn on_thaw_day(
    tx: &mut PgConnection,
    command: ThawDay,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    reasoned(Some(&command.reason))?;
    let thawed = store::thaw_by_officer(tx, &command, now).await?;
    if thawed == 0 {
        let detail = format!("the day of {} is not frozen", command.institution);
        return Err(Problem::new(409, "day_not_frozen", detail).into());
    }
    Ok(json!({
        "institution": command.institution,
        "date": command.date,
        "thawed": thawed,
    }))
}
