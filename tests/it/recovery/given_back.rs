//! What was taken back too much is given to the person, outside of any run.

use chrono::Utc;
use domain::{BudgetYear, Money};
use ledger::Account;
use payments::Proposed;

use super::{
    BANK, DECIDER, MONTH, PROGRAMME, accept, deciding, owed_back, proposal, propose, province,
    receipt,
};
use crate::proposals::refused;
use crate::world::{MAKER, World, institution};

/// From the fund, by a receipt, as two officers say; then nothing is open any more.
pub(super) async fn what_is_owed_back_is_given_once(world: &World) -> anyhow::Result<()> {
    let exception_no = "SELECT exception_no FROM payments.exceptions WHERE kind = 'over_recovered'";
    let exception_no = world.number(exception_no).await?;
    let give = |amount, reference| Proposed::GiveBack {
        exception_no,
        amount: Money::dong(amount),
        receipt: receipt(reference),
    };
    let told = refused(world, "propose", &proposal(give(MONTH - 1, "UNC-7"))).await?;
    assert_eq!((told.status, &told.code[..]), (409, "amount_mismatch"));
    let year = BudgetYear::of(boot::clock::today_in_vietnam(Utc::now()))?;
    let fund = Account::programme_fund(PROGRAMME, year);
    let had = world.balance(fund).await?;
    let (first, second) = (give(MONTH, "UNC-7"), give(MONTH, "UNC-8"));
    let (first, second) = (propose(world, first).await?, propose(world, second).await?);
    let told = refused(
        world,
        "decide-proposal",
        &deciding(world, first, MAKER).await?,
    )
    .await?;
    assert_eq!(told.code, "same_person");
    accept(world, first).await?;
    assert_eq!(owed_back(world).await?, []);
    assert_eq!(world.balance(fund).await?, had - i128::from(MONTH));
    let given = Account::given_back(PROGRAMME, institution(BANK), province());
    assert_eq!(world.balance(given).await?, i128::from(MONTH));
    let body = deciding(world, second, DECIDER).await?;
    let told = refused(world, "decide-proposal", &body).await?;
    assert_eq!((told.status, &told.code[..]), (404, "exception_unknown"));
    Ok(())
}
