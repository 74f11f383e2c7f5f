//! The sandbox banks' books of who holds which account, what they answer about them, and what the
//! central bank tells; the test asks as the accounts service does.

use std::time::Duration;

use ansinh::{ServiceName, Services, start_some};
use anyhow::{Context, bail, ensure};
use async_nats::Client;
use boot::Health;
use chrono::Utc;
use domain::{Institution, Part};
use events::{
    AccountAtBank, Envelope, Event, Fact, IdentityAtBank, SuspicionsTold, Verification,
    VerificationRequest, VerificationRequests, Verifications,
};
use messaging::{CommandError, Leases, Relay, Signers, Wires};
use privacy::{ExchangeKey, Field, Keys};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::ground::Ground;
use crate::world::institution;

const WAIT_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
const BANK: &str = "970436";
const NAME: &str = "Nguyễn Thị Mẫu";
const NUMBER: &str = "001148003117";

/// The sandbox alone, and an asker.
struct Bank {
    ground: Ground,
    services: Services,
    pool: PgPool,
    nats: Client,
    keys: Keys,
    stop: CancellationToken,
    relay: JoinHandle<()>,
}

/// What a bank said, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    /// What follows the asker's own id in the message's.
    message: String,
    id: String,
    account: AccountAtBank,
    identity: Option<IdentityAtBank>,
    holder: Option<String>,
    old_number: Option<String>,
}

impl Bank {
    async fn open() -> anyhow::Result<Bank> {
        let ground = Ground::new().await?;
        let target = ground.target();
        let services = [ServiceName::Sandbox];
        let services = start_some(&services, &target.settings, &Health::default()).await?;
        let (pool, nats) = (ground.pool().await?, target.nats().await?);
        let speakers = vec![events::bank_out_verification_requests(institution(BANK))];
        messaging::register(&pool, &speakers).await?;
        let stop = CancellationToken::new();
        let wires = Wires {
            pool: pool.clone(),
            database_url: ground.database_url.clone(),
            role: Some("ansinh_accounts".to_owned()),
            nats: nats.clone(),
            jetstream: async_nats::jetstream::new(nats.clone()),
            stop: stop.clone(),
            leases: Leases::new("accounts"),
            watermark: Duration::from_millis(200),
            poll: Duration::from_millis(50),
            replicas: 1,
        };
        tokio::spawn(wires.clone().keep_leases());
        let bank = Bank {
            relay: tokio::spawn(Relay::new(wires, speakers).run()),
            keys: target.keys()?,
            ground,
            services,
            pool,
            nats,
            stop,
        };
        bank.until("commands are taken", async || {
            let asked = messaging::ask(&bank.nats, "sandbox", "no-such", "none", &json!({})).await;
            Ok(!matches!(asked, Err(CommandError::Unavailable(_))))
        })
        .await?;
        Ok(bank)
    }

    fn key(&self) -> ExchangeKey {
        self.keys.exchange(BANK)
    }

    async fn command(&self, name: &str, key: &str, body: &Value) -> Result<Value, CommandError> {
        messaging::ask(&self.nats, "sandbox", name, key, body).await
    }

    async fn code(&self, name: &str, key: &str, body: &Value) -> anyhow::Result<String> {
        match self.command(name, key, body).await {
            Err(CommandError::Refused(problem)) => {
                ensure!(!problem.detail.contains("0011004"), "{problem}");
                Ok(problem.code)
            }
            other => bail!("{name} was not refused: {other:?}"),
        }
    }

    fn request(&self, id: &str, account: &str) -> VerificationRequest {
        let seal = |field, clear: &str| self.key().seal(field, id.as_bytes(), clear);
        VerificationRequest {
            verification_id: id.to_owned(),
            account: seal(Field::BankAccount, account),
            holder: seal(Field::PersonName, NAME),
            citizen_number: seal(Field::CitizenNumber, NUMBER),
        }
    }

    /// Asks, waits until the bank has heard, and gives back all that it has said of this message.
    async fn ask(&self, id: &str, requests: Vec<VerificationRequest>) -> anyhow::Result<Vec<Said>> {
        let message = VerificationRequests {
            institution: institution(BANK),
            part: Part::ZERO,
            message_id: id.to_owned(),
            requests,
        };
        let speaker = message.speaker();
        let mut tx = self.pool.begin().await?;
        let (said, signers) = (
            Event::of(&message, Utc::now()),
            Signers::of_state(&self.keys),
        );
        messaging::append_signed(&mut tx, &signers, vec![said], Utc::now()).await?;
        tx.commit().await?;
        self.until("the bank has heard", async || {
            Ok(messaging::caught_up(&self.pool, "sandbox", &speaker).await?)
        })
        .await?;
        self.said(id).await
    }

