use std::collections::HashMap;

use opentelemetry::global;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The W3C `traceparent` of the span in hand; stored with what is said, so that one run is one
/// trace across services even when the relay publishes it much later.
pub fn current_trace() -> Option<String> {
    let mut carrier = HashMap::new();
    let context = Span::current().context();
    global::get_text_map_propagator(|it| it.inject_context(&context, &mut carrier));
    carrier.remove("traceparent")
}

/// Makes `span` a child of a stored trace; call before entering it.
pub fn follow_trace(span: &Span, trace: Option<&str>) {
    let Some(trace) = trace else { return };
    let carrier = HashMap::from([("traceparent".to_owned(), trace.to_owned())]);
    let context = global::get_text_map_propagator(|it| it.extract(&carrier));
    // Fails only where no OpenTelemetry layer listens; the work goes on without a trace.
    if span.set_parent(context).is_err() {
        tracing::trace!("no layer keeps traces");
    }
}
