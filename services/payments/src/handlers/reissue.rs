//! Runs that pay again what was not paid, by another way where there is one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::{ChunkNo, LineNo, Money, Part, Period, Position, Programme, RunNo};
use events::{Event, FailedWay, PayeeLine, PayeesResolved, ReissueLine, ReissuesOpened};
use ledger::Journal;
use messaging::Problem;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::acts::act;
use crate::command::{OpenReissue, OpenRun};
use crate::recovery::Deduction;
use crate::reissue::{Attempt, EVENT_LINES_MAX, NAMED_MAX, REISSUED_MAX, Succession};
use crate::run::State;
use crate::store::{self, Act, Key, SeriesRun, Successor};
use crate::unclaimed::{self, Unfetched};
use crate::{Error, Line};

/// The ways that a line is told to have failed.
const WAYS_MAX: usize = 4;

/// Opens a run that pays again what its period's runs have left unpaid, all or what is named.
pub(super) async fn on_open_reissue(
    tx: &mut PgConnection,
    command: OpenReissue,
    approvals_required: i16,
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let (programme, period) = (command.programme, command.period);
    let runs = store::lock_series(tx, programme, period).await?;
    let last = series_before(&runs, &command)?;
    let (named, from) = asked(&command, &runs)?;
    let lines = if named.is_empty() {
        store::unpaid_lines(tx, &from, REISSUED_MAX + 1).await?
    } else {
        named.iter().copied().collect()
    };
    let is_more = lines.len() > usize::try_from(REISSUED_MAX).expect("a bound");
    let mut left_out: BTreeMap<&'static str, i64> = BTreeMap::new();
    let mut by_part: BTreeMap<Part, Vec<Attempt>> = BTreeMap::new();
    for of_part in lines.chunk_by(|a, b| a.part == b.part) {
        for it in store::attempts_at(tx, of_part[0].part, of_part).await? {
            match it.succession(!named.is_empty()) {
                Ok(_) => by_part.entry(it.position.part).or_default().push(it),
                Err(code) if named.is_empty() => *left_out.entry(code).or_default() += 1,
                Err(code) => return Err(not_payable(it.position, code).into()),
            }
        }
    }
    let found = by_part.values().flatten();
    let count = found.clone().count();
    if count < named.len() {
        let detail = "a line that is named is no line of the run";
        return Err(Problem::new(404, "line_unknown", detail).into());
    }
    if count == 0 {
        let told: Vec<String> = left_out.iter().map(|(it, n)| format!("{n} {it}")).collect();
        let detail = format!(
            "nothing of {period} is to be paid again: {}",
            told.join(", ")
        );
        return Err(Problem::new(409, "nothing_to_pay", detail).into());
    }
    let total = Money::sum(found.map(|it| it.amount));
    let opening = OpenRun {
        officer: command.officer,
        programme,
        period,
        business_date: command.business_date,
    };
    let series = last + 1;
    let trace = messaging::current_trace();
    let run_no = store::insert_run(tx, &opening, series, approvals_required, trace, now).await?;
    let run_no = run_no.ok_or_else(|| is_opened(programme, series))?;
    act(tx, Act::new(run_no, &opening.officer, "open"), now).await?;
    for part in Part::all() {
        let attempts = by_part.remove(&part).unwrap_or_default();
        say(tx, (run_no, part), &opening, &attempts, now).await?;
    }
    Ok(json!({
        "run": run_no.to_string(),
        "series": series,
        "state": State::Preparing.as_str(),
        "lines": count,
        "total": total,
        "left_out": left_out,
        "is_more": is_more,
    }))
}

/// The last series that the period has. One that is still prepared may have any line.
fn series_before(runs: &[SeriesRun], command: &OpenReissue) -> Result<i16, Error> {
    let (programme, period) = (command.programme, command.period);
    let Some(last) = runs.iter().map(|it| it.series).max() else {
        let detail = format!("{programme} has no run for {period}");
        return Err(Problem::new(404, "run_unknown", detail).into());
    };
    if let Some(preparing) = runs.iter().find(|it| it.state == State::Preparing) {
        let detail = format!("{} is still being prepared", preparing.run_no);
        return Err(Problem::new(409, "run_preparing", detail).into());
    }
    Ok(last)
}

/// The lines that are named, and the runs whose lines are meant: all of the period where none is.
fn asked(
    command: &OpenReissue,
    runs: &[SeriesRun],
) -> Result<(BTreeSet<Position>, Vec<RunNo>), Error> {
    if command.lines.len() > NAMED_MAX {
        let detail = format!("a command names {NAMED_MAX} lines at most");
        return Err(Problem::new(422, "too_many_lines", detail).into());
    }
    let known: Vec<RunNo> = runs.iter().map(|it| it.run_no).collect();
    let named = command.lines.iter().map(|it| it.run);
    if let Some(other) = command
        .from
        .iter()
        .copied()
        .chain(named)
        .find(|it| !known.contains(it))
    {
        let detail = format!(
            "{other} is no run of {} for {}",
            command.programme, command.period
        );
        return Err(Problem::new(409, "other_period", detail).into());
    }
    // In the order of partitions, as they are looked at.
    let mut lines: Vec<Position> = command.lines.clone();
    lines.sort_by_key(|it| (it.part, *it));
    let from = if command.from.is_empty() {
        known
    } else {
        command.from.clone()
    };
    Ok((lines.into_iter().collect(), from))
}

