//! Files of life events: what happened, what is told twice, and what never was.

use std::sync::Arc;

use chrono::{Days, Utc};
use eligibility::LawInForce;
use intake::{Report, TableFile};

use super::{LAW, import};
use crate::ground::Ground;
use crate::world::{REGISTRY_HEADER, pensioner};

const HEADER: &str = "event_id,citizen_number,kind,happened_on,revokes\n";

async fn tell(ground: &Ground, rows: &str) -> anyhow::Result<Report> {
    tell_file(ground, &format!("{HEADER}{rows}")).await
}

pub async fn tell_file(ground: &Ground, text: &str) -> anyhow::Result<Report> {
    let file = ground.home.join("events.csv");
    std::fs::write(&file, text)?;
    let target = ground.target();
    let pool = target.pool(Some("ansinh_eligibility")).await?;
    let law = LawInForce {
        law_no: 1,
        law: Arc::clone(&LAW),
    };
    let file = TableFile::from(&file);
    let report =
        eligibility::import_events(&pool, &target.keys()?, &law, &file, Utc::now()).await?;
    pool.close().await;
    let sums = report.sums;
    let parts = [sums.accepted, sums.refused, sums.duplicates];
    assert_eq!(sums.file.rows, parts.iter().map(|it| it.rows).sum::<u64>());
    Ok(report)
}

/// Line, column and code of a refusal.
pub type Told = (u64, &'static str, &'static str);

/// Accepted and duplicates; then each refusal.
pub fn told(report: &Report) -> ((u64, u64), Vec<Told>) {
    let refused = report.refusals.iter();
    (
        (report.sums.accepted.rows, report.sums.duplicates.rows),
        refused.map(|it| (it.line, it.column, it.code)).collect(),
    )
}

async fn known(ground: &Ground, table: &str) -> anyhow::Result<Vec<(i64, String)>> {
    let pool = ground.pool().await?;
    let rows = format!("SELECT person_no, event_id FROM eligibility.{table} ORDER BY 1, 2");
    let rows = sqlx::query_as(sqlx::AssertSqlSafe(rows))
        .fetch_all(&pool)
        .await?;
    pool.close().await;
    Ok(rows)
}

async fn with_people(people: usize) -> anyhow::Result<Ground> {
    let ground = Ground::new().await?;
    let rows: String = (1..=people).map(|it| pensioner(it, 5_000_000)).collect();
    import(&ground, format!("{REGISTRY_HEADER}{rows}").as_bytes()).await?;
    Ok(ground)
}

#[tokio::test]
async fn each_event_is_recorded_once_or_refused_with_its_place() -> anyhow::Result<()> {
    let ground = with_people(2).await?;
    let tomorrow = boot::clock::today_in_vietnam(Utc::now()) + Days::new(2);
    let rows = format!(
        "A-1,001048000001,death,2025-05-03,\n\
         A-1,001048000001,death,03/05/2025,\n\
         A-1,001048000001,death,2025-05-04,\n\
         A-1,001048000001,missing,2025-05-03,\n\
         A-2,001048000009,death,2025-05-03,\n\
         A-3,001048000002,promoted,2025-05-03,\n\
         A-4,001048000002,detained,{tomorrow},\n\
         A-5,001048000002,detained,5/3/2025,\n\
         A 6,001048000002,detained,2025-05-03,\n\
         ,001048000002,detained,2025-05-03,\n\
         A-7,001048000002,,,\n\
         A-8,001048000002,detained,,\n\
         A-9,001048000002,,,A-1\n\
         A-9,001048000002,death,2025-05-03,A-9\n\
         A-9,1048000002,death,2025-05-03,\n\
         A-9,001048000002,detained,2025-05-03,\n"
    );
    let report = tell(&ground, &rows).await?;
    let refused = vec![
        (4, "event_id", "event_differs"),
        (5, "event_id", "event_differs"),
        (6, "citizen_number", "person_unknown"),
        (7, "kind", "event_unknown"),
        (8, "happened_on", "happened_on_future"),
        (9, "happened_on", "happened_on_invalid"),
        (10, "event_id", "event_id_invalid"),
        (11, "event_id", "event_id_invalid"),
        (12, "row", "event_empty"),
        (13, "happened_on", "happened_on_invalid"),
        (14, "revokes", "revokes_unknown"),
        (15, "row", "event_empty"),
        (16, "citizen_number", "citizen_number_length"),
    ];
    let mut in_order = told(&report);
    in_order.1.sort_unstable();
    assert_eq!(in_order, ((2, 1), refused));
    let expected = [(1, "A-1".to_owned()), (2, "A-9".to_owned())];
    assert_eq!(known(&ground, "life_events").await?, expected);

    // In another file it is the same: once, or refused.
    let rows = "A-1,001048000001,death,2025-05-03,\nA-9,001048000002,detained,2025-05-04,\n";
    let refused = vec![(3, "event_id", "event_differs")];
    assert_eq!(told(&tell(&ground, rows).await?), ((0, 1), refused));
    ground.clear().await
}

#[tokio::test]
async fn an_event_that_never_was_is_revoked_and_may_be_replaced() -> anyhow::Result<()> {
    let ground = with_people(1).await?;
    let rows = "B-1,001048000001,death,2025-05-03,\n\
        ,001048000001,,,B-1\n\
        ,001048000001,,,B-1\n";
    assert_eq!(told(&tell(&ground, rows).await?), ((2, 1), vec![]));
    assert_eq!(
        known(&ground, "revocations").await?,
        [(1, "B-1".to_owned())]
    );

    // The day was wrong: one row says which event stands in whose place.
    let rows = "B-2,001048000001,death,2025-05-03,\nB-3,001048000001,death,2025-06-03,B-2\n";
    assert_eq!(told(&tell(&ground, rows).await?), ((2, 0), vec![]));
    let revoked = [(1, "B-1".to_owned()), (1, "B-2".to_owned())];
    assert_eq!(known(&ground, "revocations").await?, revoked);
    assert_eq!(known(&ground, "life_events").await?.len(), 3);
    assert!(tell(&ground, rows).await?.repeated);
    ground.clear().await
}

/// A file of events may come before the people it is about.
#[tokio::test]
async fn a_file_with_refused_rows_is_read_again() -> anyhow::Result<()> {
    let ground = with_people(1).await?;
    let rows = "C-1,001048000001,death,2025-05-03,\nC-2,001048000002,death,2025-05-03,\n";
    let refused = vec![(3, "citizen_number", "person_unknown")];
    assert_eq!(told(&tell(&ground, rows).await?), ((1, 0), refused));
    let late = format!("{REGISTRY_HEADER}{}", pensioner(2, 5_000_000));
    import(&ground, late.as_bytes()).await?;
    let report = tell(&ground, rows).await?;
    assert_eq!((told(&report), report.repeated), (((1, 1), vec![]), false));
    assert!(tell(&ground, rows).await?.repeated);
    ground.clear().await
}
