//! Where people live: what a row may say of it, who is told, and what moves change.

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use events::PersonsRegistered;
use intake::{Report, TableFile};
use serde_json::Value;
use sqlx::PgPool;

use super::events::{tell_file, told};
use super::{LAW, import};
use crate::ground::Ground;

const HEADER: &str =
    "citizen_number,full_name,birth_date,sex,province,programme,granted_amount,commune\n";
const EVENTS: &str = "event_id,citizen_number,kind,happened_on,revokes,province,commune\n";

/// A man by his number who draws a pension, and where he lives.
fn row(number: usize, province: &str, commune: &str) -> String {
    format!("001048{number:06},Nguyễn Văn Ân,12/05/1948,nam,{province},LUONG_HUU,1,{commune}\n")
}

/// The same person in another programme.
fn other(number: usize, province: &str, commune: &str) -> String {
    row(number, province, commune).replace("LUONG_HUU,1,", "HTXH,,")
}

async fn register(ground: &Ground, rows: &[String]) -> anyhow::Result<Report> {
    import(ground, format!("{HEADER}{}", rows.concat()).as_bytes()).await
}

async fn tell(ground: &Ground, rows: &str) -> anyhow::Result<Report> {
    tell_file(ground, &format!("{EVENTS}{rows}")).await
}

fn counted(report: &Report) -> [u64; 3] {
    let sums = report.sums;
    [sums.accepted, sums.duplicates, sums.refused].map(|it| it.rows)
}

/// Persons as accounts was told of them: number, province, commune, birth date; in the order of
/// partitions and then of time.
async fn said(pool: &PgPool) -> anyhow::Result<Vec<(i64, String, i64, String)>> {
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT body FROM messaging.outbox WHERE subject LIKE '%persons-registered%'
        ORDER BY part, seq",
    )
    .fetch_all(pool)
    .await?;
    let mut said = Vec::new();
    for body in bodies {
        let event: Value = serde_json::from_slice(&body)?;
        // What was said reads as the fact that it is.
        let read: PersonsRegistered = serde_json::from_value(event["data"].clone())?;
        for person in read.persons {
            let province = person.province.context("a province")?;
            let commune = person.commune.unwrap_or_default();
            let birth = person.birth_date.context("a birth date")?;
            said.push((
                person.person_no.0,
                province.to_string(),
                i64::from(commune),
                birth,
            ));
        }
    }
    Ok(said)
}

/// Version, place, whether a move said so, and whether it stands; of one person.
async fn history(pool: &PgPool) -> anyhow::Result<Vec<(i16, i16, Option<i32>, bool, bool)>> {
    Ok(sqlx::query_as(
        "SELECT version, province, commune, event_id IS NOT NULL, known_to IS NULL
        FROM eligibility.residences WHERE person_no = 1 ORDER BY version",
    )
    .fetch_all(pool)
    .await?)
}

/// How many rows of a file were refused with a sentence in Vietnamese.
async fn in_vietnamese(ground: &Ground, file: &str) -> anyhow::Result<usize> {
    let pool = ground.pool().await?;
    let out = ground.home.join(format!("refused-{file}"));
    let file = TableFile::from(&ground.home.join(file));
    eligibility::write_mirror(&pool, &file, &out, false).await?;
    let mut reader = csv::Reader::from_path(&out)?;
    let header = reader.headers()?.clone();
    let column = header.iter().position(|it| it == "sentence_vi");
    let column = column.context("a column of sentences")?;
    let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    pool.close().await;
    Ok(rows.iter().filter(|it| !it[column].is_empty()).count())
}

#[tokio::test]
async fn a_commune_is_one_of_the_rows_province_or_the_row_is_refused() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let rows = [
        row(1, "01", "00004"),
        row(2, "01", "4"),
        row(3, "01", "00001"),
        row(4, "01", "25747"),
        row(5, "79", "25747"),
        row(6, "79", ""),
        // In two places: whichever is right, the file is wrong.
        other(1, "79", ""),
        other(5, "79", "25750"),
        other(6, "79", "25750"),
    ];
    let report = register(&ground, &rows).await?;
    let refused = report.refusals.iter();
    let refused: Vec<_> = refused.map(|it| (it.line, it.column, it.code)).collect();
    let expected = [
        (3, "commune", "commune_invalid"),
        (4, "commune", "commune_unknown"),
        (5, "commune", "commune_of_other_province"),
        (8, "province", "residence_differs"),
        (9, "commune", "residence_differs"),
    ];
    assert_eq!(refused, expected);
    assert_eq!(counted(&report), [4, 0, 5]);
    assert_eq!(in_vietnamese(&ground, "registry.csv").await?, 5);
    // Of a row that is refused nothing is kept.
    let pool = ground.pool().await?;
    let enrolled = "SELECT person_no, programme FROM eligibility.enrolments ORDER BY 1, 2";
    let enrolled: Vec<(i64, i16)> = sqlx::query_as(enrolled).fetch_all(&pool).await?;
    assert_eq!(enrolled, [(1, 2), (2, 2), (3, 1), (3, 2)]);
    pool.close().await;
    ground.clear().await
}

