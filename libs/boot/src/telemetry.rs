//! Logs, traces and metrics of one process.
//!
//! One process is one OpenTelemetry resource: its `service.name` is the process's name
//! (`ansinh-payments`, `ansinh-all`), also when it runs several services. Which service a log line
//! belongs to is told by the `service` field of [`Context::spawn`](crate::Context::spawn).

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt};

use crate::log::JsonLine;
use crate::settings::{LogFormat, Settings};
use crate::{BootError, tls};

/// How long one export may take; a collector that is away must not hold up anything.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the last exports may take together.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(12);

/// Upper bounds, in seconds, of the histograms whose unit is `s`: the usual ones count
/// milliseconds.
const SECONDS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0,
];

/// Exporters tell of every step at `info`; a filter of the operator's own may ask for it.
const QUIETER: &str = "opentelemetry=warn";

/// Spans with this target are there for the log only: a span that lives as long as its process
/// would gather everything into one endless trace.
pub(crate) const LOG_ONLY: &str = "boot::task";

/// What has to be flushed before the process ends.
#[must_use = "without a shutdown the last traces and metrics are lost"]
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: SdkMeterProvider,
    registry: prometheus::Registry,
}

impl Telemetry {
    /// Sets up logs on stderr, W3C trace context, the meters behind `/metrics` and, when an
    /// endpoint is set, the export of traces and metrics over OTLP (HTTP, protobuf).
    ///
    /// # Errors
    ///
    /// When the log filter or the endpoint is not understood, or on a second call in one process.
    pub fn start(service_name: &str, settings: &Settings) -> Result<Telemetry, BootError> {
        tls::choose_crypto();
        let filter = EnvFilter::try_new(format!("{QUIETER},{}", settings.log.filter))
            .map_err(|it| BootError::Telemetry(format!("log.filter: {it}")))?;
        let resource = Resource::builder()
            .with_service_name(service_name.to_owned())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let collector = match &settings.telemetry.otlp_endpoint {
            Some(endpoint) => Some(Collector::new(endpoint)?),
            None => None,
        };
        let registry = prometheus::Registry::new();
        let metrics = meters(&registry, collector.as_ref(), resource.clone())?;
        let traces = match &collector {
            Some(collector) => Some(
                SdkTracerProvider::builder()
                    .with_batch_exporter(collector.spans()?)
                    .with_resource(resource)
                    .build(),
            ),
            None => None,
        };

        let spans = traces.as_ref().map(|it| {
            tracing_opentelemetry::layer()
                .with_tracer(it.tracer("ansinh"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(filter_fn(|it| it.target() != LOG_ONLY))
        });
        tracing_subscriber::registry()
            .with(filter)
            .with(lines(settings.log.format))
            .with(spans)
            .try_init()
            .map_err(|it| BootError::Telemetry(it.to_string()))?;

        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_meter_provider(metrics.clone());
        if let Some(traces) = &traces {
            global::set_tracer_provider(traces.clone());
        }
        Ok(Telemetry {
            traces,
            metrics,
            registry,
        })
    }

    /// The meters of this process as `/metrics` shows them.
    pub fn registry(&self) -> prometheus::Registry {
        self.registry.clone()
    }

    /// Sends what is left, within a bound. A collector that is away costs a warning.
    pub async fn shutdown(self) {
        // The exporters wait for their own threads, which would hold up the runtime.
        let flush = tokio::task::spawn_blocking(move || {
            let traces = self
                .traces
                .map_or(Ok(()), |it| it.shutdown_with_timeout(EXPORT_TIMEOUT));
            let metrics = self.metrics.shutdown_with_timeout(EXPORT_TIMEOUT);
            for (what, result) in [("traces", traces), ("metrics", metrics)] {
                match result {
                    Ok(()) | Err(OTelSdkError::AlreadyShutdown) => {}
                    Err(error) => tracing::warn!(%error, "The last {what} were not sent"),
                }
            }
        });
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, flush).await.is_err() {
            tracing::warn!("The last traces and metrics were not sent in time");
        }
    }
}

fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    match format {
        LogFormat::Pretty => lines.boxed(),
        LogFormat::Json => lines
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine)
            .boxed(),
    }
}

fn meters(
    registry: &prometheus::Registry,
    collector: Option<&Collector>,
    resource: Resource,
) -> Result<SdkMeterProvider, BootError> {
    let scrape = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .without_counter_suffixes() // a name is what the code says: ansinh_payments_total
        .without_units()
        .build()
        .map_err(|it| BootError::Telemetry(it.to_string()))?;
    let provider = SdkMeterProvider::builder()
        .with_resource(resource)
        .with_view(buckets_of_seconds)
        .with_reader(scrape);
    Ok(match collector {
        Some(collector) => provider
            .with_periodic_exporter(collector.metrics()?)
            .build(),
        None => provider.build(),
    })
}

fn buckets_of_seconds(instrument: &Instrument) -> Option<Stream> {
    let histogram = instrument.kind() == opentelemetry_sdk::metrics::InstrumentKind::Histogram;
    if !histogram || instrument.unit() != "s" {
        return None;
    }
    Stream::builder()
        .with_aggregation(Aggregation::ExplicitBucketHistogram {
            boundaries: SECONDS.to_vec(),
            record_min_max: false,
        })
        .build()
        .ok()
}

/// Where traces and metrics are sent.
struct Collector {
    endpoint: String,
    client: reqwest::blocking::Client,
}

impl Collector {
    fn new(endpoint: &str) -> Result<Collector, BootError> {
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            let sentence = "telemetry.otlp_endpoint is a URL with http:// or https://".to_owned();
            return Err(BootError::Telemetry(sentence));
        }
        // The exporters run on threads of their own without a runtime, so their client must be a
        // blocking one, and that may not be made inside a runtime.
        let client = std::thread::spawn(|| {
            reqwest::blocking::Client::builder()
                .timeout(EXPORT_TIMEOUT)
                .build()
        })
        .join()
        .map_err(|_| BootError::Telemetry("the HTTP client could not be made".to_owned()))?
        .map_err(|it| BootError::Telemetry(it.without_url().to_string()))?;
        Ok(Collector {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            client,
        })
    }

    fn spans(&self) -> Result<SpanExporter, BootError> {
        SpanExporter::builder()
            .with_http()
            .with_http_client(self.client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", self.endpoint))
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|it| BootError::Telemetry(it.to_string()))
    }

    fn metrics(&self) -> Result<MetricExporter, BootError> {
        MetricExporter::builder()
            .with_http()
            .with_http_client(self.client.clone())
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/metrics", self.endpoint))
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(|it| BootError::Telemetry(it.to_string()))
    }
}
