//! One entry and one transaction of it, in any version.

use std::io::Read;

use domain::Money;

use super::read::read_direction;
use super::{BankCode, Batch, Detail, Entry, EntryStatus, Party, REMITTANCE_MAX, Return};
use crate::flaw::ReadError;
use crate::text::Name;
use crate::tree::Tree;

/// Where the tree stands behind an entry's own fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Outside of the entry, which has no more.
    Nothing,
    /// At its first detail.
    Detail,
    /// Behind the element that could have had details.
    NoDetail,
    /// At the bank's words.
    Words,
}

pub(super) fn read_entry<R: Read>(tree: &mut Tree<R>) -> Result<(Entry, Behind), ReadError> {
    let here = tree.here();
    let (mut reference, mut amount, mut direction, mut reversal) = (None, None, None, None);
    let (mut status, mut booked, mut value, mut bank_ref) = (None, None, None, None);
    let (mut code, mut charges, mut batch) = (None, None, None);
    let mut behind = Behind::Nothing;
    while tree.enter()? {
        match tree.name() {
            "NtryRef" => tree.put(&mut reference, Tree::text)?,
            "Amt" => tree.put(&mut amount, Tree::payment)?,
            "CdtDbtInd" => tree.put(&mut direction, read_direction)?,
            "RvslInd" => tree.put(&mut reversal, Tree::flag)?,
            "Sts" => tree.put(&mut status, read_status)?,
            "BookgDt" => tree.put(&mut booked, Tree::day_inside)?,
            "ValDt" => tree.put(&mut value, Tree::day_inside)?,
            "AcctSvcrRef" => tree.put(&mut bank_ref, Tree::text)?,
            "BkTxCd" => tree.put(&mut code, read_code)?,
            "Chrgs" => read_charges(tree, &mut charges)?,
            "NtryDtls" => behind = read_first(tree, &mut batch)?,
            "AddtlNtryInf" => behind = Behind::Words,
            _ => tree.skip()?,
        }
        if behind != Behind::Nothing {
            break;
        }
    }
    let entry = Entry {
        reference,
        amount: tree.require(here, amount, "Amt")?,
        direction: tree.require(here, direction, "CdtDbtInd")?,
        reversal: reversal.unwrap_or(false),
        status: tree.require(here, status, "Sts")?,
        booked_on: booked,
        value_on: value,
        bank_ref,
        code: code.unwrap_or_default(),
        charges,
        batch,
    };
    Ok((entry, behind))
}

/// In `NtryDtls`: what is said of the batch, up to the first transaction.
fn read_first<R: Read>(tree: &mut Tree<R>, batch: &mut Option<Batch>) -> Result<Behind, ReadError> {
    while tree.enter()? {
        match tree.name() {
            "Btch" => tree.put(batch, read_batch)?,
            "TxDtls" => return Ok(Behind::Detail),
            _ => tree.skip()?,
        }
    }
    Ok(Behind::NoDetail)
}

/// What is not booked has not moved any money, however a bank calls it.
fn read_status<R: Read>(tree: &mut Tree<R>) -> Result<EntryStatus, ReadError> {
    let choice = tree.choice()?;
    Ok(if choice.text == "BOOK" {
        EntryStatus::Booked
    } else {
        EntryStatus::NotBooked
    })
}

fn read_code<R: Read>(tree: &mut Tree<R>) -> Result<BankCode, ReadError> {
    let (mut domain, mut family, mut sub, mut own) = (None, None, None, None);
    while tree.enter()? {
        match tree.name() {
            "Domn" => {
                while tree.enter()? {
                    match tree.name() {
                        "Cd" => tree.put(&mut domain, |it| it.value(str::parse))?,
                        "Fmly" => {
                            while tree.enter()? {
                                match tree.name() {
                                    "Cd" => tree.put(&mut family, |it| it.value(str::parse))?,
                                    "SubFmlyCd" => tree.put(&mut sub, |it| it.value(str::parse))?,
                                    _ => tree.skip()?,
                                }
                            }
                        }
                        _ => tree.skip()?,
                    }
                }
            }
            "Prtry" => tree.inside("Cd", &mut own, Tree::text)?,
            _ => tree.skip()?,
        }
    }
    let domain = match (domain, family, sub) {
        (Some(domain), Some(family), Some(sub)) => Some([domain, family, sub]),
        _ => None,
    };
    Ok(BankCode { domain, own })
}

pub(super) fn read_batch<R: Read>(tree: &mut Tree<R>) -> Result<Batch, ReadError> {
    let mut batch = Batch::default();
    while tree.enter()? {
        match tree.name() {
            "MsgId" => tree.put(&mut batch.message_id, Tree::text)?,
            "PmtInfId" => tree.put(&mut batch.payment_id, Tree::text)?,
            "NbOfTxs" => tree.put(&mut batch.count, Tree::number)?,
            "TtlAmt" => tree.put(&mut batch.total, Tree::money)?,
            _ => tree.skip()?,
        }
    }
    Ok(batch)
}

