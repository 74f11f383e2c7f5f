use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{EndToEndId, Institution, Part};
use events::{BreaksResolved, Event, Resolution, ResolvedBreak, SettledLine, StatementMatched};
use futures::{StreamExt, stream};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::Error;
use crate::case::{Case, LineStanding};
use crate::matching::Findings;
use crate::statement::{Decision, Header, Totals};
use crate::store::{self, Received};

/// Between two looks at what has arrived.
const POLL: Duration = Duration::from_millis(100);
/// The longest pause while all that is open waits for its counterparts and none is heard.
const POLL_MAX: Duration = Duration::from_secs(2);
/// Statements matched at the same time: one a core of the smallest machine.
const AT_ONCE: usize = 2;
/// Entries compared at a time.
const BATCH_MAX: i64 = 5_000;

/// Decides about statements whose pages are there, and matches those that it accepts.
pub(crate) struct Rounds {
    pool: PgPool,
    /// How long after its acceptance a statement's entries may wait for their counterparts.
    grace: Duration,
    /// Rings when a handler has stored something, just before that is committed.
    news: Arc<Notify>,
    waiting: BTreeMap<(Institution, i64), Waiting>,
}

/// What is known of a statement that is looked at again and again.
#[derive(Default)]
struct Waiting {
    runs: Option<Vec<(i64, bool)>>,
    /// The entry that each partition waits for: all before it have their counterparts.
    entries: BTreeMap<Part, i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Idle,
    Waits,
    Progress,
}

impl Rounds {
    pub(crate) fn new(pool: PgPool, grace: Duration, news: Arc<Notify>) -> Rounds {
        Rounds {
            pool,
            grace,
            news,
            waiting: BTreeMap::new(),
        }
    }

