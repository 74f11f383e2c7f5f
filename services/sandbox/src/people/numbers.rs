use std::collections::HashMap;

use domain::{BankAccount, BirthDate, CitizenNumber, Institution, Province, Sex};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::PeopleError;
use super::draw::{Weighted, one_of};
use super::names::rows;

/// Walks all numbers below `size` once, in an order that does not look counted.
#[derive(Debug)]
struct Walk {
    size: u64,
    start: u64,
    taken: u64,
}

/// Odd and no multiple of 3 or 5, hence coprime to every size used here (2, 3 and 5 only), hence
/// multiplying by it permutes the numbers below that size.
const STRIDE: u64 = 618_033_989;

impl Walk {
    fn new(size: u64, rng: &mut ChaCha8Rng) -> Walk {
        Walk {
            size,
            start: rng.random_range(0..size),
            taken: 0,
        }
    }
}

/// Ends after `size` numbers.
impl Iterator for Walk {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.taken == self.size {
            return None;
        }
        // Below 2^63: sizes are at most 10^10, and the stride is below 10^9.
        let next = (self.start + self.taken * STRIDE) % self.size;
        self.taken += 1;
        Some(next)
    }
}

/// Gives out citizen numbers, none twice.
#[derive(Debug)]
pub(crate) struct CitizenNumbers {
    /// Codes of birth registration by the province they belong to now.
    codes: HashMap<Province, Vec<u16>>,
    provinces: Weighted<Province>,
    walks: HashMap<Prefix, Walk>,
}

/// The first six digits: place, sex and century, year.
type Prefix = (u16, u8, u8);

impl CitizenNumbers {
    pub(crate) fn load() -> CitizenNumbers {
        let mut codes: HashMap<Province, Vec<u16>> = HashMap::new();
        for [code, province] in rows(include_str!("../../data/birth_provinces.csv")) {
            let code = code.parse().expect("codes are numbers");
            let province = province.parse().expect("provinces are current codes");
            codes.entry(province).or_default().push(code);
        }
        CitizenNumbers {
            codes,
            provinces: Weighted::new(Province::weighted()),
            walks: HashMap::new(),
        }
    }

    /// Nine of ten people were born where they live.
    pub(crate) fn issue(
        &mut self,
        lives_in: Province,
        sex: Sex,
        birth: BirthDate,
        rng: &mut ChaCha8Rng,
    ) -> Result<CitizenNumber, PeopleError> {
        let born_here = rng.random_ratio(9, 10);
        let born_in = if born_here {
            lives_in
        } else {
            *self.provinces.draw(rng)
        };
        let place = *one_of(&self.codes[&born_in], rng);
        let century = u8::try_from((birth.year() - 1900) / 100).expect("born 1900 to 2199");
        let year = u8::try_from(birth.year() % 100).expect("below 100");
        let digit = century * 2 + u8::from(sex == Sex::Female);
        let prefix = (place, digit, year);
        let walk = self
            .walks
            .entry(prefix)
            .or_insert_with(|| Walk::new(1_000_000, rng));
        let serial = walk.next().ok_or(PeopleError::CitizenNumbersExhausted)?;
        let text = format!("{place:03}{digit}{year:02}{serial:06}");
        Ok(text.parse().expect("built as the law says"))
    }
}

/// How an institution writes its accounts: a start, then digits for each `#`.
struct Style {
    institution: i32,
    /// Shares of rural old people.
    weight: u32,
    starts: &'static [&'static str],
    rest: &'static str,
}

const STYLES: [Style; 6] = [
    // Agribank: branch, 205, serial.
    Style {
        institution: 970_405,
        weight: 46,
        starts: &["1", "2", "3", "4", "5", "6", "7", "8"],
        rest: "###205######",
    },
    // Vietcombank: branch, 100, serial.
    Style {
        institution: 970_436,
        weight: 13,
        starts: &["0"],
        rest: "##100#######",
    },
    // BIDV: branch, 1000, serial.
    Style {
        institution: 970_418,
        weight: 11,
        starts: &["2", "3", "4", "5", "6", "7"],
        rest: "##1000#######",
    },
    // VietinBank.
    Style {
        institution: 970_415,
        weight: 12,
        starts: &["10"],
        rest: "##########",
    },
    // LPBank, which the post office's savings customers came to.
    Style {
        institution: 970_449,
        weight: 12,
        starts: &["0"],
        rest: "0##########",
    },
    // Viettel Money: the telephone number.
    Style {
        institution: 971_005,
        weight: 6,
        starts: &[
            "032", "033", "034", "035", "036", "037", "038", "039", "096", "097", "098", "086",
        ],
        rest: "#######",
    },
];

