use std::time::Duration;

use async_nats::{Client, HeaderMap, HeaderValue, Message};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use tracing::Instrument;

use crate::{Error, Judged, Verdict, Wires, follow_trace, store};

const KEY: &str = "Idempotency-Key";
pub(crate) const ASK_MAX: Duration = Duration::from_mins(1);
/// Commands of one service in work at the same time.
pub(crate) const AT_ONCE: usize = 8;

/// A command as a service takes it: `<service>.do.<name>`.
#[derive(Debug, Clone)]
pub struct Command {
    pub name: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why a command was refused (RFC 9457). `code` is stable; no money has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub code: String,
    pub detail: String,
    /// What the state allows instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_actions: Vec<String>,
}

/// An answer on the wire.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Done(Value),
    Refused(Problem),
}

/// How a command ended without being done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{0}")]
    Refused(#[from] Problem),
    #[error("no answer from {0}: is the service running?")]
    Unavailable(String),
    #[error("the answer is not understood: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// Does what a command asks inside the transaction that also remembers the answer.
pub trait CommandHandler: Send + Sync + 'static {
    type Error: Judged + Into<Problem>;

    fn take(
        &self,
        tx: &mut PgConnection,
        command: &Command,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Value, Self::Error>> + Send;

    /// What was taken is committed: who waits for it may look.
    fn taken(&self) {}
}

impl Problem {
    /// `status` as in HTTP: 403 not permitted, 404 not found, 409 wrong state, 422 wrong content.
    pub fn new(status: u16, code: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:ansinh:problem:{code}"),
            title: code.replace('_', " "),
            status,
            code: code.to_owned(),
            detail: detail.into(),
            allowed_actions: Vec::new(),
        }
    }

    pub fn allowing(mut self, actions: impl IntoIterator<Item = impl Into<String>>) -> Problem {
        self.allowed_actions = actions.into_iter().map(Into::into).collect();
        self
    }
}

/// Asks a service to do something, once for a key however often it is asked.
pub async fn ask(
    nats: &Client,
    service: &str,
    command: &str,
    key: &str,
    body: &impl Serialize,
) -> Result<Value, CommandError> {
    let mut headers = HeaderMap::new();
    // The client would panic at what no header carries.
    let key: HeaderValue = key.parse().map_err(|_| {
        let detail = "an Idempotency-Key has no line breaks";
        Problem::new(400, "idempotency_key_invalid", detail)
    })?;
    headers.insert(KEY, key);
    if let Some(trace) = crate::current_trace() {
        headers.insert(crate::relay::TRACEPARENT, trace);
    }
    let subject = format!("{service}.do.{command}");
    let request = async_nats::Request::new()
        .headers(headers)
        .payload(serde_json::to_vec(body)?.into())
        .timeout(Some(ASK_MAX));
    let answer = nats.send_request(subject.clone(), request).await;
    let answer = answer.map_err(|_| CommandError::Unavailable(subject))?;
    match serde_json::from_slice(&answer.payload)? {
        Answer::Done(value) => Ok(value),
        Answer::Refused(problem) => Err(problem.into()),
    }
}

/// Takes the commands of a service until the process stops. Effect and remembered answer commit
/// together; the same key with another body is refused.
pub async fn serve<H: CommandHandler>(
    wires: Wires,
    service: &'static str,
    handler: H,
) -> Result<(), Error> {
    let subject = format!("{service}.do.*");
    let requests = wires
        .nats
        .queue_subscribe(subject, service.to_owned())
        .await;
    let requests = requests.map_err(|it| Error::Nats(it.to_string()))?;
    let handler = &handler;
    let wires = &wires;
    requests
        .take_until(wires.stop.cancelled())
        .for_each_concurrent(AT_ONCE, |request| async move {
            let name = request.subject.rsplit('.').next().unwrap_or_default().to_owned();
            let span = tracing::info_span!("command", otel.name = format!("{service} does {name}"), service);
            let trace = request.headers.as_ref().and_then(|it| it.get(crate::relay::TRACEPARENT));
            follow_trace(&span, trace.map(HeaderValue::as_str));
            let answer = insist(wires, service, handler, name, &request).instrument(span).await;
            if let Some(reply) = request.reply {
                let body = serde_json::to_vec(&answer).expect("an answer serializes");
                if let Err(error) = wires.nats.publish(reply, body.into()).await {
                    tracing::warn!(error = %error, "An answer was lost; asked again it is given again");
                }
            }
        })
        .await;
    Ok(())
}

