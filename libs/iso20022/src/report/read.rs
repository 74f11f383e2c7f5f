use std::io::Read;

use chrono::{DateTime, Utc};
use domain::{Money, Refusal};

use super::{PaymentReport, Report, ReportItem, ReportLine, Standing};
use crate::flaw::ReadError;
use crate::schema::Schema;
use crate::text::{Agent, Code, Id, Reason, Text};
use crate::totals::{Totals, mismatch};
use crate::tree::Tree;

/// Statuses that a report may count by; the external list is shorter.
const STATUSES_MAX: usize = 100;

/// Reads a pain.002 line by line, in memory of one line.
#[derive(Debug)]
pub struct ReportReader<R: Read> {
    schema: Schema,
    tree: Tree<R>,
    stage: Stage,
    header: Option<(Id, DateTime<Utc>, Option<Agent>)>,
    /// What is announced of the whole report, and of the payments in hand.
    whole: Counted,
    payment: Counted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Message,
    Payments,
    Line,
    Lines,
    Done,
}

/// Lines by status: as announced, and as they are.
#[derive(Debug, Default)]
struct Counted(Vec<ByStatus>);

#[derive(Debug)]
struct ByStatus {
    status: Code,
    count: Option<u64>,
    sum: Option<Money>,
    found: Totals,
    /// Whether each line found has its amount, so that sums can be compared.
    summed: bool,
}

impl<R: Read> ReportReader<R> {
    pub(crate) fn new(mut tree: Tree<R>, schema: Schema) -> Result<ReportReader<R>, ReadError> {
        if !tree.enter()? || tree.name() != "GrpHdr" {
            return Err(tree.misplaced());
        }
        let here = tree.here();
        let (mut id, mut created, mut agent) = (None, None, None);
        while tree.enter()? {
            match tree.name() {
                "MsgId" => tree.put(&mut id, Tree::text)?,
                "CreDtTm" => tree.put(&mut created, Tree::moment)?,
                "DbtrAgt" => tree.put(&mut agent, Tree::agent)?,
                _ => tree.skip()?,
            }
        }
        let id = tree.require(here, id, "MsgId")?;
        let header = Some((id, tree.require(here, created, "CreDtTm")?, agent.flatten()));
        Ok(ReportReader {
            schema,
            tree,
            stage: Stage::Message,
            header,
            whole: Counted::default(),
            payment: Counted::default(),
        })
    }

    /// The version that the bank speaks.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    fn advance(&mut self) -> Result<Option<ReportItem>, ReadError> {
        loop {
            match self.stage {
                Stage::Message if self.tree.enter()? => {
                    if self.tree.name() != "OrgnlGrpInfAndSts" {
                        return Err(self.tree.misplaced());
                    }
                    self.stage = Stage::Payments;
                    return self.report().map(|it| Some(ReportItem::Report(it)));
                }
                Stage::Message => {
                    let sentence = "OrgnlGrpInfAndSts is missing";
                    let refusal = Refusal::new("element_missing", sentence);
                    return Err(self.tree.refuse_last(refusal));
                }
                Stage::Payments if self.tree.enter()? => match self.tree.name() {
                    "OrgnlPmtInfAndSts" => {
                        return self.payment().map(|it| Some(ReportItem::Payment(it)));
                    }
                    "OrgnlGrpInfAndSts" | "GrpHdr" => return Err(self.tree.misplaced()),
                    _ => self.tree.skip()?,
                },
                Stage::Payments => {
                    require(&self.whole, &self.tree)?;
                    self.tree.end()?;
                    return Ok(None);
                }
                Stage::Line => {
                    let line = read_line(&mut self.tree)?;
                    for counted in [&mut self.whole, &mut self.payment] {
                        let added = counted.add(line.status.status, line.amount);
                        added.map_err(|it| self.tree.refuse_last(it))?;
                    }
                    self.stage = Stage::Lines;
                    return Ok(Some(ReportItem::Line(line)));
                }
                Stage::Lines if self.tree.enter()? => match self.tree.name() {
                    "TxInfAndSts" => self.stage = Stage::Line,
                    _ => return Err(self.tree.misplaced()),
                },
                Stage::Lines => {
                    require(&self.payment, &self.tree)?;
                    self.stage = Stage::Payments;
                }
                Stage::Done => return Ok(None),
            }
        }
    }

    fn report(&mut self) -> Result<Report, ReadError> {
        let here = self.tree.here();
        let (mut id, mut name, mut count, mut sum) = (None, None, None, None);
        let mut standing = Stated::default();
        let tree = &mut self.tree;
        while tree.enter()? {
            match tree.name() {
                "OrgnlMsgId" => tree.put(&mut id, Tree::text)?,
                "OrgnlMsgNmId" => tree.put(&mut name, Tree::text)?,
                "OrgnlNbOfTxs" => tree.put(&mut count, Tree::number)?,
                "OrgnlCtrlSum" => tree.put(&mut sum, Tree::sum)?,
                "GrpSts" => tree.put(&mut standing.status, status)?,
                "StsRsnInf" => standing.reason(tree)?,
                "NbOfTxsPerSts" => self.whole.announce(tree)?,
                _ => tree.skip()?,
            }
        }
        let header = self.header.take();
        let (message_id, created_at, agent) = header.expect("a message has one head");
        Ok(Report {
            message_id,
            created_at,
            agent,
            original_message_id: tree.require(here, id, "OrgnlMsgId")?,
            original_name: tree.require(here, name, "OrgnlMsgNmId")?,
            original_totals: count.zip(sum).map(|(count, sum)| Totals { count, sum }),
            status: standing.standing(),
        })
    }

    /// The head of a group of payments, up to its first line.
    fn payment(&mut self) -> Result<PaymentReport, ReadError> {
        let here = self.tree.here();
        let (mut id, mut standing) = (None, Stated::default());
        self.payment = Counted::default();
        self.stage = Stage::Lines;
        let tree = &mut self.tree;
        let mut ended = true;
        while tree.enter()? {
            match tree.name() {
                "OrgnlPmtInfId" => tree.put(&mut id, Tree::text)?,
                "PmtInfSts" => tree.put(&mut standing.status, status)?,
                "StsRsnInf" => standing.reason(tree)?,
                "NbOfTxsPerSts" => self.payment.announce(tree)?,
                "TxInfAndSts" => {
                    ended = false;
                    break;
                }
                _ => tree.skip()?,
            }
        }
        self.stage = if ended { Stage::Payments } else { Stage::Line };
        Ok(PaymentReport {
            original_payment_id: tree.require(here, id, "OrgnlPmtInfId")?,
            status: standing.standing(),
        })
    }
}