    /// All that the bank has said of a message, in its order.
    async fn said(&self, id: &str) -> anyhow::Result<Vec<Said>> {
        let mut said = Vec::new();
        let start = format!("{BANK}-{id}");
        let speaker = events::bank_in_verifications(institution(BANK));
        for message in facts::<Verifications>(&self.pool, &speaker).await? {
            if let Some(rest) = message.message_id.strip_prefix(&start) {
                let verifications = message.verifications.iter();
                let opened = verifications.map(|it| self.opened(rest, it));
                said.extend(opened.collect::<anyhow::Result<Vec<Said>>>()?);
            }
        }
        Ok(said)
    }

    fn opened(&self, message: &str, it: &Verification) -> anyhow::Result<Said> {
        let key = self.key();
        let open = |field, sealed: &Option<privacy::Sealed>| {
            let id = it.verification_id.as_bytes();
            let opened = sealed.as_ref().map(|it| key.open(field, id, it));
            anyhow::Ok(opened.transpose()?.map(|it| it.expose().to_owned()))
        };
        Ok(Said {
            message: message.to_owned(),
            id: it.verification_id.clone(),
            account: it.account,
            identity: it.identity,
            holder: open(Field::PersonName, &it.holder)?,
            old_number: open(Field::CitizenNumber, &it.old_number)?,
        })
    }

