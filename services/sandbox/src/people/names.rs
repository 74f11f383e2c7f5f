use std::collections::BTreeSet;
use std::sync::LazyLock;

use domain::{PersonName, Province, Sex};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::draw::{Weighted, one_of};

/// Vietnamese names: surname, middle name, given name, by region, sex and age; and the names of
/// peoples who write theirs otherwise.
#[derive(Debug)]
pub(crate) struct Names {
    surnames_north: Weighted<&'static str>,
    surnames_south: Weighted<&'static str>,
    men: Fashion,
    women: Fashion,
    mong: People,
    ede: People,
    khmer: People,
}

/// What people of one sex are called, by the time of their birth.
#[derive(Debug)]
struct Fashion {
    /// Before 1965, 1965 to 1994, since 1995. The empty middle name is none.
    middle: [Weighted<&'static str>; 3],
    given: [Weighted<&'static str>; 3],
}

#[derive(Debug)]
struct People {
    families: Vec<&'static str>,
    men: Vec<&'static str>,
    women: Vec<&'static str>,
}

const MIDDLE_NAMES: &str = include_str!("../../data/middle_names.csv");
const GIVEN_NAMES: &str = include_str!("../../data/given_names.csv");
const SURNAMES: &str = include_str!("../../data/surnames.csv");
const ETHNIC_NAMES: &str = include_str!("../../data/ethnic_names.csv");

/// Rows of one of our own files after its header: no quotes, as many fields everywhere.
pub(crate) fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        fields.try_into().expect("our own files have whole rows")
    })
}

impl Names {
    pub(crate) fn load() -> Names {
        let surnames = |south: bool| {
            let weighted = rows(SURNAMES).map(|[name, north_weight, south_weight]| {
                (
                    name,
                    weight(if south { south_weight } else { north_weight }),
                )
            });
            Weighted::new(weighted)
        };
        Names {
            surnames_north: surnames(false),
            surnames_south: surnames(true),
            men: Fashion::load("male"),
            women: Fashion::load("female"),
            mong: People::load("mong"),
            ede: People::load("ede"),
            khmer: People::load("khmer"),
        }
    }

    pub(crate) fn draw(
        &self,
        sex: Sex,
        birth_year: i32,
        province: Province,
        rng: &mut ChaCha8Rng,
    ) -> PersonName {
        let text = self
            .draw_ethnic(sex, province, rng)
            .unwrap_or_else(|| self.draw_kinh(sex, birth_year, province, rng));
        text.parse().expect("words of our own files in NFC")
    }

    fn draw_kinh(
        &self,
        sex: Sex,
        birth_year: i32,
        province: Province,
        rng: &mut ChaCha8Rng,
    ) -> String {
        // Huỳnh and Võ begin south of Huế, where Hoàng and Vũ end.
        let surnames = if province.number() > 46 {
            &self.surnames_south
        } else {
            &self.surnames_north
        };
        let fashion = match sex {
            Sex::Male => &self.men,
            Sex::Female => &self.women,
        };
        let time = match birth_year {
            ..1965 => 0,
            1965..1995 => 1,
            _ => 2,
        };
        let surname = surnames.draw(rng);
        let middle = fashion.middle[time].draw(rng);
        let given = fashion.given[time].draw(rng);
        // Nobody is called Hoàng Hoàng Quang or Thị Thanh Thanh.
        let doubled = middle == surname || middle.ends_with(given);
        if middle.is_empty() || doubled {
            format!("{surname} {given}")
        } else {
            format!("{surname} {middle} {given}")
        }
    }

    /// About 2 % of the country; `None` for everybody else.
    fn draw_ethnic(&self, sex: Sex, province: Province, rng: &mut ChaCha8Rng) -> Option<String> {
        let (percent, people) = match province.number() {
            4 | 8 | 11 | 12 | 14 | 15 | 20 => (12, &self.mong),
            51 | 52 | 66 | 68 => (6, &self.ede),
            86 | 91 | 92 | 96 => (4, &self.khmer),
            _ => return None,
        };
        if !rng.random_ratio(percent, 100) {
            return None;
        }
        let family = one_of(&people.families, rng);
        let given = match sex {
            Sex::Male => one_of(&people.men, rng),
            Sex::Female => one_of(&people.women, rng),
        };
        let whole = rng.random_ratio(2, 3);
        Some(match (province.number(), sex) {
            (51..=68, Sex::Male) if whole => format!("Y {given} {family}"),
            (51..=68, Sex::Male) => format!("Y {given}"),
            (51..=68, Sex::Female) if whole => format!("H' {given} {family}"),
            (51..=68, Sex::Female) => format!("H' {given}"),
            (..=20, Sex::Male) => format!("{family} A {given}"),
            (_, Sex::Female) if whole => format!("{family} Thị {given}"),
            _ => format!("{family} {given}"),
        })
    }
}

impl Fashion {
    fn load(sex: &str) -> Fashion {
        let table = |text: &'static str, time: usize| {
            let weighted = rows::<5>(text)
                .filter(|[of, ..]| *of == sex)
                .map(|[_, name, weights @ ..]| (name, weight(weights[time])));
            Weighted::new(weighted)
        };
        Fashion {
            middle: [0, 1, 2].map(|time| table(MIDDLE_NAMES, time)),
            given: [0, 1, 2].map(|time| table(GIVEN_NAMES, time)),
        }
    }
}

impl People {
    fn load(people: &str) -> People {
        let words = |part: &str, sex: &str| {
            rows(ETHNIC_NAMES)
                .filter(|[of, what, whose, _]| (*of, *what, *whose) == (people, part, sex))
                .map(|[.., words]| words)
                .collect()
        };
        People {
            families: words("family", ""),
            men: words("given", "male"),
            women: words("given", "female"),
        }
    }
}

/// A name in the banks' form with another given name in place of its own.
pub(crate) fn another_given_name(name: &str, rng: &mut ChaCha8Rng) -> String {
    static GIVEN: LazyLock<Vec<String>> = LazyLock::new(|| {
        let names = rows::<5>(GIVEN_NAMES).map(|[_, name, ..]| PersonName::bank_form_of(name));
        let names: BTreeSet<String> = names.collect();
        names.into_iter().collect()
    });
    let (rest, given) = name.rsplit_once(' ').unwrap_or(("", name));
    let mut drawn = one_of(&GIVEN, rng);
    while drawn == given {
        drawn = one_of(&GIVEN, rng);
    }
    format!("{rest} {drawn}").trim_start().to_owned()
}

fn weight(text: &str) -> u32 {
    text.parse().expect("weights are whole numbers")
}
