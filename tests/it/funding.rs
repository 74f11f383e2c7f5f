//! Runs that are approved and have no money, or not enough of it.

use anyhow::Context;
use domain::{Money, Programme, RunNo};
use futures::future::join_all;
use ledger::Account;
use messaging::CommandError;
use serde_json::{Value, json};

use crate::world::{World, credited, institution, officer, pension, pensioners, rejected};

const BANK: &str = "970436";
const PROGRAMME: Programme = Programme::RetirementPension;

/// Five pensioners, each with more than the one before, whose run is approved and has no money.
async fn unfunded() -> anyhow::Result<(World, RunNo)> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let (registry, links) = pensioners(&[Some(BANK); 5]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    let answer = world.approve(run_no).await?;
    assert_eq!(answer["state"], "unfunded");
    Ok((world, run_no))
}

async fn fund_in_part(world: &World, run_no: RunNo, order: Value) -> anyhow::Result<Value> {
    let body = json!({ "officer": "pham.dung", "run_no": run_no, "partial": order });
    let key = format!("partial-{}", uuid::Uuid::now_v7());
    world.ask("fund-run", &key, &body).await
}

/// Who was paid by all that the bank was told so far, by their number.
async fn told(world: &World) -> anyhow::Result<Vec<usize>> {
    let instructed = world.instructions(institution(BANK)).await?;
    let number = |amount: Money| (1..=5).find(|it| pension(*it) == amount);
    let told = instructed.iter().map(|it| number(it.amount));
    told.collect::<Option<Vec<_>>>().context("a pensioner each")
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn what_fits_is_paid_and_the_rest_follows_under_the_same_approvals() -> anyhow::Result<()> {
    let (world, run_no) = unfunded().await?;
    let shown = world.summary(run_no).await?;
    assert_eq!(shown.unfunded[0].missing, shown.total);
    assert_eq!(shown.allowed_actions, ["fund", "stop"]);
    let rows = payments::run_list(
        &world.pool,
        Some(payments::State::Unfunded),
        chrono::Utc::now() + chrono::TimeDelta::days(3),
        10,
    )
    .await?;
    assert_eq!(
        (rows[0].unfunded, rows[0].unfunded_days),
        (shown.total, Some(3))
    );

    // Enough for the two smallest, and a đồng less than the third.
    let three = Money::sum([1, 2, 3].map(pension));
    world
        .appropriate(
            PROGRAMME,
            three.checked_sub(Money::dong(1)).context("less")?,
        )
        .await?;
    let smallest = json!({ "rule": "smallest_first" });
    let answer = fund_in_part(&world, run_no, smallest.clone()).await?;
    let two = Money::sum([1, 2].map(pension));
    assert_eq!(answer["funded"], json!(two));
    world.until_state(run_no, "reserved").await?;
    let left = Account::programme_fund(PROGRAMME, world.budget_year());
    assert_eq!(world.balance(left).await?, pension(3).units() - 1);
    world.release(run_no).await?;
    world.until_state(run_no, "unfunded").await?;
    assert_eq!(told(&world).await?, [1, 2]);
    let held = world.summary(run_no).await?;
    assert_eq!(
        (held.held_lines, &held.held_by_reason[0].reason[..]),
        (3, "unfunded")
    );

    let problem = world
        .refused(
            "fund-run",
            "nothing fits",
            &json!({ "officer": "pham.dung", "run_no": run_no, "partial": smallest }),
        )
        .await?;
    assert_eq!((problem.status, &problem.code[..]), (409, "nothing_fits"));
    world.appropriate(PROGRAMME, Money::dong(1)).await?;
    fund_in_part(&world, run_no, smallest).await?;
    world.until_state(run_no, "unfunded").await?;
    assert_eq!(told(&world).await?, [1, 2, 3], "without another release");
    assert_eq!(world.balance(left).await?, 0);

    let rest = Money::sum([4, 5].map(pension));
    world.appropriate(PROGRAMME, rest).await?;
    world.fund(run_no, "rest").await?;
    world.until_state(run_no, "released").await?;
    assert_eq!(told(&world).await?, [1, 2, 3, 4, 5]);
    let steps = "SELECT count(*) FROM payments.funded_lines f
        JOIN payments.fundings s USING (run_no, step)
        WHERE s.lines = (SELECT count(*) FROM payments.funded_lines n
            WHERE (n.run_no, n.step) = (s.run_no, s.step))";
    assert_eq!(world.number(steps).await?, 5);
    let instructed = world.instructions(institution(BANK)).await?;
    world
        .answer(institution(BANK), instructed.iter().map(credited).collect())
        .await?;
    assert_eq!(world.summary(run_no).await?.credited_lines, 5);
    let budget = ansinh::budget(&world.pool, Some(PROGRAMME), None).await?;
    assert_eq!(
        (budget.len(), budget[0].paid, budget[0].left),
        (1, shown.total, Money::ZERO)
    );
    world.close().await
}

/// Hà Nội adds to each line from a fund of its own, Cao Bằng does not; one had arrears.
#[tokio::test(flavor = "multi_thread")]
async fn an_order_says_who_comes_first() -> anyhow::Result<()> {
    for (order, amount, expected) in [
        (
            json!({ "rule": "oldest_first" }),
            3 * 540_000,
            vec![4, 4, 1],
        ),
        (
            json!({ "rule": "province", "provinces": ["04"] }),
            3 * 540_000,
            vec![4, 4, 1],
        ),
        (
            json!({ "rule": "province", "provinces": ["01"] }),
            2 * 540_000,
            vec![1, 1],
        ),
    ] {
        let funded = funded_provinces(&order, amount).await?;
        assert_eq!(funded, expected, "{order}");
    }
    Ok(())
}

/// Which provinces' lines are funded in which order of size, where the money goes for so much.
async fn funded_provinces(order: &Value, amount: u64) -> anyhow::Result<Vec<i64>> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let registry = "citizen_number,full_name,birth_date,sex,province,programme\n\
        001040000001,Nguyễn Văn Bình,01/01/1940,nam,01,HTXH\n\
        001040000002,Nguyễn Văn Chính,02/01/1940,nam,01,HTXH\n\
        004048000003,Lý Văn Ba,12/05/1948,nam,04,HTXH\n\
        004048000004,Lý Văn Bốn,12/05/1948,nam,04,HTXH\n";
    let programme = Programme::SocialPension;
    world.register(registry).await?;
    let run_no = world.open(programme).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    // Older debts of the province in the mountains; nothing else knows of the change.
    sqlx::raw_sql(
        "ALTER TABLE payments.lines DISABLE TRIGGER append_only;
        UPDATE payments.lines SET period = '2026-07-01' WHERE province = 4",
    )
    .execute(&world.pool)
    .await?;
    world.approve(run_no).await?;
    world.appropriate(programme, Money::dong(amount)).await?;
    let hanoi = Some("01".parse()?);
    world
        .appropriate_to(programme, hanoi, Money::dong(900_000))
        .await?;
    fund_in_part(&world, run_no, order.clone()).await?;
    let funded: Vec<i64> = sqlx::query_scalar(
        "SELECT l.province::bigint FROM payments.funded_lines f
        JOIN payments.lines l USING (run_no, part, chunk, line) ORDER BY 1 DESC",
    )
    .fetch_all(&world.pool)
    .await?;
    let fund = Account::programme_fund(programme, world.budget_year());
    let national = i128::try_from(funded.len())? * 540_000;
    assert_eq!(world.balance(fund).await?, i128::from(amount) - national);
    // The rows were changed behind everybody's back, so nothing is checked.
    world.leave().await?;
    Ok(funded)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_want_the_last_dong_one_gets_it() -> anyhow::Result<()> {
    let (mut world, december) = unfunded().await?;
    world.period = "2026-11".parse()?;
    let november = world.open(PROGRAMME).await?;
    world.until_state(november, "awaiting_approval").await?;
    world.approve(november).await?;
    let runs = [december, november];
    let total = world.summary(december).await?.total;
    assert_eq!(total, world.summary(november).await?.total);
    world.appropriate(PROGRAMME, total).await?;
    let asked = (0..50).flat_map(|it| runs.map(|run_no| (it, run_no)));
    let asked = asked.map(|(it, run_no)| {
        let nats = &world.nats;
        async move {
            let body = json!({ "officer": "pham.dung", "run_no": run_no });
            messaging::ask(
                nats,
                "payments",
                "fund-run",
                &format!("race-{it}-{run_no}"),
                &body,
            )
            .await
        }
    });
    let (mut done, mut short) = (0, 0);
    for answer in join_all(asked).await {
        match answer {
            Ok(_) => done += 1,
            Err(CommandError::Refused(it)) if it.code == "appropriation_exceeded" => short += 1,
            Err(CommandError::Refused(it)) if it.code == "illegal_transition" => {}
            Err(other) => return Err(other.into()),
        }
    }
    assert_eq!((done, short), (1, 50));
    let fund = Account::programme_fund(PROGRAMME, world.budget_year());
    assert_eq!(world.balance(fund).await?, 0);
    let mut states = Vec::new();
    for run_no in runs {
        states.push(world.summary(run_no).await?.state == "unfunded");
    }
    states.sort_unstable();
    assert_eq!(states, [false, true]);
    let stopped = if world.summary(december).await?.state == "unfunded" {
        december
    } else {
        november
    };
    // Nobody pays the other one: it is stopped, and none of its lines is.
    let order =
        json!({ "officer": "vo.hoa", "scope": { "run": stopped }, "reason": "hết kinh phí" });
    world.ask("stop", "stop", &order).await?;
    world.until_state(stopped, "released").await?;
    assert_eq!(world.summary(stopped).await?.progress.stopped_lines, 5);
    assert_eq!(world.balance(fund).await?, 0);
    world
        .until("the funded one is reserved", async || {
            let waiting = "SELECT count(*) FROM payments.runs WHERE state = 'approved'";
            Ok(world.number(waiting).await? == 0)
        })
        .await?;
    world.close().await
}

/// A run that is out when its year is closed stays of that year, whatever the bank says later.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_year_leaves_goes_back_or_over_by_two_officers() -> anyhow::Result<()> {
    let (world, run_no) = unfunded().await?;
    let total = world.summary(run_no).await?.total;
    let both = Money::sum([total, Money::dong(1_000)]);
    world.appropriate(PROGRAMME, both).await?;
    world.fund(run_no, "whole").await?;
    world.until_state(run_no, "reserved").await?;
    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;

    let closing = |surplus: &str, reference: &str| {
        json!({ "officer": "pham.dung", "programme": PROGRAMME, "year": 2026, "surplus": surplus,
            "reference": reference })
    };
    let early = world
        .refused("close-year", "early", &closing("given_back", "LC 1"))
        .await?;
    assert_eq!((early.status, &early.code[..]), (409, "year_not_over"));
    let over = order_closing(&world, &closing("carried_over", "QĐ 9/2027")).await?;
    let back = order_closing(&world, &closing("given_back", "LC 7/2027")).await?;
    let own = approve_closing(&world, over, "pham.dung").await;
    assert_eq!(code(own), "same_person");
    let done = approve_closing(&world, over, "vo.hoa").await?;
    assert_eq!(done["amount"], "1000");
    assert_eq!(
        code(approve_closing(&world, over, "le.binh").await),
        "already_approved"
    );
    assert_eq!(
        code(approve_closing(&world, back, "vo.hoa").await),
        "nothing_left"
    );
    world.appropriate(PROGRAMME, Money::dong(30)).await?;
    let done = approve_closing(&world, back, "vo.hoa").await?;
    assert_eq!(done["amount"], "30");

    let instructed = world.instructions(institution(BANK)).await?;
    let mut answers: Vec<_> = instructed.iter().map(credited).collect();
    answers[0] = rejected(&instructed[0]);
    world.answer(institution(BANK), answers).await?;
    let rows = ansinh::budget(&world.pool, Some(PROGRAMME), None).await?;
    assert!(rows.iter().all(ansinh::BudgetRow::adds_up), "{rows:?}");
    let [ended, begun] = &rows[..] else {
        anyhow::bail!("two years: {rows:?}");
    };
    let amount = Money::dong;
    assert_eq!(
        ended.payable, instructed[0].amount,
        "of the year that paid it"
    );
    assert_eq!(
        (ended.left, ended.given_back, ended.carried_out),
        (amount(0), amount(30), amount(1_000))
    );
    assert_eq!(
        (begun.carried_in, begun.left, begun.appropriated),
        (amount(1_000), amount(1_000), amount(0))
    );
    world.close().await
}

const NEXT_YEAR: &str = "2027-01-15T00:00:00Z";

async fn order_closing(world: &World, body: &Value) -> anyhow::Result<i64> {
    let mut tx = world.pool.begin().await?;
    let command = serde_json::from_value(body.clone())?;
    let answer = payments::close_year(&mut tx, command, NEXT_YEAR.parse()?).await?;
    tx.commit().await?;
    answer["closing"].as_i64().context("a number")
}

async fn approve_closing(world: &World, closing_no: i64, by: &str) -> anyhow::Result<Value> {
    let mut tx = world.pool.begin().await?;
    let command = payments::ApproveClosing {
        officer: officer(by),
        closing_no,
        signature: None,
    };
    let answer = payments::approve_closing(&mut tx, command, false, NEXT_YEAR.parse()?).await?;
    tx.commit().await?;
    Ok(answer)
}

fn code(refused: anyhow::Result<Value>) -> String {
    let error = refused.expect_err("it is refused");
    match error.downcast::<payments::Error>() {
        Ok(error) => messaging::Problem::from(error).code,
        Err(other) => other.to_string(),
    }
}
