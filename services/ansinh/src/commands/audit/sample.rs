//! Draws samples of a run's payments: by đồng or by strata, for a seed.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Context;
use chrono::Utc;
use domain::{Money, Officer, RunNo};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgTransaction;

use super::draw::{ByStrata, MonetaryUnits, Seed, allocate};
use super::export::{AMOUNT, About, Cell, Column, Kind, Totals};
use super::question::{Question, Value as Bound, population, strata};
use super::{query, store};
use crate::cli::{Method, Output, Strata, Taken};
use crate::output::{Failure, grouped, print, say};
use crate::target::Target;

/// What is to be drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub run: RunNo,
    pub method: Method,
    pub size: u32,
    pub seed: u64,
    pub by_strata: Option<Strata>,
}

/// A sample with how it came about.
struct Sample {
    told: Value,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

pub(super) async fn sample(
    target: &Target,
    output: Output,
    wanted: Wanted,
    taken: &Taken,
    by: &Officer,
) -> Result<ExitCode, Failure> {
    let source = population();
    let pool = target.pool(None).await?;
    let mut about = About {
        question: format!("sample-{}", wanted.method()),
        title_vi: source.vi.to_owned(),
        title_en: source.en.to_owned(),
        sql_sha256: hex::encode(Sha256::digest(source.text)),
        parameters: wanted.parameters(),
        sample: None,
        asked_by: by.clone(),
        as_of: Utc::now(),
        checkpoint: super::checkpoint(target)?,
    };
    query::noted(&pool, &about).await?;
    let mut tx = store::as_auditor(&pool).await?;
    let run = [Bound::BigInt(Some(wanted.run.0))];
    let from = store::totals(&mut tx, &source, &run).await?;
    let drawn = match wanted.method {
        Method::Mus => wanted.monetary_units(&mut tx, &source, from).await?,
        Method::Stratified => wanted.stratified(&mut tx, &source, from).await?,
    };
    match taken.file(output) {
        Ok(format) => {
            about.sample = Some(drawn.told);
            let totals = Totals::of(drawn.columns, &drawn.rows)?;
            let name = format!("{}-{}", about.question, wanted.run);
            let mut export = query::begin(taken, (&name, format), about, totals)?;
            for row in drawn.rows {
                export.row(row)?;
            }
            query::end(export)
        }
        Err(Output::Json) => {
            let rows = query::objects(&drawn.columns, &drawn.rows);
            let told = json!({ "sample": drawn.told, "rows": rows });
            print(&serde_json::to_string_pretty(&told)?);
            Ok(ExitCode::SUCCESS)
        }
        Err(Output::Table) => {
            say(&drawn.told.to_string());
            query::shown(Output::Table, &drawn.columns, &drawn.rows)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

impl Wanted {
    fn method(self) -> &'static str {
        match self.method {
            Method::Mus => "mus",
            Method::Stratified => "stratified",
        }
    }

    fn parameters(self) -> serde_json::Map<String, Value> {
        let pairs = [
            ("run", json!(self.run.to_string())),
            ("method", json!(self.method())),
            ("size", json!(self.size)),
            ("seed", json!(self.seed)),
            ("by_strata", json!(self.by_strata.map(Strata::column))),
        ];
        pairs
            .map(|(name, it)| (name.to_owned(), it))
            .into_iter()
            .collect()
    }

    fn seed(self) -> Seed {
        Seed {
            run: self.run,
            number: self.seed,
        }
    }

    /// How it is drawn and from what, in the manifest.
    fn told(self, from: &Totals, more: Value) -> Value {
        let mut told = json!({
            "method": self.method(),
            "seed": self.seed,
            "size": self.size,
            "population_rows": from.rows,
            "population_sum": from.sum.map(|it| it.to_string()),
        });
        if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
            told.extend(more);
        }
        say(&format!(
            "{}: {} dòng (rows), {} đồng",
            self.run,
            grouped(from.rows),
            grouped(from.sum.unwrap_or_default())
        ));
        told
    }

    async fn monetary_units(
        self,
        tx: &mut PgTransaction<'_>,
        source: &Question,
        from: Totals,
    ) -> Result<Sample, Failure> {
        let total = Money::try_from(from.sum.unwrap_or_default())?;
        let units = MonetaryUnits::new(total, self.size, self.seed());
        let mut units = units.ok_or_else(|| self.nothing())?;
        let told = self.told(
            &from,
            json!({ "interval": units.interval.to_string(), "start": units.start.to_string() }),
        );
        let at = place_of(&from.columns, AMOUNT)?;
        let mut rows = Vec::new();
        let run = [Bound::BigInt(Some(self.run.0))];
        let take = |mut row: Vec<Cell>| {
            if let Some(hit) = units.offer(amount(&row[at])?) {
                row.extend([
                    Cell::Whole(hit.unit.try_into()?),
                    Cell::Whole(hit.units.try_into()?),
                    Cell::Truth(hit.is_certain),
                ]);
                rows.push(row);
            }
            Ok(())
        };
        store::rows(tx, (source, &from.columns), &run, take).await?;
        let more = [
            ("unit", Kind::Whole),
            ("units", Kind::Whole),
            ("is_certain", Kind::Truth),
        ];
        Ok(Sample {
            told,
            columns: with(from.columns, more),
            rows,
        })
    }

    async fn stratified(
        self,
        tx: &mut PgTransaction<'_>,
        source: &Question,
        from: Totals,
    ) -> Result<Sample, Failure> {
        let by = self.by_strata.context("clap asks for it")?.column();
        let run = Bound::BigInt(Some(self.run.0));
        let lines = self
            .strata(tx, [run.clone(), Bound::Text(Some(by.to_owned()))])
            .await?;
        if from.rows == 0 {
            return Err(self.nothing());
        }
        let given = allocate(&lines, self.size).ok_or_else(|| {
            Failure::Refused(format!(
                "sample_size: {} of {} lines in {} strata: give each stratum one, and no more than there are",
                self.size,
                from.rows,
                lines.len()
            ))
        })?;
        let strata: Vec<Value> = given
            .iter()
            .map(|(name, given)| json!({ "stratum": name, "lines": lines[name], "drawn": given }))
            .collect();
        let told = self.told(&from, json!({ "by_strata": by, "strata": strata }));
        let (id, stratum) = (
            place_of(&from.columns, "line_id")?,
            place_of(&from.columns, by)?,
        );
        let mut draw = ByStrata::new(given, self.seed());
        let take = |row: Vec<Cell>| {
            let [id, stratum] = [id, stratum].map(|it| row[it].text().unwrap_or_default());
            draw.offer(&stratum, &id, row);
            Ok(())
        };
        store::rows(tx, (source, &from.columns), &[run], take).await?;
        let rows = draw.end().map(|(stratum, at, mut row)| {
            row.extend([Cell::Text(stratum), Cell::Whole(at)]);
            row
        });
        Ok(Sample {
            told,
            rows: rows.collect(),
            columns: with(
                from.columns,
                [("stratum", Kind::Text), ("drawn", Kind::Whole)],
            ),
        })
    }

    async fn strata(
        self,
        tx: &mut PgTransaction<'_>,
        values: [Bound; 2],
    ) -> anyhow::Result<BTreeMap<String, u64>> {
        let asked = strata();
        let columns = store::columns(tx, &asked).await?;
        let mut lines = BTreeMap::new();
        let take = |row: Vec<Cell>| {
            let (stratum, count) = (row[0].text().unwrap_or_default(), row[1].text());
            lines.insert(stratum, count.context("a count")?.parse()?);
            Ok(())
        };
        store::rows(tx, (&asked, &columns), &values, take).await?;
        Ok(lines)
    }

    fn nothing(self) -> Failure {
        Failure::Refused(format!("population_empty: {} has no payments", self.run))
    }
}

fn place_of(columns: &[Column], name: &str) -> anyhow::Result<usize> {
    let place = columns.iter().position(|it| it.name == name);
    place.with_context(|| format!("the population has no column {name}"))
}

fn amount(cell: &Cell) -> anyhow::Result<Money> {
    match cell {
        Cell::Decimal(it) => Ok(Money::try_from(*it)?),
        Cell::Whole(it) => Ok(Money::try_from(Decimal::from(*it))?),
        other => anyhow::bail!("{other:?} is no amount"),
    }
}

fn with<const N: usize>(mut columns: Vec<Column>, more: [(&str, Kind); N]) -> Vec<Column> {
    columns.extend(more.map(|(name, kind)| Column {
        name: name.to_owned(),
        kind,
    }));
    columns
}
