//! Where people are paid: links asked for, proven by banks, held, changed, looked back at.

mod changes;
mod door;
mod doubts;
mod faults;
mod history;
mod lists;
mod payees;
mod town;

use accounts::{Kind, RefusalCode, RequestLink};
use domain::{Money, Programme};
use serde_json::Value;

use town::{Town, new_session, opening, requesting};

use crate::vneid;
use crate::world::{institution, officer};

const BANK: &str = "970436";

/// The stand-in's first citizen.
const MAU: &str = "Nguyễn Thị Mẫu";

#[tokio::test(flavor = "multi_thread")]
async fn a_citizen_logs_in_links_an_account_and_is_paid_to_it() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let (id_token, nonce) = vneid::log_in(&town.issuer, MAU).await?;
    let session = new_session();
    town.ask("open-session", &opening(&session, &id_token, &nonce))
        .await?;
    let link = town.request(&session, BANK, "0011004555001").await?;
    town.until_link(link, "linked").await?;
    let seen = town.seen(&session, link).await?;
    assert_eq!(seen["account"], "•••• 5001");
    assert_eq!(
        (&seen["kind"], &seen["state"]),
        (&"ssa".into(), &"linked".into())
    );

    let run_no = town.world.released(Programme::RetirementPension).await?;
    town.world
        .until("the bank has paid her", async || {
            let lines = town.world.lines(run_no).await?;
            let paid = lines
                .iter()
                .filter(|it| it.institution == institution(BANK));
            Ok(paid.filter(|it| it.state == "credited").count() == 1)
        })
        .await?;
    // The others have no account, and are paid all the same.
    let lines = town.world.lines(run_no).await?;
    let cash = lines
        .iter()
        .filter(|it| it.institution.to_string() == "990001");
    assert_eq!(
        (cash.count(), lines.len()),
        (sandbox::citizens().len() - 1, lines.len())
    );
    let amounts = Money::sum(lines.iter().map(|it| it.amount));
    assert!(amounts > Money::ZERO);
    town.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_of_identity_opens_one_session_of_its_own_person() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let (id_token, nonce) = vneid::log_in(&town.issuer, MAU).await?;
    let cases = [
        (
            opening(&new_session(), &id_token, "another"),
            "identity_token_invalid",
        ),
        (
            opening(&new_session(), &(id_token.clone() + "A"), &nonce),
            "identity_token_invalid",
        ),
        (opening("short", &id_token, &nonce), "session_invalid"),
    ];
    for (opening, code) in cases {
        let problem = town.refused("open-session", &opening).await?;
        assert_eq!(problem.code, code);
    }
    let session = new_session();
    town.ask("open-session", &opening(&session, &id_token, &nonce))
        .await?;
    let again = opening(&new_session(), &id_token, &nonce);
    let problem = town.refused("open-session", &again).await?;
    assert_eq!(
        (&problem.code[..], problem.status),
        ("identity_token_used", 401)
    );

    // Level 1 is not enough (Decree 69/2024/NĐ-CP).
    let low = sandbox::citizens();
    let low = low
        .iter()
        .find(|it| it.level == sandbox::Level::One)
        .unwrap();
    let (id_token, nonce) = vneid::log_in(&town.issuer, low.name.expose()).await?;
    let problem = town
        .refused("open-session", &opening(&new_session(), &id_token, &nonce))
        .await?;
    assert_eq!(
        (&problem.code[..], problem.status),
        ("identity_level_too_low", 403)
    );

    // A session that nobody opened, and a link that is somebody else's.
    let nobody = requesting(&new_session(), BANK, "0011004555001");
    assert_eq!(
        town.refused("request-link", &nobody).await?.code,
        "session_expired"
    );
    let link = town.request(&session, BANK, "0011004555001").await?;
    town.until_link(link, "linked").await?;
    let other = town.log_in(sandbox::citizens()[2].name.expose()).await?;
    let theirs = accounts::Unlink {
        session: accounts::Unlogged(other),
        link,
    };
    assert_eq!(town.refused("unlink", &theirs).await?.code, "link_unknown");
    town.close().await
}

