use std::io::Read;

use chrono::{DateTime, Utc};
use domain::Money;

use super::{Order, OrderItem, OrderLine};
use crate::flaw::ReadError;
use crate::text::{Id, Name};
use crate::totals::Totals;
use crate::tree::Tree;

/// Reads a pain.001 line by line, in memory of one line.
#[derive(Debug)]
pub struct OrderReader<R: Read> {
    tree: Tree<R>,
    stage: Stage,
    group: Group,
    /// Of the whole message, and of the group of payments in hand.
    found: Totals,
    payment: Payment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Between groups of payments.
    Payments,
    /// At the beginning of a line.
    Line,
    /// Between lines.
    Lines,
    Done,
}

#[derive(Debug)]
struct Group {
    message_id: Id,
    created_at: DateTime<Utc>,
    initiator: Name,
    totals: Totals,
}

#[derive(Debug, Default)]
struct Payment {
    /// A bank need not repeat for a group what it announces for the message.
    count: Option<u64>,
    sum: Option<Money>,
    found: Totals,
}

impl<R: Read> OrderReader<R> {
    pub(crate) fn new(mut tree: Tree<R>) -> Result<OrderReader<R>, ReadError> {
        if !tree.enter()? || tree.name() != "GrpHdr" {
            return Err(tree.misplaced());
        }
        let group = group_header(&mut tree)?;
        Ok(OrderReader {
            tree,
            stage: Stage::Payments,
            group,
            found: Totals::default(),
            payment: Payment::default(),
        })
    }

    fn advance(&mut self) -> Result<Option<OrderItem>, ReadError> {
        loop {
            match self.stage {
                Stage::Payments if self.tree.enter()? => {
                    if self.tree.name() == "PmtInf" {
                        return self.payment().map(|it| Some(OrderItem::Order(it)));
                    }
                    self.tree.skip()?;
                }
                Stage::Payments => {
                    let found = self.found.require(self.group.totals);
                    found.map_err(|it| self.tree.refuse_last(it))?;
                    self.tree.end()?;
                    return Ok(None);
                }
                Stage::Line => {
                    let line = self.line()?;
                    self.stage = Stage::Lines;
                    return Ok(Some(OrderItem::Line(line)));
                }
                Stage::Lines if self.tree.enter()? => match self.tree.name() {
                    "CdtTrfTxInf" => self.stage = Stage::Line,
                    _ => return Err(self.tree.misplaced()),
                },
                Stage::Lines => {
                    let Payment { count, sum, found } = self.payment;
                    let found = found.require(Totals {
                        count: count.unwrap_or(found.count),
                        sum: sum.unwrap_or(found.sum),
                    });
                    found.map_err(|it| self.tree.refuse_last(it))?;
                    self.stage = Stage::Payments;
                }
                Stage::Done => return Ok(None),
            }
        }
    }

    /// The head of a group of payments, up to its first line.
    fn payment(&mut self) -> Result<Order, ReadError> {
        let here = self.tree.here();
        let (mut id, mut day, mut count, mut sum) = (None, None, None, None);
        let (mut debtor, mut account, mut agent) = (None, None, None);
        self.stage = Stage::Lines;
        let tree = &mut self.tree;
        while tree.enter()? {
            match tree.name() {
                "PmtInfId" => tree.put(&mut id, Tree::text)?,
                "NbOfTxs" => tree.put(&mut count, Tree::number)?,
                "CtrlSum" => tree.put(&mut sum, Tree::sum)?,
                "ReqdExctnDt" => tree.put(&mut day, Tree::day_inside)?,
                "Dbtr" => tree.put(&mut debtor, name_of)?,
                "DbtrAcct" => tree.put(&mut account, Tree::account)?,
                "DbtrAgt" => tree.put(&mut agent, Tree::agent)?,
                "CdtTrfTxInf" => {
                    self.stage = Stage::Line;
                    break;
                }
                _ => tree.skip()?,
            }
        }
        let group = &self.group;
        self.payment = Payment {
            count,
            sum,
            found: Totals::default(),
        };
        Ok(Order {
            message_id: group.message_id.clone(),
            created_at: group.created_at,
            payment_id: tree.require(here, id, "PmtInfId")?,
            execution_date: tree.require(here, day, "ReqdExctnDt")?,
            initiator: group.initiator.clone(),
            debtor: tree.require(here, debtor, "Dbtr")?,
            account: tree.require(here, account.flatten(), "DbtrAcct")?,
            agent: tree.require(here, agent.flatten(), "DbtrAgt")?,
            totals: Totals {
                count: count.unwrap_or(group.totals.count),
                sum: sum.unwrap_or(group.totals.sum),
            },
        })
    }

