//! Recomputes every invariant from the tables, with rights of its own and no trust in counters.

mod store;

use crate::matter::Standing;
use serde::Serialize;
use sqlx::PgPool;

/// An invariant and what was found.
#[derive(Debug, Clone, Serialize)]
pub struct Invariant {
    pub name: &'static str,
    pub sentence: &'static str,
    /// How many rows the answer rests on.
    pub covered: u64,
    /// Where it does not hold; at most a hundred places are told.
    pub broken: Vec<String>,
}

impl Invariant {
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }
}

/// All invariants, in the order in which a person would ask.
pub async fn check_all(pool: &PgPool) -> anyhow::Result<Vec<Invariant>> {
    let mut invariants = vec![books(pool).await?];
    invariants.push(store::outbox_chain(pool).await?);
    invariants.push(store::run_roots(pool).await?);
    invariants.push(signatures(pool).await?);
    invariants.push(bank_messages(pool).await?);
    let statements = store::STATEMENTS.into_iter();
    let statements = statements
        .chain(store::OF_FUNDING)
        .chain(store::OF_ATTEMPTS)
        .chain(store::OF_RECOVERY);
    for (name, sentence, statement) in statements {
        invariants.push(store::holds(pool, name, sentence, statement).await?);
    }
    Ok(invariants)
}

async fn signatures(pool: &PgPool) -> anyhow::Result<Invariant> {
    let (mut covered, mut unsound) = payments::unsound_signatures(pool).await?;
    let (decisions, unsound_decisions) = payments::unsound_decisions(pool).await?;
    covered += decisions;
    unsound.extend(unsound_decisions);
    let judged = crate::matter::decisions(pool, None, i64::MAX).await?;
    covered += i64::try_from(judged.len())?;
    let broken = judged.iter().filter(|it| it.standing == Standing::Invalid);
    unsound.extend(broken.map(|it| format!("{} {}", it.decided.kind.as_str(), it.decided.key)));
    Ok(Invariant {
        name: "signatures",
        sentence: "every approval, release and decision that was signed says what its row says, under \
                   the key of its officer",
        covered: covered.unsigned_abs(),
        broken: unsound.into_iter().take(100).collect(),
    })
}

async fn bank_messages(pool: &PgPool) -> anyhow::Result<Invariant> {
    let (mut covered, mut broken) = (0, Vec::new());
    messaging::each_message(pool, None, |it| {
        covered += 1;
        if let Some(code) = it.broken
            && broken.len() < 100
        {
            broken.push(format!("{}/{}/{} {code}", it.speaker, it.part, it.seq));
        }
    })
    .await?;
    broken.extend(store::moved_without_message(pool).await?);
    broken.truncate(100);
    Ok(Invariant {
        name: "bank_messages",
        sentence: "every message between the state and a bank is signed by a key that its sender \
                   had when it was made, and nothing else has moved a cursor",
        covered,
        broken,
    })
}

async fn books(pool: &PgPool) -> anyhow::Result<Invariant> {
    let checked = ledger::check_books(&mut *pool.acquire().await?).await?;
    let told = |it: &ledger::Finding| format!("{}: {} ({})", it.place, it.detail, it.invariant);
    Ok(Invariant {
        name: "books",
        sentence: "every journal is what was chained and what its transfers say, balances are \
                   their transfers, and the trial balance is zero",
        covered: checked.journals + checked.transfers,
        broken: checked.findings.iter().take(100).map(told).collect(),
    })
}
