//! Lists: a bank's own accounts, the indicators of Decision 826, what people ask of their data.

use std::path::PathBuf;
use std::sync::Arc;

use accounts::{
    Kind, LinkId, ListReport, ListSums, Mine, Queue, RequestData, RequestKind, StepRequest, Terms,
    Unlogged, import_bank_list,
};
use anyhow::Context;
use chrono::{NaiveDate, Utc};
use domain::Programme;
use serde_json::Value;

use super::town::{CLERK, REGISTRAR, Town};
use super::{BANK, MAU, decide};
use crate::world::{institution, officer, pensioners};

const HEADER: &str = "account_number,standing,holder_name,new_account_number,since\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_banks_own_list_ends_suspends_and_moves_what_people_are_paid_to() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let mut links = Vec::new();
    for (citizen, account) in (0..5).zip(["1", "2", "3", "4", "5"]) {
        let account = format!("001100455500{account}");
        let citizen = &sandbox::citizens()[citizen];
        let wanted = (Kind::Ssa, BANK, &account[..]);
        let link = town.change(CLERK, citizen, wanted).await?;
        town.until_link(link, "linked").await?;
        links.push(link);
    }
    let list = HEADER.to_owned()
        + "0011004555001,closed,,,2026-11-02\n\
           0011004555002,restricted,,,2026-11-02\n\
           0011004555003,renamed,TRAN VAN HUNG,,2026-11-02\n\
           0011004555004,moved,,0011004777004,2026-11-02\n\
           0011004555005,open,,,2026-11-02\n\
           0099999999999,closed,,,2026-11-02\n\
           0011004555005,gone,,,2026-11-02\n";
    let report = reconcile(&town, &list).await?;
    let expected = ListSums {
        rows: 7,
        refused: 1,
        not_ours: 1,
        agreed: 1,
        closed: 1,
        restricted: 1,
        renamed: 1,
        moved: 1,
    };
    assert_eq!(report.sums, expected);
    assert_eq!(report.refusals[0].code, "standing_unknown");
    let mut states = Vec::new();
    for link in &links {
        states.push(town.state(*link).await?);
    }
    assert_eq!(
        states,
        ["suspended", "suspended", "suspended", "replaced", "linked"]
    );
    // What the bank moved, the person follows, and the first payment there waits.
    let moved = LinkId {
        person_no: links[3].person_no,
        link_no: 2,
    };
    assert_eq!(town.state(moved).await?, "linked");
    // The bank's word holds from the day that it says.
    let since: chrono::DateTime<Utc> = sqlx::query_scalar(
        "SELECT valid_from FROM accounts.link_steps WHERE person_no = $1 AND state = 'suspended'",
    )
    .bind(links[0].person_no.0)
    .fetch_one(&town.world.pool)
    .await?;
    assert_eq!(since.to_rfc3339(), "2026-11-01T17:00:00+00:00");
    // Nobody is without a channel.
    let run_no = town.world.open(Programme::RetirementPension).await?;
    town.world.until_state(run_no, "awaiting_approval").await?;
    let paid = town.world.lines(run_no).await?;
    let cash = paid
        .iter()
        .filter(|it| it.institution.to_string() == "990001");
    assert_eq!((cash.count(), paid.len()), (4, 6));
    decide(&town, links[1], true).await?;
    assert_eq!(town.state(links[1]).await?, "linked");

    let again = reconcile(&town, &list).await?;
    assert!(again.repeated);
    assert_eq!(again.sums, expected);
    town.close().await
}

