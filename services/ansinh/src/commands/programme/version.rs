use std::collections::BTreeMap;
use std::process::ExitCode;

use chrono::NaiveDate;
use domain::Province;
use rules::{Files, Parameter, Version};
use serde::Serialize;

use super::shown::{VersionView, version_view};
use super::{Chosen, words};
use crate::cli::Output;
use crate::output::{Failure, grouped, print, table};

#[derive(Serialize)]
struct Shown<'a> {
    law_no: Option<i64>,
    version: VersionView,
    parameters: Vec<ParameterView<'a>>,
    /// Steps and tables, by path.
    files: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct ParameterView<'a> {
    rate_no: i32,
    parameter: &'a str,
    province: Option<Province>,
    /// An exact decimal.
    value: String,
    unit: &'a str,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
    known_from: NaiveDate,
    legal_basis: &'a str,
    confidence: &'static str,
}

/// A version as it was written: its steps, its tables, and the parameters that it uses.
pub(super) fn show_version(
    chosen: &Chosen,
    version: &Version,
    output: Output,
) -> Result<ExitCode, Failure> {
    let used = |it: &&Parameter| version.parameters().any(|name| name == &*it.name);
    let parameters: Vec<&Parameter> = chosen.law.parameters().filter(used).collect();
    let files = files_of(&chosen.files, version);
    match output {
        Output::Json => {
            let shown = Shown {
                law_no: chosen.law_no,
                version: version_view(version),
                parameters: parameters.into_iter().map(parameter_view).collect(),
                files,
            };
            print(&serde_json::to_string_pretty(&shown)?);
        }
        Output::Table => {
            for (path, text) in files {
                print(&format!("── {path}\n{}\n", text.trim_end()));
            }
            words::print_texts(parameters_table(&parameters));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The version's own file, its tables, and the tables of the folder that it names.
fn files_of<'a>(files: &'a Files, version: &Version) -> BTreeMap<&'a str, &'a str> {
    let folder = format!("{}/", version.programme());
    let (steps, tables) = (
        format!("{}.toml", version.id()),
        format!("{}.", version.id()),
    );
    let text = files.0.get(&format!("{folder}{steps}"));
    let text = text.map(String::as_str).unwrap_or_default();
    let is_of = |path: &str| {
        let Some(name) = path.strip_prefix(&folder) else {
            return false;
        };
        let own = name.starts_with(&tables) && !name.ends_with(".examples.csv");
        own || text.contains(&format!("\"{name}\""))
    };
    let found = files.0.iter().filter(|(path, _)| is_of(path));
    found.map(|(path, text)| (&**path, &**text)).collect()
}

fn parameter_view(it: &Parameter) -> ParameterView<'_> {
    ParameterView {
        rate_no: it.rate_no,
        parameter: &it.name,
        province: it.province,
        value: it.value.to_string(),
        unit: &it.unit,
        valid_from: it.valid_from,
        valid_to: it.valid_to,
        known_from: it.known_from,
        legal_basis: &it.legal_basis,
        confidence: words::confidence_code(it.confidence),
    }
}

/// As people in Viet Nam write it: `3.800.000`, `0,08`.
fn figure(it: &Parameter) -> String {
    if it.value.is_integer() {
        return grouped(it.value.trunc());
    }
    it.value.to_string().replace('.', ",")
}

fn parameters_table(parameters: &[&Parameter]) -> comfy_table::Table {
    let rows = parameters.iter().map(|it| {
        [
            it.rate_no.to_string(),
            it.name.to_string(),
            it.province.map_or("cả nước", Province::name).to_owned(),
            format!("{} {}", figure(it), it.unit),
            words::date_vi(it.valid_from),
            words::end_vi(it.valid_to),
            words::date_vi(it.known_from),
            words::confidence_vi(it.confidence).to_owned(),
            it.legal_basis.clone(),
        ]
    });
    let header = [
        "Số",
        "Tham số",
        "Nơi áp dụng",
        "Giá trị",
        "Hiệu lực từ",
        "đến",
        "Biết từ",
        "Độ tin cậy",
        "Căn cứ pháp lý",
    ];
    table(&header, header.len(), rows)
}
