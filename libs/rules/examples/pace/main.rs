//! Decides many cases on one core and says how many a second, and how much of it is the engine.
//!
//! The cases are the examples of the folder's own law, decided again and again.

use std::path::Path;
use std::time::{Duration, Instant};

use domain::{BirthDate, Sex};
use rules::{At, Bench, Case, Facts, Law, ProgrammeRules};
use zen_expression::variable::Variable;
use zen_expression::vm::VM;
use zen_expression::{Isolate, Scope};

#[path = "../law/folder.rs"]
mod folder;

const ROUNDS: Duration = Duration::from_secs(3);

struct Given {
    programme: domain::Programme,
    at: At,
    birth: BirthDate,
    sex: Sex,
    province: domain::Province,
    facts: Facts,
}

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1);
    let path = path.unwrap_or_else(|| "services/eligibility/programmes".to_owned());
    let files = folder::files(Path::new(&path))?;
    let started = Instant::now();
    let law = Law::read(&files).map_err(|it| anyhow::anyhow!("{it:#?}"))?;
    println!("read in {:.0?}", started.elapsed());
    let mut cases = Vec::new();
    for rules in law.programmes() {
        for version in rules.versions() {
            let file = format!("{}/{}.examples.csv", rules.programme(), version.id());
            cases.extend(given(rules, &files.0[&file])?);
        }
    }
    let mut bench = Bench::new();
    let (mut decided, mut bytes) = (0_u64, 0);
    let started = Instant::now();
    while started.elapsed() < ROUNDS {
        for it in &cases {
            let case = Case {
                programme: it.programme,
                birth: it.birth,
                sex: it.sex,
                province: it.province,
                facts: &it.facts,
                events: &[],
            };
            bytes += law.decide(&mut bench, &case, it.at)?.explanation.len();
            decided += 1;
        }
    }
    let elapsed = started.elapsed();
    let runs = bench.runs();
    let engine = engine_ns()? * u128::from(runs);
    println!(
        "{} cases, {decided} decisions, {} a second a core, {} bytes of explanation each",
        cases.len(),
        u128::from(decided) * 1_000_000_000 / elapsed.as_nanos(),
        bytes as u64 / decided
    );
    println!(
        "{} engine runs a hundred decisions, about {} % of the time",
        runs * 100 / decided,
        engine * 100 / elapsed.as_nanos()
    );
    Ok(())
}

/// What one run of an ordinary formula costs, measured apart.
fn engine_ns() -> anyhow::Result<u128> {
    const RUNS: u32 = 1_000_000;
    let formula = Isolate::new().compile_standard("coefficient * base * (1 + uplift)")?;
    let names = Variable::empty_object();
    for (name, number) in [
        ("age", 80),
        ("base", 540_000),
        ("coefficient", 2),
        ("uplift", 0),
    ] {
        names.dot_insert(name, Variable::Number(number.into()));
    }
    let (scope, mut vm) = (Scope::new(names), VM::new());
    let started = Instant::now();
    for _ in 0..RUNS {
        std::hint::black_box(vm.run(formula.bytecode(), &scope)?);
    }
    Ok(started.elapsed().as_nanos() / u128::from(RUNS))
}

fn given(rules: &ProgrammeRules, text: &str) -> anyhow::Result<Vec<Given>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let mut given = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cell = |name: &str| {
            let index = header.iter().position(|it| it == name);
            index.map_or("", |it| record[it].trim())
        };
        let mut facts = Facts::default();
        for evidence in rules
            .evidence()
            .iter()
            .filter(|it| !cell(&it.fact).is_empty())
        {
            facts.set(evidence.fact.clone(), evidence.parse(cell(&evidence.fact))?);
        }
        given.push(Given {
            programme: rules.programme(),
            at: At {
                period: cell("period").parse()?,
                known: cell("known").parse()?,
            },
            birth: cell("birth_date").parse()?,
            sex: if cell("sex") == "male" {
                Sex::Male
            } else {
                Sex::Female
            },
            province: cell("province").parse()?,
            facts,
        });
    }
    Ok(given)
}
