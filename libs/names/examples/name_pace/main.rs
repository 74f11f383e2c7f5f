//! Compares many names on one core and says how many a second.
//!
//! The usual case is the bank's form of the register's name; the others are what is looked at
//! word by word, and names of other people.

use std::hint::black_box;
use std::time::{Duration, Instant};

use domain::PersonName;
use names::{Verdict, compare};

const ROUND: Duration = Duration::from_secs(2);

const FAMILY: [&str; 6] = ["Nguyễn", "Trần", "Lê", "Đặng", "Huỳnh", "Phan"];
const MIDDLE: [&str; 5] = ["Thị", "Văn", "Ngọc Bảo", "Đức", "Thuỳ"];
const GIVEN: [&str; 7] = ["Lan", "Hùng", "Hoà", "Đạt", "Mỹ", "Nguyệt", "Phương"];

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() {
    let mut registered = Vec::new();
    for family in FAMILY {
        for middle in MIDDLE {
            registered.extend(GIVEN.map(|given| format!("{family} {middle} {given}")));
        }
    }
    let with = |of: &dyn Fn(&str) -> String| -> Vec<(String, String)> {
        let pairs = registered.iter().map(|it| (it.clone(), of(it)));
        pairs.collect()
    };
    let form = |name: &str| PersonName::bank_form_of(name);
    let turned = |name: &str| {
        let (family, rest) = name.split_once(' ').unwrap_or((name, ""));
        form(&format!("{rest} {family}"))
    };
    let slips = |name: &str| form(name).replacen('N', "M", 1);
    let others: Vec<(String, String)> = (0..registered.len())
        .map(|at| {
            let other = &registered[(at * 31 + 17) % registered.len()];
            (registered[at].clone(), form(other))
        })
        .collect();
    for (what, pairs) in [
        ("bank's form", with(&form)),
        ("with marks", with(&str::to_owned)),
        ("turned", with(&turned)),
        ("one slip", with(&slips)),
        ("somebody else", others),
    ] {
        let (mut compared, mut same) = (0_u64, 0_u64);
        let started = Instant::now();
        while started.elapsed() < ROUND {
            for (registered, found) in &pairs {
                let comparison = compare(black_box(registered), black_box(found));
                same += u64::from(comparison.verdict == Verdict::Same);
                compared += 1;
            }
        }
        let rate = u128::from(compared) * 1_000_000_000 / started.elapsed().as_nanos();
        let percent = same * 100 / compared;
        println!("{what:>14}: {rate:>9} a second a core, {percent} % the same");
    }
}
