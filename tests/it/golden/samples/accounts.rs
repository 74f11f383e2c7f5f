//! What is said of where people are paid.

use domain::{Channel, PersonNo};
use events::{
    AccountAtBank, IdentityAtBank, IndicatorTold, IndicatorsTold, LinkChange, LinksChanged,
    SuspicionTold, SuspicionsTold, Verification, VerificationRequest, VerificationRequests,
    Verifications,
};

use super::{Sample, bank, day, index, part, said_at, sample, sealed};

pub fn of_accounts() -> Vec<Sample> {
    vec![
        sample(&LinksChanged {
            part: part(),
            changes: vec![
                change("linked", None, Some(1)),
                change("refused", Some("name_mismatch"), None),
            ],
        }),
        sample(&IndicatorsTold {
            taken_on: day(),
            places: vec![indicator(79, 26_734)],
            nation: indicator(0, 0),
        }),
        sample(&VerificationRequests {
            institution: bank(),
            part: part(),
            message_id: "A07-000123".to_owned(),
            requests: vec![VerificationRequest {
                verification_id: "L0000000023-02".to_owned(),
                account: sealed(0x22),
                holder: sealed(0x33),
                citizen_number: sealed(0x11),
            }],
        }),
        sample(&Verifications {
            institution: bank(),
            part: part(),
            message_id: "970436-A07-000123".to_owned(),
            verifications: vec![
                Verification {
                    verification_id: "L0000000023-02".to_owned(),
                    account: AccountAtBank::Open,
                    identity: Some(IdentityAtBank::OldNumber),
                    holder: Some(sealed(0x33)),
                    old_number: Some(sealed(0x44)),
                },
                Verification {
                    verification_id: "L0000000039-01".to_owned(),
                    account: AccountAtBank::Unknown,
                    identity: None,
                    holder: None,
                    old_number: None,
                },
            ],
        }),
        sample(&SuspicionsTold {
            part: part(),
            message_id: "SIMO-2026-11-20-0001".to_owned(),
            suspicions: vec![SuspicionTold {
                suspicion_id: "SIMO-000123".to_owned(),
                institution: bank(),
                account_index: index(0xa1),
                kind: "mule_account".to_owned(),
                raised_on: day(),
                cleared: false,
            }],
        }),
    ]
}

fn indicator(province: i16, commune: i32) -> IndicatorTold {
    IndicatorTold {
        province,
        commune,
        people: 90_000,
        linked: 45_000,
        recipients: 9_000,
        by_ssa: 4_500,
        by_cash: 1_200,
    }
}

fn change(state: &str, code: Option<&str>, notified_too: Option<i16>) -> LinkChange {
    LinkChange {
        person_no: PersonNo(23),
        link_no: 2,
        step: 3,
        kind: "ssa".to_owned(),
        institution: bank(),
        channel: Channel::BankAccount,
        state: state.to_owned(),
        code: code.map(str::to_owned),
        valid_from: said_at(),
        notified_too,
    }
}
