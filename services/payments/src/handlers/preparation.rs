use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{
    CHUNK_LINES_MAX, ChunkNo, Institution, LineNo, Money, Part, Period, PersonNo, Position,
    Programme, RunNo,
};
use events::{PartResolved, PayeeHold, PayeeLine, PayeesResolved};
use ledger::{Journal, Root, merkle_root};
use sqlx::PgConnection;

use super::reissue::Followed;
use crate::recovery::{Deduction, Netting};
use crate::store::{self, HeldBy, Hold, Key, OpenChunk, Prepared};
use crate::{Error, Line};

/// Payees become lines. Each institution has one open chunk a partition, which fills up to 1,000
/// lines in the order of arrival; whatever the batches, the positions are the same.
pub(super) async fn on_payees_resolved(
    tx: &mut PgConnection,
    resolved: PayeesResolved,
    now: DateTime<Utc>,
) -> Result<Vec<Journal>, Error> {
    let (run_no, part) = (resolved.run_no, resolved.part);
    let (programme, period) = (resolved.programme, resolved.period);
    let mut taken = Taken::read(tx, &resolved).await?;
    let mut layout = Layout::read(tx, run_no, part).await?;
    let (mut lines, mut refused) = (Vec::with_capacity(resolved.lines.len()), Vec::new());
    let (mut holds, mut editors) = (Vec::new(), Vec::new());
    for mut payee in resolved.lines {
        if taken.refuses(&payee, period) {
            refused.push(payee);
        } else {
            let hold = payee.hold.take();
            let changed_by = std::mem::take(&mut payee.changed_by);
            let deduction = taken.deduct(&mut payee, period);
            let line = layout.place(payee, deduction, period);
            holds.extend(hold.and_then(|it| held_by_account(line.position, &it, now)));
            editors.extend(changed_by.into_iter().map(|it| (line.position, it)));
            lines.push(line);
        }
    }
    store::insert_lines(tx, period, &lines).await?;
    let (why, journals) = taken.write(tx, (part, programme, period), &lines).await?;
    let aside = (&refused[..], why);
    store::insert_obligation_exceptions(tx, (run_no, part, period), aside, now).await?;
    store::upsert_chunks(tx, run_no, part, &layout.touched()).await?;
    let arrears: Vec<&Line> = lines.iter().filter(|it| it.arrears_of.is_some()).collect();
    let prepared = Prepared {
        lines: i64::try_from(lines.len()).expect("at most a thousand"),
        total: Money::sum(lines.iter().map(|it| it.amount)),
        deducted_total: taken.deducted(&lines),
        held_lines: i64::try_from(refused.len()).expect("at most a thousand"),
        held_total: Money::sum(refused.iter().map(|it| it.amount)),
        arrears_lines: i64::try_from(arrears.len()).expect("at most a thousand"),
        arrears_total: Money::sum(arrears.iter().map(|it| it.amount)),
        local_total: Money::sum(lines.iter().map(|it| it.local)),
        chunks: layout.chunks,
    };
    store::add_prepared(tx, run_no, part, &prepared).await?;
    store::insert_editors(tx, &editors).await?;
    if !holds.is_empty() {
        // Owed and in their places like all others, and out of what is to be paid from the start.
        store::hold_lines(tx, part, &holds, now).await?;
    }
    Ok(journals)
}

/// A hold that has ended by the time the line is prepared is none.
fn held_by_account(
    position: Position,
    hold: &PayeeHold,
    now: DateTime<Utc>,
) -> Option<Hold<'static>> {
    hold.until.is_none_or(|it| it > now).then_some(Hold {
        position,
        reason: hold.reason.code(),
        by: HeldBy::Account { until: hold.until },
    })
}

/// What the lines of a chunk take: each its obligation, once; or the place of an attempt that has
/// ended, in a run that pays again.
enum Taken {
    /// What is owed already, and what is netted of those who were overpaid.
    First(HashSet<Key>, Vec<Netting>),
    Again(Followed),
}

impl Taken {
    async fn read(tx: &mut PgConnection, resolved: &PayeesResolved) -> Result<Taken, Error> {
        Ok(match store::series_of(tx, resolved.run_no).await? {
            0 => Taken::First(obliged(tx, resolved).await?, nettings(tx, resolved).await?),
            _ => Taken::Again(Followed::read(tx, resolved).await?),
        })
    }

