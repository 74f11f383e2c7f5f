//! Synthetic people: a registry to import and the accounts they linked, for demos and tests.
//!
//! Nobody here is real. Rows are drawn one after the other from one seeded generator and written
//! at once, so memory does not grow with their number (counters of used numbers are kept per
//! place, sex and year, not per person) and the same [`Plan`] gives the same bytes.

mod communes;
mod draw;
mod names;
mod numbers;
mod pension;
mod person;
mod profile;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use domain::{Commune, Period, Programme};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use communes::Communes;
use draw::Weighted;
use names::Names;
pub(crate) use names::another_given_name;
#[cfg(test)]
pub(crate) use numbers::ends_of_account_styles;
use numbers::{Accounts, CitizenNumbers};
use person::{People, Person};

/// What registry to write.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Enrolments, each of another person.
    pub count: u64,
    pub seed: u64,
    /// All four, mixed by their real sizes, when empty.
    pub programmes: Vec<Programme>,
    /// How many of a thousand people have linked an account; at most 1000.
    pub linked_permille: u32,
    /// The month at whose first day ages are counted, between 2015 and 2035.
    pub period: Period,
}

impl Plan {
    /// All programmes, and nine of ten people with a linked account.
    pub fn new(count: u64, seed: u64, period: Period) -> Plan {
        Plan {
            count,
            seed,
            programmes: Vec::new(),
            linked_permille: 900,
            period,
        }
    }
}

/// What [`write_people`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub people: u64,
    pub linked: u64,
    pub people_csv: PathBuf,
    pub links_csv: PathBuf,
}

/// Why the files could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("linked_permille is {0}, but a thousand is everybody")]
    LinkedPermille(u32),
    /// Outside, a pensioner of before 1995 would be a child then, or born before 1900.
    #[error("people can be made for the years 2015 to 2035, not for {0}")]
    Period(Period),
    #[error("a place, sex and year of birth has no citizen number left; plan fewer people")]
    CitizenNumbersExhausted,
    #[error("an institution has no account number left; plan fewer people")]
    AccountsExhausted,
    #[error("cannot create {path}")]
    Create { path: PathBuf, source: io::Error },
    #[error("cannot write a row")]
    Row(#[from] csv::Error),
    #[error("cannot finish a file")]
    Finish(#[from] io::Error),
}

const PEOPLE_HEADER: [&str; 10] = [
    "citizen_number",
    "full_name",
    "birth_date",
    "sex",
    "province",
    "commune",
    "programme",
    "granted_amount",
    "category",
    "household",
];

const LINKS_HEADER: [&str; 4] = [
    "citizen_number",
    "institution",
    "account_number",
    "holder_name",
];

const BUFFER_BYTES: usize = 1 << 18;

/// Writes `people.csv` and `links.csv` into `dir`, which is created if it is not there; files of
/// these names are replaced.
///
/// # Errors
/// A plan that cannot be, numbers that run out (a million people born in one place, sex and
/// year), or the disk. What is in the files is then not whole.
pub fn write_people(plan: &Plan, dir: &Path) -> Result<Written, PeopleError> {
    check(plan)?;
    fs::create_dir_all(dir).map_err(|source| PeopleError::Create {
        path: dir.to_owned(),
        source,
    })?;
    let people_csv = dir.join("people.csv");
    let links_csv = dir.join("links.csv");
    let mut people_file = create(&people_csv)?;
    let mut links_file = create(&links_csv)?;
    people_file.write_record(PEOPLE_HEADER)?;
    links_file.write_record(LINKS_HEADER)?;

    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let people = People::new(plan.period, programmes(plan), Names::load());
    let mut numbers = CitizenNumbers::load();
    let mut accounts = Accounts::new(&mut rng);
    let mut communes = Communes::new(plan.seed);
    let mut linked = 0;
    for _ in 0..plan.count {
        let person = people.draw(&mut numbers, &mut rng)?;
        let commune = communes.draw(person.province);
        people_file.write_record(fields(&person, commune))?;
        if rng.random_ratio(plan.linked_permille, 1000) {
            let (institution, account) = accounts.open(&mut rng)?;
            let holder = person.name.bank_form();
            let institution = institution.to_string();
            let citizen = person.citizen.expose();
            links_file.write_record([citizen, &institution, account.expose(), &holder])?;
            linked += 1;
        }
    }
    people_file.flush()?;
    links_file.flush()?;
    Ok(Written {
        people: plan.count,
        linked,
        people_csv,
        links_csv,
    })
}

fn check(plan: &Plan) -> Result<(), PeopleError> {
    if plan.linked_permille > 1000 {
        return Err(PeopleError::LinkedPermille(plan.linked_permille));
    }
    if !(2015..=2035).contains(&profile::year(plan.period)) {
        return Err(PeopleError::Period(plan.period));
    }
    Ok(())
}

/// The programmes that the sandbox makes people for.
pub const PROGRAMMES: [Programme; 4] = [
    Programme::SocialPension,
    Programme::RetirementPension,
    Programme::SocialAssistance,
    Programme::MeritAllowance,
];

/// Weights are people in payment, in ten thousands.
fn programmes(plan: &Plan) -> Weighted<Programme> {
    let planned = |it: &Programme| plan.programmes.is_empty() || plan.programmes.contains(it);
    let weighted = PROGRAMMES.into_iter().filter(planned).map(|it| {
        let weight = match it {
            Programme::SocialPension => 250,
            Programme::RetirementPension => 350,
            Programme::SocialAssistance => 200,
            Programme::MeritAllowance => 107,
            // Nobody is made for these.
            Programme::SurvivorAllowance
            | Programme::SurvivorLumpSum
            | Programme::InsuranceFuneral
            | Programme::RetirementLumpSum
            | Programme::CareSupport
            | Programme::AssistanceFuneral
            | Programme::UnemploymentBenefit
            | Programme::MassGift
            | Programme::PolicyGift
            | Programme::MeritLumpSum => 0,
        };
        (it, weight)
    });
    Weighted::new(weighted)
}

fn create(path: &Path) -> Result<csv::Writer<BufWriter<File>>, PeopleError> {
    let file = File::create(path).map_err(|source| PeopleError::Create {
        path: path.to_owned(),
        source,
    })?;
    Ok(csv::Writer::from_writer(BufWriter::with_capacity(
        BUFFER_BYTES,
        file,
    )))
}

fn fields(person: &Person, commune: Commune) -> [String; 10] {
    let amount = person.granted.map(|it| it.to_string());
    [
        person.citizen.expose().to_owned(),
        person.name.expose().to_owned(),
        person::written_birth(person.birth),
        person::written_sex(person.sex).to_owned(),
        person.province.to_string(),
        commune.to_string(),
        person.programme.to_string(),
        amount.unwrap_or_default(),
        person.category.to_owned(),
        person.household.to_owned(),
    ]
}
