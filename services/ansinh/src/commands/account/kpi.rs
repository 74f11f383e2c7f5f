use std::process::ExitCode;

use accounts::{Indicator, Indicators, TARGETS, permille};
use chrono::{NaiveDate, Utc};
use domain::{Commune, Province};

use crate::cli::Output;
use crate::output::{Failure, grouped, print, say, table};
use crate::target::Target;

/// The national table, or its rows of a province; the sums below are those of the rows.
pub(super) async fn kpi(
    target: &Target,
    output: Output,
    (by_commune, province): (bool, Option<Province>),
    keep: bool,
) -> Result<ExitCode, Failure> {
    let pool = target.pool(Some("ansinh_accounts")).await?;
    let now = Utc::now();
    let mut indicators = accounts::indicators(&pool, by_commune).await?;
    if keep {
        let kept = accounts::keep_indicators(&pool, &indicators, now).await?;
        say(if kept {
            "Kept as the indicators of today, and told."
        } else {
            "Today has its indicators already; they stand."
        });
    }
    if let Some(province) = province {
        indicators = indicators.of_province(province.number());
    }
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&indicators)?),
        Output::Table => print_table(&indicators, boot::clock::today_in_vietnam(now)),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_table(indicators: &Indicators, today: NaiveDate) {
    let header = [
        "Địa phương",
        "Người trong danh sách",
        "Có tài khoản an sinh",
        "Tỷ lệ",
        "Người hưởng đã chi",
        "Qua tài khoản an sinh",
        "Tỷ lệ",
        "Tiền mặt",
    ];
    let rows = indicators
        .places
        .iter()
        .map(|it| row(&name(it, today), it))
        .chain([row("Cộng", &indicators.nation)]);
    print(&table(&header, 1, rows).to_string());
    let nation = &indicators.nation;
    for target in TARGETS {
        print(&format!(
            "Mục tiêu {}: {} tài khoản ({}); {}% công dân có tài khoản ({}); {}% người hưởng nhận \
             qua tài khoản an sinh ({}).",
            target.year,
            grouped(target.accounts),
            reached(nation.linked >= target.accounts),
            target.citizens_percent,
            share_reached(nation.linked, nation.people, target.citizens_percent),
            target.recipients_percent,
            share_reached(nation.by_ssa, nation.recipients, target.recipients_percent),
        ));
    }
}

fn row(name: &str, it: &Indicator) -> [String; 8] {
    [
        name.to_owned(),
        grouped(it.people),
        grouped(it.linked),
        percent(it.linked, it.people),
        grouped(it.recipients),
        grouped(it.by_ssa),
        percent(it.by_ssa, it.recipients),
        grouped(it.by_cash),
    ]
}

/// The place by its name; its number where there is none of that number.
fn name(it: &Indicator, today: NaiveDate) -> String {
    if it.commune != 0 {
        let commune = Commune::from_number(it.commune);
        return commune.map_or_else(|| it.commune.to_string(), Commune::full_name);
    }
    let province = Province::from_number(it.province);
    province.map_or_else(|| "Chưa rõ nơi cư trú".to_owned(), |it| it.full_name(today))
}

/// `45,7%`
fn percent(part: i64, whole: i64) -> String {
    let permille = permille(part, whole);
    format!("{},{}%", permille / 10, permille % 10)
}

fn share_reached(part: i64, whole: i64, target: i64) -> &'static str {
    reached(permille(part, whole) >= target * 10)
}

fn reached(is: bool) -> &'static str {
    if is { "đạt" } else { "chưa đạt" }
}
