//! Which lines a seed draws. Whoever has the list and the seed draws the same ones, with any tool that
//! knows SHA-256; README.md says how.

use std::collections::{BTreeMap, BinaryHeap};

use domain::{Money, RunNo};
use sha2::{Digest, Sha256};

/// What chance is derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed {
    pub run: RunNo,
    pub number: u64,
}

impl Seed {
    /// SHA-256 of `<method> <run> <seed> <what>`, as ASCII.
    fn hash(self, method: &str, what: &str) -> [u8; 32] {
        let Seed { run, number } = self;
        Sha256::digest(format!("{method} {run} {number} {what}")).into()
    }
}

/// Đồng of a population, numbered from 0 in the order of its lines; each interval of them has one that
/// is drawn.
///
/// Invariant: every đồng has the same chance, so a line has that of its amount; one of an interval or
/// more is drawn for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MonetaryUnits {
    pub interval: u128,
    pub start: u128,
    /// The next one that is drawn.
    next: u128,
    /// Of the lines that were offered.
    passed: u128,
}

/// A line that was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    /// The first đồng that was drawn of it.
    pub unit: u128,
    pub units: u128,
    pub is_certain: bool,
}

impl MonetaryUnits {
    /// `None` where there is nothing to draw from.
    pub fn new(total: Money, size: u32, seed: Seed) -> Option<MonetaryUnits> {
        let total = total.units().unsigned_abs();
        let interval = total.div_ceil(u128::from(size.max(1)));
        if interval == 0 {
            return None;
        }
        let hash = seed.hash("mus", "start");
        let (head, _) = hash.split_at(16);
        let drawn = u128::from_be_bytes(head.try_into().expect("half of 32 bytes"));
        let start = drawn % interval;
        Some(MonetaryUnits {
            interval,
            start,
            next: start,
            passed: 0,
        })
    }

    /// The next line of the population.
    pub fn offer(&mut self, amount: Money) -> Option<Hit> {
        let amount = amount.units().unsigned_abs();
        self.passed += amount;
        if self.next >= self.passed {
            return None;
        }
        let unit = self.next;
        let units = (self.passed - 1 - unit) / self.interval + 1;
        self.next += units * self.interval;
        Some(Hit {
            unit,
            units,
            is_certain: amount >= self.interval,
        })
    }
}

/// A stratum's part of a sample under way.
struct Stratum<'a> {
    name: &'a str,
    /// Times the population: its due without a fraction.
    due: u128,
    given: u128,
}

/// How many lines each stratum gives to a sample: in proportion to its lines by largest remainder, a tie
/// to the first; then at least one, taken from the stratum that has most above its due.
///
/// `None` where the sample is smaller than the number of strata or larger than the population.
pub(super) fn allocate(lines: &BTreeMap<String, u64>, size: u32) -> Option<BTreeMap<String, u64>> {
    let population: u128 = lines.values().map(|it| u128::from(*it)).sum();
    let strata = lines.values().filter(|it| **it > 0).count();
    let size = u128::from(size);
    if strata == 0 || size < strata as u128 || size > population {
        return None;
    }
    let mut shares: Vec<Stratum> = lines
        .iter()
        .filter(|(_, lines)| **lines > 0)
        .map(|(name, lines)| Stratum {
            name,
            due: u128::from(*lines) * size,
            given: u128::from(*lines) * size / population,
        })
        .collect();
    let left = size - shares.iter().map(|it| it.given).sum::<u128>();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    by_remainder.sort_by_key(|it| std::cmp::Reverse(shares[*it].due % population));
    for at in by_remainder.into_iter().take(usize::try_from(left).ok()?) {
        shares[at].given += 1;
    }
    while let Some(without) = shares.iter().position(|it| it.given == 0) {
        let excess = |it: &Stratum| (it.given * population).cast_signed() - it.due.cast_signed();
        let mut most: Option<usize> = None;
        for at in (0..shares.len()).filter(|it| shares[*it].given > 1) {
            if most.is_none_or(|it| excess(&shares[at]) > excess(&shares[it])) {
                most = Some(at);
            }
        }
        shares[most?].given -= 1;
        shares[without].given = 1;
    }
    let given = shares
        .iter()
        .map(|it| (it.name.to_owned(), u64::try_from(it.given).ok()));
    given.map(|(name, given)| Some((name, given?))).collect()
}

