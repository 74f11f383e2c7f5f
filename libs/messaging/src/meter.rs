//! What a scrape tells of messaging; labels are services and speakers only, never a payment.

use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};

/// Made at the first event, when the process has set its meter provider.
static METERS: LazyLock<Meters> = LazyLock::new(|| {
    let meter = opentelemetry::global::meter("ansinh");
    let counter = |name: &'static str, about: &'static str| {
        meter.u64_counter(name).with_description(about).build()
    };
    Meters {
        published: counter(
            "ansinh_events_published_total",
            "Events that JetStream has stored",
        ),
        applied: counter(
            "ansinh_events_applied_total",
            "Events whose effects are committed",
        ),
        parked: counter(
            "ansinh_events_parked_total",
            "Events that wait for a person",
        ),
        redrives: counter("ansinh_redrives_total", "Asks to publish lost events again"),
        refused: counter(
            "ansinh_messages_refused_total",
            "Messages that are not their sender's",
        ),
        units: meter
            .u64_gauge("ansinh_units_held")
            .with_description("Units of work that this instance of a service holds")
            .build(),
    }
});

struct Meters {
    published: Counter<u64>,
    applied: Counter<u64>,
    parked: Counter<u64>,
    redrives: Counter<u64>,
    refused: Counter<u64>,
    units: Gauge<u64>,
}

pub(crate) fn published(speaker: &str) {
    METERS
        .published
        .add(1, &[KeyValue::new("speaker", speaker.to_owned())]);
}

pub(crate) fn applied(consumer: &'static str, speaker: &str, events: usize) {
    METERS
        .applied
        .add(events as u64, &labels(consumer, speaker));
}

pub(crate) fn parked(consumer: &'static str, speaker: &str) {
    METERS.parked.add(1, &labels(consumer, speaker));
}

pub(crate) fn redrive(consumer: &'static str, speaker: &str) {
    METERS.redrives.add(1, &labels(consumer, speaker));
}

pub(crate) fn refused(consumer: &'static str, speaker: &str, code: &'static str) {
    let [consumer, speaker] = labels(consumer, speaker);
    let code = KeyValue::new("code", code);
    METERS.refused.add(1, &[consumer, speaker, code]);
}

pub(crate) fn units(service: &str, units: usize) {
    let service = KeyValue::new("service", service.to_owned());
    METERS.units.record(units as u64, &[service]);
}

fn labels(consumer: &'static str, speaker: &str) -> [KeyValue; 2] {
    [
        KeyValue::new("consumer", consumer),
        KeyValue::new("speaker", speaker.to_owned()),
    ]
}
