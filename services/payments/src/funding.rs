//! From which funds an approved run is paid, and what it lacks.

use domain::{BudgetYear, Money, Programme, Province};
use ledger::Account;
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The money of one level for one year of a programme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fund {
    pub programme: Programme,
    /// The province whose level it is; none for the country's.
    pub province: Option<Province>,
    pub year: BudgetYear,
}

/// What a run takes from a fund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub fund: Fund,
    pub amount: Money,
}

/// A fund that has less than is needed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shortage {
    #[serde(flatten)]
    pub fund: Fund,
    pub needed: Money,
    pub left: Money,
    pub missing: Money,
}

/// In which order lines are funded as far as the money goes. The first that does not fit ends it
/// for its fund: nobody comes before somebody who was to come first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
pub enum FundingOrder {
    /// Arrears of the oldest period first.
    OldestFirst,
    SmallestFirst,
    /// These provinces one after the other, then the others together.
    Province {
        provinces: Vec<Province>,
    },
}

impl FundingOrder {
    pub(crate) fn rule(&self) -> &'static str {
        match self {
            FundingOrder::OldestFirst => "oldest_first",
            FundingOrder::SmallestFirst => "smallest_first",
            FundingOrder::Province { .. } => "province",
        }
    }

    pub(crate) fn provinces(&self) -> Option<Vec<i16>> {
        match self {
            FundingOrder::Province { provinces } => {
                Some(provinces.iter().map(|it| it.number()).collect())
            }
            FundingOrder::OldestFirst | FundingOrder::SmallestFirst => None,
        }
    }

    /// A list of provinces names at least one, and each once.
    pub(crate) fn refuse_odd(&self) -> Result<(), Error> {
        let Some(mut provinces) = self.provinces() else {
            return Ok(());
        };
        let named = provinces.len();
        provinces.sort_unstable();
        provinces.dedup();
        if named == 0 || provinces.len() < named {
            let detail = "the order names provinces, each once";
            return Err(Problem::new(422, "funding_order_invalid", detail).into());
        }
        Ok(())
    }
}

impl Fund {
    pub(crate) fn account(self) -> Account {
        match self.province {
            None => Account::programme_fund(self.programme, self.year),
            Some(province) => Account::programme_fund_of(self.programme, province, self.year),
        }
    }

    pub(crate) fn commitment(self) -> Account {
        match self.province {
            None => Account::commitment(self.programme, self.year),
            Some(province) => Account::commitment_of(self.programme, province, self.year),
        }
    }
}

/// What is taken from each fund: each province its own part, the country the rest; pure. `None`
/// where the provinces add to more than the whole.
pub(crate) fn needs(
    (programme, year): (Programme, BudgetYear),
    total: Money,
    local: Vec<(Province, Money)>,
) -> Option<Vec<Need>> {
    let all_local = Money::sum(local.iter().map(|(_, amount)| *amount));
    let national = total.checked_sub(all_local)?;
    let local = (local.into_iter()).map(|(province, amount)| (Some(province), amount));
    let need = |(province, amount)| Need {
        fund: Fund {
            programme,
            province,
            year,
        },
        amount,
    };
    let needs = [(None, national)].into_iter().chain(local).map(need);
    Some(needs.filter(|it| !it.amount.is_zero()).collect())
}

/// Which funds have less than is needed; pure. What is left of each stands in the same order.
pub(crate) fn shortages(needs: &[Need], left: &[Money]) -> Vec<Shortage> {
    let short = needs.iter().zip(left).filter_map(|(need, left)| {
        let missing = need.amount.checked_sub(*left)?;
        (!missing.is_zero()).then_some(Shortage {
            fund: need.fund,
            needed: need.amount,
            left: *left,
            missing,
        })
    });
    short.collect()
}

/// The whole of what is needed is there, or it is said what is missing.
pub(crate) fn refuse_short(shortages: &[Shortage]) -> Result<(), Error> {
    if shortages.is_empty() {
        return Ok(());
    }
    let each = shortages.iter().map(|it| {
        let account = it.fund.account().number();
        format!("{account} lacks {} đồng", it.missing)
    });
    let detail = each.collect::<Vec<_>>().join(", ");
    Err(Problem::new(409, "appropriation_exceeded", detail).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(province: Option<&str>, dong: u64) -> Need {
        let fund = Fund {
            programme: Programme::SocialPension,
            province: province.map(|it| it.parse().unwrap()),
            year: BudgetYear::from_number(2026).unwrap(),
        };
        Need {
            fund,
            amount: Money::dong(dong),
        }
    }

    #[test]
    fn an_order_by_province_names_each_once() {
        let order = |numbers: &[&str]| FundingOrder::Province {
            provinces: numbers.iter().map(|it| it.parse().unwrap()).collect(),
        };
        assert!(order(&["01", "79"]).refuse_odd().is_ok());
        assert!(FundingOrder::OldestFirst.refuse_odd().is_ok());
        for odd in [order(&[]), order(&["01", "79", "01"])] {
            let refused = Problem::from(odd.refuse_odd().unwrap_err());
            assert_eq!(refused.code, "funding_order_invalid");
        }
    }

    #[test]
    fn each_fund_pays_its_own_part_or_says_what_it_lacks() {
        let needs = [
            need(None, 1_000),
            need(Some("01"), 110),
            need(Some("79"), 7),
        ];
        let left = |dong: [u64; 3]| dong.map(Money::dong);
        assert_eq!(shortages(&needs, &left([1_000, 110, 7])), []);
        let short = shortages(&needs, &left([5_000, 109, 0]));
        let told: Vec<_> = short
            .iter()
            .map(|it| (it.fund, it.missing.units()))
            .collect();
        assert_eq!(told, [(needs[1].fund, 1), (needs[2].fund, 7)]);
        let refused = Problem::from(refuse_short(&short).unwrap_err());
        assert_eq!(
            (&refused.code[..], &refused.detail[..]),
            (
                "appropriation_exceeded",
                "20-01-002026-01 lacks 1 đồng, 20-01-002026-79 lacks 7 đồng"
            )
        );
    }
}
