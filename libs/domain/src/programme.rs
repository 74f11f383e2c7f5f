use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// A programme that pays, by the code the ministry uses.
///
/// Every match on it is exhaustive: a new programme must say in each place what it means there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Programme {
    /// Trợ cấp hưu trí xã hội: Law 41/2024/QH15 Arts 21–23, Decree 176/2025.
    SocialPension,
    /// Lương hưu: Law 41/2024/QH15 Arts 64–77.
    RetirementPension,
    /// Trợ cấp xã hội hằng tháng: Decree 20/2021.
    SocialAssistance,
    /// Trợ cấp, phụ cấp ưu đãi người có công hằng tháng: Ordinance 02/2020, Decree 77/2024.
    MeritAllowance,
}

impl Programme {
    pub const ALL: [Programme; 4] = [
        Programme::SocialPension,
        Programme::RetirementPension,
        Programme::SocialAssistance,
        Programme::MeritAllowance,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Programme::SocialPension => "HTXH",
            Programme::RetirementPension => "LUONG_HUU",
            Programme::SocialAssistance => "TCXH",
            Programme::MeritAllowance => "NCC_THANG",
        }
    }

    /// The programme's number in the chart of accounts and in narrow keys, from 1.
    pub fn number(self) -> i16 {
        match self {
            Programme::SocialPension => 1,
            Programme::RetirementPension => 2,
            Programme::SocialAssistance => 3,
            Programme::MeritAllowance => 4,
        }
    }

    pub fn from_number(number: i16) -> Option<Programme> {
        Programme::ALL.into_iter().find(|it| it.number() == number)
    }

    pub fn name_vi(self) -> &'static str {
        match self {
            Programme::SocialPension => "Trợ cấp hưu trí xã hội",
            Programme::RetirementPension => "Lương hưu",
            Programme::SocialAssistance => "Trợ cấp xã hội hằng tháng",
            Programme::MeritAllowance => "Trợ cấp ưu đãi người có công hằng tháng",
        }
    }
}

impl FromStr for Programme {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Programme, Refusal> {
        Programme::ALL
            .into_iter()
            .find(|it| it.code() == text)
            .ok_or_else(|| {
                Refusal::new(
                    "programme_unknown",
                    "a programme is one of HTXH, LUONG_HUU, TCXH, NCC_THANG",
                )
            })
    }
}

impl fmt::Display for Programme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl TryFrom<String> for Programme {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Programme, Refusal> {
        text.parse()
    }
}

impl From<Programme> for String {
    fn from(programme: Programme) -> String {
        programme.code().to_owned()
    }
}
