//! Items of files as they are shown: accounts masked, and neither names nor words of people.

use chrono::NaiveDate;
use domain::Money;
use iso20022::{
    AccountNo, AnswerItem, Balance, Detail, Entry, EntryStatus, Kind, OrderItem, Reason,
    RecallItem, ReportItem, Standing, Statement, StatementItem, Totals,
};
use serde::Serialize;

use crate::output::grouped;

/// One row.
#[derive(Debug, Default, Serialize)]
pub(super) struct View {
    item: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Money>,
}

impl View {
    fn new(item: &'static str) -> View {
        View {
            item,
            ..View::default()
        }
    }

    pub(super) fn row(&self) -> [String; 7] {
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let date = self.date.map(|it| it.to_string());
        [
            self.item.to_owned(),
            text(&self.id),
            text(&self.status),
            text(&date),
            text(&self.account),
            text(&self.reference),
            self.amount.map(grouped).unwrap_or_default(),
        ]
    }
}

pub(super) fn order(item: &OrderItem) -> Vec<View> {
    match item {
        OrderItem::Order(it) => vec![View {
            id: Some(it.message_id.to_string()),
            status: Some(format!("{} lines", it.totals.count)),
            date: Some(it.execution_date),
            account: Some(it.account.masked()),
            reference: Some(it.payment_id.to_string()),
            amount: Some(it.totals.sum),
            ..View::new("order")
        }],
        OrderItem::Line(it) => vec![View {
            id: Some(it.end_to_end_id.to_string()),
            account: it.account.as_ref().map(AccountNo::masked),
            reference: Some(it.agent.as_str().to_owned()),
            amount: Some(it.amount),
            ..View::new("line")
        }],
    }
}

pub(super) fn report(item: &ReportItem) -> Vec<View> {
    match item {
        ReportItem::Report(it) => vec![View {
            id: Some(it.message_id.to_string()),
            status: it.status.as_ref().map(standing),
            reference: Some(it.original_message_id.to_string()),
            amount: it.original_totals.map(|it| it.sum),
            ..View::new("report")
        }],
        ReportItem::Payment(it) => vec![View {
            id: Some(it.original_payment_id.to_string()),
            status: it.status.as_ref().map(standing),
            ..View::new("payment")
        }],
        ReportItem::Line(it) => vec![View {
            id: Some(it.end_to_end_id.to_string()),
            status: Some(standing(&it.status)),
            date: it.accepted_on,
            reference: it.bank_ref.as_ref().map(ToString::to_string),
            amount: it.amount,
            ..View::new("line")
        }],
    }
}

pub(super) fn recall(item: &RecallItem) -> Vec<View> {
    match item {
        RecallItem::Recall(it) => vec![View {
            id: Some(it.id.to_string()),
            status: Some(format!("{} lines", it.totals.count)),
            amount: Some(it.totals.sum),
            ..View::new("recall")
        }],
        RecallItem::Line(it) => vec![View {
            id: Some(it.end_to_end_id.to_string()),
            status: Some(it.reason.as_str().to_owned()),
            reference: Some(it.id.to_string()),
            amount: Some(it.amount),
            ..View::new("line")
        }],
    }
}

pub(super) fn answer(item: &AnswerItem) -> Vec<View> {
    match item {
        AnswerItem::Answer(it) => vec![View {
            id: Some(it.id.to_string()),
            status: Some(it.status.to_string()),
            ..View::new("answer")
        }],
        AnswerItem::Line(it) => {
            let reason = it.reason.as_ref().map_or("", Reason::as_str);
            let status = format!("{} {reason}", it.verdict.code());
            vec![View {
                id: Some(it.end_to_end_id.to_string()),
                status: Some(status.trim_end().to_owned()),
                reference: it.id.as_ref().map(ToString::to_string),
                amount: it.amount,
                ..View::new("line")
            }]
        }
    }
}

fn standing(it: &Standing) -> String {
    match &it.reason {
        Some(reason) => format!("{} {}", it.status, reason.as_str()),
        None => it.status.to_string(),
    }
}

pub(super) fn statement(item: &StatementItem) -> Vec<View> {
    match item {
        StatementItem::Message(it) => {
            let what = match it.kind {
                Kind::Notification => "notification",
                _ => "statement",
            };
            vec![View {
                id: Some(it.message_id.to_string()),
                status: Some(what.to_owned()),
                ..View::new("message")
            }]
        }
        StatementItem::Statement(it) => account(it),
        StatementItem::Entry(it) => vec![entry(it)],
        StatementItem::Detail(it) => vec![detail(it)],
        StatementItem::Words(_) => Vec::new(),
        StatementItem::End(it) => {
            let mut views: Vec<View> = it.balances.iter().map(balance).collect();
            views.push(totals("credits", it.found.credits));
            views.push(totals("debits", it.found.debits));
            views
        }
    }
}

fn account(it: &Statement) -> Vec<View> {
    let page = it.page.map(|it| format!("page {}", it.number));
    // Banks like to make a statement's id of the account's number.
    let id = it
        .id
        .as_str()
        .replace(it.account.expose(), &it.account.masked());
    let mut views = vec![View {
        id: Some(id),
        status: page,
        account: Some(it.account.masked()),
        reference: it.sequence.map(|it| it.to_string()),
        ..View::new("account")
    }];
    views.extend(it.balances.iter().map(balance));
    views
}

fn balance(it: &Balance) -> View {
    View {
        id: Some(it.kind.as_str().to_owned()),
        status: Some(it.direction.code().to_owned()),
        date: Some(it.date),
        amount: Some(it.amount),
        ..View::new("balance")
    }
}

fn entry(it: &Entry) -> View {
    let mut status = it.direction.code().to_owned();
    if it.reversal {
        status.push_str(" reversal");
    }
    if it.status == EntryStatus::NotBooked {
        status.push_str(" not booked");
    }
    View {
        id: it.reference.as_ref().map(ToString::to_string),
        status: Some(status),
        date: it.booked_on,
        reference: it.bank_ref.as_ref().map(ToString::to_string),
        amount: Some(it.amount),
        ..View::new("entry")
    }
}

fn detail(it: &Detail) -> View {
    let reason = it.returned.as_ref().and_then(|it| it.reason.as_ref());
    let account = it.creditor.account.as_ref().or(it.debtor.account.as_ref());
    View {
        id: it.end_to_end_id.as_ref().map(ToString::to_string),
        status: reason.map(|it| format!("returned {}", it.as_str())),
        account: account.map(AccountNo::masked),
        reference: it.bank_ref.as_ref().map(ToString::to_string),
        amount: it.amount,
        ..View::new("detail")
    }
}

fn totals(item: &'static str, it: Totals) -> View {
    View {
        id: Some(it.count.to_string()),
        amount: Some(it.sum),
        ..View::new(item)
    }
}
