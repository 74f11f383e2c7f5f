//! Who answers at `accounts.do.*` and `accounts.get.*` to the contract of the register.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_nats::{Client, Message};
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use identity::IdentityProvider;
use messaging::{Answer, Problem};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

/// What was asked, as it came over the wire.
#[derive(Debug, Clone)]
pub struct Asked {
    pub subject: String,
    pub key: Option<String>,
    pub body: Value,
}

#[derive(Default)]
pub struct Memory {
    /// Until when each session lasts.
    pub sessions: HashMap<String, DateTime<Utc>>,
    pub links: Vec<Value>,
    pub asked: Vec<Asked>,
    answered: HashMap<String, Value>,
    /// What the next question or command is refused with.
    pub refusal: Option<Problem>,
}

#[derive(Clone)]
pub struct Register {
    vneid: Arc<IdentityProvider>,
    memory: Arc<Mutex<Memory>>,
    task: Option<AbortHandle>,
}

impl Register {
    pub async fn play(nats: Client, vneid: IdentityProvider) -> anyhow::Result<Register> {
        let mut register = Register {
            vneid: Arc::new(vneid),
            memory: Arc::default(),
            task: None,
        };
        let commands = nats.subscribe("accounts.do.*").await?;
        let queries = nats.subscribe("accounts.get.*").await?;
        nats.flush().await?;
        let (player, wire) = (register.clone(), nats);
        let mut messages = futures::stream::select(commands, queries);
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                player.take(&wire, message).await;
            }
        });
        register.task = Some(task.abort_handle());
        Ok(register)
    }

    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory
            .lock()
            .expect("no test panics while it holds this")
    }

    /// Nobody answers any more.
    pub fn stop(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }

    /// All that was asked under this name.
    pub fn asked(&self, name: &str) -> Vec<Asked> {
        let memory = self.memory();
        let asked = memory.asked.iter();
        asked
            .filter(|it| it.subject.ends_with(&format!(".{name}")))
            .cloned()
            .collect()
    }

    async fn take(&self, nats: &Client, message: Message) {
        let key = message
            .headers
            .as_ref()
            .and_then(|it| it.get("Idempotency-Key"));
        let asked = Asked {
            subject: message.subject.to_string(),
            key: key.map(|it| it.as_str().to_owned()),
            body: serde_json::from_slice(&message.payload).unwrap_or_default(),
        };
        let answer = match self.answer(&asked) {
            Ok(value) => Answer::Done(value),
            Err(problem) => Answer::Refused(*problem),
        };
        if let (Some(reply), Ok(body)) = (message.reply, serde_json::to_vec(&answer)) {
            let _ = nats.publish(reply, body.into()).await;
        }
    }

    fn answer(&self, asked: &Asked) -> Result<Value, Box<Problem>> {
        let mut memory = self.memory();
        memory.asked.push(asked.clone());
        if let Some(problem) = memory.refusal.take() {
            return Err(problem.into());
        }
        if let Some(answer) = asked.key.as_ref().and_then(|it| memory.answered.get(it)) {
            return Ok(answer.clone());
        }
        let name = asked.subject.rsplit('.').next().unwrap_or_default();
        let answer = match name {
            "open-session" => self.open(&mut memory, &asked.body)?,
            name => act(&mut memory, name, &asked.body)?,
        };
        if let Some(key) = &asked.key {
            memory.answered.insert(key.clone(), answer.clone());
        }
        Ok(answer)
    }

    fn open(&self, memory: &mut Memory, body: &Value) -> Result<Value, Box<Problem>> {
        let (token, nonce) = (&body["id_token"], &body["nonce"]);
        let (token, nonce) = (token.as_str().unwrap_or(""), nonce.as_str().unwrap_or(""));
        let now = Utc::now();
        let verified = self.vneid.verify(token, nonce, now);
        verified.map_err(|it| Problem::new(it.status(), it.code(), it.vietnamese()))?;
        let until = now + TimeDelta::minutes(15);
        let session = body["session"].as_str().unwrap_or_default().to_owned();
        memory.sessions.insert(session, until);
        Ok(json!({ "expires_at": until }))
    }
}

fn act(memory: &mut Memory, name: &str, body: &Value) -> Result<Value, Box<Problem>> {
    let session = body["session"].as_str().unwrap_or_default();
    let until = memory.sessions.get(session);
    if until.is_none_or(|it| *it <= Utc::now()) {
        let sentence = "Phiên đăng nhập đã hết hạn.";
        let problem = Problem::new(401, "session_expired", sentence);
        return Err(problem.allowing(["login"]).into());
    }
    let since = "2026-11-30T17:05:00Z";
    Ok(match name {
        "close-session" => {
            memory.sessions.remove(session);
            json!({})
        }
        "my-links" => json!({"links": memory.links, "then": ["cash"]}),
        "request-link" => {
            let number = memory.links.len() + 1;
            let account = body["account_number"].as_str().unwrap_or_default();
            let end = &account[account.len().saturating_sub(4)..];
            memory.links.push(json!({
                "link": number, "kind": "ssa", "institution": body["institution"],
                "institution_name": "Vietcombank", "account": format!("•••• {end}"),
                "state": "pending", "since": since,
            }));
            json!({"link": number, "state": "pending"})
        }
        "unlink" => {
            let link = memory
                .links
                .iter_mut()
                .find(|it| it["link"] == body["link"]);
            let link = link.ok_or(Problem::new(404, "link_unknown", "Không có liên kết này."))?;
            link["state"] = json!("unlinked");
            json!({"link": body["link"], "state": "unlinked"})
        }
        "my-access-log" => {
            let entry = body["before"].as_i64().unwrap_or(100) - 1;
            json!({"entries": [{
                "entry": entry, "at": since, "role": "officer", "actor": "pham.dung",
                "purpose": "payment_trace", "purpose_vi": "Tra soát khoản chi trả",
                "fields": ["full_name", "account"], "unmasked": true,
            }], "next": entry})
        }
        "request-data" => {
            json!({"request_no": 7, "acknowledge_by": "2026-12-02", "answer_by": "2026-12-11"})
        }
        "my-requests" => json!({"requests": [{
            "request_no": 6, "kind": "copy", "state": "acknowledged", "received_on": "2026-12-01",
            "acknowledge_by": "2026-12-02", "answer_by": "2026-12-11",
        }]}),
        _ => return Err(Problem::new(404, "unknown", "?").into()),
    })
}
