//! Banks whose every word the test chooses.

use std::time::Duration;

use anyhow::Context;
use chrono::{NaiveDate, Utc};
use domain::{Institution, Money, Part};
use events::{
    EntryKind, Envelope, Event, Instruction, Instructions, ResultLine, ResultStatus, Results,
    StatementEntry, StatementPage,
};
use messaging::{Leases, Relay, Wires};
use privacy::{Field, Sealed};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::World;

/// The wire between the test and the services, and nobody at its other end.
pub struct HandPlayed {
    stop: CancellationToken,
    relay: JoinHandle<()>,
}

impl HandPlayed {
    pub async fn start(world: &World) -> anyhow::Result<HandPlayed> {
        let speakers: Vec<String> = Institution::connected()
            .flat_map(|it| {
                [
                    events::bank_in_results(it.institution),
                    events::bank_in_standings(it.institution),
                    events::bank_in_statement(it.institution),
                ]
            })
            .chain([events::POPULATION.to_owned()])
            .collect();
        messaging::register(&world.pool, &speakers).await?;
        let stop = CancellationToken::new();
        let wires = Wires {
            pool: world.pool.clone(),
            database_url: world.ground.database_url.clone(),
            role: Some("ansinh_sandbox".to_owned()),
            nats: world.nats.clone(),
            jetstream: async_nats::jetstream::new(world.nats.clone()),
            stop: stop.clone(),
            leases: Leases::new("banks"),
            watermark: Duration::from_millis(200),
            poll: Duration::from_millis(50),
            replicas: 1,
        };
        tokio::spawn(wires.clone().keep_leases());
        let relay = tokio::spawn(Relay::new(wires, speakers).run());
        Ok(HandPlayed { stop, relay })
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.relay.await?)
    }
}

impl World {
    /// What a bank was told to pay, by person and thus by amount.
    pub async fn instructions(&self, bank: Institution) -> anyhow::Result<Vec<Instruction>> {
        let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT body FROM messaging.outbox WHERE speaker = $1 ORDER BY part, seq",
        )
        .bind(events::bank_out(bank))
        .fetch_all(&self.pool)
        .await?;
        let mut lines = Vec::new();
        for body in bodies {
            let envelope = Envelope::parse(&body)?;
            if envelope.is::<Instructions>() {
                lines.extend(envelope.read::<Instructions>()?.lines);
            }
        }
        lines.sort_by_key(|it| it.amount);
        Ok(lines)
    }

    /// The account of a line of one bank as another, or the same, writes it beside an id.
    pub fn account_beside(
        &self,
        (bank, of): (Institution, &Instruction),
        (by, id): (Institution, &str),
    ) -> anyhow::Result<Sealed> {
        let keys = self.target.keys()?;
        let sealed = of.account.as_ref().context("the line has an account")?;
        let (field, context) = (Field::BankAccount, of.end_to_end_id.to_string());
        let key = |it: Institution| keys.exchange(&it.to_string());
        let clear = key(bank).open(field, context.as_bytes(), sealed)?;
        Ok(key(by).seal(field, id.as_bytes(), clear.expose()))
    }

    /// Says events in the names of the outside world and waits until who listens has heard them.
    pub async fn say(&self, events: Vec<Event>) -> anyhow::Result<()> {
        let speakers: Vec<String> = events.iter().map(|it| it.speaker.clone()).collect();
        let mut tx = self.pool.begin().await?;
        let signers = ansinh::made_up_signers(&self.target.keys()?);
        messaging::append_signed(&mut tx, &signers, events, Utc::now()).await?;
        tx.commit().await?;
        for speaker in speakers {
            let ear = match &speaker[..] {
                events::POPULATION => "eligibility",
                it if it.ends_with("statement") => "reconciliation",
                _ => "payments",
            };
            self.until_heard(ear, &speaker).await?;
        }
        Ok(())
    }

    /// A bank answers, one message a partition.
    pub async fn answer(&self, bank: Institution, lines: Vec<ResultLine>) -> anyhow::Result<()> {
        let mut said = Vec::new();
        for part in Part::all() {
            let of_part = lines.iter().filter(|it| it.end_to_end_id.part == part);
            let of_part: Vec<ResultLine> = of_part.cloned().collect();
            if !of_part.is_empty() {
                said.push(Event::of(&results(bank, part, of_part), Utc::now()));
            }
        }
        self.say(said).await
    }

    /// A bank sends a statement; gives back what became of it, once that is decided.
    pub async fn state(&self, page: &StatementPage) -> anyhow::Result<String> {
        self.say(vec![Event::of(page, Utc::now())]).await?;
        let state = async || -> anyhow::Result<String> {
            let state: Option<String> = sqlx::query_scalar(
                "SELECT state || coalesce(' ' || code, '') FROM reconciliation.statements
                WHERE institution = $1 AND statement_no = $2",
            )
            .bind(page.institution.number())
            .bind(page.statement_no)
            .fetch_optional(&self.pool)
            .await?;
            state.context("a statement that was heard is kept")
        };
        self.until("the statement is decided", async || {
            let state = state().await?;
            Ok(state == "matched" || state.starts_with("refused"))
        })
        .await?;
        self.until_heard("payments", events::RECONCILIATION).await?;
        state().await
    }
}

/// A message with an id of its own.
pub fn results(bank: Institution, part: Part, lines: Vec<ResultLine>) -> Results {
    Results {
        institution: bank,
        part,
        message_id: format!("M{}", Uuid::now_v7().simple()),
        lines,
    }
}

pub fn credited(of: &Instruction) -> ResultLine {
    ResultLine {
        end_to_end_id: of.end_to_end_id,
        status: ResultStatus::Credited,
        reason: None,
        amount: of.amount,
        bank_ref: "FT1".to_owned(),
        booked_on: booked_on(),
    }
}

pub fn rejected(of: &Instruction) -> ResultLine {
    ResultLine {
        status: ResultStatus::Rejected,
        reason: Some("AC04".to_owned()),
        ..credited(of)
    }
}

/// What a statement shows where all went well; the number is given by [`statement`].
pub fn entry(of: &Instruction) -> StatementEntry {
    StatementEntry {
        entry_no: 0,
        end_to_end_id: of.end_to_end_id.to_string(),
        amount: of.amount,
        account: of.account.clone(),
        bank_ref: "FT1".to_owned(),
        kind: EntryKind::Payment,
        booked_on: None,
    }
}

/// A statement of one page that adds up.
pub fn statement(
    bank: Institution,
    statement_no: i64,
    (opening, received): (Money, Money),
    mut entries: Vec<StatementEntry>,
) -> StatementPage {
    for (number, entry) in (1..).zip(&mut entries) {
        entry.entry_no = number;
    }
    let sum_of = |returns: bool| {
        let those = entries
            .iter()
            .filter(|it| (it.kind == EntryKind::Return) == returns);
        Money::sum(those.map(|it| it.amount))
    };
    let (debits, returned) = (sum_of(false), sum_of(true));
    let closing = Money::sum([opening, received, returned]).checked_sub(debits);
    StatementPage {
        institution: bank,
        part: Part::ZERO,
        statement_no,
        date: booked_on(),
        page: 1,
        pages: 1,
        opening,
        received,
        debits,
        returned,
        entries_count: i64::try_from(entries.len()).expect("a few entries"),
        closing: closing.expect("a bank pays out of what it has"),
        entries,
    }
}

fn booked_on() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 12, 1).expect("a date")
}
