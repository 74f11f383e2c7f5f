//! cala-ledger's own batches: each transfer is a transaction of its books, made by a template.

use std::ops::Range;

use anyhow::Context;
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
use rust_decimal::prelude::ToPrimitive;
use uuid::Uuid;

use crate::{AMOUNT, BATCH, CONNECTIONS, database};

const TEMPLATE: &str = "TRANSFER";
const CURRENCY: &str = "VND";

/// The account that a connection pays from, and those it pays to.
struct Part {
    payer: AccountId,
    payees: Vec<AccountId>,
}

pub struct Books {
    cala: CalaLedger,
    journal: JournalId,
    parts: Vec<Part>,
    /// It ends with its handle.
    _jobs: Jobs,
}

impl Books {
    pub async fn open(url: &str) -> anyhow::Result<Books> {
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
        Ok(Books {
            cala,
            journal,
            parts,
            _jobs: jobs,
        })
    }

    pub async fn post(&self, part: i16, batches: Range<u32>) -> anyhow::Result<()> {
        let part = &self.parts[usize::from(part.unsigned_abs())];
        for _ in batches {
            let payees = part.payees.iter().cycle().take(BATCH as usize);
            let batch = payees.map(|payee| {
                let mut params = Params::new();
                params.insert("payer", part.payer);
                params.insert("payee", *payee);
                params.insert("amount", Decimal::from(AMOUNT));
                PostingInput::new(TransactionId::new(), TEMPLATE, params)
            });
            self.cala.post_transactions(batch.collect()).await?;
        }
        Ok(())
    }

    pub async fn moved(&self) -> anyhow::Result<u64> {
        let mut moved = Decimal::ZERO;
        for part in &self.parts {
            let currency = CURRENCY.parse()?;
            let balance = self
                .cala
                .balances()
                .find(self.journal, part.payer, currency);
            moved += balance.await?.settled().abs();
        }
        moved.to_u64().context("a sum of đồng")
    }
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
