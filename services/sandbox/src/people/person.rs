use chrono::{Datelike, Days, NaiveDate};
use domain::{BirthDate, CitizenNumber, Money, Period, PersonName, Programme, Province, Sex};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::PeopleError;
use super::draw::Weighted;
use super::names::Names;
use super::numbers::CitizenNumbers;
use super::profile::{self, Profiles};

/// One row of the registry.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) citizen: CitizenNumber,
    pub(crate) name: PersonName,
    pub(crate) birth: BirthDate,
    pub(crate) sex: Sex,
    pub(crate) province: Province,
    pub(crate) programme: Programme,
    pub(crate) granted: Option<Money>,
    pub(crate) category: &'static str,
    pub(crate) household: &'static str,
}

/// A population to draw from.
#[derive(Debug)]
pub(crate) struct People {
    period: Period,
    programmes: Weighted<Programme>,
    provinces: Weighted<Province>,
    profiles: Profiles,
    names: Names,
}

impl People {
    pub(crate) fn new(period: Period, programmes: Weighted<Programme>, names: Names) -> People {
        People {
            period,
            programmes,
            provinces: Weighted::new(Province::weighted()),
            profiles: Profiles::new(),
            names,
        }
    }

    pub(crate) fn draw(
        &self,
        numbers: &mut CitizenNumbers,
        rng: &mut ChaCha8Rng,
    ) -> Result<Person, PeopleError> {
        let programme = *self.programmes.draw(rng);
        let province = *self.provinces.draw(rng);
        let profile = self.profiles.draw(programme, rng);
        let birth = born(self.period, profile.age, rng);
        let citizen = numbers.issue(province, profile.sex, birth, rng)?;
        let name = self.names.draw(profile.sex, birth.year(), province, rng);
        Ok(Person {
            citizen,
            name,
            birth,
            sex: profile.sex,
            province,
            programme,
            granted: profile.granted,
            category: profile.category,
            household: profile.household,
        })
    }
}

/// A date of birth that makes somebody `age` on the period's first day.
///
/// Of those born before 1955 six in a hundred know the year only. That counts as the first of
/// January, so theirs is the year in which any first day gives `age`.
fn born(period: Period, age: i32, rng: &mut ChaCha8Rng) -> BirthDate {
    let first_day = period.first_day();
    let year = profile::year(period) - age;
    if year < 1955 && rng.random_ratio(6, 100) {
        let new_year = NaiveDate::from_ymd_opt(year, 1, 1).expect("1 January exists every year");
        return BirthDate::stored(new_year, true);
    }
    let birthday = first_day
        .with_year(year)
        .expect("the first of a month exists every year");
    let date = birthday
        .checked_sub_days(Days::new(rng.random_range(0..365)))
        .expect("years stay in range");
    BirthDate::stored(date, false)
}

/// `dd/mm/yyyy`, or `yyyy` where the rest is unknown.
pub(crate) fn written_birth(birth: BirthDate) -> String {
    if birth.is_year_only() {
        format!("{:04}", birth.year())
    } else {
        let date = birth.date();
        format!("{:02}/{:02}/{:04}", date.day(), date.month(), date.year())
    }
}

/// As on Vietnamese papers.
pub(crate) fn written_sex(sex: Sex) -> &'static str {
    match sex {
        Sex::Male => "nam",
        Sex::Female => "nữ",
    }
}
