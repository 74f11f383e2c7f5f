use domain::Money;
use serde_json::Value as Json;

use crate::{Evidence, FactKind, Parameter, Rounding, RoundingMode};

/// A fact's value as people write it, in Vietnamese and in English.
pub(super) fn fact(evidence: &Evidence, value: &Json) -> (String, String) {
    let text = value.as_str().unwrap_or_default();
    match evidence.kind {
        FactKind::Flag if value.as_bool() == Some(true) => ("có".to_owned(), "yes".to_owned()),
        FactKind::Flag => ("không".to_owned(), "no".to_owned()),
        FactKind::Date => (written_date(value), written_date(value)),
        FactKind::Money => both(money(text)),
        FactKind::Integer | FactKind::Decimal => number(text),
        FactKind::Code => both(text.to_owned()),
        FactKind::Codes => {
            let codes: Option<Vec<&str>> = value
                .as_array()
                .and_then(|it| it.iter().map(Json::as_str).collect());
            both(codes.unwrap_or_default().join(", "))
        }
    }
}

pub(super) fn parameter_value(parameter: &Parameter, value: &str) -> (String, String) {
    if parameter.unit.starts_with("VND") && !value.contains('.') {
        return both(money(value));
    }
    number(value)
}

fn both(text: String) -> (String, String) {
    (text.clone(), text)
}

fn money(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), Money::vi)
}

/// `1.080.000,5` and `1,080,000.5`; what is no number stays as it is.
pub(super) fn number(text: &str) -> (String, String) {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |it| ("-", it));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty()
        || !whole
            .bytes()
            .chain(fraction.bytes())
            .all(|it| it.is_ascii_digit())
    {
        return both(text.to_owned());
    }
    let written = |group: char, point: char| {
        let mut written = sign.to_owned();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                written.push(group);
            }
            written.push(digit);
        }
        if !fraction.is_empty() {
            written.push(point);
            written.push_str(fraction);
        }
        written
    };
    (written('.', ','), written(',', '.'))
}

/// `dd/mm/yyyy`.
pub(super) fn written_date(value: &Json) -> String {
    let text = value.as_str().unwrap_or_default();
    let date = crate::document::iso_date(text);
    date.map_or_else(|| text.to_owned(), |it| it.format("%d/%m/%Y").to_string())
}

pub(super) fn rounding(rounding: Rounding) -> (String, String) {
    let (vi, en) = match rounding.mode {
        RoundingMode::HalfUp => ("từ một nửa thì làm tròn lên", "a half up"),
        RoundingMode::HalfEven => ("một nửa thì làm tròn về số chẵn", "a half to even"),
        RoundingMode::Up => ("lên", "up"),
        RoundingMode::Down => ("xuống", "down"),
    };
    let unit = Money::dong(u64::from(rounding.unit)).vi();
    (
        format!("làm tròn đến {unit}, {vi}"),
        format!("rounded to {unit}, {en}"),
    )
}
