use std::collections::HashMap;

use approval::RegisteredKey;
use chrono::{DateTime, Utc};
use domain::Officer;
use sqlx::PgPool;
use sqlx::types::Json;

use crate::proposal::{Decision, Proposed};
use crate::report::ProposalRow;
use crate::statement::Delegation;
use crate::{Error, store};

type Keys = HashMap<i64, RegisteredKey>;

struct Row {
    proposal_no: i64,
    proposed: Json<Proposed>,
    maker: Officer,
    reason: String,
    proposed_at: DateTime<Utc>,
    decided_by: Option<Officer>,
    is_accepted: Option<bool>,
    decided_at: Option<DateTime<Utc>>,
    statement: Option<String>,
    signature: Option<Vec<u8>>,
    key_no: Option<i64>,
    is_ended: bool,
}

impl Row {
    fn state(&self) -> &'static str {
        match self.is_accepted {
            None => "proposed",
            Some(false) => "refused",
            Some(true) if self.is_ended => "ended",
            Some(true) => "accepted",
        }
    }

    /// Whether what was signed is what was decided, and the signature stands under it.
    fn is_sound(&self, keys: &Keys) -> bool {
        let decided = self.decided_by.clone().zip(self.is_accepted);
        let said = decided.map(|(officer, is_accepted)| Decision {
            proposal_no: self.proposal_no,
            proposed: self.proposed.0.clone(),
            maker: self.maker.clone(),
            reason: self.reason.clone(),
            is_accepted,
            officer,
        });
        let text = self.statement.as_deref().unwrap_or_default();
        let signed = self
            .key_no
            .and_then(|it| keys.get(&it))
            .zip(self.signature.as_deref());
        said.is_some_and(|it| it.to_string() == text)
            && signed.is_some_and(|(key, it)| approval::stands(&key.public_key, text, it))
    }
}

/// One proposal or the latest ones; each signature is verified anew.
pub async fn proposals(
    pool: &PgPool,
    proposal_no: Option<i64>,
    limit: i64,
) -> Result<Vec<ProposalRow>, Error> {
    let rows = read(pool, proposal_no, limit).await?;
    let keys = keys_of(pool, &rows).await?;
    let shown = rows.into_iter().map(|it| ProposalRow {
        state: it.state(),
        signature: it.signature.is_some().then(|| {
            if it.is_sound(&keys) {
                "valid"
            } else {
                "invalid"
            }
        }),
        proposal_no: it.proposal_no,
        proposed: it.proposed.0,
        maker: it.maker,
        reason: it.reason,
        proposed_at: it.proposed_at,
        decided_by: it.decided_by,
        decided_at: it.decided_at,
        statement: it.statement,
    });
    Ok(shown.collect())
}

/// How many decisions were signed, and those whose signature does not stand under what they say.
pub async fn unsound_decisions(pool: &PgPool) -> Result<(i64, Vec<String>), Error> {
    let rows = read(pool, None, i64::MAX).await?;
    let signed: Vec<Row> = rows
        .into_iter()
        .filter(|it| it.signature.is_some())
        .collect();
    let keys = keys_of(pool, &signed).await?;
    let covered = i64::try_from(signed.len()).expect("a count is small");
    let unsound = signed.iter().filter(|it| !it.is_sound(&keys));
    Ok((
        covered,
        unsound
            .map(|it| format!("proposal {}", it.proposal_no))
            .collect(),
    ))
}

/// By what an officer acts in the place of another now; `None` where nothing lets them.
pub async fn lent_by(
    pool: &PgPool,
    principal: &Officer,
    delegate: &Officer,
    now: DateTime<Utc>,
) -> Result<Option<Delegation>, Error> {
    let mut connection = pool.acquire().await?;
    store::delegation(&mut connection, principal, delegate, now).await
}

async fn keys_of(pool: &PgPool, rows: &[Row]) -> Result<Keys, Error> {
    let numbers: Vec<i64> = rows.iter().filter_map(|it| it.key_no).collect();
    Ok(approval::keys(pool, &numbers).await?)
}

async fn read(pool: &PgPool, proposal_no: Option<i64>, limit: i64) -> Result<Vec<Row>, Error> {
    Ok(sqlx::query_as!(
        Row,
        r#"
        SELECT p.proposal_no, p.proposed AS "proposed: Json<Proposed>", p.maker AS "maker: Officer",
            p.reason, p.proposed_at, d.officer AS "decided_by?: Officer",
            d.is_accepted AS "is_accepted?", d.decided_at AS "decided_at?", d.statement,
            d.signature, d.key_no AS "key_no?",
            EXISTS (SELECT FROM payments.delegation_ends e WHERE e.proposal_no = p.proposal_no)
                AS "is_ended!"
        FROM payments.proposals p
        LEFT JOIN payments.proposal_decisions d USING (proposal_no)
        WHERE $1::bigint IS NULL OR p.proposal_no = $1
        ORDER BY p.proposal_no DESC LIMIT $2
        "#,
        proposal_no,
        limit,
    )
    .fetch_all(pool)
    .await?)
}
