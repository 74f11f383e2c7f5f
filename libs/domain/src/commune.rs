use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{Province, Refusal};

/// A commune of the two-tier division in force since 1 July 2025, by its official five-digit code,
/// e.g. 00004: one of the 3,321 xã, phường and đặc khu.
///
/// A commune that exists belongs to one province; old district and ward codes are none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Commune(i32);

/// What kind of unit a commune is.
///
/// As of 25 July 2026: ten wards of Đồng Nai were xã until it became a city on 30 April 2026
/// (Resolution 30/2026/QH16). Their codes did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommuneKind {
    /// Xã, a rural commune.
    Rural,
    /// Phường, a ward.
    Ward,
    /// Đặc khu, a special zone on islands.
    SpecialZone,
}

struct Row {
    number: i32,
    province: Province,
    kind: CommuneKind,
    name: &'static str,
}

/// In the order of codes.
static COMMUNES: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let lines = include_str!("../data/communes.csv").lines().skip(1);
    lines
        .map(|it| row(it).expect("a row is code, province, kind and name"))
        .collect()
});

fn row(line: &'static str) -> Option<Row> {
    let mut fields = line.split(',');
    let (number, province) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let kind = match fields.next()? {
        "x" => CommuneKind::Rural,
        "p" => CommuneKind::Ward,
        "d" => CommuneKind::SpecialZone,
        _ => return None,
    };
    let name = fields.next()?;
    Some(Row {
        number,
        province,
        kind,
        name,
    })
}

impl CommuneKind {
    pub fn name_vi(self) -> &'static str {
        match self {
            CommuneKind::Rural => "Xã",
            CommuneKind::Ward => "Phường",
            CommuneKind::SpecialZone => "Đặc khu",
        }
    }
}

impl Commune {
    /// All of them, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Commune> {
        COMMUNES.iter().map(|it| Commune(it.number))
    }

    /// Those of a province, in the order of their codes.
    pub fn of(province: Province) -> impl Iterator<Item = Commune> {
        let communes = COMMUNES.iter().filter(move |it| it.province == province);
        communes.map(|it| Commune(it.number))
    }

    pub fn number(self) -> i32 {
        self.0
    }

    pub fn from_number(number: i32) -> Option<Commune> {
        let found = COMMUNES.binary_search_by_key(&number, |it| it.number);
        found.ok().map(|_| Commune(number))
    }

    pub fn province(self) -> Province {
        self.row().province
    }

    pub fn kind(self) -> CommuneKind {
        self.row().kind
    }

    /// Vietnamese name without the kind of unit: Ba Đình.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Vietnamese name with the kind of unit: Phường Ba Đình.
    pub fn full_name(self) -> String {
        format!("{} {}", self.kind().name_vi(), self.name())
    }

    /// The first day on which the code meant this commune. Before it, the same digits may have
    /// been a ward or commune of the three-tier division.
    pub fn valid_from(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(2025, 7, 1).expect("1 July 2025 is a day")
    }

    fn row(self) -> &'static Row {
        let found = COMMUNES.binary_search_by_key(&self.0, |it| it.number);
        &COMMUNES[found.expect("only communes of the table are made")]
    }
}

impl FromStr for Commune {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Commune, Refusal> {
        if text.len() != 5 || !text.bytes().all(|it| it.is_ascii_digit()) {
            let sentence = "a commune is its five-digit code with leading zeros, e.g. 00004";
            return Err(Refusal::new("commune_invalid", sentence));
        }
        let number = text.parse().expect("five digits are a number");
        Commune::from_number(number).ok_or_else(|| {
            let sentence = "no commune has this code since 1 July 2025";
            Refusal::new("commune_unknown", sentence)
        })
    }
}

impl fmt::Display for Commune {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:05}", self.0)
    }
}

impl TryFrom<String> for Commune {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Commune, Refusal> {
        text.parse()
    }
}

impl From<Commune> for String {
    fn from(commune: Commune) -> String {
        commune.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The count by kind of domain data: 2,611 xã, 697 phường, 13 đặc khu.
    #[test]
    fn the_division_has_3321_communes_in_the_order_of_their_codes() {
        let of = |kind| COMMUNES.iter().filter(|it| it.kind == kind).count();
        let kinds = [
            CommuneKind::Rural,
            CommuneKind::Ward,
            CommuneKind::SpecialZone,
        ];
        assert_eq!(kinds.map(of), [2611, 697, 13]);
        assert!(COMMUNES.is_sorted_by(|a, b| a.number < b.number));
        let of_provinces = Province::weighted().map(|(it, _)| Commune::of(it).count());
        assert_eq!(of_provinces.sum::<usize>(), 3321);
        assert_eq!(Commune::all().count(), 3321);
    }

    #[test]
    fn a_commune_is_known_by_its_code() {
        for (code, province, name) in [
            ("00004", "01", "Phường Ba Đình"),
            ("06325", "20", "Xã Bắc Sơn"),
            ("20333", "48", "Đặc khu Hoàng Sa"),
            ("22736", "56", "Đặc khu Trường Sa"),
            ("25747", "79", "Phường Thủ Dầu Một"),
            ("32248", "96", "Xã Đất Mũi"),
        ] {
            let commune: Commune = code.parse().unwrap();
            assert_eq!(commune.province().to_string(), province);
            assert_eq!(commune.full_name(), name);
            assert_eq!(commune.to_string(), code);
            assert_eq!(Commune::from_number(commune.number()), Some(commune));
            assert!(Commune::of(commune.province()).any(|it| it == commune));
        }
    }

    #[test]
    fn other_codes_are_refused() {
        for bad in ["", "4", "0004", "000004", "0000a", "００００４", " 0004"] {
            let refusal = bad.parse::<Commune>().unwrap_err();
            assert_eq!(refusal.code, "commune_invalid", "{bad:?}");
        }
        // 00001 was phường Phúc Xá until 30 June 2025.
        for gone in ["00001", "00000", "99999"] {
            let refusal = gone.parse::<Commune>().unwrap_err();
            assert_eq!(refusal.code, "commune_unknown", "{gone}");
        }
        assert_eq!(Commune::from_number(-4), None);
    }

    #[test]
    fn on_the_wire_a_commune_is_its_code() {
        let commune: Commune = serde_json::from_str("\"00004\"").unwrap();
        assert_eq!(serde_json::to_string(&commune).unwrap(), "\"00004\"");
        assert!(serde_json::from_str::<Commune>("\"00001\"").is_err());
    }
}
