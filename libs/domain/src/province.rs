use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::Refusal;

/// A province or centrally-run city of the two-tier division in force since 1 July 2025
/// (Resolution 202/2025/QH15), by its official code, e.g. 79.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Province(i16);

/// Code, name, and population in thousands (annex of Resolution 202/2025/QH15; a weight, no count).
const PROVINCES: [(i16, &str, u32); 34] = [
    (1, "Hà Nội", 8808),
    (4, "Cao Bằng", 573),
    (8, "Tuyên Quang", 1865),
    (11, "Điện Biên", 673),
    (12, "Lai Châu", 513),
    (14, "Sơn La", 1405),
    (15, "Lào Cai", 1779),
    (19, "Thái Nguyên", 1799),
    (20, "Lạng Sơn", 881),
    (22, "Quảng Ninh", 1497),
    (24, "Bắc Ninh", 3619),
    (25, "Phú Thọ", 4023),
    (31, "Hải Phòng", 4664),
    (33, "Hưng Yên", 3568),
    (37, "Ninh Bình", 4412),
    (38, "Thanh Hoá", 4325),
    (40, "Nghệ An", 3832),
    (42, "Hà Tĩnh", 1623),
    (44, "Quảng Trị", 1871),
    (46, "Huế", 1433),
    (48, "Đà Nẵng", 3066),
    (51, "Quảng Ngãi", 2162),
    (52, "Gia Lai", 3584),
    (56, "Khánh Hoà", 2244),
    (66, "Đắk Lắk", 3347),
    (68, "Lâm Đồng", 3873),
    (75, "Đồng Nai", 4491),
    (79, "Hồ Chí Minh", 14003),
    (80, "Tây Ninh", 3254),
    (82, "Đồng Tháp", 4370),
    (86, "Vĩnh Long", 4258),
    (91, "An Giang", 4952),
    (92, "Cần Thơ", 4200),
    (96, "Cà Mau", 2607),
];

/// Centrally-run cities, and since when within the division; all others are provinces. Đồng Nai
/// became one by Resolution 30/2026/QH16.
const CITIES: [(i16, (i32, u32, u32)); 7] = [
    (1, (2025, 7, 1)),
    (31, (2025, 7, 1)),
    (46, (2025, 7, 1)),
    (48, (2025, 7, 1)),
    (75, (2026, 4, 30)),
    (79, (2025, 7, 1)),
    (92, (2025, 7, 1)),
];

impl Province {
    /// All 34, in the order of their codes.
    pub fn all() -> impl Iterator<Item = Province> {
        Province::weighted().map(|(it, _)| it)
    }

    /// All 34 with their weights by population.
    pub fn weighted() -> impl Iterator<Item = (Province, u32)> {
        PROVINCES
            .iter()
            .map(|(code, _, weight)| (Province(*code), *weight))
    }

    pub fn number(self) -> i16 {
        self.0
    }

    pub fn from_number(number: i16) -> Option<Province> {
        PROVINCES
            .iter()
            .any(|(code, ..)| *code == number)
            .then_some(Province(number))
    }

    /// Vietnamese name without the kind of unit.
    pub fn name(self) -> &'static str {
        let found = PROVINCES.iter().find(|(code, ..)| *code == self.0);
        found.map_or("", |(_, name, _)| name)
    }

    /// Vietnamese name with the kind of unit that it was on a day: Tỉnh Đồng Nai, Thành phố Đồng
    /// Nai from 30 April 2026 on.
    pub fn full_name(self, on: NaiveDate) -> String {
        let kind = if self.is_city(on) {
            "Thành phố"
        } else {
            "Tỉnh"
        };
        format!("{kind} {}", self.name())
    }

    /// Whether it was a centrally-run city on a day.
    pub fn is_city(self, on: NaiveDate) -> bool {
        let since = |(year, month, day)| NaiveDate::from_ymd_opt(year, month, day);
        let city = CITIES.iter().find(|(code, _)| *code == self.0);
        city.is_some_and(|(_, first)| since(*first).is_some_and(|it| it <= on))
    }
}

impl FromStr for Province {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Province, Refusal> {
        let refusal = || {
            Refusal::new(
                "province_unknown",
                "a province is one of the 34 two-digit codes, e.g. 01",
            )
        };
        if text.len() != 2 || !text.bytes().all(|it| it.is_ascii_digit()) {
            return Err(refusal());
        }
        text.parse()
            .ok()
            .and_then(Province::from_number)
            .ok_or_else(refusal)
    }
}

impl fmt::Display for Province {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

impl TryFrom<String> for Province {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Province, Refusal> {
        text.parse()
    }
}

impl From<Province> for String {
    fn from(province: Province) -> String {
        province.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dong_nai_is_a_city_from_30_april_2026() {
        let dong_nai: Province = "75".parse().unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(dong_nai.full_name(day("2026-04-29")), "Tỉnh Đồng Nai");
        assert_eq!(dong_nai.full_name(day("2026-04-30")), "Thành phố Đồng Nai");
    }

    /// 28 and 6 by Resolution 202/2025/QH15; 27 and 7 since Đồng Nai changed.
    #[test]
    fn there_are_34_provinces_and_cities() {
        let cities = |day: &str| {
            let day: NaiveDate = day.parse().unwrap();
            Province::all().filter(|it| it.is_city(day)).count()
        };
        assert_eq!(Province::all().count(), 34);
        assert_eq!([cities("2025-07-01"), cities("2026-12-01")], [6, 7]);
        let hue: Province = "46".parse().unwrap();
        let day: NaiveDate = "2025-07-01".parse().unwrap();
        assert_eq!(hue.full_name(day), "Thành phố Huế");
    }
}
