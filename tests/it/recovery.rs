//! What was overpaid comes back by a decision of two: in instalments, netted under a cap, or written
//! off; and what is taken back too much is owed to the person.

mod given_back;
mod returned;

use anyhow::{Context, ensure};
use chrono::{NaiveDate, TimeDelta, Utc};
use domain::{CASH_AGENT, Institution, Money, Part, Programme, Province, RunNo};
use events::{Event, Instruction, LifeEventTold, LifeEventsTold, ResultLine};
use ledger::{Account, AccountKind};
use payments::{
    DecideProposal, Instalment, OpenReissue, OverpaymentFilter, OverpaymentRow, Propose, Proposed,
    Receipt, Way,
};
use privacy::Field;

use crate::proposals::{done, refused};
use crate::scenarios::credits_checked;
use crate::world::signing::{key_of, sign};
use crate::world::{MAKER, World, credited, institution, officer, rejected};

const PROGRAMME: Programme = Programme::SocialPension;
const BANK: &str = "970436";
const DECIDER: &str = "dang.lan";
const REGISTRY: &str = "citizen_number,full_name,birth_date,sex,province,programme\n\
    004048000001,Lý Văn Một,12/05/1948,nam,04,HTXH\n\
    004048000002,Lý Văn Hai,12/05/1948,nam,04,HTXH\n";
const LINKS: &str = "citizen_number,institution,account_number,holder_name\n\
    004048000001,970436,0011004000001,LY VAN MOT\n\
    004048000002,970436,0011004000002,LY VAN HAI\n";
