//! What an operator sees of a run: one trace, from the command through every service and the bank.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{bail, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use domain::Programme;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::ground::Ground;
use crate::pay_day::{PayDay, registry};
use crate::processes::{Process, Processes, SPEAKING};

const PROGRAMMES: [Programme; 2] = [Programme::SocialPension, Programme::MeritAllowance];
const PEOPLE: u64 = 400;
const PARTS: usize = 16;
/// All of it, from empty servers to the last span.
const TEST_MAX: Duration = Duration::from_mins(4);

/// A span as the collector got it.
#[derive(Debug, Clone)]
struct Span {
    trace: String,
    id: String,
    /// Empty at the root.
    parent: String,
    name: String,
    /// The process: `service.name` of its resource.
    process: String,
    /// The span's own field `service`.
    service: String,
}

/// An OpenTelemetry collector that keeps what it is sent.
struct Collector {
    url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    stop: CancellationToken,
}

impl Collector {
    async fn start() -> anyhow::Result<Collector> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let spans = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .route("/v1/traces", post(take_spans))
            .route("/v1/metrics", post(|| async {}))
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(spans.clone());
        let stop = CancellationToken::new();
        let serving = axum::serve(listener, router);
        let serving = serving.with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(async move { serving.await });
        Ok(Collector { url, spans, stop })
    }

    fn spans(self) -> Vec<Span> {
        self.stop.cancel();
        self.spans.lock().expect("nobody panics with it").clone()
    }
}

async fn take_spans(State(kept): State<Arc<Mutex<Vec<Span>>>>, body: Bytes) {
    let sent = ExportTraceServiceRequest::decode(body).expect("OTLP over HTTP is protobuf");
    for resource in sent.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let process = text(&attributes, "service.name");
        let spans = resource.scope_spans.into_iter().flat_map(|it| it.spans);
        let mut kept = kept.lock().expect("nobody panics with it");
        kept.extend(spans.map(|it| Span {
            trace: hex::encode(&it.trace_id),
            id: hex::encode(&it.span_id),
            parent: hex::encode(&it.parent_span_id),
            service: text(&it.attributes, "service"),
            name: it.name,
            process: process.clone(),
        }));
    }
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|it| it.key == key);
    let value = found.and_then(|it| it.value.as_ref()?.value.as_ref());
    match value {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

/// One line a kind of step, with how often it was taken.
fn shown(spans: &[Span]) -> String {
    let mut steps: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for it in spans {
        *steps.entry((&it.process, &it.name)).or_default() += 1;
    }
    let lines = steps
        .iter()
        .map(|((process, name), count)| format!("{count:>5} {process}: {name}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The steps of a run, in each of which its trace could be lost.
const STEPS: [&str; 10] = [
    "eligibility hears payments",
    "eligibility determines",
    "accounts hears eligibility",
    "payments hears accounts",
    "payments reserve",
    "payments release",
    "sandbox hears bank.970436.out",
    "reconciliation hears bank.970436.out",
    "payments hears bank.970436.in.results",
    "reconciliation hears payments",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_run_is_one_trace_across_four_services() -> anyhow::Result<()> {
    let spans = timeout(TEST_MAX, spans_of_runs()).await??;
    let mut runs = traces_of(&spans, "payments does open-run")?;
    // A command that was asked again is answered from memory and leads to nothing.
    runs.retain(|it| it.len() > 1);
    // Opened at the same time, and still not one trace for both.
    assert_eq!(runs.len(), PROGRAMMES.len());
    for run in &runs {
        let shown = shown(run);
        let services: BTreeSet<&str> = run.iter().map(|it| &it.service[..]).collect();
        assert_eq!(services, SPEAKING.into_iter().collect(), "{shown}");
        for it in run {
            assert_eq!(it.process, format!("ansinh-{}", it.service), "{it:?}");
        }
        for step in STEPS {
            assert!(
                run.iter().any(|it| it.name == step),
                "no {step:?} in\n{shown}"
            );
        }
        let determined = run.iter().filter(|it| it.name == "eligibility determines");
        assert_eq!(determined.count(), PARTS, "{shown}");
    }
    Ok(())
}

/// The spans of each trace that a step began, each hanging on another one of it.
fn traces_of(spans: &[Span], first: &str) -> anyhow::Result<Vec<Vec<Span>>> {
    let beginnings = spans.iter().filter(|it| it.name == first);
    beginnings.map(|root| trace_of(spans, root)).collect()
}

fn trace_of(spans: &[Span], root: &Span) -> anyhow::Result<Vec<Span>> {
    ensure!(root.parent.is_empty(), "{root:?} hangs on another");
    let of_root = spans.iter().filter(|it| it.trace == root.trace);
    let trace: Vec<Span> = of_root.cloned().collect();
    let parents: HashMap<&str, &str> = trace
        .iter()
        .map(|it| (&it.id[..], &it.parent[..]))
        .collect();
    ensure!(parents.len() == trace.len(), "two spans have one id");
    for it in &trace {
        let mut at = &it.id[..];
        // As many steps as there are spans: a ring is no way to the root.
        for _ in 0..trace.len() {
            let Some(parent) = parents.get(at) else {
                bail!("nobody sent {at}, above {it:?}");
            };
            if parent.is_empty() {
                break;
            }
            at = parent;
        }
        ensure!(at == root.id, "{it:?} does not lead back to {root:?}");
    }
    Ok(trace)
}

async fn spans_of_runs() -> anyhow::Result<Vec<Span>> {
    let ground = Ground::new().await?;
    let collector = Collector::start().await?;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url[..]),
        ("ANSINH_RECONCILIATION__GRACE_MS", "3000"),
    ];
    let people = registry(PEOPLE, 7, &PROGRAMMES, &ground.home)?;
    let mut processes = Processes::start(&ground, &settings)?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.register(&people).await?;
    // Away while the runs are opened, eligibility hears of both at the same time.
    let (eligibility, others) = processes
        .0
        .into_iter()
        .partition(|it| it.service == "eligibility");
    Processes(eligibility).stop().await?;
    processes = Processes(others);
    day.open().await?;
    let eligibility = Process::start(&ground, "eligibility", &settings)?;
    processes.0.push(eligibility);
    day.approve().await?;
    day.release().await?;
    day.until_answered().await?;
    day.close().await?;
    processes.stop().await?;
    day.pool.close().await;
    ground.clear().await?;
    Ok(collector.spans())
}

#[test]
fn a_trace_that_breaks_is_told() {
    let span = |trace: &str, id: &str, parent: &str, name: &str| Span {
        trace: trace.to_owned(),
        id: id.to_owned(),
        parent: parent.to_owned(),
        name: name.to_owned(),
        process: "p".to_owned(),
        service: "p".to_owned(),
    };
    let whole = [
        span("t", "1", "", "a"),
        span("t", "2", "1", "b"),
        span("u", "3", "", "a"),
    ];
    let lengths = traces_of(&whole, "a").unwrap();
    let lengths: Vec<usize> = lengths.iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 1]);
    traces_of(&whole, "b").unwrap_err();
    let orphan = [span("t", "1", "", "a"), span("t", "2", "9", "b")];
    traces_of(&orphan, "a").unwrap_err();
    let ring = [
        span("t", "1", "", "a"),
        span("t", "2", "3", "b"),
        span("t", "3", "2", "c"),
    ];
    traces_of(&ring, "a").unwrap_err();
    let two_roots = [span("t", "1", "", "a"), span("t", "2", "", "b")];
    traces_of(&two_roots, "a").unwrap_err();
}
