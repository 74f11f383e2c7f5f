use domain::RunNo;
use sqlx::PgPool;

use crate::report::Preview;
use crate::{Error, store};

/// What a run does differently from the one before, and what its approver has to explain; `None`
/// where there is no such run.
pub async fn preview(pool: &PgPool, run_no: RunNo) -> Result<Option<Preview>, Error> {
    // One moment: the counters belong to the root that they are shown with. Nobody waits for it.
    let mut tx = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    let measures = match store::measures(&mut tx, run_no).await {
        Err(Error::Refused(_)) => return Ok(None),
        measures => measures?,
    };
    let answered = match measures.root {
        Some(root) => store::answered_guards(&mut tx, run_no, root).await?,
        None => Vec::new(),
    };
    tx.rollback().await?;
    let mut differences = measures.differences.clone();
    differences.sort_by_key(|it| it.bucket);
    Ok(Some(Preview {
        run_no,
        lines: measures.lines,
        total: measures.total,
        compared_with: measures.compared_with,
        differences,
        guards: measures.guards(),
        answered,
    }))
}