/// A month of the social pension.
const MONTH: u64 = 540_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_two_decided_is_paid_back_to_the_last_dong_and_counts_once() -> anyhow::Result<()> {
    let world = overpaid().await?;
    let today = boot::clock::today_in_vietnam(Utc::now());
    let half = |due_on| Instalment {
        due_on,
        amount: Money::dong(MONTH / 2),
    };
    let instalments = vec![
        half(today - TimeDelta::days(9)),
        half(today + TimeDelta::days(9)),
    ];
    let repay = |amount| {
        decision(
            amount,
            Way::Repay {
                instalments: instalments.clone(),
            },
        )
    };
    let told = refused(&world, "propose", &proposal(repay(MONTH + 2))).await?;
    assert_eq!(told.code, "instalments_invalid");
    let told = refused(&world, "propose", &proposal(net(MONTH + 1, 1))).await?;
    assert_eq!((told.status, &told.code[..]), (409, "more_than_open"));
    let proposed = propose(&world, repay(MONTH)).await?;
    let own = deciding(&world, proposed, MAKER).await?;
    let told = refused(&world, "decide-proposal", &own).await?;
    assert_eq!((told.status, &told.code[..]), (403, "same_person"));
    assert!(overdue(&world).await?.is_empty(), "nobody has accepted it");
    accept(&world, proposed).await?;
    let late: Vec<Money> = overdue(&world).await?.iter().map(|it| it.overdue).collect();
    assert_eq!(late, [Money::dong(MONTH / 2)]);

    pay_back(&world, repaid(MONTH / 2, "GNT-1")).await?;
    let books = ledger::trial_balance(&world.pool).await?;
    let again = propose(&world, repaid(MONTH / 2, "GNT-1")).await?;
    let again = deciding(&world, again, DECIDER).await?;
    let told = refused(&world, "decide-proposal", &again).await?;
    assert_eq!(told.code, "repayment_repeated");
    for (proposed, code) in [
        (repaid(MONTH / 2 + 1, "GNT-2"), "more_than_open"),
        (repaid(0, "GNT-2"), "amount_zero"),
        (repaid(1, " "), "reference_invalid"),
    ] {
        let told = refused(&world, "propose", &proposal(proposed)).await?;
        assert_eq!(told.code, code);
        assert_eq!(ledger::trial_balance(&world.pool).await?, books, "{code}");
    }
    assert!(overdue(&world).await?.is_empty(), "the first is paid");
    pay_back(&world, repaid(MONTH / 2 - 1, "GNT-2")).await?;
    assert_eq!(balance(&world, AccountKind::Receivable).await?, 1);
    pay_back(&world, repaid(1, "GNT-3")).await?;
    let told = refused(&world, "propose", &proposal(repaid(1, "GNT-4"))).await?;
    assert_eq!(told.code, "more_than_open");
    assert_eq!(case(&world).await?.state(), "settled");
    assert_eq!(balance(&world, AccountKind::Receivable).await?, 0);
    let lies = Account::repaid(PROGRAMME, institution(BANK), province());
    assert_eq!(world.balance(lies).await?, i128::from(MONTH));

    // He never refused: what came back is owed to him, and somebody is told.
    tell(&world, &[("T1", "refused", "2026-11-10", true)]).await?;
    assert_eq!(case(&world).await?.state(), "cancelled");
    assert_eq!(owed_back(&world).await?, [Money::dong(MONTH)]);
    given_back::what_is_owed_back_is_given_once(&world).await?;
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn months_are_netted_under_the_cap_until_nothing_is_open() -> anyhow::Result<()> {
    let mut world = overpaid().await?;
    let december = world.instructions(institution(BANK)).await?;
    kept_by_bank(&world, BANK, &december, "credited").await?;
    tell(&world, &[("T2", "resumed", "2026-12-05", false)]).await?;
    pay_back(&world, repaid(54_000, "GNT-1")).await?;
    let netted = propose(&world, net(486_000, 400_000)).await?;
    accept(&world, netted).await?;
    let cap = Proposed::NettingCap {
        percent: 60,
        valid_from: day("2027-02-01")?,
    };
    let cap = propose(&world, cap).await?;
    accept(&world, cap).await?;

    // January: thirty percent of 540.000. The bank rejects it, and nothing is recovered yet.
    let (january, told) = month(&mut world, "2027-01", "2027-01-04").await?;
    assert_eq!(amounts(&told), [378_000, 540_000]);
    assert_eq!(
        world.summary(january).await?.total,
        Money::dong(378_000 + 540_000)
    );
    let it = case(&world).await?;
    assert_eq!((it.pending, it.netted), (Money::dong(162_000), Money::ZERO));
    let body = proposal(repaid(486_000 - 162_000 + 1, "GNT-2"));
    let problem = refused(&world, "propose", &body).await?;
    assert_eq!(problem.code, "more_than_open", "a part of it is on its way");
    answer(&world, BANK, &told[..1], rejected).await?;
    answer(&world, BANK, &told[1..], credited).await?;
    assert_eq!(balance(&world, AccountKind::Receivable).await?, 486_000);

    // Paid another way, it carries the same deduction, which has recovered something now.
    let again = reissued(&world).await?;
    let cash: Vec<Instruction> = of_run(world.instructions(CASH_AGENT).await?, again);
    assert_eq!(amounts(&cash), [378_000]);
    assert_eq!(case(&world).await?.pending, Money::dong(162_000));
    answer(&world, &CASH_AGENT.to_string(), &cash, credited).await?;
    let it = case(&world).await?;
    assert_eq!((it.pending, it.netted), (Money::ZERO, Money::dong(162_000)));
    assert_eq!(balance(&world, AccountKind::Receivable).await?, 324_000);
    // Both of December but the one that is not owed, both of January.
    let paid = i128::from(3 * MONTH);
    assert_eq!(balance(&world, AccountKind::Paid).await?, paid);

    // February: the new cap, and nothing is left after it. March is paid whole.
    let (_, told) = month(&mut world, "2027-02", "2027-02-01").await?;
    assert_eq!(amounts(&told), [216_000, 540_000]);
    answer(&world, BANK, &told, credited).await?;
    assert_eq!(balance(&world, AccountKind::Receivable).await?, 0);
    assert_eq!(case(&world).await?.state(), "settled");
    let (_, told) = month(&mut world, "2027-03", "2027-03-01").await?;
    assert_eq!(amounts(&told), [540_000, 540_000]);
    answer(&world, BANK, &told, credited).await?;

    let (code, said) = credits_checked(&world.ground, &world.ground.database_url).await?;
    ensure!(code == Some(0), "{said}");
    assert_eq!(said["netted"], 486_000);
    a_deduction_that_nobody_decided_is_found(&world).await?;

    // Of what was paid since February nothing was owed: what was netted of it as well.
    tell(&world, &[("T3", "refused", "2027-01-10", false)]).await?;
    let all = i128::from(2 * MONTH);
    assert_eq!(balance(&world, AccountKind::Receivable).await?, all);
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_named_and_what_is_netted_too_much_is_owed_back() -> anyhow::Result<()>
{
    let mut world = overpaid().await?;
    tell(&world, &[("T2", "resumed", "2026-12-05", false)]).await?;
    let write_off = |amount| Proposed::WriteOff {
        case_no: 1,
        amount: Money::dong(amount),
        basis: "BB 3/2026".to_owned(),
    };
    let told = refused(&world, "propose", &proposal(write_off(MONTH + 1))).await?;
    assert_eq!(told.code, "more_than_open");
    // Of two that would give up more than all, the second finds too little left.
    let (first, second) = (write_off(40_000), write_off(MONTH));
    let (first, second) = (
        propose(&world, first).await?,
        propose(&world, second).await?,
    );
    accept(&world, first).await?;
    let body = deciding(&world, second, DECIDER).await?;
    let told = refused(&world, "decide-proposal", &body).await?;
    assert_eq!(told.code, "more_than_open");
    assert_eq!(balance(&world, AccountKind::Forgone).await?, 40_000);
    assert_eq!(balance(&world, AccountKind::Receivable).await?, 500_000);

    let netted = propose(&world, net(500_000, 500_000)).await?;
    accept(&world, netted).await?;
    let (january, told) = month(&mut world, "2027-01", "2027-01-04").await?;
    assert_eq!(amounts(&told), [378_000, 540_000]);
    // While January is on its way it turns out that he never refused.
    tell(&world, &[("T1", "refused", "2026-11-10", true)]).await?;
    assert_eq!(case(&world).await?.state(), "cancelled");
    for kind in [AccountKind::Forgone, AccountKind::Receivable] {
        assert_eq!(balance(&world, kind).await?, 0, "{kind:?}");
    }
    answer(&world, BANK, &told, credited).await?;
    assert_eq!(owed_back(&world).await?, [Money::dong(162_000)]);
    let open = payments::exceptions(&world.pool, january, 10).await?;
    assert_eq!(open.len(), 1, "{open:?}");
    let paid = i128::from(4 * MONTH) - 162_000;
    assert_eq!(balance(&world, AccountKind::Paid).await?, paid);
    let (_, told) = month(&mut world, "2027-02", "2027-02-01").await?;
    assert_eq!(
        amounts(&told),
        [540_000, 540_000],
        "nothing is netted any more"
    );
    world.close().await
}

/// December is credited to both; then the first turns out to have refused it in November.
async fn overpaid() -> anyhow::Result<World> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    assert_eq!(world.register(REGISTRY).await?.sums.accepted.rows, 2);
    assert_eq!(world.link(LINKS).await?.sums.accepted.rows, 2);
    world.released(PROGRAMME).await?;
    let told = world.instructions(institution(BANK)).await?;
    let lines = told.iter().map(credited).collect();
    world.answer(institution(BANK), lines).await?;
    tell(&world, &[("T1", "refused", "2026-11-10", false)]).await?;
    let it = case(&world).await?;
    assert_eq!((it.state(), it.open), ("open", Money::dong(MONTH)));
    assert_eq!(
        balance(&world, AccountKind::Receivable).await?,
        i128::from(MONTH)
    );
    Ok(world)
}

/// What the population register says of the first, and everybody has heard what follows.
async fn tell(world: &World, happened: &[(&str, &str, &str, bool)]) -> anyhow::Result<()> {
    let keys = world.target.keys()?;
    let mut events = Vec::new();
    for (event_id, kind, on, revoked) in happened {
        events.push(LifeEventTold {
            event_id: (*event_id).to_owned(),
            citizen_index: keys.index(Field::CitizenNumber, "004048000001"),
            kind: (*kind).to_owned(),
            happened_on: day(on)?,
            province: None,
            commune: None,
            revoked: *revoked,
        });
    }
    let message = LifeEventsTold {
        part: Part::ZERO,
        message_id: uuid::Uuid::now_v7().to_string(),
        events,
    };
    world.say(vec![Event::of(&message, Utc::now())]).await?;
    world.until_heard("accounts", events::ELIGIBILITY).await?;
    world.until_heard("payments", events::ACCOUNTS).await
}

/// A run of the month that is with the banks, and what they were told for it.
async fn month(
    world: &mut World,
    period: &str,
    business_date: &str,
) -> anyhow::Result<(RunNo, Vec<Instruction>)> {
    world.period = period.parse()?;
    world.business_date = day(business_date)?;
    let run_no = world.released(PROGRAMME).await?;
    let told = world.instructions(institution(BANK)).await?;
    Ok((run_no, of_run(told, run_no)))
}

async fn reissued(world: &World) -> anyhow::Result<RunNo> {
    let body = OpenReissue {
        officer: officer(MAKER),
        programme: PROGRAMME,
        period: world.period,
        business_date: world.business_date,
        lines: Vec::new(),
        from: Vec::new(),
    };
    let answer = done(world, "open-reissue", &body).await?;
    let run_no: RunNo = answer["run"].as_str().context("a number")?.parse()?;
    world.until_state(run_no, "awaiting_approval").await?;
    world.approve(run_no).await?;
    world.until_state(run_no, "reserved").await?;
    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;
    Ok(run_no)
}

/// The bank answers so, and keeps what it did in books of its own.
async fn answer(
    world: &World,
    bank: &str,
    told: &[Instruction],
    how: fn(&Instruction) -> ResultLine,
) -> anyhow::Result<()> {
    let status = how(&told[0]).status;
    kept_by_bank(world, bank, told, &format!("{status:?}").to_lowercase()).await?;
    let lines = told.iter().map(how).collect();
    world.answer(institution(bank), lines).await
}

async fn kept_by_bank(
    world: &World,
    bank: &str,
    told: &[Instruction],
    status: &str,
) -> anyhow::Result<()> {
    let bank: Institution = institution(bank);
    for it in told {
        let at = it.end_to_end_id;
        sqlx::query(
            "INSERT INTO sandbox.entries (institution, part, run_no, chunk, line, amount, status,
                bank_ref) VALUES ($1, $2, $3, $4, $5, $6, $7, 'FT1')",
        )
        .bind(bank.number())
        .bind(at.part.number())
        .bind(at.run.0)
        .bind(at.chunk.0)
        .bind(at.line.0)
        .bind(it.amount)
        .bind(status)
        .execute(&world.pool)
        .await?;
    }
    Ok(())
}

