//! Who is owed what, why, whether it still follows, and what another law would change.

mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use chrono::{NaiveDate, Utc};
use domain::{Money, Period, PersonNo, Position, Programme, Province};
use eligibility::{Bucket, Difference, Explained, Recompute, Recomputed, Simulation, Tally};
use rules::Law;
use serde::Serialize;

use super::programme::{ROLE, read_folder, tell_flaws, told};
use crate::cli::{Eligibility, Lang, Output, Shared};
use crate::output::{Failure, grouped, print, say, show, table};
use crate::target::Target;

#[derive(Serialize)]
struct ExplanationView {
    line: Position,
    person_no: PersonNo,
    period: Period,
    determination_no: i16,
    law_no: i64,
    rule: String,
    amount: Money,
    /// What the period owes in all; the amount is what of it was not obligated before.
    owed: Money,
    reason: Option<String>,
    vi: Vec<String>,
    en: Vec<String>,
    /// As stored, byte for byte.
    inputs: String,
    /// As stored, byte for byte.
    explanation: String,
}

#[derive(Serialize)]
struct RecomputedView {
    identical: u64,
    different: u64,
    without_inputs: u64,
    differences: Vec<DifferenceView>,
}

#[derive(Serialize)]
struct DifferenceView {
    run: domain::RunNo,
    part: domain::Part,
    person_no: PersonNo,
    period: Period,
    determination_no: i16,
    what: String,
}

#[derive(Serialize)]
struct SimulationView {
    period: Period,
    known: NaiveDate,
    rows: Vec<TallyView>,
}

#[derive(Serialize)]
struct TallyView {
    programme: Programme,
    bucket: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    province: Option<Province>,
    people: u64,
    in_force: Money,
    draft: Money,
    /// Draft less in force, in đồng.
    difference: String,
}

pub(super) async fn eligibility(
    command: Eligibility,
    shared: &Shared,
) -> Result<ExitCode, Failure> {
    match command {
        Eligibility::Explain { line, lang } => explain(line, lang, shared).await,
        Eligibility::Recompute { workers, seed } => {
            let workers = usize::from(workers);
            recompute(Recompute { workers, seed }, shared).await
        }
        Eligibility::Simulate {
            rules,
            period,
            known,
            by_province,
        } => {
            let known = known.unwrap_or_else(|| boot::clock::today_in_vietnam(Utc::now()));
            simulate(&rules, (period, known), by_province, shared).await
        }
    }
}

async fn explain(line: Position, lang: Lang, shared: &Shared) -> Result<ExitCode, Failure> {
    let pool = Target::find(&shared.home)?.pool(None).await?;
    let missing = |what| Failure::Refused(format!("line_unknown: {line} has no {what}"));
    let Some(found) = store::line(&pool, line).await? else {
        return Err(missing("payment"));
    };
    let key = (found.period, found.determination_no);
    let told_by =
        eligibility::explain_determination(&pool, line.part, line.run.0, found.person_no, key);
    let explained = told_by.await.map_err(told)?;
    let view = view(
        line,
        found,
        explained.ok_or_else(|| missing("determination"))?,
    );
    match shared.output {
        Output::Json => print(&serde_json::to_string_pretty(&view)?),
        Output::Table => tell(&view, lang),
    }
    Ok(ExitCode::SUCCESS)
}

fn view(line: Position, found: store::Line, it: Explained) -> ExplanationView {
    ExplanationView {
        line,
        person_no: found.person_no,
        period: found.period,
        determination_no: found.determination_no,
        law_no: it.law_no,
        rule: it.rule,
        amount: it.amount,
        owed: it.owed,
        reason: it.reason,
        vi: it.vi,
        en: it.en,
        inputs: it.inputs,
        explanation: it.explanation,
    }
}

fn tell(it: &ExplanationView, lang: Lang) {
    let (line, law_no, rule) = (it.line, it.law_no, &it.rule);
    let (month, amount) = (it.period.first_day().format("%m/%Y"), it.amount.vi());
    match lang {
        Lang::Vi => print(&format!("{line}: {amount}, kỳ {month}")),
        Lang::En => print(&format!("{line}: {amount}, period {month}")),
    }
    let sentences = match lang {
        Lang::Vi => &it.vi,
        Lang::En => &it.en,
    };
    for sentence in sentences {
        print(&format!("  {sentence}"));
    }
    match lang {
        Lang::Vi => print(&format!("Theo luật số {law_no}, quy tắc {rule}.")),
        Lang::En => print(&format!("By law {law_no}, rule {rule}.")),
    }
}

