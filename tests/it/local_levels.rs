//! Hà Nội pays more than the country; what is above it comes from a fund of its own.

use anyhow::Context;
use domain::{Money, Programme, Province, RunNo};
use ledger::Account;
use payments::HoldLine;
use serde_json::{json, to_value};

use crate::world::{CHECKER, World, credited, institution, officer};

const BANK: &str = "970436";
const PROGRAMME: Programme = Programme::SocialPension;
/// Two people of Hà Nội, the second of whom is held, and one of Cao Bằng.
const REGISTRY: &str = "citizen_number,full_name,birth_date,sex,province,programme\n\
    001040000001,Nguyễn Văn Bình,01/01/1940,nam,01,HTXH\n\
    001040000002,Nguyễn Văn Chính,02/01/1940,nam,01,HTXH\n\
    004048000003,Lý Văn Ba,12/05/1948,nam,04,HTXH\n";
const LINKS: &str = "citizen_number,institution,account_number,holder_name\n\
    001040000001,970436,0011004000001,NGUYEN VAN BINH\n\
    001040000002,970436,0011004000002,NGUYEN VAN CHINH\n\
    004048000003,970436,0011004000003,LY VAN BA\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_province_adds_is_paid_from_its_own_fund_or_waits_for_it() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 3);
    assert_eq!(world.link(LINKS).await?.sums.accepted.rows, 3);
    let enough = Money::dong(900_000_000);
    world.appropriate(PROGRAMME, enough).await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    let prepared = world.summary(run_no).await?;
    assert_eq!(
        (prepared.total, prepared.local_total),
        (Money::dong(2 * 650_000 + 540_000), Money::dong(2 * 110_000))
    );
    hold_the_second(&world, run_no).await?;
    let without_held = world.summary(run_no).await?;
    assert_eq!(
        (without_held.total, without_held.local_total),
        (Money::dong(650_000 + 540_000), Money::dong(110_000))
    );

    a_run_waits_for_the_province(&world, run_no).await?;
    world.until_state(run_no, "reserved").await?;
    let national = world
        .balance(Account::programme_fund(PROGRAMME, world.budget_year()))
        .await?;
    assert_eq!(national, enough.units() - 2 * 540_000);
    for account in [
        Account::programme_fund_of(PROGRAMME, province("01"), world.budget_year()),
        Account::commitment_of(PROGRAMME, province("01"), world.budget_year()),
        Account::commitment_of(PROGRAMME, province("04"), world.budget_year()),
        Account::commitment(PROGRAMME, world.budget_year()),
    ] {
        let number = account.number();
        assert_eq!(world.balance(account).await?, 0, "{number}");
    }
    let payable = world.balance(Account::payable(PROGRAMME)).await?;
    assert_eq!(payable, 650_000 + 540_000);

    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;
    let instructed = world.instructions(institution(BANK)).await?;
    let amounts: Vec<i128> = instructed.iter().map(|it| it.amount.units()).collect();
    assert_eq!(amounts, [540_000, 650_000], "a line is one payment");
    world
        .answer(institution(BANK), instructed.iter().map(credited).collect())
        .await?;
    for (number, paid) in [("01", 650_000), ("04", 540_000)] {
        let account = Account::paid(PROGRAMME, province(number));
        assert_eq!(world.balance(account).await?, paid, "{number}");
    }
    world.close().await
}

async fn hold_the_second(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let lines = world.lines(run_no).await?;
    let second = lines.iter().find(|it| it.person_no == 2);
    let held = HoldLine {
        officer: officer("pham.dung"),
        line: second.context("a line of the second")?.end_to_end_id,
        reason: "báo tử".to_owned(),
    };
    world.ask("hold-line", "second", &to_value(held)?).await?;
    Ok(())
}

/// As long as the province is a đồng short nobody's money is committed, the country's neither.
async fn a_run_waits_for_the_province(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let hanoi = Some(province("01"));
    let before = ledger::trial_balance(&world.pool).await?;
    let approval = to_value(world.approval(run_no, CHECKER).await?)?;
    let answer = world.ask("approve-run", "approve", &approval).await?;
    assert_eq!(answer["state"], "unfunded");
    assert_eq!(answer["allowed_actions"][0], "fund");
    for (appropriated, missing) in [(0, 110_000), (109_999, 1)] {
        if appropriated > 0 {
            let amount = Money::dong(appropriated);
            world.appropriate_to(PROGRAMME, hanoi, amount).await?;
        } else {
            assert_eq!(ledger::trial_balance(&world.pool).await?, before);
        }
        let short = world.summary(run_no).await?.unfunded;
        let told: Vec<_> = short
            .iter()
            .map(|it| (it.fund.province, it.missing.units()))
            .collect();
        assert_eq!(told, [(None, 0), (hanoi, missing)]);
        let body = to_value(json!({ "officer": "pham.dung", "run_no": run_no }))?;
        let key = format!("short of {missing}");
        let problem = world.refused("fund-run", &key, &body).await?;
        assert_eq!(
            (problem.status, &problem.code[..]),
            (409, "appropriation_exceeded")
        );
        assert!(problem.detail.contains("20-01-002026-01"), "{problem:?}");
    }
    world
        .appropriate_to(PROGRAMME, hanoi, Money::dong(1))
        .await?;
    let answer = world.fund(run_no, "whole").await?;
    assert_eq!(answer["state"], "approved");
    Ok(())
}

fn province(number: &str) -> Province {
    number.parse().expect("a province")
}
