use chrono::{Datelike, NaiveDate};
use domain::{
    BirthDate, CitizenNumber, Commune, Money, PersonName, Programme, Province, Refusal, Sex,
};
use intake::{FileError, Kind, Refused, Row};
use rules::{Evidence, FactKind, Facts, Law, Value};

use crate::residence::Place;

/// The columns that every registry file has; the others are facts that programmes ask for.
const REQUIRED: [&str; 6] = [
    "citizen_number",
    "full_name",
    "birth_date",
    "sex",
    "province",
    "programme",
];
/// Columns that a file need not have.
const COMMUNE: &str = "commune";
const VALID_FROM: &str = "valid_from";
/// The fact by whose sum a file is controlled.
const GRANTED_AMOUNT: &str = "granted_amount";

/// A row that was understood: who, and in which programme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    pub line: u64,
    pub citizen_number: CitizenNumber,
    pub name: PersonName,
    pub birth_date: BirthDate,
    pub sex: Sex,
    /// Where in the enrolment's province the person lives, where the row says so.
    pub commune: Option<Commune>,
    pub enrolment: Enrolment,
}

/// What a programme knows of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    pub province: Province,
    pub programme: Programme,
    /// What the row says; evidence that is required and missing is told when it is decided.
    pub facts: Facts,
    /// From when the facts hold, where the row says so.
    pub valid_from: Option<NaiveDate>,
}

/// Why a row is refused, or the row; with its amount in either case.
pub type Refusable = Result<Registration, Refused>;

/// What each programme asks for, by the law in force.
#[derive(Debug, Clone)]
pub(crate) struct Asked(Vec<(Programme, Vec<Evidence>)>);

/// Where a file has what, by its header.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Of [`REQUIRED`], in its order.
    required: [usize; REQUIRED.len()],
    commune: Option<usize>,
    valid_from: Option<usize>,
    facts: Vec<(usize, &'static str)>,
    /// What the programmes ask for, a place for each of `facts`.
    asked: Vec<(Programme, Vec<Option<Evidence>>)>,
}

impl Asked {
    pub(crate) fn by(law: &Law) -> Asked {
        let programmes = law.programmes();
        Asked(
            programmes
                .map(|it| (it.programme(), it.evidence().to_vec()))
                .collect(),
        )
    }

    fn knows(&self, fact: &str) -> bool {
        let mut evidence = self.0.iter().flat_map(|(_, evidence)| evidence);
        evidence.any(|it| &*it.fact == fact)
    }
}