async fn insist<H: CommandHandler>(
    wires: &Wires,
    service: &str,
    handler: &H,
    name: String,
    request: &Message,
) -> Answer {
    let key = request
        .headers
        .as_ref()
        .and_then(|it| it.get(KEY))
        .map(|it| it.as_str().to_owned());
    let Some(key) = key.filter(|it| (1..=200).contains(&it.len())) else {
        let detail = "a command carries an Idempotency-Key of 1 to 200 characters";
        return Answer::Refused(Problem::new(400, "idempotency_key_missing", detail));
    };
    let command = Command {
        name,
        body: request.payload.to_vec(),
    };
    for _ in 0..3 {
        match transact(wires, service, handler, &key, &command).await {
            Ok(answer) => return answer,
            Err(error) if error.verdict() == Verdict::Retry => {
                tracing::warn!(command = command.name, error = %error, "Trying again");
            }
            Err(error) => {
                tracing::info!(command = command.name, refusal = %error, "Refused a command");
                return Answer::Refused(error.into());
            }
        }
    }
    Answer::Refused(Problem::new(
        503,
        "unavailable",
        "the service could not finish; ask again",
    ))
}

async fn transact<H: CommandHandler>(
    wires: &Wires,
    service: &str,
    handler: &H,
    key: &str,
    command: &Command,
) -> Result<Answer, H::Error> {
    let mut tx = wires.pool.begin().await?;
    if let Some(answer) = remembered(&mut tx, service, key, command).await? {
        return Ok(answer);
    }
    let now = Utc::now();
    let value = match handler.take(&mut tx, command, now).await {
        Ok(value) => value,
        Err(error) => {
            tx.rollback().await?;
            // Asked twice at the same moment, the later one may meet the effect of the earlier:
            // what refuses it is then its own doing, which is committed with its answer.
            let mut tx = wires.pool.begin().await?;
            let answer = remembered(&mut tx, service, key, command).await?;
            return answer.ok_or(error);
        }
    };
    let (asked, answer) = (body_hash(command), value.to_string());
    store::insert_answer(&mut tx, service, key, &command.name, &asked, &answer, now)
        .await
        .map_err(database)?;
    tx.commit().await?;
    handler.taken();
    Ok(Answer::Done(value))
}

/// What the key was answered before; `None` where it is new.
async fn remembered(
    tx: &mut PgConnection,
    service: &str,
    key: &str,
    command: &Command,
) -> Result<Option<Answer>, sqlx::Error> {
    let answered = store::answered(tx, service, key).await.map_err(database)?;
    let Some((asked, answer)) = answered else {
        return Ok(None);
    };
    if asked[..] != body_hash(command) {
        let detail = "this Idempotency-Key was used for another command";
        let problem = Problem::new(422, "idempotency_mismatch", detail);
        return Ok(Some(Answer::Refused(problem)));
    }
    let value = serde_json::from_str(&answer).map_err(|it| sqlx::Error::Decode(it.into()))?;
    Ok(Some(Answer::Done(value)))
}

fn body_hash(command: &Command) -> [u8; 32] {
    Sha256::new()
        .chain_update(&command.name)
        .chain_update([0])
        .chain_update(&command.body)
        .finalize()
        .into()
}

fn database(error: Error) -> sqlx::Error {
    match error {
        Error::Database(error) => error,
        other => sqlx::Error::Protocol(other.to_string()),
    }
}