#[tokio::test]
async fn a_move_is_told_again_and_the_same_file_says_nothing() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    let year_only = row(2, "01", "").replace("12/05/1948", "1948");
    register(&ground, &[row(1, "01", "00004"), year_only.clone()]).await?;
    let hanoi = |number, commune, birth: &str| (number, "01".to_owned(), commune, birth.to_owned());
    let (ba_dinh, somewhere) = (hanoi(1, 4, "1948-05-12"), hanoi(2, 0, "1948"));
    assert_eq!(said(&pool).await?, [ba_dinh.clone(), somewhere.clone()]);

    let events = "SELECT count(*) FROM messaging.outbox";
    let before: i64 = sqlx::query_scalar(events).fetch_one(&pool).await?;
    let same = [row(1, "01", "00004"), year_only.clone()];
    assert!(register(&ground, &same).await?.repeated);
    // The same rows in another file, and one that says less: known, and so no news.
    let turned = [year_only.clone(), row(1, "01", "")];
    assert_eq!(counted(&register(&ground, &turned).await?), [0, 2, 0]);
    let after: i64 = sqlx::query_scalar(events).fetch_one(&pool).await?;
    assert_eq!((before, after), (2, 2));

    // Another commune, of the enrolment that stands; then another province, which is a new one.
    let report = register(&ground, &[year_only.clone(), row(1, "01", "00008")]).await?;
    assert_eq!(counted(&report), [1, 1, 0]);
    let report = register(&ground, &[row(1, "79", "25747"), year_only]).await?;
    assert_eq!(counted(&report), [1, 1, 0]);
    let (ngoc_ha, saigon) = (hanoi(1, 8, "1948-05-12"), "79".to_owned());
    let thu_dau_mot = (1, saigon, 25_747, "1948-05-12".to_owned());
    assert_eq!(
        said(&pool).await?,
        [ba_dinh, ngoc_ha, thu_dau_mot, somewhere]
    );
    let versions = [
        (1, 1, Some(4), false, false),
        (2, 1, Some(8), false, false),
        (3, 79, Some(25_747), false, true),
    ];
    assert_eq!(history(&pool).await?, versions);
    let enrolled = "SELECT version, province FROM eligibility.enrolments
        WHERE person_no = 1 ORDER BY 1";
    let enrolled: Vec<(i16, i16)> = sqlx::query_as(enrolled).fetch_all(&pool).await?;
    assert_eq!(enrolled, [(1, 1), (2, 79)]);
    pool.close().await;
    ground.clear().await
}

/// At every instant one residence was known, and the table says which.
#[tokio::test]
async fn a_move_that_is_told_as_an_event_stands_until_it_is_revoked() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    register(&ground, &[row(1, "01", "00004")]).await?;
    let rows = "M-1,001048000001,moved,2026-05-02,,79,25747\n\
        M-1,001048000001,moved,2026-05-02,,79,25747\n\
        M-1,001048000001,moved,2026-05-02,,79,25750\n";
    let refused = vec![(4, "event_id", "event_differs")];
    assert_eq!(told(&tell(&ground, rows).await?), ((1, 1), refused));
    // A move of an earlier day that is told late changes nothing.
    let rows = "M-0,001048000001,moved,2026-03-01,,48,\n";
    assert_eq!(told(&tell(&ground, rows).await?), ((1, 0), vec![]));
    // Nor does a list that has not heard of the move.
    let late = [row(1, "01", "00004"), row(2, "01", "")];
    assert_eq!(counted(&register(&ground, &late).await?), [1, 1, 0]);
    // The later move never was: the earlier one stands; then neither was.
    let rows = ",001048000001,,,M-1,,\n";
    assert_eq!(told(&tell(&ground, rows).await?), ((1, 0), vec![]));
    let rows = ",001048000001,,,M-0,,\n";
    assert_eq!(told(&tell(&ground, rows).await?), ((1, 0), vec![]));
    let rows = "M-2,001048000001,moved,2026-06-01,,79,\n\
        M-3,001048000001,death,2026-06-02,,,\n";
    assert_eq!(told(&tell(&ground, rows).await?), ((2, 0), vec![]));

    let versions = [
        (1, 1, Some(4), false, false),
        (2, 79, Some(25_747), true, false),
        (3, 48, None, true, false),
        (4, 1, Some(4), false, false),
        (5, 79, None, true, true),
    ];
    assert_eq!(history(&pool).await?, versions);
    let told = said(&pool).await?.into_iter().filter(|it| it.0 == 1);
    let told: Vec<(String, i64)> = told.map(|it| (it.1, it.2)).collect();
    let expected = [("01", 4), ("79", 25_747), ("48", 0), ("01", 4), ("79", 0)];
    let expected = expected.map(|(province, commune)| (province.to_owned(), commune));
    assert_eq!(told, expected);
    let gaps = "SELECT count(*) FROM eligibility.residences r
        JOIN eligibility.residences n USING (part, person_no)
        WHERE n.version = r.version + 1 AND r.known_to IS DISTINCT FROM n.known_from";
    let gaps: i64 = sqlx::query_scalar(gaps).fetch_one(&pool).await?;
    assert_eq!(gaps, 0);
    pool.close().await;
    ground.clear().await
}

