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
    /// Trợ cấp tuất hằng tháng: Law 41/2024/QH15 Arts 86–88.
    SurvivorAllowance,
    /// Trợ cấp tuất một lần: Law 41/2024/QH15 Art 89.
    SurvivorLumpSum,
    /// Trợ cấp mai táng bảo hiểm xã hội: Law 41/2024/QH15 Art 85.
    InsuranceFuneral,
    /// Trợ cấp một lần khi nghỉ hưu: Law 41/2024/QH15 Art 68.
    RetirementLumpSum,
    /// Hỗ trợ kinh phí chăm sóc, nuôi dưỡng hằng tháng: Decree 20/2021 Art 20.
    CareSupport,
    /// Hỗ trợ chi phí mai táng của bảo trợ xã hội: Decree 20/2021 Art 11.
    AssistanceFuneral,
    /// Trợ cấp thất nghiệp: Law 74/2025/QH15 Art 39.
    UnemploymentBenefit,
    /// Quà tặng toàn dân: a resolution for each campaign, as 263/NQ-CP of 2025.
    MassGift,
    /// Quà tặng đối tượng chính sách dịp lễ, Tết: a resolution for each campaign, as 418/NQ-CP.
    PolicyGift,
    /// Trợ cấp ưu đãi người có công một lần: Ordinance 02/2020, Decree 77/2024.
    MeritLumpSum,
}

impl Programme {
    pub const ALL: [Programme; 14] = [
        Programme::SocialPension,
        Programme::RetirementPension,
        Programme::SocialAssistance,
        Programme::MeritAllowance,
        Programme::SurvivorAllowance,
        Programme::SurvivorLumpSum,
        Programme::InsuranceFuneral,
        Programme::RetirementLumpSum,
        Programme::CareSupport,
        Programme::AssistanceFuneral,
        Programme::UnemploymentBenefit,
        Programme::MassGift,
        Programme::PolicyGift,
        Programme::MeritLumpSum,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Programme::SocialPension => "HTXH",
            Programme::RetirementPension => "LUONG_HUU",
            Programme::SocialAssistance => "TCXH",
            Programme::MeritAllowance => "NCC_THANG",
            Programme::SurvivorAllowance => "TUAT_THANG",
            Programme::SurvivorLumpSum => "TUAT_1LAN",
            Programme::InsuranceFuneral => "MAI_TANG_BHXH",
            Programme::RetirementLumpSum => "LUONG_HUU_1LAN",
            Programme::CareSupport => "CS_NUOI_DUONG",
            Programme::AssistanceFuneral => "MT_BTXH",
            Programme::UnemploymentBenefit => "TCTN",
            Programme::MassGift => "QUA_TOAN_DAN",
            Programme::PolicyGift => "QUA_TET_LE",
            Programme::MeritLumpSum => "NCC_1LAN",
        }
    }

    /// The programme's number in the chart of accounts and in narrow keys, from 1.
    pub fn number(self) -> i16 {
        match self {
            Programme::SocialPension => 1,
            Programme::RetirementPension => 2,
            Programme::SocialAssistance => 3,
            Programme::MeritAllowance => 4,
            Programme::SurvivorAllowance => 5,
            Programme::SurvivorLumpSum => 6,
            Programme::InsuranceFuneral => 7,
            Programme::RetirementLumpSum => 8,
            Programme::CareSupport => 9,
            Programme::AssistanceFuneral => 10,
            Programme::UnemploymentBenefit => 11,
            Programme::MassGift => 12,
            Programme::PolicyGift => 13,
            Programme::MeritLumpSum => 14,
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
            Programme::SurvivorAllowance => "Trợ cấp tuất hằng tháng",
            Programme::SurvivorLumpSum => "Trợ cấp tuất một lần",
            Programme::InsuranceFuneral => "Trợ cấp mai táng bảo hiểm xã hội",
            Programme::RetirementLumpSum => "Trợ cấp một lần khi nghỉ hưu",
            Programme::CareSupport => "Hỗ trợ kinh phí chăm sóc, nuôi dưỡng hằng tháng",
            Programme::AssistanceFuneral => "Hỗ trợ chi phí mai táng của bảo trợ xã hội",
            Programme::UnemploymentBenefit => "Trợ cấp thất nghiệp",
            Programme::MassGift => "Quà tặng toàn dân",
            Programme::PolicyGift => "Quà tặng đối tượng chính sách dịp lễ, Tết",
            Programme::MeritLumpSum => "Trợ cấp ưu đãi người có công một lần",
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
                let codes = Programme::ALL.map(Programme::code).join(", ");
                Refusal::new(
                    "programme_unknown",
                    format!("a programme is one of {codes}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programme_is_found_by_its_code_and_by_its_number() {
        for (index, programme) in (1..).zip(Programme::ALL) {
            assert_eq!(programme.number(), index);
            assert_eq!(Programme::from_number(index), Some(programme));
            assert_eq!(programme.code().parse(), Ok(programme));
        }
    }
}