async fn reconcile(town: &Town, list: &str) -> anyhow::Result<ListReport> {
    let file: PathBuf = town.world.ground.home.join("list.csv");
    std::fs::write(&file, list)?;
    let target = &town.world.target;
    let pool = target.pool(Some("ansinh_accounts")).await?;
    let (keys, terms) = (Arc::new(target.keys()?), Terms::of(&target.settings));
    let as_of = NaiveDate::from_ymd_opt(2026, 11, 30).expect("a date");
    let what = (&*file, institution(BANK), as_of);
    let report = import_bank_list(&pool, &keys, terms, what, Utc::now()).await?;
    pool.close().await;
    Ok(report)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_indicators_add_up_to_the_register() -> anyhow::Result<()> {
    let world = crate::world::World::new().await?;
    let banks = [
        Some(BANK),
        None,
        Some("970405"),
        None,
        Some(BANK),
        None,
        None,
    ];
    let (registry, links) = pensioners(&banks);
    let registry = registry.replace(",01,LUONG_HUU,5010000", ",79,LUONG_HUU,5010000");
    world.register(&registry).await?;
    world.link(&links).await?;
    world.released(Programme::RetirementPension).await?;
    let pool = world.target.pool(Some("ansinh_accounts")).await?;
    for by_commune in [false, true] {
        let found = accounts::indicators(&pool, by_commune).await?;
        let nation = found.nation;
        assert_eq!((nation.people, nation.linked), (7, 3));
        assert_eq!(
            (nation.recipients, nation.by_ssa, nation.by_cash),
            (7, 3, 4)
        );
        let sum = |of: fn(&accounts::Indicator) -> i64| found.places.iter().map(of).sum::<i64>();
        assert_eq!(
            sum(|it| it.people),
            world
                .number("SELECT count(*) FROM accounts.persons")
                .await?
        );
        let active = "SELECT count(*) FROM accounts.channels WHERE rank = 1";
        assert_eq!(sum(|it| it.linked), world.number(active).await?);
        let places: Vec<i16> = found.places.iter().map(|it| it.province).collect();
        assert_eq!(places, [1, 79]);
        assert_eq!(found.places[1].linked, 1);
    }
    let found = accounts::indicators(&pool, false).await?;
    assert!(accounts::keep_indicators(&pool, &found, Utc::now()).await?);
    assert!(
        !accounts::keep_indicators(&pool, &found, Utc::now()).await?,
        "once a day"
    );
    let of_saigon = found.of_province(79);
    assert_eq!((of_saigon.nation.people, of_saigon.nation.linked), (1, 1));
    pool.close().await;
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_ask_of_their_data_has_its_days() -> anyhow::Result<()> {
    let town = Town::new(|_| {}).await?;
    let session = town.log_in(MAU).await?;
    let body = RequestData {
        session: Unlogged(session.clone()),
        kind: RequestKind::Correct,
        detail: Some(Unlogged("Ngày sinh của tôi ghi sai".to_owned())),
    };
    let asked = town.ask("request-data", &body).await?;
    let day = |it: &Value| it.as_str().unwrap().parse::<NaiveDate>();
    let (acknowledge_by, answer_by) = (day(&asked["acknowledge_by"])?, day(&asked["answer_by"])?);
    let today = boot::clock::today_in_vietnam(Utc::now());
    assert_eq!((answer_by - today).num_days(), 10);
    let calendar = domain::calendar::WorkingDays::viet_nam();
    assert_eq!(acknowledge_by, calendar.add_working_days(today, 2)?);

    let step = |state: &str| StepRequest {
        officer: officer(REGISTRAR),
        request: asked["request_no"].as_i64().unwrap(),
        state: state.to_owned(),
        reason: "theo Luật 91/2025".to_owned(),
    };
    town.ask("step-request", &step("acknowledged")).await?;
    let extended = town.ask("step-request", &step("extended")).await?;
    assert_eq!((day(&extended["answer_by"])? - today).num_days(), 20);
    for bad in ["extended", "acknowledged", "burnt"] {
        let problem = town.refused("step-request", &step(bad)).await?;
        assert_eq!(problem.code, "illegal_transition", "{bad}");
    }
    let queue = Queue {
        officer: officer(REGISTRAR),
    };
    let open = town.inquire("requests", &queue).await?;
    assert_eq!(open["requests"].as_array().map(Vec::len), Some(1));
    let show = accounts::ShowRequest {
        officer: officer(REGISTRAR),
        request: asked["request_no"].as_i64().context("a number")?,
    };
    let shown = town.inquire("request", &show).await?;
    assert_eq!(shown["detail"], "Ngày sinh của tôi ghi sai");
    let looks = "SELECT count(*) FROM privacy.access_log WHERE purpose = 'data_subject_request'";
    assert_eq!(town.world.number(looks).await?, 1);
    town.ask("step-request", &step("answered")).await?;
    let open = town.inquire("requests", &queue).await?;
    assert_eq!(open["requests"].as_array().map(Vec::len), Some(0));
    let mine = Mine {
        session: Unlogged(session),
    };
    let mine = town.inquire("my-requests", &mine).await?;
    assert_eq!(mine["requests"][0]["state"], "answered");
    town.close().await
}
