use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::NaiveDate;
use domain::Province;
use rust_decimal::Decimal;

use crate::At;
use crate::flaw::Flaws;
use crate::sheet::{Row, Sheet};

/// How well a row of the law is proven; what is not `High` is checked before money is paid by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    High,
    Medium,
    Low,
}

pub(crate) const CONFIDENCES: [(&str, Confidence); 3] = [
    ("high", Confidence::High),
    ("medium", Confidence::Medium),
    ("low", Confidence::Low),
];

/// One value of the law on two axes of time: from when it is owed, and from when it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// How it is cited: 1000 + its index in the file.
    pub rate_no: i32,
    pub name: Arc<str>,
    /// `None` for the whole country; a local level holds only where it is higher.
    pub province: Option<Province>,
    pub value: Decimal,
    /// `VND/month`, `ratio`, …; for people, never computed with.
    pub unit: String,
    pub valid_from: NaiveDate,
    /// Inclusive.
    pub valid_to: Option<NaiveDate>,
    pub known_from: NaiveDate,
    pub legal_basis: String,
    pub confidence: Confidence,
}

impl Parameter {
    fn holds(&self, at: At) -> bool {
        let day = at.period.first_day();
        self.valid_from <= day
            && self.valid_to.is_none_or(|to| day <= to)
            && self.known_from <= at.known
    }
}

#[derive(Debug, Default)]
pub(crate) struct Parameters {
    rows: Vec<Parameter>,
    /// Rows of a name, the national and each local chain apart.
    chains: HashMap<Arc<str>, Chain>,
    /// All names in the file, also of rows that could not be read.
    names: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Chain {
    national: Vec<usize>,
    local: Vec<(Province, Vec<usize>)>,
}

const FILE: &str = "parameters.csv";
const COLUMNS: [&str; 9] = [
    "parameter",
    "province",
    "value",
    "unit",
    "valid_from",
    "valid_to",
    "known_from",
    "legal_basis",
    "confidence",
];

impl Parameters {
    pub(crate) fn read(text: &str, flaws: &Flaws) -> Parameters {
        let mut parameters = Parameters::default();
        let Some(sheet) = Sheet::parse(FILE, text, flaws) else {
            return parameters;
        };
        sheet.refuse_others(|it| COLUMNS.contains(&it));
        if !sheet.require(&COLUMNS) {
            return parameters;
        }
        for row in sheet.rows() {
            parameters.names.insert(row.cell("parameter").to_owned());
            if let Some(parameter) = Parameters::row(&row) {
                parameters.add(parameter, &row);
            }
        }
        for (name, chain) in &parameters.chains {
            if chain.national.is_empty() {
                let sentence = format!("{name} has local levels but no national one");
                flaws.add(FILE, "header", "parameter_local_only", sentence);
            }
        }
        parameters
    }

    fn row(row: &Row<'_>) -> Option<Parameter> {
        let province = match row.cell("province") {
            "" => Some(None),
            code => {
                let province = code.parse().ok().map(Some);
                if province.is_none() {
                    row.flaw("province", "word_unknown", "a province is a two-digit code");
                }
                province
            }
        };
        let (name, value) = (row.text("parameter"), row.number("value"));
        let (unit, legal_basis) = (row.text("unit"), row.text("legal_basis"));
        let (from, known) = (row.date("valid_from"), row.date("known_from"));
        let valid_to = row.optional_date("valid_to");
        let confidence = row.word("confidence", &CONFIDENCES);
        if valid_to.zip(from).is_some_and(|(to, from)| to < from) {
            row.flaw("valid_to", "date_invalid", "valid_to is before valid_from");
        }
        let index = i32::try_from(row.number).expect("a file has fewer rows than that");
        Some(Parameter {
            rate_no: 999 + index,
            name: Arc::from(name?),
            province: province?,
            value: value?,
            unit: unit?.to_owned(),
            valid_from: from?,
            valid_to,
            known_from: known?,
            legal_basis: legal_basis?.to_owned(),
            confidence: confidence?,
        })
    }

    fn add(&mut self, parameter: Parameter, row: &Row<'_>) {
        let chain = self.chains.entry(Arc::clone(&parameter.name)).or_default();
        let rows = match parameter.province {
            None => &mut chain.national,
            Some(province) => {
                let known = chain.local.iter().position(|it| it.0 == province);
                let index = known.unwrap_or_else(|| {
                    chain.local.push((province, Vec::new()));
                    chain.local.len() - 1
                });
                &mut chain.local[index].1
            }
        };
        let twin = rows.iter().map(|it| &self.rows[*it]).find(|it| {
            it.known_from == parameter.known_from
                && it.valid_to.is_none_or(|to| parameter.valid_from <= to)
                && parameter.valid_to.is_none_or(|to| it.valid_from <= to)
        });
        if let Some(twin) = twin {
            let sentence = format!(
                "{} is valid on the same days and known from the same day as row {}",
                parameter.name,
                twin.rate_no - 999
            );
            row.flaw("valid_from", "parameter_overlaps", sentence);
        }
        rows.push(self.rows.len());
        self.rows.push(parameter);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.rows.iter()
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub(crate) fn by_number(&self, rate_no: i32) -> Option<&Parameter> {
        self.rows.iter().find(|it| it.rate_no == rate_no)
    }

    /// The rows of a name that hold, of the country first and then of each province with its own.
    pub(crate) fn all_holding(&self, name: &str, at: At) -> Vec<i32> {
        let Some(chain) = self.chains.get(name) else {
            return Vec::new();
        };
        let provinces = chain.local.iter().map(|it| Some(it.0));
        let chains = std::iter::once(None).chain(provinces);
        chains
            .filter_map(|it| Some(self.holding(name, it, at)?.rate_no))
            .collect()
    }

    /// Of the rows valid on the period's first day and known by then, the one known last.
    pub(crate) fn holding(
        &self,
        name: &str,
        province: Option<Province>,
        at: At,
    ) -> Option<&Parameter> {
        let chain = self.chains.get(name)?;
        let rows = match province {
            None => &chain.national,
            Some(province) => &chain.local.iter().find(|it| it.0 == province)?.1,
        };
        rows.iter()
            .map(|it| &self.rows[*it])
            .filter(|it| it.holds(at))
            .max_by_key(|it| (it.known_from, it.valid_from))
    }
}
