use std::io::Read;

use chrono::{DateTime, Utc};
use domain::Refusal;

use super::{Answer, AnswerItem, AnswerLine, Recall, RecallItem, RecallLine, Side, Verdict};
use crate::flaw::ReadError;
use crate::text::{Id, Reason, Text};
use crate::totals::Totals;
use crate::tree::Tree;

/// Reads a camt.056 payment by payment, in memory of one.
#[derive(Debug)]
pub struct RecallReader<R: Read> {
    walk: Walk<R>,
    announced: Totals,
    found: Totals,
}

/// Reads a camt.029 payment by payment, in memory of one.
#[derive(Debug)]
pub struct AnswerReader<R: Read> {
    walk: Walk<R>,
}

/// The elements of payments, in whichever element around them.
#[derive(Debug)]
struct Walk<R: Read> {
    tree: Tree<R>,
    stage: Stage,
    /// The element around payments, and the payment.
    around: &'static str,
    line: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// Between the elements around payments, and in one of them.
    Outside,
    Inside,
    Done,
}

struct Assignment {
    id: Id,
    created_at: DateTime<Utc>,
    from: Side,
    to: Side,
}

impl<R: Read> Walk<R> {
    fn new(tree: Tree<R>, around: &'static str, line: &'static str) -> Walk<R> {
        Walk {
            tree,
            stage: Stage::Head,
            around,
            line,
        }
    }

    /// Enters the next payment; false behind the last one.
    fn next(&mut self) -> Result<bool, ReadError> {
        loop {
            match self.stage {
                Stage::Outside if self.tree.enter()? => {
                    if self.tree.name() == self.around {
                        self.stage = Stage::Inside;
                    } else {
                        self.tree.skip()?;
                    }
                }
                Stage::Inside if self.tree.enter()? => {
                    if self.tree.name() == self.line {
                        return Ok(true);
                    }
                    self.tree.skip()?;
                }
                Stage::Inside => self.stage = Stage::Outside,
                Stage::Outside | Stage::Head | Stage::Done => return Ok(false),
            }
        }
    }
}

impl<R: Read> RecallReader<R> {
    pub(crate) fn new(tree: Tree<R>) -> RecallReader<R> {
        RecallReader {
            walk: Walk::new(tree, "Undrlyg", "TxInf"),
            announced: Totals::default(),
            found: Totals::default(),
        }
    }

    fn advance(&mut self) -> Result<Option<RecallItem>, ReadError> {
        match self.walk.stage {
            Stage::Head => self.head().map(|it| Some(RecallItem::Recall(it))),
            Stage::Done => Ok(None),
            Stage::Outside | Stage::Inside => {
                if !self.walk.next()? {
                    let found = self.found.require(self.announced);
                    found.map_err(|it| self.walk.tree.refuse_last(it))?;
                    self.walk.tree.end()?;
                    return Ok(None);
                }
                let line = recalled(&mut self.walk.tree)?;
                let counted = self.found.add(line.amount);
                counted.map_err(|it| self.walk.tree.refuse_last(it))?;
                Ok(Some(RecallItem::Line(line)))
            }
        }
    }

    fn head(&mut self) -> Result<Recall, ReadError> {
        let tree = &mut self.walk.tree;
        let here = tree.here();
        let (mut assigned, mut count, mut sum) = (None, None, None);
        while tree.enter()? {
            match tree.name() {
                "Assgnmt" => tree.put(&mut assigned, assignment)?,
                "CtrlData" => {
                    while tree.enter()? {
                        match tree.name() {
                            "NbOfTxs" => tree.put(&mut count, Tree::number)?,
                            "CtrlSum" => tree.put(&mut sum, Tree::sum)?,
                            _ => tree.skip()?,
                        }
                    }
                }
                "Undrlyg" => {
                    self.walk.stage = Stage::Inside;
                    break;
                }
                _ => tree.skip()?,
            }
        }
        if self.walk.stage == Stage::Head {
            return Err(missing(tree, "Undrlyg"));
        }
        let assigned: Assignment = tree.require(here, assigned, "Assgnmt")?;
        self.announced = Totals {
            count: tree.require(here, count, "NbOfTxs")?,
            sum: tree.require(here, sum, "CtrlSum")?,
        };
        Ok(Recall {
            id: assigned.id,
            created_at: assigned.created_at,
            from: assigned.from,
            to: assigned.to,
            totals: self.announced,
        })
    }
}

impl<R: Read> AnswerReader<R> {
    pub(crate) fn new(tree: Tree<R>) -> AnswerReader<R> {
        AnswerReader {
            walk: Walk::new(tree, "CxlDtls", "TxInfAndSts"),
        }
    }

    fn advance(&mut self) -> Result<Option<AnswerItem>, ReadError> {
        match self.walk.stage {
            Stage::Head => self.head().map(|it| Some(AnswerItem::Answer(it))),
            Stage::Done => Ok(None),
            Stage::Outside | Stage::Inside => {
                if !self.walk.next()? {
                    self.walk.tree.end()?;
                    return Ok(None);
                }
                let line = answered(&mut self.walk.tree)?;
                Ok(Some(AnswerItem::Line(line)))
            }
        }
    }

    fn head(&mut self) -> Result<Answer, ReadError> {
        let tree = &mut self.walk.tree;
        let here = tree.here();
        let (mut assigned, mut status) = (None, None);
        while tree.enter()? {
            match tree.name() {
                "Assgnmt" => tree.put(&mut assigned, assignment)?,
                "Sts" => tree.inside("Conf", &mut status, |it| it.value(str::parse))?,
                "CxlDtls" => {
                    self.walk.stage = Stage::Inside;
                    break;
                }
                _ => tree.skip()?,
            }
        }
        if self.walk.stage == Stage::Head {
            return Err(missing(tree, "CxlDtls"));
        }
        let assigned: Assignment = tree.require(here, assigned, "Assgnmt")?;
        Ok(Answer {
            id: assigned.id,
            created_at: assigned.created_at,
            from: assigned.from,
            to: assigned.to,
            status: tree.require(here, status, "Conf")?,
        })
    }
}