pub(super) fn read_detail<R: Read>(tree: &mut Tree<R>) -> Result<Detail, ReadError> {
    let mut detail = Detail::default();
    let mut settled = None;
    while tree.enter()? {
        match tree.name() {
            "Refs" => read_refs(tree, &mut detail)?,
            "Amt" => tree.put(&mut detail.amount, Tree::payment)?,
            "CdtDbtInd" => tree.put(&mut detail.direction, read_direction)?,
            "AmtDtls" => read_amounts(tree, &mut settled)?,
            "Chrgs" => read_charges(tree, &mut detail.charges)?,
            "RltdPties" => read_parties(tree, &mut detail)?,
            "RltdAgts" => {
                while tree.enter()? {
                    match tree.name() {
                        "DbtrAgt" => detail.debtor.agent = tree.agent()?,
                        "CdtrAgt" => detail.creditor.agent = tree.agent()?,
                        _ => tree.skip()?,
                    }
                }
            }
            "Purp" => tree.inside("Cd", &mut detail.purpose, |it| it.value(str::parse))?,
            "RmtInf" => read_remittance(tree, &mut detail)?,
            "RtrInf" => tree.put(&mut detail.returned, read_return)?,
            "AddtlTxInf" => detail.words = tree.text_or_nothing()?,
            _ => tree.skip()?,
        }
    }
    // Version 02 has no amount of its own here.
    detail.amount = detail.amount.or(settled);
    Ok(detail)
}

fn read_refs<R: Read>(tree: &mut Tree<R>, detail: &mut Detail) -> Result<(), ReadError> {
    while tree.enter()? {
        match tree.name() {
            "MsgId" => tree.put(&mut detail.message_id, Tree::text)?,
            "AcctSvcrRef" => tree.put(&mut detail.bank_ref, Tree::text)?,
            "PmtInfId" => tree.put(&mut detail.payment_id, Tree::text)?,
            "InstrId" => tree.put(&mut detail.instruction_id, Tree::text)?,
            "EndToEndId" => tree.put(&mut detail.end_to_end_id, Tree::text)?,
            _ => tree.skip()?,
        }
    }
    Ok(())
}

/// The amount that was settled in the account's currency; what was instructed may be another.
fn read_amounts<R: Read>(tree: &mut Tree<R>, settled: &mut Option<Money>) -> Result<(), ReadError> {
    while tree.enter()? {
        match tree.name() {
            "TxAmt" => tree.inside("Amt", settled, Tree::payment)?,
            _ => tree.skip()?,
        }
    }
    Ok(())
}

/// The total of charges, or the sum of its records.
fn read_charges<R: Read>(tree: &mut Tree<R>, charges: &mut Option<Money>) -> Result<(), ReadError> {
    let here = tree.here();
    let (mut total, mut sum) = (None, None::<Money>);
    while tree.enter()? {
        match tree.name() {
            "TtlChrgsAndTaxAmt" => tree.put(&mut total, Tree::money)?,
            "Rcrd" => {
                let mut amount = None;
                tree.inside("Amt", &mut amount, Tree::money)?;
                let added = sum
                    .unwrap_or_default()
                    .checked_add(amount.unwrap_or_default());
                sum = Some(tree.require(here, added, "Amt")?);
            }
            // The record's amount stands here itself in version 02.
            "Amt" => {
                let amount = tree.money()?;
                let added = sum.unwrap_or_default().checked_add(amount);
                sum = Some(tree.require(here, added, "Amt")?);
            }
            _ => tree.skip()?,
        }
    }
    let read = total.or(sum);
    *charges = charges.or(read);
    Ok(())
}

fn read_parties<R: Read>(tree: &mut Tree<R>, detail: &mut Detail) -> Result<(), ReadError> {
    while tree.enter()? {
        match tree.name() {
            "Dbtr" => read_name(tree, &mut detail.debtor)?,
            "Cdtr" => read_name(tree, &mut detail.creditor)?,
            "DbtrAcct" => detail.debtor.account = tree.account()?,
            "CdtrAcct" => detail.creditor.account = tree.account()?,
            _ => tree.skip()?,
        }
    }
    Ok(())
}

/// The party itself in older versions, `Pty` around it in newer ones.
fn read_name<R: Read>(tree: &mut Tree<R>, party: &mut Party) -> Result<(), ReadError> {
    while tree.enter()? {
        match tree.name() {
            "Nm" => tree.put(&mut party.name, Tree::text)?,
            "Pty" => tree.inside("Nm", &mut party.name, Tree::text)?,
            _ => tree.skip()?,
        }
    }
    Ok(())
}

fn read_remittance<R: Read>(tree: &mut Tree<R>, detail: &mut Detail) -> Result<(), ReadError> {
    while tree.enter()? {
        match tree.name() {
            "Ustrd" if detail.remittance.len() < REMITTANCE_MAX => {
                let line: Option<Name> = tree.text_or_nothing()?;
                detail.remittance.extend(line);
            }
            "Strd" => {
                while tree.enter()? {
                    match tree.name() {
                        "CdtrRefInf" if detail.creditor_ref.is_none() => {
                            tree.inside("Ref", &mut detail.creditor_ref, Tree::text)?;
                        }
                        _ => tree.skip()?,
                    }
                }
            }
            _ => tree.skip()?,
        }
    }
    Ok(())
}

fn read_return<R: Read>(tree: &mut Tree<R>) -> Result<Return, ReadError> {
    let (mut reason, mut words) = (None, None);
    while tree.enter()? {
        match tree.name() {
            "Rsn" => tree.put(&mut reason, Tree::reason)?,
            "AddtlInf" if words.is_none() => words = Some(tree.text()?),
            _ => tree.skip()?,
        }
    }
    Ok(Return { reason, words })
}
