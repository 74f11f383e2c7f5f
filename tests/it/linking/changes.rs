//! What a change of account costs in time, and which account comes first after it.

use accounts::{Kind, LinkId, PaidAtQuery, StepLink};
use chrono::{DateTime, Utc};

use super::BANK;
use super::town::{CLERK, REGISTRAR, Town};
use crate::world::officer;

const OTHER_BANK: &str = "970405";
/// A test number whose bank says nothing.
const SILENT: &str = "9999000000000032";

async fn payable_from(town: &Town, link: LinkId) -> anyhow::Result<Option<DateTime<Utc>>> {
    let found = sqlx::query_scalar(
        "SELECT payable_from FROM accounts.channels WHERE person_no = $1 AND link_no = $2",
    );
    let found = found.bind(link.person_no.0).bind(link.link_no);
    Ok(found.fetch_one(&town.world.pool).await?)
}

async fn suspend_and_resume(town: &Town, link: LinkId) -> anyhow::Result<()> {
    let step = StepLink {
        officer: officer(CLERK),
        link,
        reason: "theo đơn".to_owned(),
    };
    for (command, state) in [("suspend-link", "suspended"), ("resume-link", "linked")] {
        town.ask(command, &step).await?;
        assert_eq!(town.state(link).await?, state);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_never_paid_to_makes_nobody_wait() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let citizen = &sandbox::citizens()[0];
    let mistaken = town
        .change(REGISTRAR, citizen, (Kind::Ssa, BANK, SILENT))
        .await?;
    let right = town
        .change(REGISTRAR, citizen, (Kind::Ssa, BANK, "0011004555001"))
        .await?;
    town.until_link(right, "linked").await?;
    assert_eq!(town.state(mistaken).await?, "replaced");
    assert_eq!(payable_from(&town, right).await?, None);
    town.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_shortens_no_cooling_off() -> anyhow::Result<()> {
    let town = Town::new(|settings| settings.accounts.cooling_off_ms = 3_600_000).await?;
    let citizen = &sandbox::citizens()[0];
    let mut links = Vec::new();
    for (bank, account) in [(BANK, "0011004555001"), (OTHER_BANK, "0011004555002")] {
        let link = town
            .change(REGISTRAR, citizen, (Kind::Ssa, bank, account))
            .await?;
        town.until_link(link, "linked").await?;
        links.push(link);
    }
    let [_, changed] = links[..] else {
        unreachable!("two accounts were linked");
    };
    let before = payable_from(&town, changed).await?;
    assert!(before.is_some());
    suspend_and_resume(&town, changed).await?;
    assert_eq!(payable_from(&town, changed).await?, before);
    town.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_came_back_is_behind_the_one_that_stayed() -> anyhow::Result<()> {
    let town = Town::new(|settings| settings.accounts.cooling_off_ms = 0).await?;
    let citizen = &sandbox::citizens()[0];
    let mut links = Vec::new();
    for account in ["0011004555001", "0011004555002"] {
        let link = town
            .change(REGISTRAR, citizen, (Kind::BenefitAccount, BANK, account))
            .await?;
        town.until_link(link, "linked").await?;
        links.push(link);
    }
    let [first, second] = links[..] else {
        unreachable!("two accounts were linked");
    };
    let paid_at = async |about| -> anyhow::Result<LinkId> {
        let query = PaidAtQuery {
            officer: officer(REGISTRAR),
            person: first.person_no,
            about,
            known: None,
        };
        let told = town.inquire("paid-at", &query).await?;
        Ok(told["link"].as_str().unwrap_or_default().parse()?)
    };
    let before = Utc::now();
    suspend_and_resume(&town, first).await?;
    let paid_first: i16 = sqlx::query_scalar(
        "SELECT link_no FROM accounts.channels WHERE person_no = $1 ORDER BY rank LIMIT 1",
    )
    .bind(first.person_no.0)
    .fetch_one(&town.world.pool)
    .await?;
    assert_eq!(paid_first, second.link_no);
    assert_eq!(paid_at(Utc::now()).await?, second);
    assert_eq!(paid_at(before).await?, first);
    town.close().await
}
