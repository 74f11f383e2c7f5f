//! What was refused goes back to its officer, row by row.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use anyhow::Context;
use calamine::{Reader, Xlsx, open_workbook};
use intake::TableFile;
use tokio::process::Command;

use super::{Trial, import};
use crate::ground::{Ground, ansinh_binary};
use crate::world::{REGISTRY_HEADER, pensioner};

#[tokio::test]
async fn the_report_has_each_refused_row_beside_what_is_wrong() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let file = ground.home.join("people.csv");
    let good = pensioner(1, 5_000_000);
    let bad = pensioner(2, 6_000_000).replace("nam", "Nam");
    std::fs::write(&file, format!("{REGISTRY_HEADER}{good}{bad}1,2\n"))?;
    let report = |name: &str, all: &[&str]| {
        let out = ground.home.join(name);
        let mut command = Command::new(ansinh_binary()?);
        command
            .args(["registry", "import"])
            .arg(&file)
            .arg("--report")
            .arg(&out);
        command.args(all).envs(ground.env());
        anyhow::Ok((out, command))
    };
    let (csv, mut command) = report("refused.csv", &[])?;
    assert_eq!(command.output().await?.status.code(), Some(3));
    let header = REGISTRY_HEADER.trim_end();
    let bad = bad.trim_end();
    let expected = format!(
        "{header},line,column,code,sentence_vi,sentence_en\n\
         {bad},3,sex,sex_invalid,Giới tính ghi nam hoặc nữ,sex is nam or nữ\n\
         1,2,,,,,,,,4,row,columns_invalid,Số ô của dòng khác số cột của tiêu đề,\
         a row has exactly 9 fields\n"
    );
    assert_eq!(std::fs::read_to_string(&csv)?, expected);
    let mode = std::fs::metadata(&csv)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The file is known by now; its report can still be had, whole, in a new file.
    let (xlsx, mut command) = report("all.xlsx", &["--all"])?;
    assert_eq!(command.output().await?.status.code(), Some(0));
    let mut workbook: Xlsx<_> = open_workbook(&xlsx)?;
    let sheet = workbook.worksheet_range_at(0).context("a sheet")??;
    let cell = |row: usize, column: usize| sheet.get((row, column)).map(ToString::to_string);
    assert_eq!(sheet.height(), 4);
    assert_eq!(cell(1, 0).as_deref(), Some("001048000001"));
    assert_eq!(cell(1, 11).unwrap_or_default(), "");
    assert_eq!(cell(2, 11).as_deref(), Some("sex_invalid"));
    assert_eq!(
        std::fs::metadata(&xlsx)?.permissions().mode() & 0o777,
        0o600
    );

    // No file of anybody is overwritten, and nothing is imported for a report that cannot be.
    for name in ["refused.csv", "people.csv", "refused.pdf"] {
        let (_, mut command) = report(name, &[])?;
        std::fs::write(&file, format!("{REGISTRY_HEADER}{}", pensioner(9, 1)))?;
        assert_eq!(command.output().await?.status.code(), Some(3), "{name}");
    }
    let pool = ground.pool().await?;
    let people = "SELECT count(*) FROM eligibility.persons";
    let people: i64 = sqlx::query_scalar(people).fetch_one(&pool).await?;
    assert_eq!(people, 1);
    pool.close().await;
    ground.clear().await
}

/// Who reads the report reads Vietnamese.
#[tokio::test]
async fn each_refusal_is_told_in_vietnamese() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    let trial = Trial::new();
    import(&ground, &trial.text).await?;
    let file = TableFile::from(&ground.home.join("registry.csv"));
    let out = ground.home.join("refused.csv");
    eligibility::write_mirror(&pool, &file, &out, false).await?;
    let mut reader = csv::ReaderBuilder::new().from_path(&out)?;
    let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(rows.len(), trial.told.len());
    let untold = rows.iter().filter(|it| it[12].is_empty()).map(|it| &it[11]);
    assert_eq!(untold.collect::<BTreeSet<&str>>(), BTreeSet::new());
    let lines: Vec<i64> = rows
        .iter()
        .map(|it| it[9].parse())
        .collect::<Result<_, _>>()?;
    assert!(lines.iter().eq(trial.told.iter().map(|(line, ..)| line)));

    std::fs::write(ground.home.join("registry.csv"), "another")?;
    let changed = eligibility::write_mirror(&pool, &file, &ground.home.join("b.csv"), false).await;
    let changed = changed.unwrap_err().to_string();
    assert!(changed.starts_with("file_changed"), "{changed}");
    pool.close().await;
    ground.clear().await
}
