//! Small events of several partitions in one transaction.

use super::{Duration, Instant, Talk, Verdict, bail, ensure, part, sleep};

/// The partitions of one share.
const SHARE: std::ops::Range<i16> = 0..4;
const ROUNDS: u64 = 6;

impl Talk {
    /// All is in the stream before somebody listens.
    async fn until_stored(&self, messages: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if self.stored().await.is_ok_and(|it| it >= messages) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("not stored: {messages} messages")
    }

    /// Of how many partitions the transaction with the most of them has heard.
    async fn partitions_of_a_transaction(&self) -> anyhow::Result<i64> {
        let most = sqlx::query_scalar(
            "SELECT max(parts) FROM (
                SELECT count(DISTINCT part) AS parts FROM heard GROUP BY xmin::text) AS t",
        );
        Ok(most.fetch_one(&self.wires.pool).await?)
    }
}

#[tokio::test]
async fn small_events_of_several_partitions_share_a_transaction() -> anyhow::Result<()> {
    for (body, is_shared) in [("joint", true), ("later", true), ("alone", false)] {
        let talk = Talk::new().await?;
        for _ in 0..ROUNDS {
            for number in SHARE {
                talk.say(part(number), &[body]).await?;
            }
        }
        talk.relay();
        talk.until_stored(4 * ROUNDS).await?;
        talk.listen();
        for number in SHARE {
            talk.until_heard(part(number), &[body; 6]).await?;
        }
        let most = talk.partitions_of_a_transaction().await?;
        ensure!((most > 1) == is_shared, "{body}: {most} partitions");
        talk.end().await?;
    }
    Ok(())
}

#[tokio::test]
async fn where_one_of_them_fails_the_others_are_applied_without_it() -> anyhow::Result<()> {
    let talk = Talk::new().await?;
    talk.fail("joint, bad", u32::MAX, Verdict::Park);
    for number in SHARE {
        let middle = if number == 1 { "joint, bad" } else { "joint" };
        talk.say(part(number), &["joint", middle, "joint"]).await?;
    }
    talk.relay();
    talk.until_stored(12).await?;
    talk.listen();
    for number in SHARE {
        let heard = if number == 1 { 2 } else { 3 };
        talk.until_heard(part(number), &["joint"; 3][..heard])
            .await?;
    }
    let parked: Vec<(i16, i64)> = sqlx::query_as("SELECT part, seq FROM messaging.parked")
        .fetch_all(&talk.wires.pool)
        .await?;
    ensure!(parked == [(1, 2)], "{parked:?}");
    talk.end().await
}
