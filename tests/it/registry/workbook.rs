//! The registry as a workbook: the same rows, and what only a workbook can get wrong.

use intake::TableFile;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook, Worksheet};

use super::{import, import_file};
use crate::ground::Ground;

const HEADER: [&str; 8] = [
    "citizen_number",
    "full_name",
    "birth_date",
    "sex",
    "province",
    "programme",
    "granted_amount",
    "granted_on",
];

const ROWS: [[&str; 8]; 3] = [
    [
        "001048000001",
        "Nguyễn Văn Ân",
        "12/05/1948",
        "nam",
        "01",
        "LUONG_HUU",
        "5200000",
        "2008-06-01",
    ],
    [
        "079050000002",
        "Trần Văn Bình",
        "1950",
        "nam",
        "79",
        "LUONG_HUU",
        "999999999999999",
        "",
    ],
    [
        "001148000003",
        "Lê Thị Chi",
        "29/02/1948",
        "nữ",
        "01",
        "LUONG_HUU",
        "1",
        "",
    ],
];

fn texts(sheet: &mut Worksheet, row: u32, texts: &[&str]) -> anyhow::Result<()> {
    for (column, text) in (0..).zip(texts) {
        sheet.write_string(row, column, *text)?;
    }
    Ok(())
}

/// [`ROWS`] as people type them: a day is a day, and an amount a number.
fn fill(sheet: &mut Worksheet) -> anyhow::Result<()> {
    let day = Format::new().set_num_format("dd/mm/yyyy");
    texts(sheet, 0, &HEADER)?;
    for (row, fields) in (1..).zip(ROWS) {
        texts(sheet, row, &fields)?;
        sheet.write_number(row, 6, fields[6].parse::<f64>()?)?;
    }
    let born = ExcelDateTime::from_ymd(1948, 5, 12)?;
    sheet.write_datetime_with_format(1, 2, &born, &day)?;
    sheet.write_datetime_with_format(1, 7, &ExcelDateTime::from_ymd(2008, 6, 1)?, &day)?;
    sheet.write_number(2, 2, 1950)?;
    sheet.write_number(2, 4, 79)?;
    Ok(())
}

#[tokio::test]
async fn a_workbook_says_what_its_rows_say_as_text() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let file = ground.home.join("registry.xlsx");
    let mut workbook = Workbook::new();
    texts(
        workbook.add_worksheet().set_name("Ghi chú")?,
        0,
        &["ghi_chu"],
    )?;
    fill(workbook.add_worksheet().set_name("Danh sách")?)?;
    workbook.save(&file)?;
    let named = |sheet: Option<&str>| TableFile {
        path: file.clone(),
        sheet: sheet.map(str::to_owned),
    };
    // Neither the name of the file nor that of a sheet is guessed at.
    for (sheet, code) in [
        (None, "header_invalid"),
        (Some("Danh sach"), "sheet_unknown"),
    ] {
        let refused = import_file(&ground, named(sheet)).await.unwrap_err();
        assert!(refused.to_string().starts_with(code), "{refused}");
    }
    let report = import_file(&ground, named(Some("Danh sách"))).await?;
    assert_eq!((report.sums.accepted.rows, report.sums.file.rows), (3, 3));
    assert_eq!(report.sums.accepted.amount.units(), 1_000_000_005_200_000);
    assert!(
        import_file(&ground, named(Some("Danh sách")))
            .await?
            .repeated
    );

    let rows: Vec<String> = ROWS.iter().map(|it| it.join(",")).collect();
    let csv = format!("{}\n{}\n", HEADER.join(","), rows.join("\n"));
    let report = import(&ground, csv.as_bytes()).await?;
    assert_eq!((report.sums.duplicates.rows, report.sums.file.rows), (3, 3));
    ground.clear().await
}

#[tokio::test]
async fn what_a_workbook_may_have_changed_is_refused_at_its_cell() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let file = ground.home.join("registry.csv");
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    texts(sheet, 0, &HEADER)?;
    for row in 1..=8 {
        texts(sheet, row, &ROWS[0])?;
    }
    // 079050000002, as Excel keeps it.
    sheet.write_number(1, 0, 79_050_000_002.0)?;
    sheet.write_number(2, 6, 5_200_000.5)?;
    sheet.write_number(3, 6, 9_007_199_254_740_992.0)?;
    sheet.write_formula(4, 6, Formula::new("=5000000+200000").set_result("5200000"))?;
    sheet.write_boolean(5, 3, true)?;
    sheet.write_formula(6, 1, Formula::new("=1/0").set_result("#DIV/0!"))?;
    sheet.write_string(7, 8, "ngoài bảng")?;
    workbook.save(&file)?;

    // A workbook is known by its content, whatever it is called.
    let report = import_file(&ground, TableFile::from(&file)).await?;
    let told: Vec<_> = report
        .refusals
        .iter()
        .map(|it| (it.line, it.column, it.code))
        .collect();
    let expected = [
        (2, "citizen_number", "cell_not_text"),
        (3, "granted_amount", "cell_not_text"),
        (4, "granted_amount", "cell_not_text"),
        (5, "granted_amount", "cell_formula"),
        (6, "sex", "cell_boolean"),
        (7, "full_name", "cell_formula"),
        (8, "row", "columns_invalid"),
    ];
    assert_eq!(told, expected);
    assert!(
        report.refusals[0]
            .sentence
            .contains("format the column as text")
    );
    assert_eq!(report.sums.accepted.rows, 1);
    ground.clear().await
}