    /// `period` is the run's own.
    fn refuses(&self, payee: &PayeeLine, period: Period) -> bool {
        let owed_for = payee.period.unwrap_or(period);
        let key = (owed_for, payee.person_no, payee.determination_no);
        match self {
            Taken::First(obliged, _) => obliged.contains(&key),
            Taken::Again(followed) => !followed.allows(&key, payee.amount),
        }
    }

    /// Takes off a line what is netted, which is of a month's own line, by one decision a person. A
    /// line that is paid again was announced without what the attempt before was reduced by.
    fn deduct(&mut self, payee: &mut PayeeLine, period: Period) -> Option<Deduction> {
        match self {
            Taken::First(_, nettings) => {
                if payee.period.is_some_and(|it| it != period) {
                    return None;
                }
                let of_person = |it: &Netting| it.person_no == payee.person_no;
                let mut found = nettings.iter().filter(|it| of_person(it));
                let deduction = found.find_map(|it| it.deduction(payee.amount))?;
                nettings.retain(|it| !of_person(it));
                let local = payee.local.unwrap_or_default();
                let (net, local) = deduction.reduce(payee.amount, local);
                payee.amount = net;
                payee.local = Some(local).filter(|it| !it.is_zero());
                Some(deduction)
            }
            Taken::Again(followed) => {
                let owed_for = payee.period.unwrap_or(period);
                followed.deduction(&(owed_for, payee.person_no, payee.determination_no))
            }
        }
    }

    /// By how much less arrived than was announced.
    fn deducted(&self, lines: &[Line]) -> Money {
        match self {
            Taken::First(..) => {
                let deductions = lines.iter().filter_map(|it| it.deduction);
                Money::sum(deductions.map(|it| it.amount))
            }
            Taken::Again(_) => Money::ZERO,
        }
    }

    /// Gives back why the others were refused, and the journals to be posted.
    async fn write(
        &self,
        tx: &mut PgConnection,
        of: (Part, Programme, Period),
        lines: &[Line],
    ) -> Result<(&'static str, Vec<Journal>), Error> {
        match self {
            Taken::First(..) => {
                store::insert_obligations(tx, of, lines).await?;
                Ok(("owed by another run already", Vec::new()))
            }
            Taken::Again(followed) => {
                let journals = followed.write(tx, of, lines).await?;
                Ok(("not to be paid again any more", journals))
            }
        }
    }
}

/// By which decisions the months of these people are netted.
async fn nettings(tx: &mut PgConnection, resolved: &PayeesResolved) -> Result<Vec<Netting>, Error> {
    let persons: Vec<PersonNo> = resolved.lines.iter().map(|it| it.person_no).collect();
    let of = (resolved.run_no, resolved.part, resolved.programme);
    store::nettings_of(tx, of, &persons).await
}

/// Which of the obligations exist already; one look-up for each period that the lines are of.
async fn obliged(tx: &mut PgConnection, resolved: &PayeesResolved) -> Result<HashSet<Key>, Error> {
    let mut persons: BTreeMap<Period, Vec<PersonNo>> = BTreeMap::new();
    for line in &resolved.lines {
        let period = line.period.unwrap_or(resolved.period);
        persons.entry(period).or_default().push(line.person_no);
    }
    let mut obliged = HashSet::new();
    for (period, persons) in persons {
        let owed = (resolved.part, resolved.programme, period);
        let found = store::obliged(tx, owed, &persons).await?;
        obliged.extend(
            found
                .into_iter()
                .map(|(person, number)| (period, person, number)),
        );
    }
    Ok(obliged)
}

/// Partitions are complete: what arrived of each must be what was announced, to the đồng.
pub(super) async fn on_parts_resolved(
    tx: &mut PgConnection,
    announced: &[PartResolved],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut runs: BTreeMap<RunNo, Vec<&PartResolved>> = BTreeMap::new();
    for it in announced {
        runs.entry(it.run_no).or_default().push(it);
    }
    for (run_no, announced) in runs {
        let parts: Vec<i16> = announced.iter().map(|it| it.part.number()).collect();
        let arrived = store::announce(tx, run_no, &announced).await?;
        for it in announced {
            let arrived = arrived.get(&it.part).ok_or(sqlx::Error::RowNotFound)?;
            compare(it, arrived)?;
            if arrived.chunks > 0 {
                let (roots, largest) = chunk_roots(tx, run_no, it.part).await?;
                store::set_roots(tx, run_no, it.part, &roots).await?;
                store::set_largest(tx, run_no, it.part, largest).await?;
            }
        }
        if let Some((before, parts)) = store::settle_comparison(tx, run_no, &parts).await? {
            for part in parts {
                store::insert_differences(tx, (run_no, before), part).await?;
            }
        }
        store::finish_preparation(tx, run_no, &parts, now).await?;
    }
    Ok(())
}

