//! The banks' books in SQL: sealed with each bank's own key, which outlives a rotation of ours.

use chrono::{DateTime, Utc};
use domain::{Institution, Refusal};
use events::AccountAtBank;
use privacy::{BlindIndex, Field, Keys, PrivacyError, Sealed};
use sqlx::PgConnection;

use super::Holder;
use crate::Error;

/// An account as it is kept.
pub(crate) struct Row {
    institution: Institution,
    account_index: BlindIndex,
    holder: Sealed,
    citizen_number: Option<Sealed>,
    old_number: Option<Sealed>,
    standing: AccountAtBank,
    moved_to: Option<Sealed>,
}

/// A row as the database gives it.
struct Stored {
    account_index: Vec<u8>,
    holder: Vec<u8>,
    citizen_number: Option<Vec<u8>>,
    old_number: Option<Vec<u8>>,
    standing: AccountAtBank,
    moved_to: Option<Vec<u8>>,
}

impl Row {
    pub(crate) fn seal(
        keys: &Keys,
        institution: Institution,
        account_index: BlindIndex,
        holder: &Holder,
    ) -> Row {
        let key = keys.exchange(&institution.to_string());
        let sealed = |field, column: &str, clear: &str| {
            key.seal(field, &context(column, account_index), clear)
        };
        let number = holder.citizen_number.as_ref();
        let moved_to = holder.moved_to.as_ref();
        Row {
            institution,
            account_index,
            holder: sealed(Field::PersonName, "holder", &holder.name),
            citizen_number: number
                .map(|it| sealed(Field::CitizenNumber, "citizen_number", it.expose())),
            old_number: holder
                .old_number
                .as_ref()
                .map(|it| sealed(Field::CitizenNumber, "old_number", it)),
            standing: holder.standing,
            moved_to: moved_to.map(|it| sealed(Field::BankAccount, "moved_to", it.expose())),
        }
    }

    pub(crate) fn index(&self) -> BlindIndex {
        self.account_index
    }

    /// # Errors
    /// [`Error::Books`] where the row was sealed with other keys, or changed.
    pub(crate) fn open(&self, keys: &Keys) -> Result<Holder, Error> {
        let key = keys.exchange(&self.institution.to_string());
        let opened = |field, column, sealed: &Sealed| {
            key.open(field, &context(column, self.account_index), sealed)
        };
        let number = |column, sealed: &Option<Sealed>| {
            let sealed = sealed.as_ref();
            let opened = sealed.map(|it| opened(Field::CitizenNumber, column, it));
            opened.transpose()
        };
        let whole = || -> Result<Holder, Unreadable> {
            let name = opened(Field::PersonName, "holder", &self.holder)?;
            let citizen_number = number("citizen_number", &self.citizen_number)?;
            let old_number = number("old_number", &self.old_number)?;
            let moved_to = self.moved_to.as_ref();
            let moved_to = moved_to.map(|it| opened(Field::BankAccount, "moved_to", it));
            Ok(Holder {
                name: name.expose().to_owned(),
                citizen_number: citizen_number.map(|it| it.expose().parse()).transpose()?,
                old_number: old_number.map(|it| it.expose().to_owned()),
                standing: self.standing,
                moved_to: moved_to
                    .transpose()?
                    .map(|it| it.expose().parse())
                    .transpose()?,
            })
        };
        whole().map_err(|Unreadable| Error::Books(self.institution))
    }

    fn stored(institution: Institution, row: Stored) -> Result<Row, Error> {
        let index = BlindIndex::try_from(&row.account_index[..]);
        Ok(Row {
            institution,
            account_index: index.map_err(|_| Error::Books(institution))?,
            holder: row.holder.into(),
            citizen_number: row.citizen_number.map(Sealed::from),
            old_number: row.old_number.map(Sealed::from),
            standing: row.standing,
            moved_to: row.moved_to.map(Sealed::from),
        })
    }
}

/// A value does not open, or what it opens to is none.
struct Unreadable;

impl From<PrivacyError> for Unreadable {
    fn from(_: PrivacyError) -> Unreadable {
        Unreadable
    }
}

impl From<Refusal> for Unreadable {
    fn from(_: Refusal) -> Unreadable {
        Unreadable
    }
}

/// A value is sealed for its column of its account, and opens nowhere else.
fn context(column: &str, account: BlindIndex) -> Vec<u8> {
    [column.as_bytes(), &[0], account.as_bytes()].concat()
}

/// False where the bank has the account already.
pub(crate) async fn insert(
    tx: &mut PgConnection,
    row: &Row,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let inserted = sqlx::query!(
        r#"
        INSERT INTO sandbox.holders (institution, account_index, holder, citizen_number,
            old_number, standing, moved_to, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT DO NOTHING
        "#,
        row.institution.number(),
        row.account_index.as_bytes(),
        row.holder.as_bytes(),
        row.citizen_number.as_ref().map(Sealed::as_bytes),
        row.old_number.as_ref().map(Sealed::as_bytes),
        row.standing as AccountAtBank,
        row.moved_to.as_ref().map(Sealed::as_bytes),
        now,
    )
    .execute(tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub(crate) async fn update(
    tx: &mut PgConnection,
    row: &Row,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        UPDATE sandbox.holders SET holder = $3, citizen_number = $4, old_number = $5,
            standing = $6, moved_to = $7, changed_at = $8
        WHERE institution = $1 AND account_index = $2
        "#,
        row.institution.number(),
        row.account_index.as_bytes(),
        row.holder.as_bytes(),
        row.citizen_number.as_ref().map(Sealed::as_bytes),
        row.old_number.as_ref().map(Sealed::as_bytes),
        row.standing as AccountAtBank,
        row.moved_to.as_ref().map(Sealed::as_bytes),
        now,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// An account to change, which nobody else changes meanwhile.
pub(crate) async fn lock(
    tx: &mut PgConnection,
    institution: Institution,
    account: BlindIndex,
) -> Result<Option<Row>, Error> {
    let row = sqlx::query_as!(
        Stored,
        r#"
        SELECT account_index, holder, citizen_number, old_number,
            standing AS "standing: AccountAtBank", moved_to
        FROM sandbox.holders WHERE institution = $1 AND account_index = $2
        FOR UPDATE
        "#,
        institution.number(),
        account.as_bytes(),
    )
    .fetch_optional(tx)
    .await?;
    row.map(|it| Row::stored(institution, it)).transpose()
}

/// Those of the accounts that the bank has opened.
pub(crate) async fn find(
    tx: &mut PgConnection,
    institution: Institution,
    accounts: &[BlindIndex],
) -> Result<Vec<Row>, Error> {
    let accounts: Vec<Vec<u8>> = accounts.iter().map(|it| (*it).into()).collect();
    let rows = sqlx::query_as!(
        Stored,
        r#"
        SELECT account_index, holder, citizen_number, old_number,
            standing AS "standing: AccountAtBank", moved_to
        FROM sandbox.holders WHERE institution = $1 AND account_index = ANY($2)
        "#,
        institution.number(),
        &accounts,
    )
    .fetch_all(tx)
    .await?;
    let rows = rows.into_iter().map(|it| Row::stored(institution, it));
    rows.collect()
}