/// Of each stratum the lines with the smallest hashes, as many as it gives.
#[derive(Debug)]
pub(super) struct ByStrata<T> {
    seed: Seed,
    given: BTreeMap<String, u64>,
    drawn: BTreeMap<String, BinaryHeap<Drawn<T>>>,
}

#[derive(Debug)]
struct Drawn<T> {
    hash: [u8; 32],
    line: T,
}

impl<T> ByStrata<T> {
    pub fn new(given: BTreeMap<String, u64>, seed: Seed) -> ByStrata<T> {
        ByStrata {
            seed,
            given,
            drawn: BTreeMap::new(),
        }
    }

    /// A line of the population, in any order.
    pub fn offer(&mut self, stratum: &str, line_id: &str, line: T) {
        let given = self.given.get(stratum).copied().unwrap_or_default();
        let hash = self.seed.hash("stratified", line_id);
        let drawn = self.drawn.entry(stratum.to_owned()).or_default();
        drawn.push(Drawn { hash, line });
        if drawn.len() as u64 > given {
            drawn.pop();
        }
    }

    /// Stratum by stratum, in the order in which they were drawn.
    pub fn end(self) -> impl Iterator<Item = (String, i64, T)> {
        self.drawn.into_iter().flat_map(|(stratum, drawn)| {
            let lines = drawn.into_sorted_vec().into_iter();
            (1..)
                .zip(lines)
                .map(move |(at, it)| (stratum.clone(), at, it.line))
        })
    }
}

impl<T> PartialEq for Drawn<T> {
    fn eq(&self, other: &Drawn<T>) -> bool {
        self.hash == other.hash
    }
}

impl<T> Eq for Drawn<T> {}

