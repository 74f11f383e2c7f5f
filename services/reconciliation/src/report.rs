//! What people are shown: cases with their age, what waits, a bank's day.

mod store;

use chrono::NaiveDate;
use domain::{EndToEndId, Institution, Money};
use events::{BreakKind, Resolution, ResultStatus};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::Error;
use crate::case::{Age, CaseNo, LineState};
use crate::closing::DayReport;

/// Which cases are asked for.
#[derive(Debug, Clone, Copy)]
pub struct CaseFilter {
    pub institution: Option<Institution>,
    pub kind: Option<BreakKind>,
    /// Closed ones as well.
    pub all: bool,
    pub limit: i64,
}

/// A break as a worklist shows it.
#[derive(Debug, Clone, Serialize)]
pub struct CaseRow {
    pub case: CaseNo,
    pub kind: BreakKind,
    /// The day of the statement.
    pub date: NaiveDate,
    pub age: Age,
    pub line: Option<EndToEndId>,
    pub entry_no: Option<i64>,
    pub amount: Money,
    pub state: CaseState,
    pub how: Option<Resolution>,
    /// The proposal that waits for another officer, or by which the case was closed.
    pub proposal: Option<i64>,
    pub proposed: Option<Resolution>,
    pub proposed_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    Open,
    Proposed,
    Resolved,
}

/// Open breaks of one kind by age.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AgeingRow {
    pub kind: BreakKind,
    pub age: Age,
    pub breaks: i64,
    pub total: Money,
}

/// What is not due and therefore no break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Instructed, without a result.
    pub in_flight: i64,
    pub in_flight_total: Money,
    /// Credited by the bank, not on a statement yet.
    pub tentative: i64,
    pub tentative_total: Money,
}

/// What each of the three says of a line.
#[derive(Debug, Clone, Serialize)]
pub struct LineTold {
    pub line: EndToEndId,
    pub institution: Institution,
    pub instructed: Money,
    pub result: Option<ResultStatus>,
    pub on_statement: bool,
    pub state: LineState,
    pub cases: Vec<CaseNo>,
}

/// A statement of a bank's day.
#[derive(Debug, Clone, Serialize)]
pub struct StatementRow {
    pub statement_no: i64,
    pub state: String,
    pub code: Option<String>,
    pub opening: Money,
    pub received: Money,
    pub returned: Money,
    pub debits: Money,
    pub closing: Money,
    pub entries: i64,
    pub matched: i64,
    pub breaks: i64,
}

/// Why a bank's day stands still, or stood.
#[derive(Debug, Clone, Serialize)]
pub struct FreezeRow {
    pub statement_no: i64,
    pub page: i32,
    pub code: String,
    /// The statement that went on with it.
    pub thawed_by_statement: Option<i64>,
    pub thawed_by: Option<String>,
    pub reason: Option<String>,
    pub frozen: bool,
}