/// No program of ours takes more than was decided; the check and the checker find who does.
async fn a_deduction_that_nobody_decided_is_found(world: &World) -> anyhow::Result<()> {
    for (from, to, is_found) in [(324_000, 324_001, true), (324_001, 324_000, false)] {
        let change = format!(
            "ALTER TABLE payments.lines DISABLE TRIGGER append_only;
            UPDATE payments.lines SET deducted = {to} WHERE deducted = {from};
            ALTER TABLE payments.lines ENABLE TRIGGER append_only"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(change))
            .execute(&world.pool)
            .await?;
        let found = ansinh::check_all(&world.pool).await?;
        for name in [
            "paid_is_computed",
            "deducted_as_decided",
            "netted_is_credited",
        ] {
            let it = found
                .iter()
                .find(|it| it.name == name)
                .context("it is checked")?;
            assert_eq!(it.broken.len(), usize::from(is_found), "{it:?}");
        }
        let (code, said) = credits_checked(&world.ground, &world.ground.database_url).await?;
        assert_eq!(code, Some(if is_found { 8 } else { 0 }), "{said}");
    }
    Ok(())
}

fn decision(amount: u64, way: Way) -> Proposed {
    Proposed::Recovery {
        case_no: 1,
        decision_no: "45/QĐ-BHXH".to_owned(),
        decided_on: boot::clock::today_in_vietnam(Utc::now()),
        amount: Money::dong(amount),
        way,
    }
}

fn net(amount: u64, monthly: u64) -> Proposed {
    let monthly = Money::dong(monthly);
    decision(amount, Way::Net { monthly })
}

fn repaid(amount: u64, reference: &str) -> Proposed {
    Proposed::Repayment {
        case_no: 1,
        amount: Money::dong(amount),
        receipt: receipt(reference),
    }
}

fn receipt(reference: &str) -> Receipt {
    Receipt {
        institution: institution(BANK),
        reference: reference.to_owned(),
        paid_on: boot::clock::today_in_vietnam(Utc::now()),
    }
}

async fn pay_back(world: &World, repaid: Proposed) -> anyhow::Result<()> {
    let proposed = propose(world, repaid).await?;
    accept(world, proposed).await
}

fn proposal(proposed: Proposed) -> Propose {
    Propose {
        officer: officer(MAKER),
        proposed,
        reason: "từ chối hưởng từ tháng 12".to_owned(),
    }
}

async fn propose(world: &World, proposed: Proposed) -> anyhow::Result<i64> {
    let answer = done(world, "propose", &proposal(proposed)).await?;
    answer["proposal"].as_i64().context("a number")
}

async fn deciding(world: &World, proposal_no: i64, by: &str) -> anyhow::Result<DecideProposal> {
    world.register_key(by).await?;
    let row = payments::proposals(&world.pool, Some(proposal_no), 1)
        .await?
        .remove(0);
    Ok(DecideProposal {
        officer: officer(by),
        proposal_no,
        accept: true,
        reason: None,
        signature: Some(sign(&key_of(by), &row.decision(true, officer(by)))),
    })
}

async fn accept(world: &World, proposal_no: i64) -> anyhow::Result<()> {
    let body = deciding(world, proposal_no, DECIDER).await?;
    done(world, "decide-proposal", &body).await?;
    Ok(())
}

async fn case(world: &World) -> anyhow::Result<OverpaymentRow> {
    let today = boot::clock::today_in_vietnam(Utc::now());
    let found = payments::overpayment(&world.pool, 1, today).await?;
    Ok(found.context("the first case")?.case)
}

async fn overdue(world: &World) -> anyhow::Result<Vec<OverpaymentRow>> {
    let filter = OverpaymentFilter {
        is_overdue: true,
        ..OverpaymentFilter::default()
    };
    let today = boot::clock::today_in_vietnam(Utc::now());
    Ok(payments::overpayments(&world.pool, &filter, today, 10).await?)
}

async fn owed_back(world: &World) -> anyhow::Result<Vec<Money>> {
    Ok(sqlx::query_scalar(
        "SELECT amount FROM payments.exceptions
        WHERE kind = 'over_recovered' AND resolved_at IS NULL ORDER BY exception_no",
    )
    .fetch_all(&world.pool)
    .await?)
}

async fn balance(world: &World, kind: AccountKind) -> anyhow::Result<i128> {
    let account = Account {
        kind,
        ..Account::paid(PROGRAMME, province())
    };
    world.balance(account).await
}

fn province() -> Province {
    "04".parse().expect("a province")
}

fn day(text: &str) -> anyhow::Result<NaiveDate> {
    Ok(text.parse()?)
}

fn of_run(told: Vec<Instruction>, run_no: RunNo) -> Vec<Instruction> {
    let of_run = told.into_iter();
    of_run.filter(|it| it.end_to_end_id.run == run_no).collect()
}

fn amounts(told: &[Instruction]) -> Vec<i128> {
    told.iter().map(|it| it.amount.units()).collect()
}
