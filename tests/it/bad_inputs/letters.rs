//! A bank's message as a forger would send it, and what becomes of it.

use std::time::Duration;

use anyhow::{Context, bail};
use async_nats::jetstream;
use chrono::{SubsecRound, Utc};
use events::Instruction;
use privacy::Signer;
use tokio::time::sleep;
use uuid::Uuid;

use crate::bank_signatures::{OTHER, OURS, chained, key_no, letter, made_up};
use crate::by_hand::{Said, deliver, said};
use crate::world::{World, institution};

/// What a forger of a bank's next message has at hand.
pub struct Desk {
    /// The next message, not signed yet.
    pub letter: Said,
    pub key: (Signer, i64),
    /// The key of another bank.
    pub key_of_another: (Signer, i64),
    pub said_before: Said,
}

impl Desk {
    /// After the bank has said something about each of its lines in this one's partition.
    pub async fn of(world: &World, instruction: &Instruction) -> anyhow::Result<Desk> {
        let bank = institution(OURS);
        let mut letter = letter(bank, instruction, Utc::now().trunc_subsecs(6));
        let before = said(&world.pool).await?.into_iter();
        let mut before: Vec<Said> = before
            .filter(|it| (&it.speaker, it.part) == (&letter.speaker, letter.part))
            .collect();
        before.sort_by_key(|it| it.seq);
        let said_before = before.pop().context("it has said something")?;
        letter.seq = said_before.seq + 1;
        letter.prev_hash.clone_from(&said_before.hash);
        letter.hash = chained(&letter);
        let (ours, theirs) = (made_up(world, OURS)?, made_up(world, OTHER)?);
        let (our_no, their_no) = (key_no(world, &ours).await?, key_no(world, &theirs).await?);
        Ok(Desk {
            letter,
            key: (ours, our_no),
            key_of_another: (theirs, their_no),
            said_before,
        })
    }
}

/// Delivers it; the code under which it is kept, or that it has no effect.
pub async fn delivered(world: &World, letter: Said) -> anyhow::Result<String> {
    let (id, newest) = (
        letter.event_id,
        "SELECT coalesce(max(refused_no), 0) FROM messaging.refused",
    );
    let before = world.number(newest).await?;
    let mut behind = letter.clone();
    (behind.event_id, behind.signature, behind.key_no) = (Uuid::now_v7(), None, None);
    behind.hash = chained(&behind);
    let jetstream = jetstream::new(world.nats.clone());
    deliver(&jetstream, &[letter, behind.clone()]).await?;
    let kept = "SELECT code FROM messaging.refused
        WHERE refused_no > $1 AND headers LIKE '%' || $2 || '%' ORDER BY refused_no";
    let of = |id: Uuid| sqlx::query_scalar(kept).bind(before).bind(id.to_string());
    world
        .until("what is behind the letter is kept", async || {
            let found: Vec<String> = of(behind.event_id).fetch_all(&world.pool).await?;
            Ok(!found.is_empty())
        })
        .await?;
    // What is not signed at all is kept at once, what is verified a little later.
    let mut codes: Vec<String> = Vec::new();
    for _ in 0..100 {
        codes = of(id).fetch_all(&world.pool).await?;
        if !codes.is_empty() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    match &codes[..] {
        [] => Ok("no effect".to_owned()),
        [code] => Ok(code.clone()),
        _ => bail!("{codes:?} are kept"),
    }
}
