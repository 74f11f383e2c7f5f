//! The header of a registry file: facts that programmes ask for, in any order.

use domain::Programme;
use tokio::process::Command;

use super::{LAW, import};
use crate::ground::{Ground, ansinh_binary};
use crate::world::{REGISTRY_HEADER, pensioner};

/// The header says where a fact is; each programme has facts of its own.
#[tokio::test]
async fn columns_stand_in_any_order_and_are_what_programmes_ask_for() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    let text = "children,valid_from,programme,province,sex,birth_date,full_name,citizen_number,\
        category,granted_amount,entitled_from,relation,no_direct_carer\n\
        2,01/07/2026,TCXH,01,nữ,12/05/1948,Lê Thị Chi,001148000001,single_parent | severe,,,,\n\
        ,,LUONG_HUU,79,nam,1950,Trần Văn Bình,079050000002,,5200000,,,\n\
        ,,TUAT_THANG,01,nữ,12/05/1948,Lê Thị Chi,001148000001,,,,child,true\n\
        ,,HTXH,01,nữ,12/05/1948,Lê Thị Chi,001148000001,,,2026-01-31,,\n\
        ,,HTXH,01,nam,12/05/1948,Lê Văn Chi,001048000003,,,,child,\n\
        x,,TCXH,01,nam,12/05/1948,Lê Văn Chi,001048000003,severe,,,,\n\
        ,,TCXH,01,nam,12/05/1948,Lê Văn Chi,001048000003,severe,,31/02/2026,,\n\
        ,2026-7-1,TCXH,01,nam,12/05/1948,Lê Văn Chi,001048000003,severe,,,,\n";
    let report = import(&ground, text.as_bytes()).await?;
    let told: Vec<_> = report
        .refusals
        .iter()
        .map(|it| (it.line, it.column, it.code))
        .collect();
    let expected = [
        (6, "relation", "fact_not_expected"),
        (7, "children", "fact_invalid"),
        (8, "entitled_from", "fact_invalid"),
        (9, "valid_from", "valid_from_invalid"),
    ];
    assert_eq!(told, expected);
    let known: Vec<(i16, String, Option<String>)> = sqlx::query_as(
        "SELECT programme, facts, valid_from::text FROM eligibility.enrolments ORDER BY programme",
    )
    .fetch_all(&pool)
    .await?;
    let facts = |programme, facts: &str, from: Option<&str>| {
        (programme, facts.to_owned(), from.map(str::to_owned))
    };
    let july = Some("2026-07-01");
    let expected = [
        facts(1, r#"{"entitled_from":"2026-01-31"}"#, None),
        facts(2, r#"{"granted_amount":"5200000"}"#, None),
        facts(
            3,
            r#"{"category":["severe","single_parent"],"children":"2"}"#,
            july,
        ),
        facts(5, r#"{"no_direct_carer":true,"relation":"child"}"#, None),
    ];
    assert_eq!(known, expected);

    // The same facts from another day on, and another province, are another version each.
    let again = text
        .replace("01/07/2026", "2026-08-01")
        .replace(",79,", ",01,");
    let report = import(&ground, again.as_bytes()).await?;
    let (accepted, duplicates) = (report.sums.accepted.rows, report.sums.duplicates.rows);
    assert_eq!((accepted, duplicates), (2, 2));
    let ended = "SELECT count(*) FROM eligibility.enrolments e
        JOIN eligibility.enrolments n USING (part, programme, person_no)
        WHERE e.version = 1 AND n.version = 2 AND e.known_to = n.known_from AND n.known_to IS NULL";
    let ended: i64 = sqlx::query_scalar(ended).fetch_one(&pool).await?;
    assert_eq!(ended, 2);
    pool.close().await;
    ground.clear().await
}

/// Facts that were written before canonical JSON was are still the same facts.
#[tokio::test]
async fn facts_are_compared_by_what_they_say() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    let row = pensioner(1, 5_000_000).replace("LUONG_HUU,5000000,,", "NCC_THANG,,wounded_61,");
    import(&ground, format!("{REGISTRY_HEADER}{row}").as_bytes()).await?;
    let other = r#"UPDATE eligibility.enrolments SET facts = '{ "category" : "wounded_61" }'"#;
    sqlx::query(other).execute(&pool).await?;
    let report = import(&ground, format!("{REGISTRY_HEADER}\n{row}").as_bytes()).await?;
    assert_eq!(report.sums.duplicates.rows, 1);
    pool.close().await;
    ground.clear().await
}

/// What the template prints can be imported as it is.
#[tokio::test]
async fn the_template_has_a_row_for_each_programme() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    for programme in Programme::ALL.map(Some).into_iter().chain([None]) {
        let template = eligibility::template(&LAW, programme);
        let report = import(&ground, template.as_bytes()).await?;
        let rows = if programme.is_some() { 1 } else { 14 };
        let sums = report.sums;
        assert_eq!((sums.file.rows, sums.refused.rows), (rows, 0), "{template}");
    }
    let output = Command::new(ansinh_binary()?)
        .args(["registry", "template", "--programme", "HTXH"])
        .envs(ground.env())
        .output()
        .await?;
    let printed = String::from_utf8(output.stdout)?;
    let header = "citizen_number,full_name,birth_date,sex,province,programme,commune,\
        valid_from,household,entitled_from\n";
    assert!(printed.starts_with(header), "{printed}");
    ground.clear().await
}
