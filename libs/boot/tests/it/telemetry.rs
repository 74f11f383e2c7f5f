use std::time::{Duration, Instant};

use boot::{Settings, Telemetry};
use opentelemetry::propagation::Injector;
use opentelemetry::{KeyValue, global};

use crate::stub::Stub;

#[derive(Default)]
struct Headers(Vec<(String, String)>);

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        self.0.push((key.to_owned(), value));
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|it| it == text.as_bytes())
}

/// One test, because one process starts its telemetry once.
#[tokio::test]
async fn spans_and_meters_reach_the_collector_and_the_scrape() -> anyhow::Result<()> {
    let collector = Stub::start("").await?;
    let mut settings = Settings::default();
    settings.telemetry.otlp_endpoint = Some(collector.url());
    let telemetry = Telemetry::start("ansinh-test", &settings)?;
    Telemetry::start("ansinh-again", &settings).unwrap_err();

    let task = tracing::info_span!(target: "boot::task", "endless-task");
    let headers = task.in_scope(|| {
        let span = tracing::info_span!("run.plan", service = "payments");
        span.in_scope(|| {
            let mut headers = Headers::default();
            let context = tracing_opentelemetry::OpenTelemetrySpanExt::context(&span);
            global::get_text_map_propagator(|it| it.inject_context(&context, &mut headers));
            headers
        })
    });
    drop(task); // it ends here, so that it would be sent if it were traced
    assert_eq!(headers.0[0].0, "traceparent");

    let meter = global::meter("ansinh");
    meter
        .u64_counter("ansinh_payments_total")
        .build()
        .add(3, &[KeyValue::new("bank", "VCB")]);
    meter
        .f64_histogram("ansinh_http_request_duration_seconds")
        .with_unit("s")
        .build()
        .record(0.02, &[]);
    let text = prometheus::TextEncoder::new().encode_to_string(&telemetry.registry().gather())?;
    assert!(
        text.contains("ansinh_payments_total{bank=\"VCB\"} 3"),
        "{text}"
    );
    assert!(
        text.contains("ansinh_http_request_duration_seconds_bucket{le=\"0.025\"} 1"),
        "{text}"
    );
    assert!(text.contains("service_name=\"ansinh-test\""), "{text}");

    let start = Instant::now();
    telemetry.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(12));
    let traces = collector.received("/v1/traces");
    assert!(contains(&traces, "run.plan") && contains(&traces, "ansinh-test"));
    assert!(
        !contains(&traces, "endless-task"),
        "a task's span was traced"
    );
    assert!(contains(
        &collector.received("/v1/metrics"),
        "ansinh_payments_total"
    ));
    Ok(())
}

#[test]
fn a_filter_or_an_endpoint_that_is_not_understood_is_refused_by_name() {
    let mut settings = Settings::default();
    settings.log.filter = "info,=loud=".to_owned();
    let error = Telemetry::start("ansinh-test", &settings).unwrap_err();
    assert!(error.to_string().contains("log.filter"), "{error}");

    let mut settings = Settings::default();
    settings.telemetry.otlp_endpoint = Some("collector:4317".to_owned());
    let error = Telemetry::start("ansinh-test", &settings).unwrap_err();
    assert!(error.to_string().contains("otlp_endpoint"), "{error}");
}