impl<R: Read> Iterator for RecallReader<R> {
    type Item = Result<RecallItem, ReadError>;

    fn next(&mut self) -> Option<Result<RecallItem, ReadError>> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.walk.stage = Stage::Done;
        }
        next
    }
}

impl<R: Read> Iterator for AnswerReader<R> {
    type Item = Result<AnswerItem, ReadError>;

    fn next(&mut self) -> Option<Result<AnswerItem, ReadError>> {
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.walk.stage = Stage::Done;
        }
        next
    }
}

/// The message, which is left, says nothing of any payment.
fn missing<R: Read>(tree: &Tree<R>, name: &str) -> ReadError {
    let sentence = format!("{name} is missing");
    tree.refuse_last(Refusal::new("element_missing", sentence))
}

fn assignment<R: Read>(tree: &mut Tree<R>) -> Result<Assignment, ReadError> {
    let here = tree.here();
    let (mut id, mut created, mut from, mut to) = (None, None, None, None);
    while tree.enter()? {
        match tree.name() {
            "Id" => tree.put(&mut id, Tree::text)?,
            "Assgnr" => tree.put(&mut from, side)?,
            "Assgne" => tree.put(&mut to, side)?,
            "CreDtTm" => tree.put(&mut created, Tree::moment)?,
            _ => tree.skip()?,
        }
    }
    Ok(Assignment {
        id: tree.require(here, id, "Id")?,
        created_at: tree.require(here, created, "CreDtTm")?,
        from: tree.require(here, from, "Assgnr")?,
        to: tree.require(here, to, "Assgne")?,
    })
}

fn side<R: Read>(tree: &mut Tree<R>) -> Result<Side, ReadError> {
    let here = tree.here();
    let (mut agent, mut party) = (None, None);
    while tree.enter()? {
        match tree.name() {
            "Agt" => tree.put(&mut agent, Tree::agent)?,
            "Pty" => tree.inside("Nm", &mut party, Tree::text)?,
            _ => tree.skip()?,
        }
    }
    let agent = agent.flatten().map(Side::Agent);
    tree.require(here, agent.or(party.map(Side::Party)), "Agt")
}

fn recalled<R: Read>(tree: &mut Tree<R>) -> Result<RecallLine, ReadError> {
    let here = tree.here();
    let (mut id, mut order, mut end_to_end, mut amount) = (None, None, None, None);
    let mut why = Why::default();
    while tree.enter()? {
        match tree.name() {
            "CxlId" => tree.put(&mut id, Tree::text)?,
            "OrgnlGrpInf" => tree.inside("OrgnlMsgId", &mut order, Tree::text)?,
            "OrgnlEndToEndId" => tree.put(&mut end_to_end, Tree::text)?,
            "OrgnlIntrBkSttlmAmt" => tree.put(&mut amount, Tree::payment)?,
            "CxlRsnInf" => why.read(tree)?,
            _ => tree.skip()?,
        }
    }
    Ok(RecallLine {
        id: tree.require(here, id, "CxlId")?,
        order_id: tree.require(here, order, "OrgnlMsgId")?,
        end_to_end_id: tree.require(here, end_to_end, "OrgnlEndToEndId")?,
        amount: tree.require(here, amount, "OrgnlIntrBkSttlmAmt")?,
        reason: tree.require(here, why.reason, "Rsn")?,
        words: why.words,
    })
}

fn answered<R: Read>(tree: &mut Tree<R>) -> Result<AnswerLine, ReadError> {
    let here = tree.here();
    let (mut id, mut end_to_end, mut verdict, mut amount) = (None, None, None, None);
    let mut why = Why::default();
    while tree.enter()? {
        match tree.name() {
            "CxlStsId" => tree.put(&mut id, Tree::text)?,
            "OrgnlEndToEndId" => tree.put(&mut end_to_end, Tree::text)?,
            "TxCxlSts" => tree.put(&mut verdict, |it| it.value(parse_verdict))?,
            "CxlStsRsnInf" => why.read(tree)?,
            "OrgnlIntrBkSttlmAmt" => tree.put(&mut amount, Tree::payment)?,
            _ => tree.skip()?,
        }
    }
    Ok(AnswerLine {
        id,
        end_to_end_id: tree.require(here, end_to_end, "OrgnlEndToEndId")?,
        verdict: verdict.unwrap_or(Verdict::Pending),
        reason: why.reason,
        words: why.words,
        amount,
    })
}

fn parse_verdict(text: &str) -> Result<Verdict, Refusal> {
    let verdicts = [Verdict::Accepted, Verdict::Rejected, Verdict::Pending];
    let verdict = verdicts.into_iter().find(|it| it.code() == text);
    verdict.ok_or_else(|| Refusal::new("code_invalid", "this is ACCR, RJCR or PDCR"))
}

/// The first reason, and the first words.
#[derive(Default)]
struct Why {
    reason: Option<Reason>,
    words: Option<Text<105>>,
}

impl Why {
    fn read<R: Read>(&mut self, tree: &mut Tree<R>) -> Result<(), ReadError> {
        while tree.enter()? {
            match tree.name() {
                "Rsn" if self.reason.is_none() => self.reason = Some(tree.reason()?),
                "AddtlInf" if self.words.is_none() => self.words = Some(tree.text()?),
                _ => tree.skip()?,
            }
        }
        Ok(())
    }
}