/// How often a rule decided, over all partitions.
#[derive(Debug, Clone, Serialize)]
pub struct RuleRow {
    pub priority: i16,
    pub rule: String,
    pub hits: i64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Day {
    pub institution: Institution,
    pub date: NaiveDate,
    pub frozen: bool,
    pub statements: Vec<StatementRow>,
    pub freezes: Vec<FreezeRow>,
    pub rules: Vec<RuleRow>,
}

/// A closed day's report with its seal.
#[derive(Debug, Clone)]
pub struct SignedReport {
    pub report: DayReport,
    /// The bytes that were signed.
    pub body: Vec<u8>,
    pub hash: Vec<u8>,
    pub public_key: Vec<u8>,
    pub signature: Vec<u8>,
}

/// What verifying an institution's reports found.
#[derive(Debug, Clone, Serialize)]
pub struct Verification {
    pub reports: usize,
    /// Places and what is wrong there.
    pub broken: Vec<String>,
}

/// Cases in order of their age, the oldest first.
///
/// # Errors
/// What the database says.
pub async fn cases(
    pool: &PgPool,
    filter: CaseFilter,
    today: NaiveDate,
) -> Result<Vec<CaseRow>, Error> {
    store::cases(pool, filter, today).await
}

/// One case.
///
/// # Errors
/// What the database says.
pub async fn case(pool: &PgPool, no: CaseNo, today: NaiveDate) -> Result<Option<CaseRow>, Error> {
    store::case(pool, no, today).await
}

/// Open breaks by kind and age, and beside them what only waits.
///
/// # Errors
/// What the database says.
pub async fn ageing(
    pool: &PgPool,
    institution: Option<Institution>,
    today: NaiveDate,
) -> Result<(Vec<AgeingRow>, Waiting), Error> {
    let rows = store::ageing(pool, institution, today).await?;
    Ok((rows, store::waiting(pool, institution).await?))
}

/// A line by what instruction, result and statement say; `None` where it was never instructed.
///
/// # Errors
/// What the database says.
pub async fn line(pool: &PgPool, line: EndToEndId) -> Result<Option<LineTold>, Error> {
    let mut connection = pool.acquire().await?;
    let standings = crate::store::standings(&mut connection, &[line]).await?;
    let Some(it) = standings.first() else {
        return Ok(None);
    };
    Ok(Some(LineTold {
        line,
        institution: it.institution,
        instructed: it.amount,
        result: it.status,
        on_statement: it.matched,
        state: it.state(),
        cases: store::cases_of(pool, line).await?,
    }))
}

/// A bank's day: its statements, what froze it, and which rules decided.
///
/// # Errors
/// What the database says.
pub async fn day(pool: &PgPool, institution: Institution, date: NaiveDate) -> Result<Day, Error> {
    let freezes = store::freezes(pool, institution, date).await?;
    Ok(Day {
        institution,
        date,
        frozen: freezes.iter().any(|it| it.frozen),
        statements: store::statements(pool, institution, date).await?,
        freezes,
        rules: store::rules(pool, institution, date).await?,
    })
}

/// The report of a closed day.
///
/// # Errors
/// What the database says, or that what it kept cannot be read.
pub async fn report(
    pool: &PgPool,
    institution: Institution,
    date: NaiveDate,
) -> Result<Option<SignedReport>, Error> {
    let mut connection = pool.acquire().await?;
    let kept = crate::store::closing(&mut connection, institution, date).await?;
    kept.map(signed).transpose()
}

fn signed(kept: crate::store::Kept) -> Result<SignedReport, Error> {
    Ok(SignedReport {
        report: serde_json::from_slice(&kept.body).map_err(Error::Report)?,
        body: kept.body,
        hash: kept.hash,
        public_key: kept.public_key,
        signature: kept.signature,
    })
}

/// Checks every report of an institution: its hash, its signature, its place in the chain, and the
/// key, where the caller knows which it has to be.
///
/// # Errors
/// What the database says, or that what it kept cannot be read.
pub async fn verify(
    pool: &PgPool,
    institution: Institution,
    public_key: Option<&[u8]>,
) -> Result<Verification, Error> {
    let kept = store::closings(pool, institution).await?;
    let (reports, mut broken) = (kept.len(), Vec::new());
    let mut before = None;
    for (number, it) in (1..).zip(kept) {
        let it = signed(it)?;
        let date = it.report.date;
        let mut unless = |holds: bool, what: &str| {
            if !holds {
                broken.push(format!("{institution} {date}: {what}"));
            }
        };
        unless(
            Sha256::digest(&it.body)[..] == it.hash[..],
            "the hash is not the report's",
        );
        let signature = privacy::verifies(&it.public_key, &it.body, &it.signature);
        unless(signature, "the signature is not of this report");
        let ours = public_key.is_none_or(|key| key == &it.public_key[..]);
        unless(ours, "another key signed it");
        let chained = it.report.previous == before && it.report.closing_no == number;
        unless(chained, "it does not follow the report before");
        unless(it.report.equation.holds(), "its equation does not hold");
        before = Some(hex::encode(&it.hash));
    }
    Ok(Verification { reports, broken })
}