impl Layout {
    /// # Errors
    /// A column that is missing, or that no programme asks for.
    pub(crate) fn of(asked: &Asked, columns: &[&'static str]) -> Result<Layout, FileError> {
        let place = |name: &str| columns.iter().position(|it| *it == name);
        let mut required = [0; REQUIRED.len()];
        for (at, name) in required.iter_mut().zip(REQUIRED) {
            *at = place(name).ok_or_else(|| FileError::Columns {
                sentence: format!("the column {name} is missing"),
            })?;
        }
        let other =
            |name: &str| ![COMMUNE, VALID_FROM].contains(&name) && !REQUIRED.contains(&name);
        let facts = columns.iter().copied().enumerate();
        let facts: Vec<(usize, &'static str)> = facts.filter(|(_, name)| other(name)).collect();
        if let Some((_, name)) = facts.iter().find(|(_, name)| !asked.knows(name)) {
            let sentence = format!("no programme asks for {name}");
            return Err(FileError::Columns { sentence });
        }
        let of = |evidence: &[Evidence]| {
            let named = |name: &str| evidence.iter().find(|it| &*it.fact == name).cloned();
            facts.iter().map(|(_, name)| named(name)).collect()
        };
        let programmes = asked.0.iter();
        let asked = programmes.map(|(programme, evidence)| (*programme, of(evidence)));
        Ok(Layout {
            required,
            commune: place(COMMUNE),
            valid_from: place(VALID_FROM),
            asked: asked.collect(),
            facts,
        })
    }

    /// Reads a row; the first column that is wrong is the one that is told.
    pub(crate) fn parse(&self, row: &Row) -> Refusable {
        // Read first, so that a refused row still counts with its amount.
        let granted = self.facts.iter().find(|(_, name)| *name == GRANTED_AMOUNT);
        let amount = granted.and_then(|(at, _)| row.field(*at).parse::<Money>().ok());
        let read = self.columns(row);
        read.map_err(|it| it.with_amount(amount.unwrap_or_default()))
    }

    fn columns(&self, row: &Row) -> Refusable {
        let refuse = |column: usize| move |it: Refusal| Refused::at(row.line, REQUIRED[column], it);
        let field = |column: usize| row.field(self.required[column]);
        let citizen_number = self.citizen_number(row).map_err(refuse(0))?;
        let name: PersonName = field(1).parse().map_err(refuse(1))?;
        let birth_date = birth_date(row, self.required[2]).map_err(refuse(2))?;
        let sex: Sex = field(3).parse().map_err(refuse(3))?;
        citizen_number
            .agrees_with(sex, birth_date)
            .map_err(refuse(0))?;
        let province: Province = field(4).parse().map_err(refuse(4))?;
        let programme: Programme = field(5).parse().map_err(refuse(5))?;
        let asked = self.asked.iter().find(|(it, _)| *it == programme);
        let Some((_, evidence)) = asked else {
            let unknown = Refusal::new("programme_unknown", "the law has no such programme");
            return Err(refuse(5)(unknown));
        };
        let commune = self.commune.map(|it| row.field(it)).unwrap_or_default();
        let place = Place::read(province, commune);
        let place = place.map_err(|it| Refused::at(row.line, COMMUNE, it))?;
        let mut facts = Facts::default();
        for ((at, name), evidence) in self.facts.iter().zip(evidence) {
            if let Some((fact, value)) = fact(programme, name, evidence.as_ref(), row.field(*at))
                .map_err(|it| Refused::at(row.line, name, it))?
            {
                facts.set(fact, value);
            }
        }
        let valid_from = self.valid_from.map(|it| row.field(it)).unwrap_or_default();
        let valid_from = day_or_none(valid_from);
        let valid_from = valid_from.map_err(|it| Refused::at(row.line, VALID_FROM, it))?;
        Ok(Registration {
            line: row.line,
            citizen_number,
            name,
            birth_date,
            sex,
            commune: place.commune,
            enrolment: Enrolment {
                province,
                programme,
                facts,
                valid_from,
            },
        })
    }

    fn citizen_number(&self, row: &Row) -> Result<CitizenNumber, Refusal> {
        citizen_number(row, self.required[0])
    }
}

impl Registration {
    /// Where the person lives by this row.
    pub(crate) fn place(&self) -> Place {
        Place {
            province: self.enrolment.province,
            commune: self.commune,
        }
    }

    pub fn amount(&self) -> Money {
        match self.enrolment.facts.get(GRANTED_AMOUNT) {
            Some(Value::Money(amount)) => *amount,
            _ => Money::ZERO,
        }
    }
}

/// A workbook that keeps the number as a number has lost its leading zeros.
pub(crate) fn citizen_number(row: &Row, column: usize) -> Result<CitizenNumber, Refusal> {
    if row.kind(column) == Kind::Number {
        let sentence = "the citizen number is kept as a number, which loses leading zeros; \
                        format the column as text and write all 12 digits";
        return Err(Refusal::new("cell_not_text", sentence));
    }
    row.field(column).parse()
}

fn birth_date(row: &Row, column: usize) -> Result<BirthDate, Refusal> {
    match (row.kind(column), iso_day(row.field(column))) {
        (Kind::Date, Some(day)) => day.format("%d/%m/%Y").to_string().parse(),
        _ => row.field(column).parse(),
    }
}

/// The value of a fact; `None` where the cell is empty.
fn fact(
    programme: Programme,
    name: &str,
    evidence: Option<&Evidence>,
    text: &str,
) -> Result<Option<(std::sync::Arc<str>, Value)>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let Some(evidence) = evidence else {
        let code = match name {
            GRANTED_AMOUNT => "amount_not_expected",
            _ => "fact_not_expected",
        };
        let sentence = format!("{programme} does not ask for {name}; leave the cell empty");
        return Err(Refusal::new(code, sentence));
    };
    let day = match evidence.kind {
        FactKind::Date => vietnamese_day(text),
        _ => None,
    };
    let value = match day {
        Some(day) => Value::Date(day),
        None => evidence.parse(text).map_err(|it| as_told_of(name, it))?,
    };
    if name == GRANTED_AMOUNT && value == Value::Money(Money::ZERO) {
        return Err(Refusal::new("amount_zero", "a pension of 0 đồng is none"));
    }
    Ok(Some((evidence.fact.clone(), value)))
}

/// Two facts have codes of their own for a word that is none of theirs.
fn as_told_of(fact: &str, refusal: Refusal) -> Refusal {
    let code = match (fact, refusal.code) {
        ("category", "fact_code_unknown") => "category_invalid",
        ("household", "fact_code_unknown") => "household_invalid",
        (_, code) => code,
    };
    Refusal { code, ..refusal }
}

fn day_or_none(text: &str) -> Result<Option<NaiveDate>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let day = day(text).ok_or_else(|| {
        let sentence = "the day from which the facts hold is yyyy-mm-dd or dd/mm/yyyy";
        Refusal::new("valid_from_invalid", sentence)
    })?;
    Ok(Some(day))
}