/// A file that was read for long began before what was told meanwhile, and says its word after it.
#[tokio::test]
async fn what_is_told_while_a_file_is_read_is_earlier_than_what_the_file_says() -> anyhow::Result<()>
{
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    register(&ground, &[row(1, "01", "")]).await?;
    let rows = "P-1,001048000001,moved,2026-05-02,,79,25747\n";
    assert_eq!(told(&tell(&ground, rows).await?), ((1, 0), vec![]));
    let file = ground.home.join("slow.csv");
    std::fs::write(&file, format!("{HEADER}{}", row(1, "48", "20333")))?;
    let keys = ground.target().keys()?;
    let began = Utc::now() - TimeDelta::hours(1);
    eligibility::import_registry(&pool, &keys, &LAW, TableFile::from(&file), began).await?;
    // Another event of the person changes nothing of where he lives.
    let rows = "P-2,001048000001,not_collected,2026-06-02,,,\n";
    assert_eq!(told(&tell(&ground, rows).await?), ((1, 0), vec![]));
    let versions = [
        (1, 1, None, false, false),
        (2, 79, Some(25_747), true, false),
        (3, 48, Some(20_333), false, true),
    ];
    assert_eq!(history(&pool).await?, versions);
    pool.close().await;
    ground.clear().await
}

#[tokio::test]
async fn only_a_move_says_where_to_and_says_it_rightly() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    register(&ground, &[row(1, "01", "00004")]).await?;
    let rows = "N-1,001048000001,death,2026-05-02,,79,\n\
        N-2,001048000001,death,2026-05-02,,,25747\n\
        N-3,001048000001,moved,2026-05-02,,03,\n\
        N-4,001048000001,moved,2026-05-02,,,25747\n\
        N-5,001048000001,moved,2026-05-02,,01,25747\n\
        N-6,001048000001,moved,2026-05-02,,,\n";
    let refused = vec![
        (2, "province", "place_not_expected"),
        (3, "commune", "place_not_expected"),
        (4, "province", "province_unknown"),
        (5, "province", "province_unknown"),
        (6, "commune", "commune_of_other_province"),
    ];
    // Where to somebody moved need not be known: then nothing is told.
    assert_eq!(told(&tell(&ground, rows).await?), ((1, 0), refused));
    assert_eq!(in_vietnamese(&ground, "events.csv").await?, 5);
    assert_eq!(history(&pool).await?, [(1, 1, Some(4), false, true)]);
    assert_eq!(said(&pool).await?.len(), 1);
    pool.close().await;
    ground.clear().await
}

/// A file whose import broke off before its end is imported again: what it had said already is
/// said, and the rest as if nothing had been.
#[tokio::test]
async fn an_import_that_broke_off_is_completed_without_telling_twice() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    register(&ground, &[row(1, "01", "00004")]).await?;
    // More rows than one transaction has: the first of them is told before the last is read.
    let mut rows: Vec<String> = (2..=5001).map(|it| row(it, "79", "25747")).collect();
    rows.insert(0, row(1, "79", "25747"));
    rows.push(row(5002, "79", "25747"));
    let stop = "CREATE FUNCTION eligibility.stop() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''stop''; END';
        CREATE TRIGGER stop BEFORE INSERT ON eligibility.persons FOR EACH ROW
            WHEN (NEW.person_no = 5002) EXECUTE FUNCTION eligibility.stop()";
    sqlx::raw_sql(stop).execute(&pool).await?;
    register(&ground, &rows).await.unwrap_err();
    let told = async || anyhow::Ok(said(&pool).await?.len());
    assert!(told().await? > 1, "the first transaction was kept");
    let go_on = "DROP TRIGGER stop ON eligibility.persons";
    sqlx::raw_sql(go_on).execute(&pool).await?;
    let report = register(&ground, &rows).await?;
    assert_eq!(report.sums.file.rows, 5002);
    // Everybody once, and the first once more, who moved.
    assert_eq!(told().await?, 5003);

    // Each message has a name of its own, also where one file has several for a partition.
    let moved: Vec<String> = (1..=5002).map(|it| row(it, "48", "20333")).collect();
    register(&ground, &moved).await?;
    assert_eq!(told().await?, 5003 + 5002);
    let subjects = "SELECT count(DISTINCT convert_from(body, 'UTF8')::jsonb->>'subject')
        - count(*) FROM messaging.outbox";
    let repeated: i64 = sqlx::query_scalar(subjects).fetch_one(&pool).await?;
    assert_eq!(repeated, 0);
    pool.close().await;
    ground.clear().await
}
