use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Subcommand, ValueEnum};
use domain::{Institution, Money, Officer, Programme, Province};

use super::{By, Deciding};

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Import verified links of people to accounts at banks and wallets
    #[command(before_help = "Example:  ansinh account import links.csv --kind ssa")]
    Import {
        file: PathBuf,
        /// What the accounts are: social-security accounts, or those of benefits
        #[arg(long, value_enum, default_value_t = LinkKind::Ssa)]
        kind: LinkKind,
    },
    /// Hold a bank's own list of accounts against the register: closed, restricted, renamed, moved
    #[command(
        before_help = "Example:  ansinh account reconcile list.csv --institution 970436 --as-of 2026-11-30"
    )]
    Reconcile {
        file: PathBuf,
        #[arg(long)]
        institution: Institution,
        /// The day of which the list tells
        #[arg(long)]
        as_of: NaiveDate,
    },
    /// The indicators of Decision 826: accounts, share of citizens, share of recipients
    #[command(before_help = "Example:  ansinh account kpi --by-commune --province 01")]
    Kpi {
        /// A row a commune, not a province
        #[arg(long)]
        by_commune: bool,
        /// Only this province
        #[arg(long)]
        province: Option<Province>,
        /// Keep them as the indicators of today, and tell them
        #[arg(long)]
        keep: bool,
    },
    /// Say what an officer may see: a province, or the nation
    #[command(
        before_help = "Example:  ansinh account appoint le.an --province 01 --by nguyen.quan"
    )]
    Appoint {
        appointed: Officer,
        /// The nation where left out
        #[arg(long)]
        province: Option<Province>,
        #[command(flatten)]
        deciding: Deciding,
    },
    /// A person's page; each look is logged, and the person can see the log
    #[command(
        before_help = "Example:  ansinh account show 23 --purpose payment_enquiry --by le.an"
    )]
    Show {
        /// The register's number of the person; else the citizen number is read from standard input
        person: Option<i64>,
        /// own_data, payment_enquiry, account_change, name_review, suspicion_review, complaint, audit, …
        #[arg(long)]
        purpose: String,
        #[arg(long)]
        case: Option<String>,
        /// Names and account numbers in the clear
        #[arg(long)]
        unmask: bool,
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// Where somebody was paid on a day, by what was known on another
    #[command(
        before_help = "Example:  ansinh account paid-at 23 --about 2026-10-01T00:00:00+07:00 --by le.an"
    )]
    PaidAt {
        person: i64,
        #[arg(long)]
        about: DateTime<Utc>,
        /// Now where left out
        #[arg(long)]
        known: Option<DateTime<Utc>>,
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// Ask for a link in a person's name. The citizen number and the account number are read from
    /// standard input, one a line, so that neither stays in a shell's history
    #[command(
        before_help = "Example:  ansinh account change --institution 970436 --basis 'Đơn 12/2026' --by le.an"
    )]
    Change {
        #[arg(long, value_enum, default_value_t = LinkKind::Ssa)]
        kind: LinkKind,
        #[arg(long)]
        institution: Institution,
        /// Number of the person's written request
        #[arg(long)]
        basis: String,
        #[command(flatten)]
        by: By,
    },
    /// Suspend a link, resume it, or end it
    #[command(
        before_help = "Example:  ansinh account step L0000000023-02 suspend --reason 'đơn 7' --by le.an"
    )]
    Step {
        link: accounts::LinkId,
        #[arg(value_enum)]
        step: Steps,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
    /// What waits for a person, by deadline
    #[command(before_help = "Example:  ansinh account reviews --by le.an")]
    Reviews {
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// Decide what waits for a person
    #[command(
        before_help = "Example:  ansinh account decide 12 --accept --reason 'đã đối chiếu' --by le.an"
    )]
    Decide {
        review: i64,
        #[command(flatten)]
        decision: Decision,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        deciding: Deciding,
    },
    /// Who is paid for somebody else
    #[command(subcommand)]
    Authority(Authorities),
    /// What people ask of their data, by deadline
    #[command(before_help = "Example:  ansinh account requests --by le.an")]
    Requests {
        #[arg(long, value_name = "OFFICER")]
        by: Officer,
    },
    /// Acknowledge, extend, answer or refuse what somebody asks of their data
    #[command(
        before_help = "Example:  ansinh account answer 3 acknowledged --reason 'đã nhận' --by le.an"
    )]
    Answer {
        request: i64,
        /// acknowledged, extended, answered or refused
        state: String,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

/// One of both has to be said.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Decision {
    #[arg(long)]
    pub accept: bool,
    #[arg(long)]
    pub refuse: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Authorities {
    /// Somebody else is paid for the person, who stays the one that is owed
    #[command(
        before_help = "Example:  ansinh account authority grant 23 --payee 40 --kind guardian \
                       --proof 'QĐ 5/2026' --from 2026-12-01 --by le.an"
    )]
    Grant {
        person: i64,
        #[arg(long)]
        payee: i64,
        #[arg(long, value_enum)]
        kind: AuthorityName,
        /// Only for this programme; may be repeated
        #[arg(long)]
        programme: Vec<Programme>,
        /// The most that the payee may take in one payment
        #[arg(long)]
        amount_max: Option<Money>,
        /// Number of the decision or certificate
        #[arg(long)]
        proof: String,
        #[arg(long)]
        from: NaiveDate,
        /// Twelve months behind the beginning at most, for a collection
        #[arg(long)]
        to: Option<NaiveDate>,
        #[command(flatten)]
        by: By,
    },
    /// The person is paid themselves again from a day
    #[command(
        before_help = "Example:  ansinh account authority end 23 --on 2027-01-01 --reason 'đủ 18 tuổi' --by le.an"
    )]
    End {
        person: i64,
        #[arg(long)]
        on: NaiveDate,
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        by: By,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LinkKind {
    Ssa,
    BenefitAccount,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Steps {
    Suspend,
    Resume,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthorityName {
    Guardian,
    HouseholdHead,
    Collection,
}

impl From<LinkKind> for accounts::Kind {
    fn from(kind: LinkKind) -> accounts::Kind {
        match kind {
            LinkKind::Ssa => accounts::Kind::Ssa,
            LinkKind::BenefitAccount => accounts::Kind::BenefitAccount,
        }
    }
}

impl From<AuthorityName> for accounts::AuthorityKind {
    fn from(kind: AuthorityName) -> accounts::AuthorityKind {
        match kind {
            AuthorityName::Guardian => accounts::AuthorityKind::Guardian,
            AuthorityName::HouseholdHead => accounts::AuthorityKind::HouseholdHead,
            AuthorityName::Collection => accounts::AuthorityKind::Collection,
        }
    }
}
