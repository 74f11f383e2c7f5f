//! Settings that come from environment variables, each of which can be blamed by its name.

use std::ffi::OsString;

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use crate::BootError;

/// Names the settings file; it is no setting itself.
pub const FILE_VARIABLE: &str = "ANSINH_CONFIG";

const PREFIX: &str = "ANSINH_";

/// Read by those who start the embedded servers, and by tests whose programs inherit them.
const NO_SETTINGS: [&str; 4] = [
    "ANSINH_PG_BIN",
    "ANSINH_NATS_BIN",
    "ANSINH_XSD",
    "ANSINH_GOLDEN",
];

/// Variables that other programs know as well, and the keys they stand for.
const SHARED: [(&str, &str); 4] = [
    ("DATABASE_URL", "database.url"),
    ("NATS_URL", "nats.url"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry.otlp_endpoint"),
    ("RUST_LOG", "log.filter"),
];

/// One variable as a layer of settings.
pub struct Variable {
    name: String,
    key: String,
    value: Value,
}

/// The variables that are settings; our own come last, so that they win.
pub fn variables<K: Into<OsString>, V: Into<OsString>>(
    all: impl IntoIterator<Item = (K, V)>,
) -> Result<Vec<Variable>, BootError> {
    let (mut shared, mut own) = (Vec::new(), Vec::new());
    for (name, value) in all {
        let Ok(name) = name.into().into_string() else {
            continue; // a name that is not text is nobody's setting
        };
        let known = SHARED.iter().find(|(it, _)| *it == name);
        let (layer, key) = match (known, name.strip_prefix(PREFIX)) {
            (Some((_, key)), _) => (&mut shared, (*key).to_owned()),
            (None, Some(rest)) if name != FILE_VARIABLE && !NO_SETTINGS.contains(&&name[..]) => {
                (&mut own, rest.replace("__", ".").to_lowercase())
            }
            _ => continue,
        };
        let value = value.into().into_string().map_err(|_| {
            BootError::Settings(format!("environment variable {name} is not UTF-8"))
        })?;
        if value.is_empty() {
            continue; // set to nothing is not set
        }
        let value = match (value.parse::<u64>(), value.parse::<bool>()) {
            (Ok(number), _) => Value::from(number),
            (_, Ok(truth)) => Value::from(truth),
            _ => Value::from(value),
        };
        layer.push(Variable { name, key, value });
    }
    shared.append(&mut own);
    Ok(shared)
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("environment variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let nested = figment::util::nest(&self.key, self.value.clone());
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}