async fn recompute(how: Recompute, shared: &Shared) -> Result<ExitCode, Failure> {
    let pool = Target::find(&shared.home)?.pool(Some(ROLE)).await?;
    let Recomputed {
        identical,
        without_inputs,
        different,
        differences,
    } = eligibility::recompute(&pool, how).await.map_err(told)?;
    let listed = differences.len() as u64;
    let view = RecomputedView {
        identical,
        different,
        without_inputs,
        differences: differences.into_iter().map(difference_view).collect(),
    };
    match shared.output {
        Output::Json => print(&serde_json::to_string_pretty(&view)?),
        Output::Table => tell_recomputed(&view),
    }
    if different == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if different > listed {
        say(&format!("… and {} more", grouped(different - listed)));
    }
    Err(Failure::Broken(format!(
        "recompute: {} determinations do not follow from their inputs",
        grouped(different)
    )))
}

fn difference_view(it: Difference) -> DifferenceView {
    DifferenceView {
        run: domain::RunNo(it.run_no),
        part: it.part,
        person_no: it.person_no,
        period: it.period,
        determination_no: it.determination_no,
        what: it.what,
    }
}

fn tell_recomputed(it: &RecomputedView) {
    let rows = [
        ("identical", it.identical),
        ("different", it.different),
        ("without inputs", it.without_inputs),
    ];
    let rows = rows.map(|(name, count)| [name.to_owned(), grouped(count)]);
    print(&table(&["recomputed", "determinations"], 1, rows).to_string());
    for it in &it.differences {
        print(&format!(
            "{} partition {} person {} period {} determination {}: {}",
            it.run, it.part, it.person_no.0, it.period, it.determination_no, it.what
        ));
    }
}

async fn simulate(
    folder: &Path,
    (period, known): (Period, NaiveDate),
    by_province: bool,
    shared: &Shared,
) -> Result<ExitCode, Failure> {
    let draft = match Law::read(&read_folder(folder)?) {
        Ok(law) => law,
        Err(flaws) => return Err(tell_flaws(&flaws, shared.output)?),
    };
    let pool = Target::find(&shared.home)?.pool(Some(ROLE)).await?;
    let simulation = eligibility::simulate(&pool, &draft, period, known, Utc::now()).await;
    let rows = tallies(simulation.map_err(told)?, by_province);
    let view = SimulationView {
        period,
        known,
        rows,
    };
    show(shared.output, &view, simulation_table)?;
    say("Nothing was written.");
    Ok(ExitCode::SUCCESS)
}

/// By programme and change, and by province where that is asked for.
fn tallies(simulation: Simulation, by_province: bool) -> Vec<TallyView> {
    let mut sums: BTreeMap<(Programme, Bucket, Option<Province>), Tally> = BTreeMap::new();
    for ((programme, bucket, province), it) in simulation.tallies {
        let province = by_province.then_some(province);
        add(sums.entry((programme, bucket, province)).or_default(), it);
    }
    let row = |((programme, bucket, province), it): (_, Tally)| {
        let bucket: Bucket = bucket;
        TallyView {
            programme,
            bucket: bucket.code(),
            province,
            people: it.people,
            in_force: it.in_force,
            draft: it.draft,
            difference: (it.draft.units() - it.in_force.units()).to_string(),
        }
    };
    sums.into_iter().map(row).collect()
}

fn add(sum: &mut Tally, it: Tally) {
    sum.people += it.people;
    sum.draft = Money::sum([sum.draft, it.draft]);
    sum.in_force = Money::sum([sum.in_force, it.in_force]);
}

fn simulation_table(it: &SimulationView) -> comfy_table::Table {
    let rows = it.rows.iter().map(|it| {
        [
            it.programme.to_string(),
            it.bucket.to_owned(),
            it.province.map_or("", Province::name).to_owned(),
            grouped(it.people),
            grouped(it.in_force),
            grouped(it.draft),
            grouped(&it.difference),
        ]
    });
    table(
        &[
            &format!("{} known {}", it.period, it.known.format("%d/%m/%Y")),
            "change",
            "province",
            "people",
            "in force (đồng)",
            "draft (đồng)",
            "difference (đồng)",
        ],
        3,
        rows,
    )
}