    fn line(&mut self) -> Result<OrderLine, ReadError> {
        let line = read_line(&mut self.tree)?;
        let counted = self.found.add(line.amount);
        let counted = counted.and_then(|()| self.payment.found.add(line.amount));
        counted.map_err(|it| self.tree.refuse_last(it))?;
        Ok(line)
    }
}

impl<R: Read> Iterator for OrderReader<R> {
    type Item = Result<OrderItem, ReadError>;

    fn next(&mut self) -> Option<Result<OrderItem, ReadError>> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.stage = Stage::Done;
        }
        next
    }
}

fn group_header<R: Read>(tree: &mut Tree<R>) -> Result<Group, ReadError> {
    let here = tree.here();
    let (mut id, mut created, mut count, mut sum, mut initiator) = (None, None, None, None, None);
    while tree.enter()? {
        match tree.name() {
            "MsgId" => tree.put(&mut id, Tree::text)?,
            "CreDtTm" => tree.put(&mut created, Tree::moment)?,
            "NbOfTxs" => tree.put(&mut count, Tree::number)?,
            "CtrlSum" => tree.put(&mut sum, Tree::sum)?,
            "InitgPty" => tree.put(&mut initiator, name_of)?,
            _ => tree.skip()?,
        }
    }
    Ok(Group {
        message_id: tree.require(here, id, "MsgId")?,
        created_at: tree.require(here, created, "CreDtTm")?,
        initiator: tree.require(here, initiator, "InitgPty")?,
        totals: Totals {
            count: tree.require(here, count, "NbOfTxs")?,
            sum: tree.require(here, sum, "CtrlSum")?,
        },
    })
}

fn read_line<R: Read>(tree: &mut Tree<R>) -> Result<OrderLine, ReadError> {
    let here = tree.here();
    let (mut id, mut amount, mut creditor, mut account) = (None, None, None, None);
    let (mut agent, mut purpose, mut remittance) = (None, None, None);
    while tree.enter()? {
        match tree.name() {
            "PmtId" => tree.inside("EndToEndId", &mut id, Tree::text)?,
            "Amt" => tree.inside("InstdAmt", &mut amount, Tree::payment)?,
            "Cdtr" => tree.put(&mut creditor, name_of)?,
            "CdtrAcct" => tree.put(&mut account, Tree::account)?,
            "CdtrAgt" => tree.put(&mut agent, Tree::agent)?,
            "Purp" => tree.inside("Cd", &mut purpose, |it| it.value(str::parse))?,
            "RmtInf" => tree.inside("Ustrd", &mut remittance, Tree::text)?,
            _ => tree.skip()?,
        }
    }
    Ok(OrderLine {
        end_to_end_id: tree.require(here, id, "EndToEndId")?,
        amount: tree.require(here, amount, "InstdAmt")?,
        creditor: tree.require(here, creditor, "Cdtr")?,
        account: account.flatten(),
        agent: tree.require(here, agent.flatten(), "CdtrAgt")?,
        purpose,
        remittance,
    })
}

fn name_of<R: Read>(tree: &mut Tree<R>) -> Result<Name, ReadError> {
    let (here, mut name) = (tree.here(), None);
    tree.inside("Nm", &mut name, Tree::text)?;
    tree.require(here, name, "Nm")
}
