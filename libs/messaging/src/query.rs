use async_nats::{Client, HeaderMap, Message};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use tracing::Instrument;

use crate::command::{ASK_MAX, AT_ONCE};
use crate::{Answer, CommandError, Error, Judged, Problem, Verdict, Wires, follow_trace};

/// A question as a service takes it: `<service>.get.<name>`.
#[derive(Debug, Clone)]
pub struct Query {
    pub name: String,
    /// JSON.
    pub body: Vec<u8>,
}

/// Answers a question inside a transaction, which keeps who was shown what.
///
/// Unlike a command's, the answer is remembered nowhere: it may hold what only the asker may see.
pub trait QueryHandler: Send + Sync + 'static {
    type Error: Judged + Into<Problem>;

    fn answer(
        &self,
        tx: &mut PgConnection,
        query: &Query,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Value, Self::Error>> + Send;
}

/// Asks a service to tell something.
pub async fn inquire(
    nats: &Client,
    service: &str,
    query: &str,
    body: &impl Serialize,
) -> Result<Value, CommandError> {
    let mut headers = HeaderMap::new();
    if let Some(trace) = crate::current_trace() {
        headers.insert(crate::relay::TRACEPARENT, trace);
    }
    let subject = format!("{service}.get.{query}");
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

/// Answers the questions to a service until the process stops.
pub async fn answer<H: QueryHandler>(
    wires: Wires,
    service: &'static str,
    handler: H,
) -> Result<(), Error> {
    let subject = format!("{service}.get.*");
    let requests = wires
        .nats
        .queue_subscribe(subject, service.to_owned())
        .await;
    let requests = requests.map_err(|it| Error::Nats(it.to_string()))?;
    let (handler, wires) = (&handler, &wires);
    requests
        .take_until(wires.stop.cancelled())
        .for_each_concurrent(AT_ONCE, |request| async move {
            let name = request.subject.rsplit('.').next().unwrap_or_default();
            let span = tracing::info_span!(
                "query",
                otel.name = format!("{service} tells {name}"),
                service
            );
            let trace = request.headers.as_ref();
            let trace = trace.and_then(|it| it.get(crate::relay::TRACEPARENT));
            follow_trace(&span, trace.map(async_nats::HeaderValue::as_str));
            let query = Query {
                name: name.to_owned(),
                body: request.payload.to_vec(),
            };
            let answer = tell(wires, handler, &query).instrument(span).await;
            reply(wires, request, &answer).await;
        })
        .await;
    Ok(())
}

async fn reply(wires: &Wires, request: Message, answer: &Answer) {
    let Some(subject) = request.reply else {
        return;
    };
    let body = serde_json::to_vec(answer).expect("an answer serializes");
    if let Err(error) = wires.nats.publish(subject, body.into()).await {
        tracing::warn!(error = %error, "An answer was lost; it can be asked for again");
    }
}

async fn tell<H: QueryHandler>(wires: &Wires, handler: &H, query: &Query) -> Answer {
    match transact(wires, handler, query).await {
        Ok(value) => Answer::Done(value),
        Err(error) if error.verdict() == Verdict::Retry => {
            tracing::warn!(query = query.name, error = %error, "Could not tell");
            let detail = "the service could not answer; ask again";
            Answer::Refused(Problem::new(503, "unavailable", detail))
        }
        Err(error) => {
            tracing::info!(query = query.name, refusal = %error, "Refused a query");
            Answer::Refused(error.into())
        }
    }
}

async fn transact<H: QueryHandler>(
    wires: &Wires,
    handler: &H,
    query: &Query,
) -> Result<Value, H::Error> {
    let mut tx = wires.pool.begin().await?;
    let value = handler.answer(&mut tx, query, Utc::now()).await?;
    tx.commit().await?;
    Ok(value)
}
