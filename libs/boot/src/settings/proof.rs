use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proof {
    /// The folder of the transparency log; where the audit service runs it has to be named.
    pub log_dir: Option<PathBuf>,
    /// Where the log is served to whoever verifies it (C2SP tlog-tiles, HTTP); nowhere when absent.
    pub listen: Option<SocketAddr>,
    /// The log's name, by which its key signs: no blank, no plus.
    pub origin: String,
    /// Who is asked to sign each checkpoint as well, each in an organisation of its own.
    pub witnesses: Vec<WitnessSettings>,
    /// Who is asked to say when a checkpoint was there (RFC 3161).
    pub time_stamps: Vec<TimeStampSettings>,
    /// Between two looks for what waits to be sealed, in milliseconds.
    pub seal_ms: u64,
    /// How long evidence may wait before no more money is released, in milliseconds.
    pub wait_max_ms: u64,
}

/// Where a witness is asked (C2SP tlog-witness), and the key that it was known by before.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSettings {
    /// `/add-checkpoint` is added to it.
    pub url: String,
    /// Its verifier key, `name+id+base64`.
    pub key: String,
}

/// An authority that stamps checkpoints with the time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeStampSettings {
    pub url: String,
    /// Certificates (PEM) that its stamps have to lead to. Without them a stamp is kept as it comes, and
    /// whoever verifies it later brings the authority's certificate.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// At the earliest after the stamp before, in milliseconds.
    #[serde(default = "an_hour")]
    pub every_ms: u64,
}

fn an_hour() -> u64 {
    3_600_000
}

impl Default for Proof {
    fn default() -> Proof {
        Proof {
            log_dir: None,
            listen: None,
            origin: "an-sinh/evidence".to_owned(),
            witnesses: Vec::new(),
            time_stamps: Vec::new(),
            seal_ms: 500,
            wait_max_ms: 60_000,
        }
    }
}