/// Opens accounts, none twice at an institution.
#[derive(Debug)]
pub(crate) struct Accounts {
    styles: Weighted<usize>,
    walks: Vec<Walk>,
}

impl Accounts {
    pub(crate) fn new(rng: &mut ChaCha8Rng) -> Accounts {
        let weights = STYLES.iter().map(|it| it.weight).enumerate();
        let walks = STYLES.iter().map(|it| Walk::new(it.size(), rng)).collect();
        Accounts {
            styles: Weighted::new(weights),
            walks,
        }
    }

    pub(crate) fn open(
        &mut self,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Institution, BankAccount), PeopleError> {
        let chosen = *self.styles.draw(rng);
        let style = &STYLES[chosen];
        let number = self.walks[chosen]
            .next()
            .ok_or(PeopleError::AccountsExhausted)?;
        let institution =
            Institution::from_number(style.institution).expect("styles have six-digit numbers");
        Ok((institution, style.write(number)))
    }
}

impl Style {
    fn digits(&self) -> u32 {
        let count = self.rest.bytes().filter(|it| *it == b'#').count();
        u32::try_from(count).expect("an account number is short")
    }

    fn size(&self) -> u64 {
        10u64.pow(self.digits()) * self.starts.len() as u64
    }

    fn write(&self, number: u64) -> BankAccount {
        let range = 10u64.pow(self.digits());
        let start = usize::try_from(number / range).expect("as many as there are starts");
        let digits = format!("{:0width$}", number % range, width = self.digits() as usize);
        let mut digits = digits.chars();
        let mut text = self.starts[start].to_owned();
        for letter in self.rest.chars() {
            text.push(match letter {
                '#' => digits.next().expect("one digit for each #"),
                fixed => fixed,
            });
        }
        text.parse().expect("digits only")
    }
}

/// The first and the last account number of each institution.
#[cfg(test)]
pub(crate) fn ends_of_account_styles() -> Vec<BankAccount> {
    let ends = STYLES
        .iter()
        .flat_map(|it| [0, it.size() - 1].map(|number| it.write(number)));
    ends.collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_walk_gives_every_number_once_and_then_ends() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for size in [1000, 12_000, 60_000, 80_000] {
            let mut seen: Vec<u64> = Walk::new(size, &mut rng).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..size), "{size}");
        }
    }

    #[test]
    fn a_place_sex_and_year_that_is_used_up_is_an_error_and_never_a_second_time() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut walk = Walk::new(1_000_000, &mut rng);
        walk.taken = 1_000_000;
        let mut numbers = CitizenNumbers::load();
        let prefixes = (0..=96).map(|place| (place, 0, 48));
        for prefix in prefixes {
            let used_up = Walk { ..walk };
            numbers.walks.insert(prefix, used_up);
        }
        let issued = numbers.issue(
            "01".parse().unwrap(),
            Sex::Male,
            "1948".parse().unwrap(),
            &mut rng,
        );
        assert!(matches!(issued, Err(PeopleError::CitizenNumbersExhausted)));
    }

    #[test]
    fn the_first_and_the_last_account_of_each_institution_are_in_its_style() {
        let ends = |it: &Style| (it.write(0), it.write(it.size() - 1));
        for (style, first, last) in [
            (&STYLES[0], "1000205000000", "8999205999999"),
            (&STYLES[1], "0001000000000", "0991009999999"),
            (&STYLES[2], "20010000000000", "79910009999999"),
            (&STYLES[3], "100000000000", "109999999999"),
            (&STYLES[4], "000000000000", "009999999999"),
            (&STYLES[5], "0320000000", "0869999999"),
        ] {
            let (low, high) = ends(style);
            assert_eq!((low.expose(), high.expose()), (first, last));
        }
    }
}
