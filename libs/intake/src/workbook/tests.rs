use std::io::Cursor;

use rust_xlsxwriter::{Format, Formula, Workbook, Worksheet};

use super::*;

type Told = Result<Vec<(String, Kind)>, (u64, &'static str, &'static str)>;

type Fill = fn(&mut Worksheet);

/// Rows below the header of what `fill` writes.
fn rows(sheet: Option<&str>, fill: impl FnOnce(&mut Worksheet)) -> Result<Vec<Told>, FileError> {
    let mut workbook = Workbook::new();
    fill(workbook.add_worksheet().set_name("Danh sách").unwrap());
    let other = workbook.add_worksheet().set_name("Khác").unwrap();
    other.write_string(0, 0, "b").unwrap();
    let bytes = Cursor::new(workbook.save_to_buffer().unwrap());
    let mut rows = Vec::new();
    let header = |names: &[&'static str]| Ok(names.to_vec());
    read(bytes, sheet, header, |names, row| {
        rows.push(match row {
            Ok(row) => Ok((0..names.len())
                .map(|it| (row.field(it).to_owned(), row.kind(it)))
                .collect()),
            Err(it) => Err((it.refused.line, it.refused.column, it.refused.code)),
        });
        Ok(rows.len() < 20)
    })?;
    Ok(rows)
}

/// The one field of a row that `fill` writes below the header `a`.
fn field(fill: impl FnOnce(&mut Worksheet)) -> Result<(String, Kind), &'static str> {
    let mut rows = rows(None, |sheet| {
        sheet.write_string(0, 0, "a").unwrap();
        fill(sheet);
    })
    .unwrap();
    let row = rows.pop().unwrap().map_err(|(_, _, code)| code)?;
    Ok(row[0].clone())
}

#[test]
fn texts_whole_numbers_and_days_are_read_as_they_are() {
    let text = field(|it| {
        it.write_string(1, 0, "001148000001").unwrap();
    });
    assert_eq!(text, Ok(("001148000001".to_owned(), Kind::Text)));
    for number in ["0", "5200000", "-1", "9007199254740991"] {
        let read = field(|it| {
            let number: f64 = number.parse().unwrap();
            it.write_number(1, 0, number).unwrap();
        });
        assert_eq!(read, Ok((number.to_owned(), Kind::Number)));
    }
    let day = Format::new().set_num_format("dd/mm/yyyy");
    for (serial, expected) in [
        (1.0, "1900-01-01"),
        (45_000.0, "2023-03-15"),
        (46_357.0, "2026-12-01"),
    ] {
        let read = field(|it| {
            it.write_number_with_format(1, 0, serial, &day).unwrap();
        });
        assert_eq!(read, Ok((expected.to_owned(), Kind::Date)));
    }
}

#[test]
fn what_would_be_computed_rounded_or_guessed_is_refused() {
    let cases: [(&str, Fill); 8] = [
        ("cell_formula", |it| {
            let two = Formula::new("=1+1").set_result("2");
            it.write_formula(1, 0, two).unwrap();
        }),
        ("cell_boolean", |it| {
            it.write_boolean(1, 0, true).unwrap();
        }),
        ("cell_not_text", |it| {
            it.write_number(1, 0, 0.5).unwrap();
        }),
        // 2^53, where the next number looks the same.
        ("cell_not_text", |it| {
            it.write_number(1, 0, 9_007_199_254_740_992.0).unwrap();
        }),
        ("cell_not_text", |it| {
            it.write_number(1, 0, 1e300).unwrap();
        }),
        ("cell_time", |it| {
            let moment = Format::new().set_num_format("dd/mm/yyyy hh:mm");
            it.write_number_with_format(1, 0, 45_000.5, &moment)
                .unwrap();
        }),
        ("encoding_invalid", |it| {
            it.write_string(1, 0, "a\0").unwrap();
        }),
        ("line_too_long", |it| {
            let long = "x".repeat(LINE_BYTES_MAX + 1);
            it.write_string(1, 0, long).unwrap();
        }),
    ];
    for (code, fill) in cases {
        assert_eq!(field(fill), Err(code));
    }
}

#[test]
fn a_refused_cell_is_told_by_its_row_and_column() {
    let read = rows(None, |sheet| {
        for (column, name) in (0..).zip(["a", "b", "c"]) {
            sheet.write_string(2, column, name).unwrap();
        }
        sheet.write_string(4, 1, "x").unwrap();
        sheet.write_number(6, 2, 0.5).unwrap();
        sheet.write_string(7, 3, "beside").unwrap();
    })
    .unwrap();
    let text = |it: &str| (it.to_owned(), Kind::Text);
    let expected = [
        Ok(vec![text(""), text("x"), text("")]),
        Err((7, "c", "cell_not_text")),
        Err((8, "row", "columns_invalid")),
    ];
    assert_eq!(read, expected);
}

#[test]
fn a_sheet_is_the_first_or_the_one_that_is_named() {
    let fill = |it: &mut Worksheet| {
        it.write_string(0, 0, "a").unwrap();
    };
    assert!(rows(None, fill).unwrap().is_empty());
    assert!(rows(Some("Khác"), fill).unwrap().is_empty());
    let unknown = rows(Some("khác"), fill).unwrap_err().to_string();
    assert_eq!(
        unknown,
        "sheet_unknown: the sheets of the workbook are: Danh sách, Khác"
    );
    let empty = rows(None, |_| ()).unwrap_err().to_string();
    assert_eq!(empty, "header_invalid: the sheet is empty");
    let number = rows(None, |it| {
        it.write_number(0, 0, 1).unwrap();
    });
    let number = number.unwrap_err();
    assert!(number.to_string().starts_with("header_invalid"), "{number}");
    let torn = read(
        Cursor::new(b"PK\x03\x04no archive".to_vec()),
        None,
        |_| Ok(()),
        |(), _| Ok(true),
    );
    assert!(
        torn.unwrap_err()
            .to_string()
            .starts_with("workbook_invalid")
    );
}