impl<T> PartialOrd for Drawn<T> {
    fn partial_cmp(&self, other: &Drawn<T>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Drawn<T> {
    fn cmp(&self, other: &Drawn<T>) -> std::cmp::Ordering {
        self.hash.cmp(&other.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(number: u64) -> Seed {
        Seed {
            run: RunNo(1),
            number,
        }
    }

    fn drawn(amounts: &[u64], size: u32, number: u64) -> Vec<(usize, Hit)> {
        let total = Money::sum(amounts.iter().map(|it| Money::dong(*it)));
        let mut units = MonetaryUnits::new(total, size, seed(number)).unwrap();
        let hits = amounts.iter().map(|it| units.offer(Money::dong(*it)));
        hits.enumerate()
            .filter_map(|(at, it)| Some((at, it?)))
            .collect()
    }

    /// Counted đồng by đồng, as nobody would do it with real money.
    #[test]
    fn each_interval_has_one_dong_that_is_drawn() {
        let amounts = [3, 0, 40, 7, 1, 1, 25, 9, 60, 4];
        let owners: Vec<usize> = amounts
            .iter()
            .enumerate()
            .flat_map(|(at, it)| std::iter::repeat_n(at, usize::try_from(*it).unwrap()))
            .collect();
        for number in 0..200 {
            for size in [1, 4, 7, 200] {
                let interval = owners.len().div_ceil(size as usize);
                let units = MonetaryUnits::new(Money::dong(150), size, seed(number)).unwrap();
                let start = usize::try_from(units.start).unwrap();
                assert!(start < interval && units.interval == interval as u128);
                let mut expected: Vec<(usize, usize, u128)> = Vec::new();
                for unit in (start..owners.len()).step_by(interval) {
                    match expected.last_mut() {
                        Some((at, _, units)) if *at == owners[unit] => *units += 1,
                        _ => expected.push((owners[unit], unit, 1)),
                    }
                }
                let hits = drawn(&amounts, size, number);
                let told: Vec<(usize, usize, u128)> = hits
                    .iter()
                    .map(|(at, it)| (*at, usize::try_from(it.unit).unwrap(), it.units))
                    .collect();
                assert_eq!(told, expected, "seed {number}, size {size}");
                let large = (0..)
                    .zip(&amounts)
                    .filter(|(_, it)| **it >= interval as u64);
                for (at, _) in large {
                    assert!(hits.iter().any(|(it, hit)| *it == at && hit.is_certain));
                }
                assert!(hits.len() <= size as usize);
            }
        }
    }

    #[test]
    fn a_start_is_the_seeds_and_anyone_can_derive_it() {
        // python3 -c "import hashlib; print(int(hashlib.sha256(b'mus R000001 20261123 start')
        //     .hexdigest()[:32], 16) % 216000)"
        let units = MonetaryUnits::new(Money::dong(12_960_000), 60, seed(20_261_123)).unwrap();
        assert_eq!((units.interval, units.start), (216_000, 67_957));
        assert_eq!(MonetaryUnits::new(Money::ZERO, 60, seed(1)), None);
    }

    fn lines(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
        of.iter()
            .map(|(name, it)| ((*name).to_owned(), *it))
            .collect()
    }

    #[test]
    fn strata_give_in_proportion_and_each_at_least_one() {
        for (population, size, expected) in [
            (
                &[("01", 50), ("31", 30), ("79", 20)][..],
                10,
                Some(&[("01", 5), ("31", 3), ("79", 2)][..]),
            ),
            // Dues 3.5, 3.5 and 3: the tie goes to the first.
            (
                &[("a", 35), ("b", 35), ("c", 30)],
                10,
                Some(&[("a", 4), ("b", 3), ("c", 3)]),
            ),
            // Dues 9.98, 0.01 and 0.01.
            (
                &[("a", 998), ("b", 1), ("c", 1)],
                10,
                Some(&[("a", 8), ("b", 1), ("c", 1)]),
            ),
            (&[("a", 2), ("b", 3)], 5, Some(&[("a", 2), ("b", 3)])),
            (&[("a", 2), ("b", 3)], 1, None),
            (&[("a", 2), ("b", 3)], 6, None),
            (&[], 1, None),
        ] {
            assert_eq!(allocate(&lines(population), size), expected.map(lines));
        }
    }

    #[test]
    fn a_stratum_gives_the_smallest_hashes_in_whatever_order_they_come() {
        let ids: Vec<String> = (1..=50)
            .map(|it| format!("R000001-00-0001-{it:04}"))
            .collect();
        let draw = |ids: &[String], number: u64| {
            let mut by = ByStrata::new(lines(&[("a", 3), ("b", 2)]), seed(number));
            for (at, id) in ids.iter().enumerate() {
                by.offer(if at % 2 == 0 { "a" } else { "b" }, id, id.clone());
            }
            by.end().collect::<Vec<_>>()
        };
        let drawn = draw(&ids, 7);
        let hash = |id: &str| hex::encode(Sha256::digest(format!("stratified R000001 7 {id}")));
        let mut of_a: Vec<&String> = ids.iter().step_by(2).collect();
        of_a.sort_by_key(|it| hash(it));
        let expected: Vec<String> = of_a[..3].iter().map(|it| (*it).clone()).collect();
        let told: Vec<String> = drawn[..3].iter().map(|(.., it)| it.clone()).collect();
        assert_eq!((told, drawn.len()), (expected, 5));
        assert_eq!(drawn, draw(&ids, 7));
        assert_ne!(drawn, draw(&ids, 8));
    }
}
