//! One line of log as one JSON object.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use opentelemetry::trace::TraceContextExt;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// Writes `ts, level, msg, target, trace_id, span_id` and then, flat, the fields of the spans
/// around the event and of the event itself, of which the innermost wins.
pub(crate) struct JsonLine;

#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    level: &'static str,
    msg: String,
    target: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

const HEAD: [&str; 6] = ["ts", "level", "msg", "target", "trace_id", "span_id"];

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        for span in ctx.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let written = extensions.get::<FormattedFields<JsonFields>>();
            let read = written.and_then(|it| serde_json::from_str::<Map<_, _>>(&it.fields).ok());
            fields.extend(read.unwrap_or_default());
        }
        event.record(&mut Fields(&mut fields));

        let msg = match fields.remove("message") {
            Some(Value::String(msg)) => msg,
            other => other.map_or(String::new(), |it| it.to_string()),
        };
        // What the `log` crate's records carry about themselves, by way of `tracing-log`.
        let target = match fields.remove("log.target") {
            Some(Value::String(target)) => target,
            _ => event.metadata().target().to_owned(),
        };
        fields.retain(|name, _| !name.starts_with("log.") && !HEAD.contains(&name.as_str()));
        let (trace_id, span_id) = ctx.lookup_current().and_then(|it| ids(&it.id())).unzip();
        let line = Line {
            ts: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            level: level(*event.metadata().level()),
            msg,
            target: &target,
            trace_id,
            span_id,
            fields,
        };
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

fn level(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "error",
        tracing::Level::WARN => "warn",
        tracing::Level::INFO => "info",
        tracing::Level::DEBUG => "debug",
        tracing::Level::TRACE => "trace",
    }
}

/// Trace and span id in hex, when the span is one that is traced.
fn ids(span: &tracing::span::Id) -> Option<(String, String)> {
    tracing::dispatcher::get_default(|it| tracing_opentelemetry::get_otel_context(span, it))
        .map(|it| it.span().span_context().clone())
        .filter(opentelemetry::trace::SpanContext::is_valid)
        .map(|it| (it.trace_id().to_string(), it.span_id().to_string()))
}

/// Puts the fields of an event into a JSON object.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(say: impl FnOnce()) -> Vec<Map<String, Value>> {
        let written = Written::default();
        let to = written.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine)
            .with_writer(move || to.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(|it| serde_json::from_str(it).unwrap())
            .collect()
    }

    #[test]
    fn a_line_has_its_head_and_the_fields_of_its_spans_flat() {
        let lines = logged(|| {
            let _task = tracing::info_span!("task", service = "payments", part = 3).entered();
            let _chunk = tracing::info_span!("chunk", part = 7).entered();
            tracing::warn!(bank = "VCB", late = true, "Bank {} is late", "VCB");
        });
        let line = &lines[0];
        assert_eq!(line["level"], "warn");
        assert_eq!(line["msg"], "Bank VCB is late");
        assert_eq!(line["target"], "boot::log::tests");
        assert_eq!(line["service"], "payments");
        assert_eq!(line["part"], 7);
        assert_eq!(line["bank"], "VCB");
        assert_eq!(line["late"], true);
        let ts = line["ts"].as_str().unwrap();
        assert!(ts.ends_with('Z') && ts.len() == 24, "{ts}");
    }

    #[test]
    fn a_field_cannot_pose_as_the_head_or_break_the_line() {
        let lines = logged(|| tracing::info!(level = "calm", ts = 1, "two\nlines \"quoted\""));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["level"], "info");
        assert_eq!(lines[0]["msg"], "two\nlines \"quoted\"");
        assert!(lines[0]["ts"].is_string());
    }
}
