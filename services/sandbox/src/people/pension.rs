use domain::Money;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A distribution by its quantiles: (permille of people, amount in đồng), rising.
type Quantiles = [(u64, u64)];

/// Monthly pensions of June 2026: median about 5.5 million, long upper tail.
const PENSIONS: &Quantiles = &[
    (0, 1_800_000),
    (100, 3_100_000),
    (250, 4_100_000),
    (500, 5_500_000),
    (750, 7_600_000),
    (900, 10_200_000),
    (970, 12_400_000),
    (1000, 15_000_000),
];

/// Those who retired before 1995; the lowest third is what the floor of Decree 162/2026 lifts.
const PENSIONS_PRE1995: &Quantiles = &[
    (0, 2_900_000),
    (40, 3_200_000),
    (330, 3_520_000),
    (650, 4_300_000),
    (960, 6_000_000),
    (1000, 7_200_000),
];

/// A pension of June 2026, in whole đồng and mostly not round.
pub(crate) fn granted(pre1995: bool, rng: &mut ChaCha8Rng) -> Money {
    let quantiles = if pre1995 { PENSIONS_PRE1995 } else { PENSIONS };
    let amount = draw(quantiles, rng);
    // A part of the amounts was once rounded to hundreds; the formula leaves whole đồng.
    let rounded = rng.random_ratio(3, 10);
    Money::dong(if rounded { amount / 100 * 100 } else { amount })
}

/// Straight lines between the quantiles, in whole numbers.
fn draw(quantiles: &Quantiles, rng: &mut ChaCha8Rng) -> u64 {
    const STEPS: u64 = 1_000_000;
    let at = rng.random_range(0..1000 * STEPS);
    let upper = quantiles
        .iter()
        .position(|(permille, _)| at < permille * STEPS)
        .expect("the last quantile is 1000");
    let (low_at, low) = quantiles[upper - 1];
    let (high_at, high) = quantiles[upper];
    low + (high - low) * (at - low_at * STEPS) / ((high_at - low_at) * STEPS)
}
