//! cala-ledger's own batches: each transfer is a transaction of its books, made by a template.

use std::time::Duration;

use anyhow::ensure;
use cala_ledger::account::NewAccount;
use cala_ledger::job::{JobSvcConfig, Jobs};
use cala_ledger::journal::NewJournal;
use cala_ledger::posting::PostingInput;
use cala_ledger::tx_template::{
    NewParamDefinition, NewTxTemplate, NewTxTemplateEntry, NewTxTemplateTransaction, ParamDataType,
    Params,
};
use cala_ledger::{AccountId, CalaLedger, CalaLedgerConfig, JournalId, TransactionId};
use domain::Province;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::{AMOUNT, BATCH, CONNECTIONS, Plan, database, side_by_side};

const TEMPLATE: &str = "TRANSFER";
const CURRENCY: &str = "VND";

/// The account that a connection pays from, and those it pays to.
struct Part {
    payer: AccountId,
    payees: Vec<AccountId>,
}

pub async fn post(url: &str, plan: Plan) -> anyhow::Result<Duration> {
    let url = database::fresh(url, "peer_cala").await?;
    let jobs = JobSvcConfig::builder()
        .pg_con(url.clone())
        .exec_migrations(false)
        .build()?;
    let mut jobs = Jobs::init(jobs).await?;
    let config = CalaLedgerConfig::builder()
        .pg_con(url)
        .max_connections(u32::from(CONNECTIONS.unsigned_abs()))
        .exec_migrations(true)
        .build()?;
    let cala = CalaLedger::init(config, &mut jobs).await?;
    let journal = JournalId::new();
    let new = NewJournal::builder().id(journal).name("peers").build();
    cala.journals().create(new).await?;
    cala.tx_templates().create(template(journal)?).await?;
    let mut parts = Vec::new();
    for part in 0..CONNECTIONS {
        parts.push(Part::open(&cala, part).await?);
    }
    let took = side_by_side(|part| {
        let part = &parts[usize::from(part.unsigned_abs())];
        post_part(&cala, part, plan)
    })
    .await?;
    let mut moved = Decimal::ZERO;
    for part in &parts {
        let balance = cala.balances().find(journal, part.payer, CURRENCY.parse()?);
        moved += balance.await?.settled().abs();
    }
    ensure!(moved == Decimal::from(plan.moved()), "{moved}");
    Ok(took)
}

impl Part {
    async fn open(cala: &CalaLedger, part: i16) -> anyhow::Result<Part> {
        let mut accounts = Vec::new();
        for province in std::iter::once(0).chain(Province::all().map(Province::number)) {
            let (id, code) = (AccountId::new(), format!("{part}-{province}"));
            let new = NewAccount::builder().id(id).name(code.clone()).code(code);
            cala.accounts().create(new.build()).await?;
            accounts.push(id);
        }
        let payees = accounts.split_off(1);
        Ok(Part {
            payer: accounts[0],
            payees,
        })
    }
}

fn template(journal: JournalId) -> anyhow::Result<NewTxTemplate> {
    let param = |name: &str, kind| {
        NewParamDefinition::builder()
            .name(name)
            .r#type(kind)
            .build()
    };
    let params = vec![
        param("payer", ParamDataType::Uuid)?,
        param("payee", ParamDataType::Uuid)?,
        param("amount", ParamDataType::Decimal)?,
    ];
    let entry = |kind: &str, account: &str, direction: &str| {
        NewTxTemplateEntry::builder()
            .entry_type(format!("'{kind}'"))
            .account_id(format!("params.{account}"))
            .layer("SETTLED")
            .direction(direction)
            .units("params.amount")
            .currency(format!("'{CURRENCY}'"))
            .build()
    };
    let entries = vec![
        entry("TRANSFER_DR", "payer", "DEBIT")?,
        entry("TRANSFER_CR", "payee", "CREDIT")?,
    ];
    let transaction = NewTxTemplateTransaction::builder()
        .effective("date()")
        .journal_id(format!("uuid('{journal}')"))
        .build()?;
    Ok(NewTxTemplate::builder()
        .id(Uuid::now_v7())
        .code(TEMPLATE)
        .params(params)
        .transaction(transaction)
        .entries(entries)
        .build())
}

async fn post_part(cala: &CalaLedger, part: &Part, plan: Plan) -> anyhow::Result<()> {
    for _ in 0..plan.batches_each {
        let payees = part.payees.iter().cycle().take(BATCH as usize);
        let batch = payees.map(|payee| {
            let mut params = Params::new();
            params.insert("payer", part.payer);
            params.insert("payee", *payee);
            params.insert("amount", Decimal::from(AMOUNT));
            PostingInput::new(TransactionId::new(), TEMPLATE, params)
        });
        cala.post_transactions(batch.collect()).await?;
    }
    Ok(())
}