/// A day as computers or as people in Viet Nam write it, of 1900 to 2199.
pub(crate) fn day(text: &str) -> Option<NaiveDate> {
    iso_day(text).or_else(|| vietnamese_day(text))
}

fn iso_day(text: &str) -> Option<NaiveDate> {
    written(text, "%Y-%m-%d")
}

fn vietnamese_day(text: &str) -> Option<NaiveDate> {
    written(text, "%d/%m/%Y")
}

/// Only what is written back the same was understood.
fn written(text: &str, format: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, format).ok()?;
    let sane = (1900..=2199).contains(&day.year());
    (sane && day.format(format).to_string() == text).then_some(day)
}

/// A registry file to fill in, with an example row for each programme of the law, or for one:
/// every fact there is, of which a real row has those that apply.
pub fn template(law: &Law, programme: Option<Programme>) -> String {
    let wanted = |it: &Programme| programme.is_none_or(|one| one == *it);
    let programmes: Vec<_> = law
        .programmes()
        .filter(|it| wanted(&it.programme()))
        .collect();
    let mut facts: Vec<&str> = Vec::new();
    for evidence in programmes.iter().flat_map(|it| it.evidence()) {
        if !facts.contains(&&*evidence.fact) {
            facts.push(&evidence.fact);
        }
    }
    let header = REQUIRED.iter().chain([&COMMUNE, &VALID_FROM]).chain(&facts);
    let mut text = header.copied().collect::<Vec<&str>>().join(",");
    for (number, rules) in (1..).zip(programmes) {
        text.push_str(&format!(
            "\n001148{number:06},Nguyễn Thị Ánh,12/05/1948,nữ,01,{},00004,01/07/2025",
            rules.programme()
        ));
        for fact in &facts {
            text.push(',');
            text.push_str(&rules.evidence_of(fact).map(example).unwrap_or_default());
        }
    }
    text.push('\n');
    text
}

fn example(evidence: &Evidence) -> String {
    let code = evidence.one_of.first();
    match evidence.kind {
        FactKind::Code | FactKind::Codes => code.map_or("a", |it| it).to_owned(),
        FactKind::Integer | FactKind::Decimal => "1".to_owned(),
        FactKind::Money => "5200000".to_owned(),
        FactKind::Date => "01/07/2025".to_owned(),
        FactKind::Flag => "true".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_in_one_of_two_ways() {
        let expected = NaiveDate::from_ymd_opt(2026, 2, 1);
        for good in ["2026-02-01", "01/02/2026"] {
            assert_eq!(day(good), expected, "{good}");
        }
        for bad in [
            "",
            "2026-2-1",
            "1/2/2026",
            "30/02/2026",
            "+2026-02-01",
            "0026-02-01",
            "01-02-2026",
            "01/02/26",
        ] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