/// Test numbers of the sandbox's banks, and what each leads to.
const REFUSED: [(&str, RefusalCode); 6] = [
    ("9999000000000001", RefusalCode::AccountClosed),
    ("9999000000000002", RefusalCode::AccountRestricted),
    ("9999000000000003", RefusalCode::AccountUnknown),
    ("9999000000000011", RefusalCode::IdentityDiffers),
    ("9999000000000012", RefusalCode::IdentityNotHeld),
    ("9999000000000022", RefusalCode::NameDiffers),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_is_told_to_the_citizen_in_her_language() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let session = town.log_in(MAU).await?;
    for (account, code) in REFUSED {
        let link = town.request(&session, BANK, account).await?;
        town.until_link(link, "refused").await?;
        let seen = town.seen(&session, link).await?;
        assert_eq!(seen["code"], code.as_str(), "{account}");
        assert_eq!(seen["sentence"], code.sentence_vi(), "{account}");
    }
    // What an officer did not accept, and what was never asked of a bank.
    let near = town.request(&session, BANK, "9999000000000021").await?;
    decide(&town, near, false).await?;
    let seen = town.seen(&session, near).await?;
    assert_eq!(seen["code"], RefusalCode::ReviewRefused.as_str());
    assert_eq!(seen["sentence"], RefusalCode::ReviewRefused.sentence_vi());
    for (bank, account, code) in [
        ("970400", "0011004555001", "institution_not_connected"),
        ("990001", "0011004555001", "institution_not_connected"),
        ("97043", "0011004555001", "institution_invalid"),
        (BANK, "00 11", "account_invalid"),
    ] {
        let body: RequestLink = requesting(&session, bank, account);
        assert_eq!(town.refused("request-link", &body).await?.code, code);
    }
    let linked = town.request(&session, BANK, "0011004555001").await?;
    town.until_link(linked, "linked").await?;
    let again = requesting(&session, BANK, "0011004555001");
    assert_eq!(
        town.refused("request-link", &again).await?.code,
        "link_exists"
    );
    town.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_near_is_linked_by_a_person_who_did_not_ask_for_it() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let citizen = &sandbox::citizens()[0];
    for account in ["9999000000000021", "9999000000000023", "9999000000000014"] {
        let wanted = (Kind::BenefitAccount, BANK, account);
        let link = town.change(town::CLERK, citizen, wanted).await?;
        let review = until_review(&town, link).await?;
        let own = accounts::DecideReview {
            officer: officer(town::CLERK),
            review,
            accept: true,
            reason: "đã đối chiếu".to_owned(),
            signature: None,
        };
        let problem = town.refused("decide-review", &own).await?;
        assert_eq!((&problem.code[..], problem.status), ("same_person", 403));
        decide(&town, link, true).await?;
        town.until_link(link, "linked").await?;
    }
    // The person's own former number is known from her login, and needs nobody.
    town.log_in(MAU).await?;
    let wanted = (Kind::Ssa, BANK, "9999000000000013");
    let link = town.change(town::CLERK, citizen, wanted).await?;
    town.until_link(link, "linked").await?;
    town.close().await
}

/// Only a suspension is lifted by hand: what a bank has not confirmed is not paid to.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_resumes_what_no_bank_has_confirmed() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let citizen = &sandbox::citizens()[0];
    let step = |by: &str, link, reason: &str| accounts::StepLink {
        officer: officer(by),
        link,
        reason: reason.to_owned(),
    };
    for account in ["9999000000000031", "9999000000000021", "9999000000000001"] {
        let wanted = (Kind::Ssa, BANK, account);
        let link = town.change(town::CLERK, citizen, wanted).await?;
        let resume = step(town::REGISTRAR, link, "theo đơn");
        let problem = town.refused("resume-link", &resume).await?;
        assert_eq!(problem.code, "illegal_transition", "{account}");
    }
    let wanted = (Kind::Ssa, BANK, "0011004555001");
    let link = town.change(town::CLERK, citizen, wanted).await?;
    town.until_link(link, "linked").await?;
    town.ask("suspend-link", &step(town::REGISTRAR, link, "theo đơn"))
        .await?;
    let own = step(town::CLERK, link, "theo đơn");
    assert_eq!(town.refused("resume-link", &own).await?.code, "same_person");
    town.ask("resume-link", &step(town::REGISTRAR, link, "theo đơn"))
        .await?;
    town.until_link(link, "linked").await?;
    town.close().await
}

/// An officer of the nation decides the one review of a link.
async fn decide(town: &Town, link: accounts::LinkId, accept: bool) -> anyhow::Result<Value> {
    let decision = accounts::DecideReview {
        officer: officer(town::REGISTRAR),
        review: until_review(town, link).await?,
        accept,
        reason: "đã đối chiếu giấy tờ".to_owned(),
        signature: None,
    };
    town.ask("decide-review", &decision).await
}

/// The number of the open review of a link, once there is one.
async fn until_review(town: &Town, link: accounts::LinkId) -> anyhow::Result<i64> {
    let find = async || -> anyhow::Result<Option<i64>> {
        let found = sqlx::query_scalar(
            "SELECT review_no FROM accounts.reviews
            WHERE person_no = $1 AND link_no = $2 AND decision IS NULL",
        )
        .bind(link.person_no.0)
        .bind(link.link_no);
        Ok(found.fetch_optional(&town.world.pool).await?)
    };
    town.world
        .until(&format!("{link} has a review"), async || {
            Ok(find().await?.is_some())
        })
        .await?;
    Ok(find().await?.expect("it was there"))
}
