//! A day of a made-up bank as the files that it would get and send.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use domain::Institution;
use events::{
    EntryKind, Envelope, Instructions, Results, StatementPage, bank_in_results, bank_in_statement,
    bank_out,
};
use iso20022::mapping::{self, Payer};
use iso20022::{Kind, OrderWriter, ReportWriter, StatementWriter};
use privacy::{ExchangeKey, KeyPurpose};
use serde_json::{Value, json};

use super::store;
use crate::output::Failure;
use crate::target::Target;

/// One bank and day, and what was written of them.
struct Day {
    institution: Institution,
    date: NaiveDate,
    key: ExchangeKey,
    payer: Payer,
    folder: PathBuf,
    orders: u64,
    reports: u64,
    /// By number: the pages of one come partition by partition.
    statements: BTreeMap<i64, Stated>,
}

/// A statement under way.
struct Stated {
    writer: StatementWriter<BufWriter<File>>,
    page: StatementPage,
    /// Entries so far that bring money back.
    returns: u64,
}

pub(super) async fn write(
    target: &Target,
    (institution, date): (Institution, NaiveDate),
    folder: &Path,
) -> Result<Value, Failure> {
    let keys = target.keys()?;
    if keys.purpose() != KeyPurpose::Development {
        let sentence = "accounts stand open in these files, so that keys are for development, \
                        and people made up";
        return Err(Failure::Refused(sentence.to_owned()));
    }
    let named = || format!("{} cannot be written", folder.display());
    std::fs::create_dir_all(folder).with_context(named)?;
    let mut day = Day {
        institution,
        date,
        key: keys.exchange(&institution.to_string()),
        payer: payer(institution)?,
        folder: folder.to_owned(),
        orders: 0,
        reports: 0,
        statements: BTreeMap::new(),
    };
    let pool = target.pool(None).await?;
    store::each_said(&pool, &bank_out(institution), |it| day.order(it)).await?;
    store::each_said(&pool, &bank_in_results(institution), |it| day.report(it)).await?;
    store::each_said(&pool, &bank_in_statement(institution), |it| day.page(it)).await?;
    let statements = day.end()?;
    if day.orders + day.reports + statements == 0 {
        let sentence = format!("{institution} heard and said nothing on {date}");
        return Err(Failure::Refused(sentence));
    }
    Ok(json!({
        "orders": day.orders,
        "reports": day.reports,
        "statements": statements,
        "folder": folder.display().to_string(),
    }))
}

/// The state's side, which is made up as the bank is.
fn payer(institution: Institution) -> anyhow::Result<Payer> {
    Ok(Payer {
        initiator: "Bộ Nội vụ".parse()?,
        debtor: "Kho bạc Nhà nước".parse()?,
        account: format!("KBNN{institution}").parse()?,
        agent: institution.into(),
        purpose: "GOVT".parse()?,
        remittance: "Chi trả an sinh xã hội".parse()?,
    })
}

impl Day {
    fn order(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let envelope = Envelope::parse(body)?;
        if !envelope.is::<Instructions>() {
            return Ok(());
        }
        let told: Instructions = envelope.read()?;
        if told.business_date != self.date {
            return Ok(());
        }
        let order = mapping::order(&told, &self.payer, envelope.time)?;
        let file = self.file(order.message_id.as_str(), "pain.001")?;
        let mut writer = OrderWriter::begin(file, &order)?;
        for line in &told.lines {
            let line = mapping::order_line(line, self.institution, &self.payer, &self.key)?;
            writer.line(&line)?;
        }
        writer.finish()?.flush()?;
        self.orders += 1;
        Ok(())
    }

    fn report(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let envelope = Envelope::parse(body)?;
        let told: Results = envelope.read()?;
        if told
            .lines
            .first()
            .is_none_or(|it| it.booked_on != self.date)
        {
            return Ok(());
        }
        let name = format!("{}-{}", told.message_id, told.part);
        let mut writer = ReportWriter::begin(self.file(&name, "pain.002")?)?;
        for item in mapping::report(&told, envelope.time)? {
            writer.item(&item)?;
        }
        writer.finish()?.flush()?;
        self.reports += 1;
        Ok(())
    }

    fn page(&mut self, body: &[u8]) -> anyhow::Result<()> {
        let envelope = Envelope::parse(body)?;
        let mut page: StatementPage = envelope.read()?;
        if page.date != self.date {
            return Ok(());
        }
        let entries = std::mem::take(&mut page.entries);
        let number = page.statement_no;
        if !self.statements.contains_key(&number) {
            let writer = self.statement(&page, envelope.time)?;
            let stated = Stated {
                writer,
                page,
                returns: 0,
            };
            self.statements.insert(number, stated);
        }
        let statement = self.statements.get_mut(&number);
        let statement = statement.context("it was begun")?;
        for entry in &entries {
            statement.returns += u64::from(entry.kind == EntryKind::Return);
            for item in mapping::statement_entry(entry, self.date, &self.key)? {
                statement.writer.item(&item)?;
            }
        }
        Ok(())
    }

    fn statement(
        &self,
        page: &StatementPage,
        said_at: DateTime<Utc>,
    ) -> anyhow::Result<StatementWriter<BufWriter<File>>> {
        let name = format!("{}-{}", page.institution, page.statement_no);
        let file = self.file(&name, "camt.053")?;
        let mut writer = StatementWriter::begin(file, Kind::Statement)?;
        for item in mapping::statement_head(page, &self.payer.account, said_at)? {
            writer.item(&item)?;
        }
        Ok(writer)
    }

    /// Ends the statements, whose pages are all there or do not add up.
    fn end(&mut self) -> anyhow::Result<u64> {
        let statements = std::mem::take(&mut self.statements);
        let count = statements.len() as u64;
        for mut it in statements.into_values() {
            it.writer
                .item(&mapping::statement_end(&it.page, it.returns))?;
            it.writer.finish()?.flush()?;
        }
        Ok(count)
    }

    /// A new file; what is no letter or digit in a bank's own id is none in its name.
    fn file(&self, id: &str, kind: &str) -> anyhow::Result<BufWriter<File>> {
        let kept = |it: char| it.is_ascii_alphanumeric() || it == '-';
        let name: String = id
            .chars()
            .map(|it| if kept(it) { it } else { '_' })
            .collect();
        let path = self.folder.join(format!("{name}.{kind}.xml"));
        let file = File::create(&path);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(BufWriter::new(file))
    }
}
