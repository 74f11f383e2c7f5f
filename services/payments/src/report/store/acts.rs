use approval::RegisteredKey;
use domain::{Money, Officer, Period, RunNo};
use sqlx::PgPool;

use crate::Error;
use crate::report::ActRow;
use crate::statement::{Delegation, SignedAct, Statement};
use crate::store::programme_of;

/// What officers did to a run, in order; each signature is verified anew.
pub async fn acts(pool: &PgPool, run_no: RunNo) -> Result<Vec<ActRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT a.act_no, a.act, a.officer AS "officer: Officer", a.acted_at, a.voided_at, a.lines,
            a.total AS "total: Money", a.reason, a.statement, a.signature,
            a.principal AS "principal: Officer", a.key_no
        FROM payments.acts a
        WHERE a.run_no = $1 ORDER BY a.act_no LIMIT 10000
        "#,
        run_no.0,
    )
    .fetch_all(pool)
    .await?;
    let numbers: Vec<i64> = rows.iter().filter_map(|it| it.key_no).collect();
    let keys = approval::keys(pool, &numbers).await?;
    let judged = |key: Option<&RegisteredKey>, statement: &Option<String>, signature: &[u8]| {
        let sound = key.zip(statement.as_ref());
        if sound.is_some_and(|(key, text)| approval::stands(&key.public_key, text, signature)) {
            "valid"
        } else {
            "invalid"
        }
    };
    let shown = rows.into_iter().map(|it| {
        let key = it.key_no.and_then(|it| keys.get(&it));
        let signature = it.signature.as_deref();
        ActRow {
            act_no: it.act_no,
            act: it.act,
            officer: it.officer,
            principal: it.principal,
            at: it.acted_at,
            voided_at: it.voided_at,
            lines: it.lines,
            total: it.total,
            reason: it.reason,
            signature: signature.map(|signature| judged(key, &it.statement, signature)),
            key_registered_by: key.map(|it| it.registered_by.clone()),
            public_key: key.map(|it| hex::encode(&it.public_key)),
            statement: it.statement,
        }
    });
    Ok(shown.collect())
}

/// How many signatures there are, and the acts whose statement is not what the act says, or whose
/// signature does not stand under it.
pub async fn unsound_signatures(pool: &PgPool) -> Result<(i64, Vec<String>), Error> {
    let rows = sqlx::query!(
        r#"
        SELECT a.act_no, a.act, a.officer AS "officer: Officer", a.run_no AS "run_no: RunNo",
            a.lines, a.total AS "total: Money", a.root, a.statement AS "statement!",
            a.signature AS "signature!", a.principal AS "principal: Officer", a.delegation_no,
            a.key_no AS "key_no!", r.programme, r.period AS "period: Period", r.business_date
        FROM payments.acts a JOIN payments.runs r USING (run_no)
        WHERE a.signature IS NOT NULL ORDER BY a.act_no
        "#,
    )
    .fetch_all(pool)
    .await?;
    let covered = i64::try_from(rows.len()).expect("a count is small");
    let numbers: Vec<i64> = rows.iter().map(|it| it.key_no).collect();
    let keys = approval::keys(pool, &numbers).await?;
    let unsound = rows.into_iter().filter_map(|it| {
        let said = Statement {
            act: match it.act.as_str() {
                "release" => SignedAct::Release,
                _ => SignedAct::Approve,
            },
            officer: it.officer,
            run_no: it.run_no,
            programme: programme_of(it.programme),
            period: it.period,
            business_date: it.business_date,
            lines: it.lines,
            total: it.total,
            root: it.root.map(hex::encode).unwrap_or_default(),
            lent: it
                .principal
                .zip(it.delegation_no)
                .map(|(principal, delegation_no)| Delegation {
                    principal,
                    delegation_no,
                }),
        };
        let stands =
            |key: &RegisteredKey| approval::stands(&key.public_key, &it.statement, &it.signature);
        let sound = said.to_string() == it.statement && keys.get(&it.key_no).is_some_and(stands);
        (!sound).then(|| format!("{} act {}", it.run_no, it.act_no))
    });
    Ok((covered, unsound.collect()))
}
