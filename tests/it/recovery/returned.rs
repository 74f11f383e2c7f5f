//! What was credited comes back: owed again by two officers, unless it is not owed at all.

use anyhow::Context;
use domain::{CASH_AGENT, Money};
use events::{BreakKind, EntryKind, Instruction, Resolution, StatementEntry};
use ledger::{Account, AccountKind};
use reconciliation::{CaseFilter, Decide, Propose};

use super::{
    BANK, DECIDER, MONTH, PROGRAMME, accept, amounts, answer, balance, case, kept_by_bank, month,
    net, of_run, overpaid, owed_back, pay_back, propose, reissued, repaid, tell,
};
use crate::proposals::refused;
use crate::recon;
use crate::scenarios::credits_checked;
use crate::world::{MAKER, World, credited, entry, institution, officer, statement};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_owed_and_comes_back_ends_its_case_and_waits_for_a_person() -> anyhow::Result<()>
{
    let world = overpaid().await?;
    pay_back(&world, repaid(40_000, "GNT-1")).await?;
    let write_off = payments::Proposed::WriteOff {
        case_no: 1,
        amount: Money::dong(100_000),
        basis: "BB 3/2026".to_owned(),
    };
    let number = propose(&world, write_off).await?;
    accept(&world, number).await?;
    let december = world.instructions(institution(BANK)).await?;
    states(&world, 1, &december, EntryKind::Payment).await?;
    states(&world, 2, &december, EntryKind::Return).await?;
    let lines: Vec<_> = december.iter().map(|it| it.end_to_end_id).collect();
    let told = refused(&world, "open-reissue", &naming(&world, &lines[1..])).await?;
    assert_eq!(told.code, "paid", "nobody has said yet that it is owed");

    owed_again(&world, 2).await?;
    assert_eq!(case(&world).await?.state(), "returned");
    for kind in [
        AccountKind::Receivable,
        AccountKind::Forgone,
        AccountKind::Paid,
    ] {
        assert_eq!(balance(&world, kind).await?, 0, "{kind:?}");
    }
    let payable = world.balance(Account::payable(PROGRAMME)).await?;
    assert_eq!(payable, i128::from(2 * MONTH));
    let settled = world
        .balance(Account::settlement(institution(BANK)))
        .await?;
    let suspense = world.balance(Account::suspense(institution(BANK))).await?;
    assert_eq!((settled, suspense), (0, 0));
    assert_eq!(owed_back(&world).await?, [Money::dong(40_000)]);
    let told = refused(&world, "open-reissue", &naming(&world, &lines[..1])).await?;
    assert_eq!(told.code, "not_owed");

    // The second is paid another way. Then it turns out that the first never refused.
    let again = reissued(&world).await?;
    let cash = of_run(world.instructions(CASH_AGENT).await?, again);
    assert_eq!(amounts(&cash), [MONTH.into()]);
    tell(&world, &[("T1", "refused", "2026-11-10", true)]).await?;
    let again = reissued(&world).await?;
    let cash = of_run(world.instructions(CASH_AGENT).await?, again);
    assert_eq!(amounts(&cash), [MONTH.into()]);
    // And that he did, when cash is on its way: nothing of the bank is a case of it.
    tell(&world, &[("T3", "refused", "2026-11-11", false)]).await?;
    let open = payments::exceptions(&world.pool, again, 10).await?;
    let kinds: Vec<&str> = open.iter().map(|it| &it.kind[..]).collect();
    assert_eq!(kinds, ["recall"]);
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_month_was_reduced_by_is_recovered_once_though_it_is_paid_twice()
-> anyhow::Result<()> {
    let mut world = overpaid().await?;
    let december = world.instructions(institution(BANK)).await?;
    kept_by_bank(&world, BANK, &december, "credited").await?;
    tell(&world, &[("T2", "resumed", "2026-12-05", false)]).await?;
    let number = propose(&world, net(MONTH, MONTH)).await?;
    accept(&world, number).await?;
    states(&world, 1, &december, EntryKind::Payment).await?;

    let (_, january) = month(&mut world, "2027-01", "2027-01-04").await?;
    assert_eq!(amounts(&january), [378_000, 540_000]);
    answer(&world, BANK, &january, credited).await?;
    assert_eq!(case(&world).await?.netted, Money::dong(162_000));
    states(&world, 2, &january, EntryKind::Payment).await?;
    states(&world, 3, &january[..1], EntryKind::Return).await?;
    owed_again(&world, 3).await?;
    let it = case(&world).await?;
    assert_eq!((it.netted, it.pending), (Money::dong(162_000), Money::ZERO));

    let again = reissued(&world).await?;
    let cash = of_run(world.instructions(CASH_AGENT).await?, again);
    assert_eq!(amounts(&cash), [378_000]);
    assert_eq!(case(&world).await?.pending, Money::ZERO);
    answer(&world, &CASH_AGENT.to_string(), &cash, credited).await?;
    let it = case(&world).await?;
    assert_eq!((it.netted, it.pending), (Money::dong(162_000), Money::ZERO));
    assert_eq!(balance(&world, AccountKind::Receivable).await?, 378_000);
    let paid = i128::from(3 * MONTH);
    assert_eq!(balance(&world, AccountKind::Paid).await?, paid);
    let (code, said) = credits_checked(&world.ground, &world.ground.database_url).await?;
    assert_eq!(code, Some(0), "{said}");
    world.close().await
}

/// The bank's next statement has these, as payments or as what came back.
async fn states(
    world: &World,
    number: i64,
    of: &[Instruction],
    kind: EntryKind,
) -> anyhow::Result<()> {
    world
        .until_heard("reconciliation", events::PAYMENTS)
        .await?;
    let entries: Vec<StatementEntry> = of
        .iter()
        .map(|it| StatementEntry { kind, ..entry(it) })
        .collect();
    let closing: Option<Money> = sqlx::query_scalar(
        "SELECT closing FROM reconciliation.statements ORDER BY statement_no DESC LIMIT 1",
    )
    .fetch_optional(&world.pool)
    .await?;
    let received = closing.map_or(Money::dong(900_000_000), |_| Money::ZERO);
    let opening = closing.unwrap_or_default();
    let mut page = statement(institution(BANK), number, (opening, received), entries);
    page.date += chrono::TimeDelta::days(number);
    assert_eq!(world.state(&page).await?, "matched");
    kept_as_stated(world, number, kind).await
}

/// The bank's own books, where it keeps any, have what its statement has.
async fn kept_as_stated(world: &World, statement_no: i64, kind: EntryKind) -> anyhow::Result<()> {
    let change = if kind == EntryKind::Return {
        "INSERT INTO sandbox.movements (institution, part, run_no, chunk, line, entry_kind, amount,
            bank_ref, statement_no)
        SELECT s.institution, s.part, s.run_no, s.chunk, s.line, 'return', s.amount, 'FT2', $1
        FROM sandbox.entries s JOIN reconciliation.entries e
            USING (institution, part, run_no, chunk, line)
        WHERE e.statement_no = $1"
    } else {
        "INSERT INTO sandbox.funds (institution, part, run_no, chunk, message, amount, statement_no)
        SELECT institution, part, run_no, chunk, message, sum(amount), $1
        FROM sandbox.entries GROUP BY 1, 2, 3, 4, 5 ON CONFLICT DO NOTHING"
    };
    sqlx::query(change)
        .bind(statement_no)
        .execute(&world.pool)
        .await?;
    Ok(())
}

