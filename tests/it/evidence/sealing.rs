use anyhow::Context as _;
use proof::{Held, Log};

use super::{Copy, log_of};

/// A verification may take minutes; money stops where evidence waits as long.
pub(super) async fn who_verifies_holds_no_sealer_up(
    copy: &Copy<'_>,
    log: &Log,
) -> anyhow::Result<()> {
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
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let bound = std::time::Duration::from_secs(2);
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
