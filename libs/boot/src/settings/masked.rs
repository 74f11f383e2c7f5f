//! Settings as they may be shown: without what is secret in them.

use std::fmt;

use super::{Database, Nats, Telemetry, VneidClient};

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.url.as_deref().map(mask_url))
            .field("connections", &self.connections)
            .finish()
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("url", &self.url.as_deref().map(mask_url))
            .field("monitor_url", &self.monitor_url.as_deref().map(mask_url))
            .field("nkey_file", &self.nkey_file)
            .field("replicas", &self.replicas)
            .finish()
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field(
                "otlp_endpoint",
                &self.otlp_endpoint.as_deref().map(mask_url),
            )
            .finish()
    }
}

impl fmt::Debug for VneidClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VneidClient")
            .field("client_id", &self.client_id)
            .field("redirect_uris", &self.redirect_uris)
            .field("secret", &self.secret.as_ref().map(|_| "••"))
            .finish()
    }
}

/// A URL without user, password, token and query, each of which may be a secret.
///
/// It hides too much rather than too little: all from the scheme to the last `@`, and all from
/// the `?` on.
pub fn mask_url(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let (user, place) = match rest.rsplit_once('@') {
        Some((_, place)) => ("••@", place),
        None => ("", rest),
    };
    match place.split_once('?') {
        Some((place, _)) => format!("{scheme}{user}{place}?••"),
        None => format!("{scheme}{user}{place}"),
    }
}