/// Two officers say so of each payment that a statement brought back.
async fn owed_again(world: &World, statement_no: i64) -> anyhow::Result<()> {
    let filter = CaseFilter {
        institution: Some(institution(BANK)),
        kind: Some(BreakKind::ReturnedAfterCredit),
        all: false,
        limit: 10,
    };
    let cases = reconciliation::cases(&world.pool, filter, world.business_date).await?;
    for it in cases {
        assert_eq!(it.case.statement_no, statement_no);
        let body = Propose {
            officer: officer(MAKER),
            case: it.case,
            how: Resolution::OwedAgain,
            lines: Vec::new(),
            against: None,
            reason: "tài khoản đã đóng".to_owned(),
        };
        let proposed = recon::ask(world, "propose", &body).await?;
        let body = Decide {
            officer: officer(DECIDER),
            proposal_no: proposed["proposal"].as_i64().context("a number")?,
            accept: true,
            reason: None,
            signature: None,
        };
        recon::ask(world, "decide", &body).await?;
    }
    world.until_heard("payments", events::RECONCILIATION).await
}

/// A run that pays these lines again.
fn naming(world: &World, lines: &[domain::EndToEndId]) -> payments::OpenReissue {
    payments::OpenReissue {
        officer: officer(MAKER),
        programme: PROGRAMME,
        period: world.period,
        business_date: world.business_date,
        lines: lines.to_vec(),
        from: Vec::new(),
    }
}
