//! Amounts in Vietnamese words, as they stand on orders of payment beside the digits.

const DIGITS: [&str; 10] = [
    "không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín",
];
const BILLION: u128 = 1_000_000_000;

/// `Ba trăm linh năm triệu hai trăm tám mươi nghìn đồng`.
pub(crate) fn dong(amount: u128) -> String {
    let mut words = Vec::new();
    if amount == 0 {
        words.push(DIGITS[0]);
    }
    number(amount, true, &mut words);
    words.push("đồng");
    let text = words.join(" ");
    let mut letters = text.chars();
    let first = letters.next().map(|it| it.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// Above a billion the number of billions is read as a number of its own; below, three digits at
/// a time. `leads` where nothing was read before: only then a hundred that is not there is silent.
fn number(amount: u128, leads: bool, words: &mut Vec<&'static str>) {
    let mut leads = leads;
    if amount >= BILLION {
        number(amount / BILLION, leads, words);
        words.push("tỷ");
        leads = false;
    }
    let rest = amount % BILLION;
    for (size, name) in [
        (1_000_000, Some("triệu")),
        (1_000, Some("nghìn")),
        (1, None),
    ] {
        let group = rest / size % 1_000;
        if group == 0 {
            continue;
        }
        let digit = |of: u128| usize::try_from(group / of % 10).expect("a digit is small");
        three([digit(100), digit(10), digit(1)], leads, words);
        words.extend(name);
        leads = false;
    }
}

fn three([hundreds, tens, ones]: [usize; 3], leads: bool, words: &mut Vec<&'static str>) {
    let has_hundreds = hundreds > 0 || !leads;
    if has_hundreds {
        words.extend([DIGITS[hundreds], "trăm"]);
    }
    match tens {
        0 if ones > 0 && has_hundreds => words.push("linh"),
        0 => {}
        1 => words.push("mười"),
        _ => words.extend([DIGITS[tens], "mươi"]),
    }
    match (tens, ones) {
        (_, 0) => {}
        (2.., 1) => words.push("mốt"),
        (2.., 4) => words.push("tư"),
        (1.., 5) => words.push("lăm"),
        _ => words.push(DIGITS[ones]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_read_them() {
        let readings = [
            (0, "Không đồng"),
            (5, "Năm đồng"),
            (10, "Mười đồng"),
            (15, "Mười lăm đồng"),
            (21, "Hai mươi mốt đồng"),
            (24, "Hai mươi tư đồng"),
            (55, "Năm mươi lăm đồng"),
            (101, "Một trăm linh một đồng"),
            (110, "Một trăm mười đồng"),
            (1_001, "Một nghìn không trăm linh một đồng"),
            (540_000, "Năm trăm bốn mươi nghìn đồng"),
            (1_000_000, "Một triệu đồng"),
            (1_005_000, "Một triệu không trăm linh năm nghìn đồng"),
            (
                305_280_000,
                "Ba trăm linh năm triệu hai trăm tám mươi nghìn đồng",
            ),
            (1_000_000_000, "Một tỷ đồng"),
            (1_000_000_500, "Một tỷ năm trăm đồng"),
            (
                2_014_015_024,
                "Hai tỷ không trăm mười bốn triệu không trăm mười lăm nghìn không trăm hai mươi tư đồng",
            ),
            (27_000_000_000_000, "Hai mươi bảy nghìn tỷ đồng"),
            (
                1_234_000_000_001,
                "Một nghìn hai trăm ba mươi tư tỷ không trăm linh một đồng",
            ),
            (3_000_000_000_000_000_000, "Ba tỷ tỷ đồng"),
        ];
        for (amount, reading) in readings {
            assert_eq!(dong(amount), reading, "{amount}");
        }
    }
}
