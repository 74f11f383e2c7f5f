//! What a past period owes after all, against what was obligated for it.

use domain::Money;

/// An obligation of a period, and how often it was withdrawn and restored since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obligated {
    pub determination_no: i16,
    pub amount: Money,
    /// What of it is withdrawn now; zero where it stands whole.
    pub withdrawn: Money,
    /// How many turns it has taken; odd while something is withdrawn.
    pub turns: i16,
}

/// What has to be said so that the obligations come to what is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// A line of arrears (truy lĩnh) with this number.
    Arrears {
        determination_no: i16,
        amount: Money,
    },
    /// So much of an obligation is not owed: never a negative line.
    Withdraw {
        determination_no: i16,
        turn: i16,
        amount: Money,
    },
    /// What was withdrawn last is owed after all.
    Restore {
        determination_no: i16,
        turn: i16,
        amount: Money,
    },
}

/// What is obligated now, less what was withdrawn.
pub fn obligated(standing: &[Obligated]) -> Money {
    Money::sum(standing.iter().map(Obligated::rest))
}

/// The corrections from what is obligated to what is owed; the newest obligation goes first and
/// comes back last. `standing` is in the order of determination numbers.
pub fn corrections(standing: &[Obligated], owed: Money) -> Vec<Correction> {
    let obligated = obligated(standing);
    let mut said = Vec::new();
    if let Some(mut excess) = obligated.checked_sub(owed).filter(|it| !it.is_zero()) {
        for it in standing.iter().rev() {
            let taken = excess.min(it.rest());
            if taken.is_zero() {
                continue;
            }
            let (determination_no, mut turn) = (it.determination_no, it.turns + 1);
            // Withdrawn in part before: restored whole, so that one turn says it all.
            if it.turns % 2 == 1 {
                said.push(Correction::Restore {
                    determination_no,
                    turn,
                    amount: it.withdrawn,
                });
                turn += 1;
            }
            said.push(Correction::Withdraw {
                determination_no,
                turn,
                amount: Money::sum([taken, it.withdrawn]),
            });
            excess = excess.checked_sub(taken).unwrap_or_default();
        }
        return said;
    }
    let mut missing = owed.checked_sub(obligated).unwrap_or_default();
    for it in standing.iter().filter(|it| it.turns % 2 == 1) {
        if let Some(rest) = missing.checked_sub(it.withdrawn) {
            said.push(Correction::Restore {
                determination_no: it.determination_no,
                turn: it.turns + 1,
                amount: it.withdrawn,
            });
            missing = rest;
        }
    }
    if !missing.is_zero() {
        let last = standing.iter().map(|it| it.determination_no).max();
        said.push(Correction::Arrears {
            determination_no: last.unwrap_or_default() + 1,
            amount: missing,
        });
    }
    said
}

impl Obligated {
    fn rest(&self) -> Money {
        let rest = self.amount.checked_sub(self.withdrawn);
        rest.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(rows: &[(i16, u64, u64, i16)]) -> Vec<Obligated> {
        let obligated =
            |(determination_no, amount, withdrawn, turns): &(i16, u64, u64, i16)| Obligated {
                determination_no: *determination_no,
                amount: Money::dong(*amount),
                withdrawn: Money::dong(*withdrawn),
                turns: *turns,
            };
        rows.iter().map(obligated).collect()
    }

    fn arrears(determination_no: i16, amount: u64) -> Correction {
        Correction::Arrears {
            determination_no,
            amount: Money::dong(amount),
        }
    }

    fn withdraw(determination_no: i16, turn: i16, amount: u64) -> Correction {
        Correction::Withdraw {
            determination_no,
            turn,
            amount: Money::dong(amount),
        }
    }

    fn restore(determination_no: i16, turn: i16, amount: u64) -> Correction {
        Correction::Restore {
            determination_no,
            turn,
            amount: Money::dong(amount),
        }
    }

    #[test]
    fn obligations_come_to_what_is_owed() {
        for (rows, owed, expected) in [
            // Nothing was known, nothing is owed; then a month is owed after all.
            (&[][..], 0, vec![]),
            (&[], 540_000, vec![arrears(1, 540_000)]),
            // A decree raises the rate: the difference, once.
            (&[(1, 500_000, 0, 0)], 540_000, vec![arrears(2, 40_000)]),
            (&[(1, 500_000, 0, 0), (2, 40_000, 0, 0)], 540_000, vec![]),
            // A death: all of it, the newest first.
            (
                &[(1, 500_000, 0, 0), (2, 40_000, 0, 0)],
                0,
                vec![withdraw(2, 1, 40_000), withdraw(1, 1, 500_000)],
            ),
            (
                &[(1, 500_000, 0, 0)],
                300_000,
                vec![withdraw(1, 1, 200_000)],
            ),
            (&[(1, 500_000, 500_000, 1)], 0, vec![]),
            // The death was a mistake: the same obligation again and no second payment.
            (
                &[(1, 500_000, 500_000, 1)],
                500_000,
                vec![restore(1, 2, 500_000)],
            ),
            (
                &[(1, 500_000, 500_000, 1)],
                540_000,
                vec![restore(1, 2, 500_000), arrears(2, 40_000)],
            ),
            // Withdrawn in part, and now the rest as well.
            (
                &[(1, 500_000, 200_000, 1)],
                0,
                vec![restore(1, 2, 200_000), withdraw(1, 3, 500_000)],
            ),
            (&[(1, 500_000, 0, 2)], 0, vec![withdraw(1, 3, 500_000)]),
            // Less than was withdrawn is owed again: new money under a number of its own.
            (
                &[(1, 500_000, 500_000, 1)],
                100_000,
                vec![arrears(2, 100_000)],
            ),
        ] {
            assert_eq!(
                corrections(&standing(rows), Money::dong(owed)),
                expected,
                "{rows:?}"
            );
        }
    }
}
