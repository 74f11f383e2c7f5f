//! Somebody else is paid for a person, who stays the one that is owed.

use accounts::{AuthorityKind, EndAuthority, GrantAuthority, Kind};
use chrono::{Days, NaiveDate, Utc};
use domain::{Money, PersonNo, Programme};
use payments::LineRow;

use super::BANK;
use super::town::{REGISTRAR, Town};
use crate::world::{institution, officer};

/// A pension of the stand-in's citizens, above and below which a payee's limit lies.
const PENSION: u64 = 5_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_guardian_is_paid_within_scope_and_limit_and_the_ledger_stays_the_persons()
-> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let citizens = sandbox::citizens();
    let guardian = (Kind::Ssa, BANK, "0011004555001");
    let link = town.change(REGISTRAR, &citizens[0], guardian).await?;
    town.until_link(link, "linked").await?;
    let payee = link.person_no;
    let person = |number: i64| PersonNo(number);
    let wards = [person(2), person(3), person(4), person(5), person(6)];
    let grants = [
        authority(wards[0], payee),
        GrantAuthority {
            programmes: vec![Programme::RetirementPension],
            amount_max: Some(Money::dong(PENSION)),
            ..authority(wards[1], payee)
        },
        GrantAuthority {
            programmes: vec![Programme::SocialPension],
            ..authority(wards[2], payee)
        },
        GrantAuthority {
            amount_max: Some(Money::dong(PENSION - 1)),
            ..authority(wards[3], payee)
        },
        GrantAuthority {
            valid_from: today() + Days::new(1),
            ..authority(wards[4], payee)
        },
    ];
    for grant in &grants {
        town.ask("grant-authority", grant).await?;
    }
    let run_no = town.world.released(Programme::RetirementPension).await?;
    let lines = town.world.lines(run_no).await?;
    let of = |ward: PersonNo| -> &LineRow {
        let found = lines.iter().find(|it| it.person_no == ward.0);
        found.expect("everybody is owed a pension")
    };
    for ward in &wards[..2] {
        assert_eq!(of(*ward).payee_no, Some(payee.0), "{ward:?}");
        assert_eq!(of(*ward).institution, institution(BANK));
    }
    // For another programme, or from tomorrow, it leads nowhere yet.
    for ward in [wards[2], wards[4]] {
        assert_eq!(of(ward).payee_no, None, "{ward:?}");
        assert_eq!(of(ward).institution.to_string(), "990001");
    }
    assert_eq!(of(wards[3]).state, "held");
    let exceptions = payments::exceptions(&town.world.pool, run_no, 100).await?;
    let held = exceptions.iter().find(|it| it.person_no == wards[3].0);
    assert!(
        held.is_some_and(|it| it.detail.contains("payee_limit")),
        "{exceptions:?}"
    );
    let owed = "SELECT count(DISTINCT person_no) FROM ledger.transfers";
    let transfers = town.world.number(owed).await?;
    assert!(
        transfers >= 5,
        "each has transfers of their own: {transfers}"
    );
    town.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_has_an_end_and_a_proof() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let (person, payee) = (PersonNo(1), PersonNo(2));
    let from = today();
    let cases = [
        (
            GrantAuthority {
                kind: AuthorityKind::Collection,
                ..authority(person, payee)
            },
            "authority_too_long",
        ),
        (
            GrantAuthority {
                valid_to: Some(from - Days::new(1)),
                ..authority(person, payee)
            },
            "authority_dates",
        ),
        (authority(person, person), "payee_is_person"),
        (authority(person, PersonNo(404)), "person_unknown"),
        (
            GrantAuthority {
                proof: String::new(),
                ..authority(person, payee)
            },
            "reason_missing",
        ),
    ];
    for (grant, code) in cases {
        assert_eq!(town.refused("grant-authority", &grant).await?.code, code);
    }
    let end = EndAuthority {
        officer: officer(REGISTRAR),
        person,
        ends_on: from,
        reason: "đủ 18 tuổi".to_owned(),
    };
    assert_eq!(
        town.refused("end-authority", &end).await?.code,
        "authority_none"
    );
    town.ask("grant-authority", &authority(person, payee))
        .await?;
    town.ask("end-authority", &end).await?;
    assert_eq!(
        town.refused("end-authority", &end).await?.code,
        "authority_none"
    );
    let run_no = town.world.released(Programme::RetirementPension).await?;
    let lines = town.world.lines(run_no).await?;
    assert!(
        lines.iter().all(|it| it.payee_no.is_none()),
        "it ended today"
    );
    town.close().await
}

fn authority(person: PersonNo, payee: PersonNo) -> GrantAuthority {
    GrantAuthority {
        officer: officer(REGISTRAR),
        person,
        payee,
        kind: AuthorityKind::Guardian,
        programmes: Vec::new(),
        amount_max: None,
        proof: "QĐ 5/2026".to_owned(),
        valid_from: today(),
        valid_to: None,
    }
}

fn today() -> NaiveDate {
    boot::clock::today_in_vietnam(Utc::now())
}
