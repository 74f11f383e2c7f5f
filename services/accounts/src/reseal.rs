mod store;

use domain::PersonNo;
use privacy::{Field, Replacement, SealedRow, SealedTable};
use sqlx::PgConnection;

/// The people that accounts has heard of, whose name is sealed with the current key again after a
/// rotation. Links are records: they keep the key that they were sealed with.
pub(crate) struct Persons;

impl SealedTable for Persons {
    const NAME: &'static str = "accounts.persons";
    const FIELDS: &'static [Field] = &[Field::PersonName];

    async fn rows_after(
        tx: &mut PgConnection,
        after: PersonNo,
        version: u8,
        limit: i64,
    ) -> Result<Vec<SealedRow>, sqlx::Error> {
        store::for_the_nation(tx).await?;
        store::sealed_after(tx, after, version, limit).await
    }

    async fn replace(tx: &mut PgConnection, rows: &[Replacement]) -> Result<u64, sqlx::Error> {
        store::for_the_nation(tx).await?;
        store::replace_sealed(tx, rows).await
    }
}
