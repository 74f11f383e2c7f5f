use std::time::Duration;

use anyhow::Context as _;
use proof::{Held, Log};
use sqlx::postgres::PgPoolOptions;

use super::{Copy, log_of};
use crate::world::World;

pub(super) async fn who_verifies_needs_little_of_others(
    copy: &Copy<'_>,
    log: &Log,
) -> anyhow::Result<()> {
    who_verifies_holds_no_sealer_up(copy, log).await?;
    two_connections_are_enough(copy, log).await
}

/// Nobody says anything any more: a bank that was asked about a line has answered, and all is heard.
pub(super) async fn until_all_is_said(world: &World) -> anyhow::Result<()> {
    let unanswered = "SELECT count(*) FROM payments.exceptions x
        WHERE x.kind = 'unknown' AND x.resolved_at IS NULL
            AND NOT EXISTS (SELECT FROM payments.standings s
                WHERE (s.run_no, s.part, s.chunk, s.line) = (x.run_no, x.part, x.chunk, x.line))";
    world
        .until("the bank has answered what it was asked", async || {
            Ok(world.number(unanswered).await? == 0)
        })
        .await?;
    world.until_all_is_heard().await
}

/// However many cores there are: who has few connections reads the partitions one after the other, and
/// waits for none of its own while one takes long.
async fn two_connections_are_enough(copy: &Copy<'_>, log: &Log) -> anyhow::Result<()> {
    let (_, key) = log_of(copy.ground)?;
    let few = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(1))
        .connect_with((*copy.pool.connect_options()).clone())
        .await?;
    let mut held_up = copy.pool.begin().await?;
    sqlx::raw_sql("LOCK TABLE ledger.transfers IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held_up)
        .await?;
    let lengthy = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        anyhow::Ok(held_up.rollback().await?)
    };
    let key = key.verifier_key();
    let nothing_else = Held::default();
    let told = async { Ok(proof::verify(&few, log, &key, &nothing_else).await?) };
    let (told, ()) = tokio::try_join!(told, lengthy)?;
    assert_eq!(told.tampered, 0, "{told:?}");
    few.close().await;
    Ok(())
}

/// A verification may take minutes; money stops where evidence waits as long.
async fn who_verifies_holds_no_sealer_up(copy: &Copy<'_>, log: &Log) -> anyhow::Result<()> {
    let (_, key) = log_of(copy.ground)?;
    let mut held_up = copy.pool.begin().await?;
    sqlx::raw_sql("LOCK TABLE ledger.transfers IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *held_up)
        .await?;
    let nothing_else = Held::default();
    let sealed = async {
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted
            AND relation = 'ledger.transfers'::regclass";
        while sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(&mut *held_up)
            .await?
            == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let bound = Duration::from_secs(2);
        let sealed = proof::seal(&copy.pool, log, &key, chrono::Utc::now());
        let sealed = tokio::time::timeout(bound, sealed)
            .await
            .context("sealing waits")??;
        held_up.rollback().await?;
        anyhow::Ok(sealed.is_none())
    };
    let (told, nothing_waited) = tokio::try_join!(copy.verified(log, &nothing_else), sealed)?;
    assert_eq!((told.tampered, nothing_waited), (0, true), "{told:?}");
    Ok(())
}