fn not_payable(line: Position, code: &'static str) -> Problem {
    Problem::new(409, code, format!("{line} is not to be paid again: {code}"))
}

fn is_opened(programme: Programme, series: i16) -> Problem {
    let detail = format!("series {series} of {programme} is opened already");
    Problem::new(409, "period_already_run", detail)
}

/// Tells accounts what of a partition is to be paid again.
async fn say(
    tx: &mut PgConnection,
    (run_no, part): (RunNo, Part),
    opening: &OpenRun,
    attempts: &[Attempt],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let keys: Vec<Key> = attempts.iter().map(key_of).collect();
    let failed = store::failed_ways(tx, (part, opening.programme), &keys).await?;
    let none = Vec::new();
    let lines: Vec<ReissueLine> = (1..)
        .zip(attempts)
        .map(|(number, it)| {
            let failed: &Vec<FailedWay> = failed.get(&key_of(it)).unwrap_or(&none);
            ReissueLine {
                line: LineNo(number),
                person_no: it.person_no,
                determination_no: it.determination_no,
                amount: it.amount,
                local: Some(it.local).filter(|it| !it.is_zero()),
                province: it.province,
                rate_no: it.rate_no,
                period: Some(it.period).filter(|it| *it != opening.period),
                failed: failed[failed.len().saturating_sub(WAYS_MAX)..].to_vec(),
            }
        })
        .collect();
    // A partition without lines is told as well: it is prepared like the others.
    let mut chunks: Vec<&[ReissueLine]> = lines.chunks(EVENT_LINES_MAX).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    let count = i32::try_from(chunks.len()).expect("a bound of lines");
    let told = (1..).zip(&chunks).map(|(chunk, of_chunk)| ReissuesOpened {
        run_no,
        part,
        chunk: ChunkNo(chunk),
        programme: opening.programme,
        period: opening.period,
        lines: of_chunk.to_vec(),
        total: Money::sum(of_chunk.iter().map(|it| it.amount)),
        chunks: count,
        part_lines: i64::try_from(lines.len()).expect("a bound of lines"),
        part_total: Money::sum(lines.iter().map(|it| it.amount)),
    });
    messaging::append(tx, told.map(|it| Event::of(&it, now)).collect(), now).await?;
    Ok(())
}

fn key_of(it: &Attempt) -> Key {
    (it.period, it.person_no, it.determination_no)
}

/// The attempts that lines of a run follow, by their obligation.
pub(super) struct Followed(HashMap<Key, (Attempt, Succession)>);

impl Followed {
    /// The latest attempts, as they stand until the transaction ends; those that may be followed.
    /// What has changed since the run was opened shows here.
    pub async fn read(tx: &mut PgConnection, resolved: &PayeesResolved) -> Result<Followed, Error> {
        let (part, programme) = (resolved.part, resolved.programme);
        let key = |it: &PayeeLine| {
            let period = it.period.unwrap_or(resolved.period);
            (period, it.person_no, it.determination_no)
        };
        let keys: Vec<Key> = resolved.lines.iter().map(key).collect();
        let latest = store::latest_attempts(tx, (part, programme), &keys).await?;
        let lines: Vec<Position> = latest.into_values().collect();
        store::lock_chunks(tx, part, &lines).await?;
        let attempts = store::attempts_at(tx, part, &lines).await?;
        // Who named a line was asked when the run was opened.
        let followed = attempts.into_iter().filter_map(|it| {
            let begins = it.succession(true).ok()?;
            Some((key_of(&it), (it, begins)))
        });
        Ok(Followed(followed.collect()))
    }

    pub fn allows(&self, key: &Key, amount: Money) -> bool {
        self.0.get(key).is_some_and(|(it, _)| it.amount == amount)
    }

    /// What the attempt before was reduced by, as the next one is.
    pub fn deduction(&self, key: &Key) -> Option<Deduction> {
        self.0.get(key).and_then(|(it, _)| it.deduction)
    }

    /// Gives back what takes unclaimed money back, to be posted when the batch is through.
    pub async fn write(
        &self,
        tx: &mut PgConnection,
        resolved: (Part, Programme, Period),
        lines: &[Line],
    ) -> Result<Vec<Journal>, Error> {
        let (part, programme, period) = resolved;
        let successors = lines.iter().filter_map(|line| {
            let period = line.arrears_of.unwrap_or(period);
            let key = (period, line.person_no, line.determination_no);
            let (before, begins) = self.0.get(&key)?;
            Some(Successor {
                line,
                before,
                begins: *begins,
            })
        });
        let successors: Vec<Successor> = successors.collect();
        store::insert_attempts(tx, (part, programme), &successors).await?;
        let claims = successors.iter().filter(|it| it.before.is_unclaimed);
        let mut claims: Vec<Unfetched> = claims
            .map(|it| Unfetched {
                position: it.before.position,
                programme,
                person_no: it.before.person_no,
                is_arrears: it.before.period != period,
                amount: it.before.amount,
            })
            .collect();
        claims.sort_by_key(|it| it.position);
        let by = lines.first().map(|it| it.position.run);
        Ok(by.map_or_else(Vec::new, |by| unclaimed::claimed(by, &claims)))
    }
}
