use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Refusal;

/// An amount of Vietnamese đồng.
///
/// Invariant: whole and never negative. VND has no minor unit, so a fraction is somebody's bug
/// and is refused, never rounded. Direction (debit, credit) belongs to the ledger, not to a sign.
/// On the wire it is a string of digits, in SQL `NUMERIC(20, 0)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, sqlx::Type)]
#[sqlx(transparent)]
pub struct Money(Decimal);

impl Money {
    pub const ZERO: Money = Money(Decimal::ZERO);

    pub fn dong(amount: u64) -> Money {
        Money(Decimal::from(amount))
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// The whole number of đồng; fits because `NUMERIC(20, 0)` is far below `i128::MAX`.
    pub fn units(self) -> i128 {
        self.0.mantissa()
    }

    /// `None` beyond 28 digits.
    pub fn checked_add(self, other: Money) -> Option<Money> {
        Money::try_from(self.0.checked_add(other.0)?).ok()
    }

    /// `None` below zero. There is no `impl Sub`: money never wraps and never panics.
    pub fn checked_sub(self, other: Money) -> Option<Money> {
        Money::try_from(self.0.checked_sub(other.0)?).ok()
    }

    /// The sum of many amounts.
    ///
    /// # Panics
    /// Beyond 28 digits, which more than ten billion times the national budget would need.
    pub fn sum(amounts: impl IntoIterator<Item = Money>) -> Money {
        amounts.into_iter().fold(Money::ZERO, |sum, it| {
            sum.checked_add(it)
                .expect("a sum of VND stays far below 28 digits")
        })
    }

    /// In Vietnamese words: `Năm trăm bốn mươi nghìn đồng`.
    pub fn in_words(self) -> String {
        crate::words::dong(self.units().unsigned_abs())
    }

    /// Vietnamese form: `1.080.000 đồng`.
    pub fn vi(self) -> String {
        let digits = self.0.mantissa().to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3 + 6);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push('.');
            }
            grouped.push(digit);
        }
        grouped.push_str(" đồng");
        grouped
    }
}

impl TryFrom<Decimal> for Money {
    type Error = Refusal;

    fn try_from(amount: Decimal) -> Result<Money, Refusal> {
        // As sums and amounts of the tables are: nothing has to be brought to the one form.
        if amount.scale() == 0 && amount.is_sign_positive() {
            return Ok(Money(amount));
        }
        if amount < Decimal::ZERO {
            return Err(Refusal::new(
                "amount_negative",
                "an amount of đồng cannot be negative",
            ));
        }
        if !amount.fract().is_zero() {
            return Err(Refusal::new(
                "amount_fraction",
                "an amount of đồng has no fraction",
            ));
        }
        Ok(Money(amount.trunc().normalize().trunc_with_scale(0)))
    }
}

impl From<Money> for Decimal {
    fn from(amount: Money) -> Decimal {
        amount.0
    }
}

/// Text from outside: ASCII digits only, so that `1e3`, `1_000`, `1.5`, `-1` and full-width
/// digits are refused rather than understood.
impl FromStr for Money {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Money, Refusal> {
        if text.is_empty() || text.len() > 18 || !text.bytes().all(|it| it.is_ascii_digit()) {
            return Err(Refusal::new(
                "amount_invalid",
                "an amount is 1 to 18 ASCII digits of whole đồng, without sign, point or exponent",
            ));
        }
        let units: u64 = text.parse().expect("18 digits fit in u64");
        Ok(Money::dong(units))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
        crate::wire::from_text(deserializer)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_are_an_amount() {
        for bad in [
            "",
            "-1",
            "1.5",
            "1e3",
            "1_000",
            "１００",
            "+1",
            " 1",
            "1234567890123456789",
        ] {
            assert_eq!(
                bad.parse::<Money>().unwrap_err().code,
                "amount_invalid",
                "{bad:?}"
            );
        }
        assert_eq!("540000".parse::<Money>().unwrap(), Money::dong(540_000));
    }

    #[test]
    fn json_is_a_string_of_digits_and_nothing_else() {
        assert_eq!(
            serde_json::to_string(&Money::dong(1_250_000)).unwrap(),
            "\"1250000\""
        );
        for bad in ["1250000", "\"-1\"", "\"0.5\"", "12.5", "\"1e3\"", "\"1_0\""] {
            assert!(serde_json::from_str::<Money>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn trailing_zeros_of_a_decimal_do_not_change_the_units() {
        let amount = Money::try_from(Decimal::new(5_400_000, 1)).unwrap();
        assert_eq!((amount.units(), amount), (540_000, Money::dong(540_000)));
        assert_eq!(amount.to_string(), "540000");
    }

    #[test]
    fn subtraction_never_goes_below_zero() {
        assert_eq!(Money::dong(1).checked_sub(Money::dong(2)), None);
        assert_eq!(
            Money::dong(3).checked_sub(Money::dong(2)),
            Some(Money::dong(1))
        );
    }

    #[test]
    fn vietnamese_form_groups_by_points() {
        assert_eq!(Money::dong(1_080_000).vi(), "1.080.000 đồng");
        assert_eq!(Money::dong(0).vi(), "0 đồng");
        assert_eq!(Money::dong(540).vi(), "540 đồng");
    }
}