    /// Goes round until the process stops; what fails is tried again in the next round.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut pause = POLL;
        while !stop.is_cancelled() {
            let outcome = self.round(&stop, Utc::now()).await;
            pause = match outcome.unwrap_or_else(|it| put_off(&it)) {
                Outcome::Progress => {
                    pause = POLL;
                    continue;
                }
                Outcome::Waits => (pause * 2).min(POLL_MAX),
                Outcome::Idle => POLL,
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
                () = self.news.notified() => {
                    sleep(POLL).await;
                    pause = POLL;
                }
            }
        }
    }

    async fn round(
        &mut self,
        stop: &CancellationToken,
        now: DateTime<Utc>,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::Idle;
        for (header, found) in store::complete_statements(&self.pool).await? {
            let decided = self.decide(&header, found, now).await;
            outcome = outcome.max(decided.unwrap_or_else(|it| put_off(&it)));
        }
        let received = store::received_statements(&self.pool).await?;
        let mut known = std::mem::take(&mut self.waiting);
        let statements = received.into_iter().map(|it| {
            let waiting = known.remove(&(it.institution, it.statement_no));
            (it, waiting.unwrap_or_default())
        });
        let statements: Vec<(Received, Waiting)> = statements.collect();
        let this = &*self;
        // Institutions have nothing to do with one another.
        let matched: Vec<_> = stream::iter(statements)
            .map(|(statement, mut waiting)| async move {
                let outcome = this.match_parts(&statement, &mut waiting, stop, now).await;
                (statement, waiting, outcome)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (statement, waiting, matched) in matched {
            let key = (statement.institution, statement.statement_no);
            self.waiting.insert(key, waiting);
            outcome = outcome.max(matched);
        }
        Ok(outcome)
    }

    /// Matches what is left of a statement, a partition a transaction.
    async fn match_parts(
        &self,
        statement: &Received,
        waiting: &mut Waiting,
        stop: &CancellationToken,
        now: DateTime<Utc>,
    ) -> Outcome {
        let mut outcome = Outcome::Idle;
        for part in Part::all().filter(|it| !statement.done.contains(&it.number())) {
            if stop.is_cancelled() {
                break;
            }
            let matched = self.match_part(statement, waiting, part, now).await;
            outcome = outcome.max(matched.unwrap_or_else(|it| put_off(&it)));
        }
        outcome
    }

    /// Accepts or refuses one statement as a whole.
    async fn decide(
        &self,
        header: &Header,
        found: Totals,
        now: DateTime<Utc>,
    ) -> Result<Outcome, Error> {
        let mut tx = self.pool.begin().await?;
        if !store::claim_arriving(&mut tx, header).await? {
            return Ok(Outcome::Idle);
        }
        let previous_closing = store::previous_closing(&mut tx, header).await?;
        let Header {
            institution,
            statement_no,
            ..
        } = *header;
        match header.decide(found, previous_closing) {
            Decision::Waits => return Ok(Outcome::Waits),
            Decision::Received => {
                store::receive(&mut tx, header, now).await?;
                store::thaw_by_statement(&mut tx, header, now).await?;
                tracing::info!(%institution, statement_no, "Accepted a statement");
            }
            Decision::Refused(code) => {
                store::refuse(&mut tx, institution, statement_no, code).await?;
                let (day, place) = ((institution, header.date), (statement_no, 0));
                store::insert_refusal(&mut tx, institution, place, code, now).await?;
                store::freeze(&mut tx, day, place, code, now).await?;
                tracing::warn!(%institution, statement_no, ?code, "Refused a statement");
            }
        }
        tx.commit().await?;
        Ok(Outcome::Progress)
    }

    /// Compares one partition of a statement and tells what was found, once.
    async fn match_part(
        &self,
        statement: &Received,
        waiting: &mut Waiting,
        part: Part,
        now: DateTime<Utc>,
    ) -> Result<Outcome, Error> {
        if self.still_waits(statement, waiting, part, now).await? {
            return Ok(Outcome::Waits);
        }
        let runs = self.runs(statement, waiting).await?;
        let mut tx = self.pool.begin().await?;
        if !store::claim_part(&mut tx, statement, part).await? {
            return Ok(Outcome::Waits);
        }
        // Officers close cases of the same lines.
        store::lock_cases(&mut tx, statement.institution).await?;
        store::look_up_by_key(&mut tx).await?;
        settle_late(&mut tx, statement, part, now).await?;
        let turnover = store::turnover(&mut tx, statement, part).await?;
        let settled = store::settle_exact(&mut tx, statement, part).await?;
        let mut findings = Findings::of(settled.runs);
        findings.other_day(settled.other_day);
        if findings.matches() < turnover.entries {
            let open = self.open_entry(&mut tx, statement, part, now).await?;
            if let Some(entry_no) = open {
                waiting.entries.insert(part, entry_no);
                tx.rollback().await?;
                return Ok(Outcome::Waits);
            }
            name_others(&mut tx, statement, part, &settled.entries, &mut findings).await?;
        }
        findings.miss(store::missing(&mut tx, statement, part, &runs).await?);
        findings.contradict(store::contradicted(&mut tx, statement, part).await?);
        store::close_shown(&mut tx, statement.institution, now).await?;
        store::insert_hits(&mut tx, statement, part, &findings.hits()).await?;
        let entries = findings.matches();
        let (matched, breaks) = findings.finish();
        store::insert_breaks(&mut tx, statement, part, &breaks).await?;
        let differences = i64::try_from(breaks.len()).expect("breaks fit in memory");
        store::insert_matched_part(&mut tx, statement, part, (entries, differences), now).await?;
        if store::finish_statement(&mut tx, statement).await? {
            let Received {
                institution,
                statement_no,
                ..
            } = *statement;
            tracing::info!(%institution, statement_no, "Matched a statement to its end");
        }
        let fact = StatementMatched {
            institution: statement.institution,
            statement_no: statement.statement_no,
            date: statement.date,
            part,
            matched,
            debits: turnover.debits,
            returned: turnover.returned,
            breaks,
        };
        messaging::append(&mut tx, vec![Event::of(&fact, now)], now).await?;
        tx.commit().await?;
        Ok(Outcome::Progress)
    }

    /// Whether the entry that the partition waited for has not got its counterparts yet. They never
    /// go away, so what had them before need not be looked at again.
    async fn still_waits(
        &self,
        statement: &Received,
        waiting: &mut Waiting,
        part: Part,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let Some(from) = waiting.entries.get(&part).copied() else {
            return Ok(false);
        };
        if self.grace_is_over(statement, now) {
            return Ok(false);
        }
        let mut tx = self.pool.begin().await?;
        let open = store::first_open_entry(&mut tx, statement, part, from).await?;
        tx.rollback().await?;
        if let Some(entry_no) = open {
            waiting.entries.insert(part, entry_no);
        }
        Ok(open.is_some())
    }

    /// The first entry that is waited for. Waiting is not a break: within the grace an entry may
    /// still get its counterparts.
    async fn open_entry(
        &self,
        tx: &mut PgConnection,
        statement: &Received,
        part: Part,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>, Error> {
        if self.grace_is_over(statement, now) {
            return Ok(None);
        }
        store::first_open_entry(tx, statement, part, 0).await
    }

    fn grace_is_over(&self, statement: &Received, now: DateTime<Utc>) -> bool {
        (now - statement.since).to_std().unwrap_or_default() >= self.grace
    }

    async fn runs(
        &self,
        statement: &Received,
        waiting: &mut Waiting,
    ) -> Result<Vec<(i64, bool)>, Error> {
        if let Some(runs) = &waiting.runs {
            return Ok(runs.clone());
        }
        let runs = store::mentioned_runs(&self.pool, statement).await?;
        waiting.runs = Some(runs.clone());
        Ok(runs)
    }
}

/// Debits that waited for their result in suspense are payments once it came.
async fn settle_late(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let how = Resolution::LateResult;
    loop {
        let late = store::late_results(tx, statement, part).await?;
        if late.is_empty() {
            return Ok(());
        }
        let named: Vec<EndToEndId> = late.iter().map(|(_, line)| *line).collect();
        let standings = store::standings(tx, &named).await?;
        // Both are in the order of the lines.
        let settled = late.iter().map(|(case, _)| *case).zip(standings);
        let settled: Vec<(Case, LineStanding)> = settled.collect();
        store::insert_matches_of(tx, statement.institution, &settled, now).await?;
        let mut said: BTreeMap<i64, Vec<ResolvedBreak>> = BTreeMap::new();
        for (case, standing) in &settled {
            let line = SettledLine {
                end_to_end_id: standing.line,
                amount: standing.amount,
                was_unsettled: standing.unsettled,
            };
            let resolved = said.entry(case.no.statement_no).or_default();
            resolved.push(ResolvedBreak {
                break_no: case.no.break_no,
                kind: case.kind,
                how,
                amount: case.amount,
                lines: vec![line],
            });
        }
        let cases: Vec<_> = late.iter().map(|(case, _)| (case.no, how)).collect();
        store::insert_resolutions(tx, &cases, None, now).await?;
        let facts = said.into_iter().map(|(statement_no, resolved)| {
            let fact = BreaksResolved {
                institution: statement.institution,
                statement_no,
                part,
                resolved,
            };
            Event::of(&fact, now)
        });
        messaging::append(tx, facts.collect(), now).await?;
    }
}

/// Names the entries that settle nothing.
async fn name_others(
    tx: &mut PgConnection,
    statement: &Received,
    part: Part,
    settled: &[i64],
    findings: &mut Findings,
) -> Result<(), Error> {
    // What comes back is held against what was debited, so it comes last.
    for returns in [false, true] {
        let mut after = 0;
        loop {
            let next = (returns, after);
            let batch = store::compare(tx, statement, part, settled, next, BATCH_MAX).await?;
            let Some(last) = batch.last() else { break };
            after = last.entry_no;
            findings.take(batch)?;
        }
    }
    Ok(())
}

/// One statement that fails does not keep the others from their turn.
fn put_off(error: &Error) -> Outcome {
    tracing::warn!(error = %error, "Reconciliation tries again in its next round");
    Outcome::Waits
}