fn compare(announced: &PartResolved, arrived: &Prepared) -> Result<(), Error> {
    let lines = arrived.lines + arrived.held_lines;
    let total = Money::sum([arrived.total, arrived.held_total, arrived.deducted_total]);
    if (lines, total) == (announced.lines, announced.total) {
        return Ok(());
    }
    let detail = format!(
        "announced {} lines of {} đồng, arrived {} of {}, {} held of {}, deducted {}",
        announced.lines,
        announced.total,
        arrived.lines,
        arrived.total,
        arrived.held_lines,
        arrived.held_total,
        arrived.deducted_total
    );
    Err(Error::ControlTotals {
        run: announced.run_no,
        part: announced.part,
        detail,
    })
}

/// Reads the lines back in order and hashes them: the root is of what the tables hold, without
/// what was withdrawn meanwhile. Beside it the largest amount among them.
async fn chunk_roots(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
) -> Result<(Vec<(ChunkNo, Root)>, Money), Error> {
    let mut roots = Vec::new();
    let mut largest = Money::ZERO;
    let mut after = ChunkNo(0);
    loop {
        let chunks = store::payable_after(tx, run_no, part, after, 5).await?;
        let Some((last, _)) = chunks.last() else {
            return Ok((roots, largest));
        };
        after = *last;
        let lines = chunks.iter().flat_map(|(_, lines)| lines);
        largest = largest.max(lines.map(|it| it.amount).max().unwrap_or_default());
        roots.extend(
            chunks
                .iter()
                .map(|(chunk, lines)| (*chunk, merkle_root(lines.iter().map(Line::leaf)))),
        );
    }
}

/// The open chunks of a partition.
struct Layout {
    run_no: RunNo,
    part: Part,
    chunks: i32,
    open: HashMap<Institution, OpenChunk>,
    /// Filled by the lines in hand; still to be written.
    full: Vec<OpenChunk>,
}

impl Layout {
    async fn read(tx: &mut PgConnection, run_no: RunNo, part: Part) -> Result<Layout, Error> {
        let chunks = store::open_chunks(tx, run_no, part).await?;
        // Who may approve, and what, is settled with the partition.
        let (chunks, open) = chunks.ok_or_else(|| Error::ControlTotals {
            run: run_no,
            part,
            detail: "lines came after the partition was prepared".to_owned(),
        })?;
        let open = open.into_iter().map(|it| (it.institution, it)).collect();
        Ok(Layout {
            run_no,
            part,
            chunks,
            open,
            full: Vec::new(),
        })
    }

    /// `period` is the run's own.
    fn place(&mut self, payee: PayeeLine, deduction: Option<Deduction>, period: Period) -> Line {
        let chunks = &mut self.chunks;
        let chunk = self.open.entry(payee.institution).or_insert_with(|| {
            *chunks += 1;
            OpenChunk::new(ChunkNo(*chunks), payee.institution, payee.channel)
        });
        let position = Position {
            run: self.run_no,
            part: self.part,
            chunk: chunk.chunk,
            line: LineNo(chunk.next_line),
        };
        chunk.next_line += 1;
        chunk.lines += 1;
        chunk.total = Money::sum([chunk.total, payee.amount]);
        chunk.touched = true;
        if chunk.next_line > CHUNK_LINES_MAX {
            self.full.extend(self.open.remove(&payee.institution));
        }
        Line {
            position,
            institution: payee.institution,
            person_no: payee.person_no,
            payee_no: payee.payee_no.filter(|it| *it != payee.person_no),
            determination_no: payee.determination_no,
            arrears_of: payee.period.filter(|it| *it != period),
            amount: payee.amount,
            deduction,
            local: payee.local.unwrap_or_default(),
            province: payee.province,
            rate_no: payee.rate_no,
            account: payee.account,
            account_index: payee.account_index,
            holder: payee.holder,
            commune: payee.commune,
        }
    }

    fn touched(&self) -> Vec<OpenChunk> {
        let open = self.open.values().filter(|it| it.touched);
        let mut touched: Vec<OpenChunk> = self.full.iter().chain(open).cloned().collect();
        touched.sort_by_key(|it| it.chunk);
        touched
    }
}
