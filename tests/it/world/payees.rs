//! Where people are paid as the test says, and not accounts.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Channel, Officer, Part, PersonName, PersonNo};
use events::{
    EntitlementLine, EntitlementsDetermined, EntitlementsWithdrawn, Envelope, Event,
    PartDetermined, PartResolved, PayeeHold, PayeeLine, PayeesResolved, PayeesWithdrawn,
    ReissuesOpened,
};
use messaging::{Delivered, Handler, Judged, Leases, Relay, Subscription, Verdict, Wires, consume};
use privacy::{Field, Keys};
use sqlx::PgConnection;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{World, institution, pension};

/// What the test says of one person's way of being paid, beside the account.
#[derive(Debug, Clone, Default)]
pub struct Paid {
    pub payee_no: Option<PersonNo>,
    pub hold: Option<PayeeHold>,
    pub changed_by: Vec<Officer>,
}

/// By the number of the pensioner.
pub type Says = Arc<dyn Fn(usize) -> Paid + Send + Sync>;

/// The bank where all of them are paid.
pub const PAYING_BANK: &str = "970436";

/// Stands where accounts stands between eligibility and payments.
pub struct HandPlayedAccounts {
    stop: CancellationToken,
    tasks: [JoinHandle<()>; 3],
}

/// The account number of the pensioner with this number.
pub fn account_of(number: usize) -> String {
    format!("0011004{number:06}")
}

impl HandPlayedAccounts {
    pub async fn start(world: &World, says: Says) -> anyhow::Result<HandPlayedAccounts> {
        let speakers = vec![events::ACCOUNTS.to_owned()];
        messaging::register(&world.pool, &speakers).await?;
        let stop = CancellationToken::new();
        let wires = Wires {
            pool: world.pool.clone(),
            database_url: world.ground.database_url.clone(),
            role: Some("ansinh_accounts".to_owned()),
            nats: world.nats.clone(),
            jetstream: async_nats::jetstream::new(world.nats.clone()),
            stop: stop.clone(),
            leases: Leases::new("accounts"),
            watermark: Duration::from_millis(200),
            poll: Duration::from_millis(50),
            replicas: 1,
        };
        let keys = Arc::new(world.target.keys()?);
        let ear = |speaker: &str| {
            let hears = Subscription {
                consumer: "accounts",
                speaker: speaker.to_owned(),
            };
            let (keys, says) = (Arc::clone(&keys), Arc::clone(&says));
            tokio::spawn(consume(wires.clone(), hears, Ear { keys, says }))
        };
        let ears = [ear(events::ELIGIBILITY), ear(events::PAYMENTS)];
        tokio::spawn(wires.clone().keep_leases());
        let relay = tokio::spawn(Relay::new(wires, speakers).run());
        let [eligibility, payments] = ears;
        Ok(HandPlayedAccounts {
            stop,
            tasks: [eligibility, payments, relay],
        })
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        for task in self.tasks {
            task.await?;
        }
        Ok(())
    }
}

struct Ear {
    keys: Arc<Keys>,
    says: Says,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Deaf(String);

impl From<sqlx::Error> for Deaf {
    fn from(error: sqlx::Error) -> Deaf {
        Deaf(error.to_string())
    }
}

impl From<events::MalformedEvent> for Deaf {
    fn from(error: events::MalformedEvent) -> Deaf {
        Deaf(error.to_string())
    }
}

impl From<messaging::Error> for Deaf {
    fn from(error: messaging::Error) -> Deaf {
        Deaf(error.to_string())
    }
}

impl Judged for Deaf {
    fn verdict(&self) -> Verdict {
        Verdict::Retry
    }
}

impl Handler for Ear {
    type Error = Deaf;

    async fn apply(
        &self,
        tx: &mut PgConnection,
        _: Part,
        batch: &[Delivered],
        now: DateTime<Utc>,
    ) -> Result<(), Deaf> {
        let mut said = Vec::new();
        for delivered in batch {
            let envelope = Envelope::parse(&delivered.body)?;
            if envelope.is::<EntitlementsDetermined>() {
                said.push(Event::of(&self.resolved(&envelope.read()?), now));
            } else if envelope.is::<PartDetermined>() {
                let PartDetermined {
                    run_no,
                    part,
                    chunks,
                    lines,
                    total,
                    not_owed,
                } = envelope.read()?;
                let resolved = PartResolved {
                    run_no,
                    part,
                    chunks,
                    lines,
                    total,
                    not_owed,
                };
                said.push(Event::of(&resolved, now));
            } else if envelope.is::<ReissuesOpened>() {
                let opened: ReissuesOpened = envelope.read()?;
                said.push(Event::of(&self.again(&opened), now));
                let resolved = PartResolved {
                    run_no: opened.run_no,
                    part: opened.part,
                    chunks: opened.chunks,
                    lines: opened.part_lines,
                    total: opened.part_total,
                    not_owed: 0,
                };
                said.push(Event::of(&resolved, now));
            } else if envelope.is::<EntitlementsWithdrawn>() {
                let EntitlementsWithdrawn { part, lines } = envelope.read()?;
                said.push(Event::of(&PayeesWithdrawn { part, lines }, now));
            }
        }
        messaging::append(tx, said, now).await?;
        Ok(())
    }
}

impl Ear {
    fn resolved(&self, determined: &EntitlementsDetermined) -> PayeesResolved {
        PayeesResolved {
            run_no: determined.run_no,
            part: determined.part,
            chunk: determined.chunk,
            programme: determined.programme,
            period: determined.period,
            lines: determined.lines.iter().map(|it| self.payee(it)).collect(),
            total: determined.total,
        }
    }

    /// What is paid again goes where it went before: tests of ways play no accounts by hand.
    fn again(&self, opened: &ReissuesOpened) -> PayeesResolved {
        let lines = opened.lines.iter().map(|it| EntitlementLine {
            line: it.line,
            person_no: it.person_no,
            determination_no: it.determination_no,
            amount: it.amount,
            local: it.local,
            province: it.province,
            rate_no: it.rate_no,
            period: it.period,
            rule: None,
            explanation: None,
        });
        PayeesResolved {
            run_no: opened.run_no,
            part: opened.part,
            chunk: opened.chunk,
            programme: opened.programme,
            period: opened.period,
            lines: lines.map(|it| self.payee(&it)).collect(),
            total: opened.total,
        }
    }

    /// Account and holder are sealed for whoever is paid.
    fn payee(&self, line: &EntitlementLine) -> PayeeLine {
        let number = (1..1_000).find(|it| pension(*it) == line.amount);
        let number = number.expect("all are pensioners with an amount of their own");
        let paid = (self.says)(number);
        let sealed_for = paid.payee_no.unwrap_or(line.person_no).0.to_be_bytes();
        let (account, holder) = (
            account_of(number),
            PersonName::bank_form_of("Nguyễn Văn Ân"),
        );
        PayeeLine {
            line: line.line,
            person_no: line.person_no,
            determination_no: line.determination_no,
            amount: line.amount,
            local: line.local,
            province: line.province,
            rate_no: line.rate_no,
            period: line.period,
            channel: Channel::BankAccount,
            institution: institution(PAYING_BANK),
            account: Some(self.keys.seal(Field::BankAccount, &sealed_for, &account)),
            account_index: Some(self.keys.index(Field::BankAccount, &account)),
            holder: self.keys.seal(Field::PersonName, &sealed_for, &holder),
            payee_no: paid.payee_no,
            hold: paid.hold,
            changed_by: paid.changed_by,
            commune: None,
        }
    }
}
