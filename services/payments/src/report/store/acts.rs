use domain::{Money, Officer, Period, RunNo};
use sqlx::PgPool;

use crate::Error;
use crate::approval::{self, Delegation, SignedAct, Statement};
use crate::report::ActRow;
use crate::store::programme_of;

/// What officers did to a run, in order; each signature is verified anew.
pub async fn acts(pool: &PgPool, run_no: RunNo) -> Result<Vec<ActRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT a.act_no, a.act, a.officer AS "officer: Officer", a.acted_at, a.voided_at, a.lines,
            a.total AS "total: Money", a.reason, a.statement, a.signature,
            a.principal AS "principal: Officer", k.public_key AS "public_key?", k.registered_by AS "registered_by?: Officer"
        FROM payments.acts a LEFT JOIN payments.officer_keys k USING (key_no)
        WHERE a.run_no = $1 ORDER BY a.act_no LIMIT 10000
        "#,
        run_no.0,
    )
    .fetch_all(pool)
    .await?;
    let judged = |key: &Option<Vec<u8>>, statement: &Option<String>, signature: &[u8]| {
        let sound = key.as_ref().zip(statement.as_ref());
        if sound.is_some_and(|(key, text)| approval::stands(key, text, signature)) {
            "valid"
        } else {
            "invalid"
        }
    };
    Ok(rows
        .into_iter()
        .map(|it| ActRow {
            act_no: it.act_no,
            act: it.act,
            officer: it.officer,
            principal: it.principal,
            at: it.acted_at,
            voided_at: it.voided_at,
            lines: it.lines,
            total: it.total,
            reason: it.reason,
            signature: it
                .signature
                .map(|signature| judged(&it.public_key, &it.statement, &signature)),
            key_registered_by: it.registered_by,
            public_key: it.public_key.map(hex::encode),
            statement: it.statement,
        })
        .collect())
}

/// How many signatures there are, and the acts whose statement is not what the act says, or whose
/// signature does not stand under it.
pub async fn unsound_signatures(pool: &PgPool) -> Result<(i64, Vec<String>), Error> {
    let rows = sqlx::query!(
        r#"
        SELECT a.act_no, a.act, a.officer AS "officer: Officer", a.run_no AS "run_no: RunNo",
            a.lines, a.total AS "total: Money", a.root, a.statement AS "statement!",
            a.signature AS "signature!", a.principal AS "principal: Officer", a.delegation_no,
            k.public_key, r.programme, r.period AS "period: Period",
            r.business_date
        FROM payments.acts a JOIN payments.officer_keys k USING (key_no)
        JOIN payments.runs r USING (run_no)
        WHERE a.signature IS NOT NULL ORDER BY a.act_no
        "#,
    )
    .fetch_all(pool)
    .await?;
    let covered = i64::try_from(rows.len()).expect("a count is small");
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
        let sound = said.to_string() == it.statement
            && approval::stands(&it.public_key, &it.statement, &it.signature);
        (!sound).then(|| format!("{} act {}", it.run_no, it.act_no))
    });
    Ok((covered, unsound.collect()))
}
