//! Commands on what was credited and is not owed.

use std::str::FromStr;

use chrono::NaiveDate;
use clap::{ArgGroup, Subcommand};
use domain::{Institution, Money, Programme};
use payments::Instalment;

use super::By;

#[derive(Debug, Subcommand)]
pub(crate) enum Overpayment {
    /// Cases with what came back of each, the latest first
    #[command(before_help = "Example:  ansinh overpayment list --overdue")]
    List {
        #[arg(long)]
        programme: Option<Programme>,
        /// Only those of whose instalments one is late
        #[arg(long)]
        overdue: bool,
    },
    /// One case: what was decided, its instalments, and each sum that came back or is given up
    #[command(before_help = "Example:  ansinh overpayment show 7")]
    Show { case: i64 },
    /// Propose how a case comes back, by a written decision: instalments, or so much a month netted
    #[command(
        group = ArgGroup::new("way").required(true),
        before_help = "Example:  ansinh overpayment decide 7 --decision 45/QĐ-BHXH --decided-on 2026-12-15 --amount 540000 --monthly 150000 --reason 'chi sau khi chết' --by nguyen.an"
    )]
    Decide {
        case: i64,
        /// Number of the authority's written decision
        #[arg(long)]
        decision: String,
        #[arg(long)]
        decided_on: NaiveDate,
        /// What is to come back
        #[arg(long)]
        amount: Money,
        /// Paid back so much until that day, as 2027-01-15=270000; may be given more than once
        #[arg(long, value_name = "DAY=ĐỒNG", group = "way", value_parser = instalment)]
        instalment: Vec<Instalment>,
        /// Netted so much a month, within the cap
        #[arg(long, group = "way")]
        monthly: Option<Money>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose to record what somebody paid back; the same receipt counts once
    #[command(
        before_help = "Example:  ansinh overpayment repaid --case 7 --amount 270000 --institution 970436 --reference GNT-88 --reason 'trả kỳ 1' --by do.giang"
    )]
    Repaid {
        #[arg(long)]
        case: i64,
        #[arg(long)]
        amount: Money,
        /// Who took the money
        #[arg(long)]
        institution: Institution,
        /// Number of its receipt
        #[arg(long)]
        reference: String,
        /// Today in Viet Nam where left out
        #[arg(long)]
        paid_on: Option<NaiveDate>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose to record that what was recovered too much was given to the person: from the
    /// programme's fund, by an institution that gave a receipt
    #[command(
        before_help = "Example:  ansinh overpayment give-back 12 --amount 162000 --institution 970436 --reference UNC-7 --reason 'trả lại phần thu thừa' --by nguyen.an"
    )]
    GiveBack {
        /// Its number in the list of exceptions (over_recovered)
        exception: i64,
        /// All of it
        #[arg(long)]
        amount: Money,
        /// Who gave the money
        #[arg(long)]
        institution: Institution,
        /// Number of its receipt
        #[arg(long)]
        reference: String,
        /// Today in Viet Nam where left out
        #[arg(long)]
        paid_on: Option<NaiveDate>,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose to give up so much of a case
    #[command(
        before_help = "Example:  ansinh overpayment write-off 7 --amount 90000 --basis 'BB 3/2027' --reason 'không còn người thừa kế' --by nguyen.an"
    )]
    WriteOff {
        case: i64,
        #[arg(long)]
        amount: Money,
        /// The document that it rests on
        #[arg(long)]
        basis: String,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// Propose how many percent of a month's amount netting takes at most, for runs booked from a day
    /// on
    #[command(
        before_help = "Example:  ansinh overpayment cap 20 --from 2027-01-01 --reason 'NĐ 1/2027' --by nguyen.an"
    )]
    Cap {
        percent: i16,
        #[arg(long)]
        from: NaiveDate,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

fn instalment(text: &str) -> Result<Instalment, String> {
    let (day, amount) = text
        .split_once('=')
        .ok_or("a day and đồng, as 2027-01-15=270000")?;
    Ok(Instalment {
        due_on: NaiveDate::from_str(day).map_err(|it| it.to_string())?,
        amount: amount
            .parse()
            .map_err(|it: <Money as FromStr>::Err| it.to_string())?,
    })
}
