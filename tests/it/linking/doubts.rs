//! Accounts that somebody doubts: held, looked at, and never the end of a benefit.

use accounts::{Kind, LinkId};
use domain::Programme;
use payments::LineRow;
use serde_json::json;
use uuid::Uuid;

use super::town::{CLERK, Town};
use super::{BANK, decide};

const ACCOUNT: &str = "0011004555001";

#[tokio::test(flavor = "multi_thread")]
async fn a_suspected_account_is_held_and_paid_again_when_the_warning_is_taken_back()
-> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let link = linked(&town, 0, ACCOUNT).await?;
    tell(&town, "SIMO-1", "970405", ACCOUNT, false).await?;
    // Another bank's account of the same number is none of hers.
    assert_eq!(held(&town, link).await?, None);
    tell(&town, "SIMO-2", BANK, ACCOUNT, false).await?;
    assert_eq!(held(&town, link).await?.as_deref(), Some("suspicion"));
    let run_no = town.world.open(Programme::RetirementPension).await?;
    town.world.until_state(run_no, "awaiting_approval").await?;
    let lines = town.world.lines(run_no).await?;
    assert_eq!(of(&lines, link).state, "held");

    tell(&town, "SIMO-2", BANK, ACCOUNT, true).await?;
    assert_eq!(held(&town, link).await?, None);
    let open = "SELECT count(*) FROM accounts.reviews WHERE decision IS NULL";
    assert_eq!(town.world.number(open).await?, 0);
    // Warned of before it is linked, it is held from the beginning.
    tell(&town, "SIMO-3", BANK, "0011004555002", false).await?;
    let second = linked(&town, 2, "0011004555002").await?;
    assert_eq!(held(&town, second).await?.as_deref(), Some("suspicion"));
    decide(&town, second, true).await?;
    assert_eq!(held(&town, second).await?, None);
    town.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_looks_at_in_time_is_paid_by_the_next_channel() -> anyhow::Result<()> {
    let town = Town::new(|settings| settings.accounts.review_ms = 1).await?;
    let link = linked(&town, 0, ACCOUNT).await?;
    tell(&town, "SIMO-1", BANK, ACCOUNT, false).await?;
    let alarms = "SELECT count(*) FROM accounts.alarms WHERE kind = 'review_overdue'";
    town.world
        .until("the forgotten review is an alarm", async || {
            Ok(town.world.number(alarms).await? == 1)
        })
        .await?;
    let run_no = town.world.released(Programme::RetirementPension).await?;
    let lines = town.world.lines(run_no).await?;
    assert_eq!(
        of(&lines, link).institution.to_string(),
        "990001",
        "in cash"
    );
    town.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_too_many_people_is_looked_at() -> anyhow::Result<()> {
    let town = Town::new(|settings| settings.accounts.people_per_account_max = 2).await?;
    let mut links = Vec::new();
    for citizen in [0, 1] {
        links.push(linked(&town, citizen, ACCOUNT).await?);
    }
    for link in &links {
        assert_eq!(held(&town, *link).await?, None);
    }
    links.push(linked(&town, 2, ACCOUNT).await?);
    for link in &links {
        assert_eq!(held(&town, *link).await?.as_deref(), Some("shared_account"));
    }
    let alarms = "SELECT count(*) FROM accounts.alarms WHERE kind = 'shared_account'";
    assert_eq!(town.world.number(alarms).await?, 3);
    decide(&town, links[2], false).await?;
    assert_eq!(town.state(links[2]).await?, "suspended");
    decide(&town, links[0], true).await?;
    assert_eq!(held(&town, links[0]).await?, None);
    town.close().await
}

async fn linked(town: &Town, citizen: usize, account: &str) -> anyhow::Result<LinkId> {
    let citizen = &sandbox::citizens()[citizen];
    let wanted = (Kind::Ssa, BANK, account);
    let link = town.change(CLERK, citizen, wanted).await?;
    town.until_link(link, "linked").await?;
    Ok(link)
}

async fn held(town: &Town, link: LinkId) -> anyhow::Result<Option<String>> {
    let hold = sqlx::query_scalar(
        "SELECT hold FROM accounts.channels WHERE person_no = $1 AND link_no = $2",
    )
    .bind(link.person_no.0)
    .bind(link.link_no);
    Ok(hold.fetch_one(&town.world.pool).await?)
}

/// The central bank tells, and accounts has heard it.
async fn tell(
    town: &Town,
    suspicion: &str,
    bank: &str,
    account: &str,
    cleared: bool,
) -> anyhow::Result<()> {
    let body = json!({
        "message_id": Uuid::now_v7().to_string(),
        "suspicions": [{
            "suspicion_id": suspicion, "institution": bank, "account": account,
            "kind": "mule_account", "raised_on": "2026-11-20", "cleared": cleared,
        }],
    });
    let key = Uuid::now_v7().to_string();
    messaging::ask(&town.world.nats, "sandbox", "tell-suspicions", &key, &body).await?;
    town.world
        .until_heard("accounts", events::CENTRAL_BANK)
        .await
}

fn of(lines: &[LineRow], link: LinkId) -> &LineRow {
    let found = lines.iter().find(|it| it.person_no == link.person_no.0);
    found.expect("everybody is owed a pension")
}
