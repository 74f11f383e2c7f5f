use domain::PersonNo;
use privacy::{Field, Replacement, SealedRow, SealedTable};
use sqlx::PgConnection;

use crate::store;

/// The registry's people, whose number and name are sealed with the current key again after a
/// rotation.
pub(crate) struct Persons;

impl SealedTable for Persons {
    const NAME: &'static str = "eligibility.persons";
    const FIELDS: &'static [Field] = &[Field::CitizenNumber, Field::PersonName];

    async fn rows_after(
        tx: &mut PgConnection,
        after: PersonNo,
        version: u8,
        limit: i64,
    ) -> Result<Vec<SealedRow>, sqlx::Error> {
        store::sealed_after(tx, after, version, limit).await
    }

    async fn replace(tx: &mut PgConnection, rows: &[Replacement]) -> Result<u64, sqlx::Error> {
        store::replace_sealed(tx, rows).await
    }
}