    async fn until(
        &self,
        what: &str,
        holds: impl AsyncFn() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < WAIT_MAX {
            if holds().await? {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        bail!("it does not hold that {what}")
    }

    async fn close(self) -> anyhow::Result<()> {
        self.services.stop().await;
        self.stop.cancel();
        self.relay.await?;
        assert_eq!(messaging::parked(&self.pool).await?, 0, "parked");
        self.pool.close().await;
        self.ground.clear().await
    }
}

/// What a speaker said, in the order of its first partition.
async fn facts<F: Fact>(pool: &PgPool, speaker: &str) -> anyhow::Result<Vec<F>> {
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT body FROM messaging.outbox WHERE speaker = $1 ORDER BY part, seq",
    )
    .bind(speaker)
    .fetch_all(pool)
    .await?;
    let facts = bodies.iter().map(|it| Ok(Envelope::parse(it)?.read()?));
    facts.collect()
}

/// The good answer of an account that is the person's.
fn good(id: &str) -> Said {
    Said {
        message: String::new(),
        id: id.to_owned(),
        account: AccountAtBank::Open,
        identity: Some(IdentityAtBank::Matches),
        holder: Some("NGUYEN THI MAU".to_owned()),
        old_number: None,
    }
}

fn without_holder(id: &str, account: AccountAtBank) -> Said {
    Said {
        account,
        identity: None,
        holder: None,
        ..good(id)
    }
}

fn of(said: &[Said], id: &str) -> Vec<Said> {
    said.iter().filter(|it| it.id == id).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_answers_from_its_books_and_the_same_when_asked_again() -> anyhow::Result<()> {
    let bank = Bank::open().await?;
    let old = "0011004000002";
    let opening = json!({
        "institution": BANK, "account": old, "holder": "Nguyễn Thị Mẫu", "old_number": "012345678",
    });
    bank.command("open-account", "o1", &opening).await?;
    assert_eq!(
        bank.code("open-account", "o2", &opening).await?,
        "account_exists"
    );

    let asked = || {
        let mut foreign = bank.request("L4", "0011004000004");
        // Sealed for another question: a copy that somebody took there.
        foreign.citizen_number = bank.request("L1", old).citizen_number;
        vec![
            bank.request("L1", "0011004000001"),
            bank.request("L2", old),
            bank.request("L3", "9999000000000013"),
            foreign,
            bank.request("L1", "0011004000001"),
        ]
    };
    let first = bank.ask("A1", asked()).await?;
    let ids: Vec<&str> = first.iter().map(|it| &it.id[..]).collect();
    assert_eq!(
        ids,
        ["L1", "L2", "L3"],
        "what does not open is answered nothing"
    );
    assert_eq!(first[0], good("L1"));
    let by_old_number = |id, number: String| Said {
        identity: Some(IdentityAtBank::OldNumber),
        old_number: Some(number),
        ..good(id)
    };
    assert_eq!(first[1], by_old_number("L2", "012345678".to_owned()));
    // VNeID tells the same former number of this citizen.
    let citizen = sandbox::citizens().swap_remove(0);
    assert_eq!(citizen.number.expose(), NUMBER);
    let former = citizen.former_number.context("she had a card")?;
    assert_eq!(first[2], by_old_number("L3", former));
    assert_eq!(bank.ask("A2", asked()).await?, first);

    // The account moves and its holder brings new papers.
    let change = json!({
        "institution": BANK, "account": old, "citizen_number": NUMBER,
        "new_account": "0011004000009",
    });
    bank.command("change-account", "c1", &change).await?;
    let moved = vec![bank.request("L5", old), bank.request("L6", "0011004000009")];
    let moved = bank.ask("A3", moved).await?;
    assert_eq!(
        moved,
        [without_holder("L5", AccountAtBank::Closed), good("L6")]
    );

    let stored: Vec<String> = sqlx::query_scalar(
        "SELECT h::text FROM sandbox.holders h
        UNION ALL SELECT l::text FROM sandbox.late_verifications l",
    )
    .fetch_all(&bank.pool)
    .await?;
    assert_eq!(stored.len(), 2);
    for row in stored {
        let bytes = row.split("\\x").skip(1);
        let hex = bytes.map(|it| it.split([',', '"', ')']).next().unwrap_or_default());
        let clear: Vec<u8> = hex
            .flat_map(|it| hex::decode(it).unwrap_or_default())
            .collect();
        let clear = String::from_utf8_lossy(&clear).into_owned() + &row;
        for canary in ["NGUYEN", "012345678", NUMBER, "0011004"] {
            assert!(!clear.contains(canary), "{canary} in {row}");
        }
    }
    bank.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_is_silent_slow_and_contradicts_itself_where_a_test_number_says_so()
-> anyhow::Result<()> {
    let bank = Bank::open().await?;
    let asked = || {
        let accounts = ["31", "32", "33", "34", "35"];
        let requests = accounts.map(|it| bank.request(it, &format!("99990000000000{it}")));
        requests.to_vec()
    };
    let in_message = |message: &str, said: Said| Said {
        message: message.to_owned(),
        ..said
    };
    for (times, id) in [(1, "B1"), (2, "B2"), (3, "B3")] {
        let said = bank.ask(id, asked()).await?;
        assert!(of(&said, "31").is_empty());
        let second_thoughts = if times > 2 { vec![good("32")] } else { vec![] };
        assert_eq!(of(&said, "32"), second_thoughts, "asked {times} times");
        assert_eq!(
            of(&said, "34"),
            [good("34"), in_message("-again", good("34"))]
        );
        let closed = without_holder("35", AccountAtBank::Closed);
        assert_eq!(
            of(&said, "35"),
            [good("35"), in_message("-contrary", closed)]
        );
        bank.until("the late answer came", async || {
            Ok(of(&bank.said(id).await?, "33") == [in_message("-late", good("33"))])
        })
        .await?;
    }
    bank.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_refuses_what_is_no_account_and_repeats_no_value() -> anyhow::Result<()> {
    let bank = Bank::open().await?;
    let opening = |field: &str, value: &str| {
        let mut body = json!({ "institution": BANK, "account": "0011004000001", "holder": NAME });
        body[field] = json!(value);
        body
    };
    for (key, field, value, code) in [
        ("r1", "institution", "970400", "institution_unknown"),
        ("r2", "institution", "990001", "institution_unknown"),
        ("r3", "account", "0011004 000001", "account_invalid"),
        ("r4", "holder", "0011004000001", "name_invalid"),
        ("r5", "citizen_number", "0011004", "citizen_number_length"),
        ("r6", "old_number", "0011004", "old_number_invalid"),
        ("r7", "standing", "0011004", "body_invalid"),
        ("r8", "unheard", "0011004", "body_invalid"),
    ] {
        let found = bank
            .code("open-account", key, &opening(field, value))
            .await?;
        assert_eq!(found, code, "{key}");
    }
    let unknown = json!({ "institution": BANK, "account": "0011004000001", "standing": "closed" });
    assert_eq!(
        bank.code("change-account", "r9", &unknown).await?,
        "account_unknown"
    );
    bank.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_central_bank_tells_of_accounts_by_index_only() -> anyhow::Result<()> {
    let bank = Bank::open().await?;
    let body = json!({
        "message_id": "SIMO-1",
        "suspicions": [
            { "suspicion_id": "S1", "institution": BANK, "account": "0011004000001",
              "kind": "mule_account", "raised_on": "2026-11-20" },
            { "suspicion_id": "S2", "institution": BANK, "account": "0011004000002",
              "kind": "fraud_report", "raised_on": "2026-11-21", "cleared": true },
        ],
    });
    let answer = bank.command("tell-suspicions", "s1", &body).await?;
    assert_eq!(answer, json!({ "message_id": "SIMO-1", "suspicions": 2 }));
    let told = facts::<SuspicionsTold>(&bank.pool, events::CENTRAL_BANK).await?;
    let [message] = &told[..] else {
        bail!("one message: {told:?}");
    };
    let index = |account| bank.keys.index(Field::BankAccount, account);
    let said: Vec<_> = message
        .suspicions
        .iter()
        .map(|it| (&it.suspicion_id[..], it.account_index, it.cleared))
        .collect();
    let expected = [
        ("S1", index("0011004000001"), false),
        ("S2", index("0011004000002"), true),
    ];
    assert_eq!(said, expected);
    assert!(!serde_json::to_string(message)?.contains("0011004"));
    // Relayed, not only written down.
    bank.until("the feed is published", async || {
        let pending = messaging::lag(&bank.pool).await?;
        Ok(pending.unpublished == 0)
    })
    .await?;
    let empty = json!({ "message_id": "SIMO-2", "suspicions": [] });
    assert_eq!(
        bank.code("tell-suspicions", "s2", &empty).await?,
        "body_invalid"
    );
    let institution: Institution = BANK.parse()?;
    assert_eq!(message.suspicions[0].institution, institution);
    bank.close().await
}
