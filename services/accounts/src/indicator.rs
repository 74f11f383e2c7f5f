use std::collections::BTreeMap;

use chrono::NaiveDate;
use events::{IndicatorTold, IndicatorsTold};
use serde::Serialize;

/// People of the register by where they live.
#[derive(Debug, Clone)]
pub(crate) struct Linked {
    /// 0 where the registry does not say.
    pub province: i16,
    pub commune: i32,
    pub people: i64,
    pub linked: i64,
}

/// Recipients of the last run of each programme by where they live.
#[derive(Debug, Clone)]
pub(crate) struct Paid {
    pub province: i16,
    pub commune: i32,
    pub recipients: i64,
    pub by_ssa: i64,
    pub by_cash: i64,
}

/// The indicators of Decision 826/QĐ-TTg for one place, or the nation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Indicator {
    /// 0 where the registry does not say.
    pub province: i16,
    /// 0 for the whole province, and where the registry does not say.
    pub commune: i32,
    /// People of the register.
    pub people: i64,
    /// Of them, those with a social-security account (Appendix I, III.10 and V.1).
    pub linked: i64,
    /// Recipients of the last run of each programme.
    pub recipients: i64,
    /// Of them, those paid through a social-security account (Appendix I, V.2).
    pub by_ssa: i64,
    pub by_cash: i64,
}

/// The nation's table: each place, and what they add up to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Indicators {
    pub places: Vec<Indicator>,
    pub nation: Indicator,
}

/// What the nation is to reach, and by when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Target {
    pub year: i16,
    /// Social-security accounts in all.
    pub accounts: i64,
    /// Percent of citizens who have one.
    pub citizens_percent: i64,
    /// Percent of recipients who are paid through one.
    pub recipients_percent: i64,
}

/// Decision 826/QĐ-TTg, Appendix I: III.10, V.1 and V.2.
pub const TARGETS: [Target; 2] = [
    Target {
        year: 2026,
        accounts: 20_000_000,
        citizens_percent: 50,
        recipients_percent: 50,
    },
    Target {
        year: 2030,
        accounts: 40_000_000,
        citizens_percent: 100,
        recipients_percent: 100,
    },
];

impl Indicator {
    fn add(&mut self, other: &Indicator) {
        self.people += other.people;
        self.linked += other.linked;
        self.recipients += other.recipients;
        self.by_ssa += other.by_ssa;
        self.by_cash += other.by_cash;
    }
}

impl Indicators {
    /// The places of a province, with the sums of these alone.
    pub fn of_province(self, province: i16) -> Indicators {
        let places: Vec<Indicator> = self
            .places
            .into_iter()
            .filter(|it| it.province == province)
            .collect();
        let mut nation = Indicator::default();
        for place in &places {
            nation.add(place);
        }
        Indicators { places, nation }
    }

    pub(crate) fn told(&self, taken_on: NaiveDate) -> IndicatorsTold {
        let told = |it: &Indicator| IndicatorTold {
            province: it.province,
            commune: it.commune,
            people: it.people,
            linked: it.linked,
            recipients: it.recipients,
            by_ssa: it.by_ssa,
            by_cash: it.by_cash,
        };
        IndicatorsTold {
            taken_on,
            places: self.places.iter().map(told).collect(),
            nation: told(&self.nation),
        }
    }

    /// By commune, or by province.
    pub(crate) fn of(linked: &[Linked], paid: &[Paid], by_commune: bool) -> Indicators {
        let mut places: BTreeMap<(i16, i32), Indicator> = BTreeMap::new();
        let key = |province: i16, commune: i32| (province, if by_commune { commune } else { 0 });
        for it in linked {
            let place = places.entry(key(it.province, it.commune)).or_default();
            place.people += it.people;
            place.linked += it.linked;
        }
        for it in paid {
            let place = places.entry(key(it.province, it.commune)).or_default();
            place.recipients += it.recipients;
            place.by_ssa += it.by_ssa;
            place.by_cash += it.by_cash;
        }
        let mut nation = Indicator::default();
        let places = places.into_iter().map(|((province, commune), mut it)| {
            (it.province, it.commune) = (province, commune);
            nation.add(&it);
            it
        });
        let places = places.collect();
        Indicators { places, nation }
    }
}

/// Tenths of a percent, rounded down: a target is reached when it is, not when it is nearly.
pub fn permille(part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { part * 1_000 / whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_add_up_to_the_nation_by_commune_and_by_province() {
        let linked = |province, commune, people, linked| Linked {
            province,
            commune,
            people,
            linked,
        };
        let register = [
            linked(1, 4, 10, 5),
            linked(1, 8, 20, 20),
            linked(79, 26_734, 7, 0),
            linked(0, 0, 1, 1),
        ];
        let paid = [Paid {
            province: 1,
            commune: 8,
            recipients: 6,
            by_ssa: 4,
            by_cash: 1,
        }];
        for (by_commune, places) in [(true, 4), (false, 3)] {
            let found = Indicators::of(&register, &paid, by_commune);
            assert_eq!(found.places.len(), places);
            let nation = found.nation;
            assert_eq!((nation.people, nation.linked), (38, 26));
            assert_eq!(
                (nation.recipients, nation.by_ssa, nation.by_cash),
                (6, 4, 1)
            );
            assert_eq!(found.places.iter().map(|it| it.people).sum::<i64>(), 38);
        }
    }

    #[test]
    fn a_share_is_never_rounded_up() {
        assert_eq!(permille(1, 3), 333);
        assert_eq!(permille(999_999, 2_000_000), 499);
        assert_eq!(permille(0, 0), 0);
    }
}
