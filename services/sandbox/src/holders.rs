//! The banks' books of who holds which account, and the commands that write them.

pub(crate) mod store;

use chrono::{DateTime, Utc};
use domain::{BankAccount, Channel, CitizenNumber, Institution, PersonName, Refusal};
use events::AccountAtBank;
use messaging::Problem;
use privacy::{Field, Keys};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::Error;

/// What a bank has in its books of one account.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// In the banks' form: unaccented capitals.
    pub name: String,
    pub citizen_number: Option<CitizenNumber>,
    /// Nine digits, of the former identity card.
    pub old_number: Option<String>,
    pub standing: AccountAtBank,
    /// The account that took this one's place.
    pub moved_to: Option<BankAccount>,
}

/// `{"institution": "970436", "account": "…", "holder": "…", "citizen_number": "…"}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    institution: String,
    account: String,
    holder: String,
    citizen_number: Option<String>,
    old_number: Option<String>,
    standing: Option<AccountAtBank>,
}

/// What is absent stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    institution: String,
    account: String,
    holder: Option<String>,
    citizen_number: Option<String>,
    old_number: Option<String>,
    standing: Option<AccountAtBank>,
    /// The account moves to this number: the old one is closed, the new one has its holder.
    new_account: Option<String>,
}

/// `sandbox.do.open-account`: a bank enters an account and its holder.
///
/// # Errors
/// `account_exists`; `institution_unknown`, `body_invalid`, or the code of a value that is none.
pub(crate) async fn open_account(
    tx: &mut PgConnection,
    keys: &Keys,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let detail = "the body is {\"institution\", \"account\", \"holder\", \"citizen_number\"?, \
                  \"old_number\"?, \"standing\"?}";
    let opening: Opening = read(body, detail)?;
    let institution = bank(&opening.institution)?;
    let account: BankAccount = opening.account.parse().map_err(problem)?;
    let holder = Holder {
        name: name(&opening.holder)?,
        citizen_number: opening.citizen_number.as_deref().map(number).transpose()?,
        old_number: opening.old_number.map(old_number).transpose()?,
        standing: opening.standing.unwrap_or(AccountAtBank::Open),
        moved_to: None,
    };
    insert(tx, keys, (institution, &account), &holder, now).await?;
    Ok(json!({ "institution": institution, "standing": holder.standing }))
}

/// `sandbox.do.change-account`: an account is closed or renamed, moves, or has other papers.
///
/// # Errors
/// `account_unknown` for one that was never opened; otherwise as [`open_account`].
pub(crate) async fn change_account(
    tx: &mut PgConnection,
    keys: &Keys,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let detail = "the body is {\"institution\", \"account\"} and what changes: \"holder\", \
                  \"citizen_number\", \"old_number\", \"standing\", \"new_account\"";
    let change: Change = read(body, detail)?;
    let institution = bank(&change.institution)?;
    let account: BankAccount = change.account.parse().map_err(problem)?;
    let place = (institution, &account);
    let mut holder = find(tx, keys, place).await?.ok_or_else(|| {
        let detail = "the bank has not opened this account; its answers follow from the number";
        Problem::new(404, "account_unknown", detail).allowing(["open-account"])
    })?;
    if let Some(text) = &change.holder {
        holder.name = name(text)?;
    }
    if let Some(text) = &change.citizen_number {
        holder.citizen_number = Some(number(text)?);
    }
    if let Some(text) = change.old_number {
        holder.old_number = Some(old_number(text)?);
    }
    if let Some(standing) = change.standing {
        holder.standing = standing;
    }
    if let Some(text) = &change.new_account {
        let new: BankAccount = text.parse().map_err(problem)?;
        insert(tx, keys, (institution, &new), &holder, now).await?;
        holder.standing = AccountAtBank::Closed;
        holder.moved_to = Some(new);
    }
    let index = keys.index(Field::BankAccount, account.expose());
    let row = store::Row::seal(keys, institution, index, &holder);
    store::update(tx, &row, now).await?;
    Ok(json!({ "institution": institution, "standing": holder.standing }))
}

async fn insert(
    tx: &mut PgConnection,
    keys: &Keys,
    (institution, account): (Institution, &BankAccount),
    holder: &Holder,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let index = keys.index(Field::BankAccount, account.expose());
    let row = store::Row::seal(keys, institution, index, holder);
    if store::insert(tx, &row, now).await? {
        return Ok(());
    }
    let problem = Problem::new(409, "account_exists", "the bank has this account already");
    Err(problem.allowing(["change-account"]).into())
}

async fn find(
    tx: &mut PgConnection,
    keys: &Keys,
    (institution, account): (Institution, &BankAccount),
) -> Result<Option<Holder>, Error> {
    let index = keys.index(Field::BankAccount, account.expose());
    let rows = store::lock(tx, institution, index).await?;
    rows.map(|it| it.open(keys)).transpose()
}

fn read<T: DeserializeOwned>(body: &[u8], detail: &str) -> Result<T, Error> {
    let read = serde_json::from_slice(body);
    // What serde says of it may repeat a value.
    read.map_err(|_| Problem::new(422, "body_invalid", detail).into())
}

/// An institution with accounts in it.
fn bank(text: &str) -> Result<Institution, Error> {
    let institution: Institution = text.parse().map_err(problem)?;
    match institution.info() {
        Some(info) if info.channel != Channel::Cash => Ok(institution),
        _ => {
            let detail = "no bank or wallet of the sandbox has this number";
            Err(Problem::new(422, "institution_unknown", detail).into())
        }
    }
}

fn name(text: &str) -> Result<String, Error> {
    let name: PersonName = text.parse().map_err(problem)?;
    Ok(name.bank_form())
}

fn number(text: &str) -> Result<CitizenNumber, Error> {
    Ok(text.parse().map_err(problem)?)
}

fn old_number(text: String) -> Result<String, Error> {
    if text.len() == 9 && text.bytes().all(|it| it.is_ascii_digit()) {
        return Ok(text);
    }
    let detail = "the number of the former identity card has nine digits";
    Err(Problem::new(422, "old_number_invalid", detail).into())
}

fn problem(refusal: Refusal) -> Problem {
    Problem::new(422, refusal.code, refusal.sentence)
}