impl<R: Read> Iterator for ReportReader<R> {
    type Item = Result<ReportItem, ReadError>;

    fn next(&mut self) -> Option<Result<ReportItem, ReadError>> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.stage = Stage::Done;
        }
        next
    }
}

/// A status as its parts come.
#[derive(Default)]
struct Stated {
    status: Option<Code>,
    reason: Option<Reason>,
    words: Option<Text<105>>,
}

impl Stated {
    /// Of several reasons the first one counts, and one of ISO's before a bank's own.
    fn reason<R: Read>(&mut self, tree: &mut Tree<R>) -> Result<(), ReadError> {
        while tree.enter()? {
            match tree.name() {
                "Rsn" => {
                    let reason = tree.reason()?;
                    let own = matches!(self.reason, None | Some(Reason::Own(_)));
                    let better = self.reason.is_none() || matches!(reason, Reason::Code(_));
                    if own && better {
                        self.reason = Some(reason);
                    }
                }
                "AddtlInf" if self.words.is_none() => self.words = Some(tree.text()?),
                _ => tree.skip()?,
            }
        }
        Ok(())
    }

    fn standing(self) -> Option<Standing> {
        self.status.map(|status| Standing {
            status,
            reason: self.reason,
            words: self.words,
        })
    }
}

impl Counted {
    fn announce<R: Read>(&mut self, tree: &mut Tree<R>) -> Result<(), ReadError> {
        let here = tree.here();
        let (mut name, mut count, mut sum) = (None, None, None);
        while tree.enter()? {
            match tree.name() {
                "DtldSts" => tree.put(&mut name, status)?,
                "DtldNbOfTxs" => tree.put(&mut count, Tree::number)?,
                "DtldCtrlSum" => tree.put(&mut sum, Tree::sum)?,
                _ => tree.skip()?,
            }
        }
        let status = tree.require(here, name, "DtldSts")?;
        let again = self.0.iter().any(|it| it.status == status);
        if again || self.0.len() >= STATUSES_MAX {
            return Err(tree.refuse(here, mismatch("each status is counted once")));
        }
        self.0.push(ByStatus {
            status,
            count,
            sum,
            found: Totals::default(),
            summed: true,
        });
        Ok(())
    }

    fn add(&mut self, status: Code, amount: Option<Money>) -> Result<(), Refusal> {
        match self.0.iter_mut().find(|it| it.status == status) {
            Some(it) => {
                it.summed &= amount.is_some();
                it.found.add(amount.unwrap_or_default())
            }
            None => Ok(()),
        }
    }
}

/// A bank may leave lines of a status out and count them only, but not some of them.
fn require<R: Read>(counted: &Counted, tree: &Tree<R>) -> Result<(), ReadError> {
    for it in counted.0.iter().filter(|it| it.found.count > 0) {
        let announced = Totals {
            count: it.count.unwrap_or(it.found.count),
            sum: it.sum.filter(|_| it.summed).unwrap_or(it.found.sum),
        };
        let found = it.found.require(announced);
        found.map_err(|it| tree.refuse_last(it))?;
    }
    Ok(())
}

fn status<R: Read>(tree: &mut Tree<R>) -> Result<Code, ReadError> {
    tree.value(str::parse)
}

fn read_line<R: Read>(tree: &mut Tree<R>) -> Result<ReportLine, ReadError> {
    let here = tree.here();
    let (mut id, mut day, mut reference, mut amount) = (None, None, None, None);
    let mut standing = Stated::default();
    while tree.enter()? {
        match tree.name() {
            "OrgnlEndToEndId" => tree.put(&mut id, Tree::text)?,
            "TxSts" => tree.put(&mut standing.status, status)?,
            "StsRsnInf" => standing.reason(tree)?,
            "AccptncDtTm" => tree.put(&mut day, Tree::day)?,
            "AcctSvcrRef" => tree.put(&mut reference, Tree::text)?,
            "OrgnlTxRef" => original(tree, &mut amount)?,
            _ => tree.skip()?,
        }
    }
    let status = standing.standing();
    Ok(ReportLine {
        end_to_end_id: tree.require(here, id, "OrgnlEndToEndId")?,
        status: tree.require(here, status, "TxSts")?,
        amount,
        bank_ref: reference,
        accepted_on: day,
    })
}

/// The amount, which banks say as instructed or as settled.
fn original<R: Read>(tree: &mut Tree<R>, amount: &mut Option<Money>) -> Result<(), ReadError> {
    while tree.enter()? {
        match tree.name() {
            "Amt" => tree.inside("InstdAmt", amount, Tree::payment)?,
            "IntrBkSttlmAmt" if amount.is_none() => *amount = Some(tree.payment()?),
            _ => tree.skip()?,
        }
    }
    Ok(())
}
