//! All SQL of accounts.

mod authorities;
mod bank_lists;
mod channels;
mod imports;
mod indicators;
mod links;
mod officers;
mod people;
mod reviews;
mod sessions;
mod subject_requests;
mod suspicions;
mod verifications;
mod ways;

pub(crate) use authorities::*;
pub(crate) use bank_lists::*;
pub(crate) use channels::*;
pub(crate) use imports::*;
pub(crate) use indicators::*;
pub(crate) use links::*;
pub use links::{PaidAt, StepRow};
pub(crate) use officers::*;
pub(crate) use people::*;
pub use reviews::ReviewRow;
pub(crate) use reviews::*;
pub(crate) use sessions::*;
pub use subject_requests::RequestRow;
pub(crate) use subject_requests::*;
pub(crate) use suspicions::*;
pub(crate) use verifications::*;
pub(crate) use ways::*;

use domain::{PersonNo, Province};
use privacy::BlindIndex;
use sqlx::PgConnection;

use crate::Error;

/// For whom a transaction reads and writes; row-level security shows it nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What the register does by itself, and officers of the nation.
    Nation,
    Province(Province),
}

/// Says for whom the rest of the transaction is; who does not say it finds nobody.
pub(crate) async fn set_scope(tx: &mut PgConnection, scope: Scope) -> Result<(), Error> {
    let scope = match scope {
        Scope::Nation => "nation".to_owned(),
        Scope::Province(province) => province.number().to_string(),
    };
    sqlx::query_scalar!("SELECT set_config('ansinh.scope', $1, true)", scope)
        .fetch_one(tx)
        .await?;
    Ok(())
}

/// Keys of people as the columns of an array parameter.
struct Keys {
    parts: Vec<i16>,
    persons: Vec<i64>,
}

impl Keys {
    fn of(persons: impl Iterator<Item = PersonNo>) -> Keys {
        let (parts, persons) = persons.map(|it| (it.part().number(), it.0)).unzip();
        Keys { parts, persons }
    }
}

fn index_of(bytes: &[u8]) -> BlindIndex {
    BlindIndex::try_from(bytes).expect("the schema keeps indexes at 32 bytes")
}
