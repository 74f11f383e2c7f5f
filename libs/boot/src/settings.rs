//! Settings: built-in values < `ansinh.toml` < environment.

mod environment;
mod masked;
mod proof;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Format, Toml};
use serde::Deserialize;

use crate::BootError;
use crate::nats::Login;

pub use masked::mask_url;
pub use proof::{Proof, TimeStampSettings, WitnessSettings};

/// The file that is read when `ANSINH_CONFIG` names no other; it may be absent.
pub const FILE: &str = "ansinh.toml";

/// What a process is told from outside. An unknown key is an error that names it.
///
/// An environment variable is `ANSINH_` and the key with `__` for the dot, so `database.url` is
/// `ANSINH_DATABASE__URL`. `DATABASE_URL`, `NATS_URL`, `OTEL_EXPORTER_OTLP_ENDPOINT` and
/// `RUST_LOG` (for `log.filter`) are honoured too and give way to the longer names.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub database: Database,
    pub nats: Nats,
    pub http: Http,
    pub log: Log,
    pub telemetry: Telemetry,
    pub keys: Keys,
    pub messaging: Messaging,
    pub accounts: Accounts,
    pub identity: Identity,
    pub approval: Approval,
    pub payments: Payments,
    pub reconciliation: Reconciliation,
    pub proof: Proof,
    pub sandbox: Sandbox,
    pub console: Console,
}

#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host:port/database`.
    pub url: Option<String>,
    /// Connections of each service, at least 1.
    pub connections: u32,
}

#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nats {
    /// `nats://user:password@host:port`; several servers of one cluster are separated by commas.
    pub url: Option<String>,
    /// The server's monitoring address (`http://host:port`), where `/jsz` tells how it stores; of
    /// each server of a cluster, separated by commas.
    pub monitor_url: Option<String>,
    /// The file with the seed of the nkey by which we log in; the seed itself is never a setting.
    pub nkey_file: Option<PathBuf>,
    /// On how many servers of a cluster each message lies before it is acknowledged: 1, 3 or 5. A
    /// stream that lies on fewer is spread to as many.
    pub replicas: usize,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Where health and metrics are served; nowhere when absent.
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    /// Directives such as `info,payments=debug`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Coloured lines, for a person at a terminal.
    Pretty,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// The collector's base URL; `/v1/traces` and `/v1/metrics` are added. Nothing is exported
    /// when absent.
    pub otlp_endpoint: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keys {
    /// The file that `ansinh keys generate` made; the keys themselves are never a setting.
    pub file: Option<PathBuf>,
    /// Whether keys of purpose `development` may be used: where nobody's data is real.
    pub allow_development: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Messaging {
    /// Between two watermarks of a partition, in milliseconds; a lost tail shows within one.
    pub watermark_ms: u64,
    /// Between two looks at the outbox when no notification came, in milliseconds.
    pub poll_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// The issuer of ID tokens, letter for letter; nobody can log in when absent.
    pub issuer: Option<String>,
    /// Whom the issuer knows us as: the audience of its tokens.
    pub client_id: String,
    /// Where the issuer gave us a secret: the file that holds nothing else.
    pub client_secret_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Accounts {
    /// Between the change of an account and the first payment to it, in milliseconds.
    pub cooling_off_ms: u64,
    /// How long a bank may take to say whose an account is before it is asked again.
    pub verification_sla_ms: u64,
    /// How long it is asked in all before the link expires.
    pub verification_expiry_ms: u64,
    /// How long an officer has for what waits for a person; then the next channel pays.
    pub review_ms: u64,
    /// People who may be paid to one account before somebody looks.
    pub people_per_account_max: u32,
    /// Accounts that an officer may change within an hour before an alarm is raised.
    pub changes_an_hour_max: u32,
    /// How long a citizen's session lasts.
    pub session_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approval {
    /// Whether what an officer approves, releases or decides needs their signature; who has a
    /// registered key signs in any case.
    pub signatures_required: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Payments {
    /// How long a bank may take to answer before the payment is enquired about, in milliseconds.
    pub result_sla_ms: u64,
    /// How often a bank is asked about a payment that it has not answered; then officers settle it.
    pub enquiry_rounds: i16,
    /// After the first enquiry, in milliseconds; each pause is twice as long as the one before.
    pub enquiry_pause_ms: u64,
    /// Different people who must approve a run before its release; more where its sum asks for more.
    pub approvals_required: i16,
    /// Between two looks at the schedule, in milliseconds; 0 for a process that opens no run by
    /// itself.
    pub schedule_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reconciliation {
    /// How long a line may wait for its counterpart before it is a break, in milliseconds.
    pub grace_ms: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sandbox {
    /// The same seed makes the same people and the same banks' answers.
    pub seed: u64,
    /// How long a sandbox bank thinks, in milliseconds.
    pub delay_ms: u64,
    /// A folder with one of each bank in it, by whose `nats.nk` the bank logs in at NATS. When
    /// absent the banks speak over our own connection.
    pub banks_dir: Option<PathBuf>,
    /// Where the stand-in of VNeID is served, on loopback only, because anybody who reaches it logs
    /// in as anybody; port 0 is any free one. Nowhere when absent.
    pub vneid_listen: Option<SocketAddr>,
    /// The issuer by which its clients know it: scheme, host and port. `http://` and the address it
    /// listens on when absent.
    pub vneid_issuer: Option<String>,
    /// The citizens who can log in: a CSV as `ansinh sandbox people` writes it. A few made-up ones
    /// when absent.
    pub vneid_citizens: Option<PathBuf>,
    /// Who may send citizens there. When empty: the public client `ansinh-accounts`, which gets
    /// them back at `/citizen/callback`, `/vneid/callback` or `/callback` of any port of this machine.
    pub vneid_clients: Vec<VneidClient>,
}

/// A relying party of the stand-in of VNeID.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VneidClient {
    pub client_id: String,
    /// Compared character by character, but for the port of a loopback address (RFC 8252, 7.3).
    pub redirect_uris: Vec<String>,
    /// A client without one is public (RFC 6749, 2.1).
    #[serde(default)]
    pub secret: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Console {
    /// Where citizens are served; nowhere when absent.
    pub listen: Option<SocketAddr>,
    /// The address that browsers see, without a path; the listener's own when absent, which must
    /// then be loopback.
    pub public_url: Option<String>,
    /// Proxies in front, each of which adds to `X-Forwarded-For`. With one too few all citizens
    /// share one rate limit; with one too many each can choose their own.
    pub proxies: usize,
    /// 64 random bytes in hex, for the cookie of a login that has begun. Made anew at each start
    /// when absent; several doors behind one address need the same.
    pub cookie_key_file: Option<PathBuf>,
    /// Requests of one caller in a minute, and as many at once.
    pub requests_per_minute: u32,
}

impl Default for Database {
    fn default() -> Database {
        Database {
            url: None,
            connections: 8,
        }
    }
}

impl Default for Nats {
    fn default() -> Nats {
        Nats {
            url: None,
            monitor_url: None,
            nkey_file: None,
            replicas: 1,
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log {
            format: LogFormat::Json,
            filter: "info".to_owned(),
        }
    }
}

impl Default for Messaging {
    fn default() -> Messaging {
        Messaging {
            watermark_ms: 2_000,
            poll_ms: 200,
        }
    }
}

impl Default for Identity {
    fn default() -> Identity {
        Identity {
            issuer: None,
            client_id: "ansinh-accounts".to_owned(),
            client_secret_file: None,
        }
    }
}

impl Default for Accounts {
    fn default() -> Accounts {
        const HOUR_MS: u64 = 3_600_000;
        Accounts {
            cooling_off_ms: 72 * HOUR_MS,
            verification_sla_ms: HOUR_MS,
            verification_expiry_ms: 7 * 24 * HOUR_MS,
            review_ms: 10 * 24 * HOUR_MS,
            people_per_account_max: 3,
            changes_an_hour_max: 20,
            session_ms: HOUR_MS / 4,
        }
    }
}

impl Default for Approval {
    fn default() -> Approval {
        Approval {
            signatures_required: true,
        }
    }
}

impl Default for Payments {
    fn default() -> Payments {
        Payments {
            result_sla_ms: 86_400_000,
            enquiry_rounds: 4,
            enquiry_pause_ms: 3_600_000,
            approvals_required: 1,
            schedule_ms: 30_000,
        }
    }
}

impl Default for Reconciliation {
    fn default() -> Reconciliation {
        Reconciliation {
            grace_ms: 86_400_000,
        }
    }
}

impl Default for Sandbox {
    fn default() -> Sandbox {
        Sandbox {
            seed: 7,
            delay_ms: 1_500,
            banks_dir: None,
            vneid_listen: None,
            vneid_issuer: None,
            vneid_citizens: None,
            vneid_clients: Vec::new(),
        }
    }
}

impl Default for Console {
    fn default() -> Console {
        Console {
            listen: None,
            public_url: None,
            proxies: 0,
            cookie_key_file: None,
            requests_per_minute: 120,
        }
    }
}

impl Nats {
    /// As whom this process logs in.
    pub fn login(&self) -> Login {
        Login {
            nkey_file: self.nkey_file.clone(),
            inbox_prefix: None,
        }
    }
}

impl Settings {
    /// Reads the file and the environment of this process.
    ///
    /// # Errors
    ///
    /// [`BootError::Settings`], which names the key and where it stands.
    pub fn load() -> Result<Settings, BootError> {
        let named = std::env::var_os(environment::FILE_VARIABLE).map(PathBuf::from);
        let usual = Some(PathBuf::from(FILE)).filter(|it| it.exists());
        Settings::read(named.or(usual).as_deref(), std::env::vars_os())
    }

    /// The same from a file, which must be there, and from these variables.
    fn read<K, V>(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Settings, BootError>
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        let mut figment = Figment::new();
        if let Some(file) = file {
            if !file.is_file() {
                let sentence = format!("there is no file {}", file.display());
                return Err(BootError::Settings(sentence));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        for variable in environment::variables(variables)? {
            figment = figment.merge(variable);
        }
        let settings: Settings = figment
            .extract()
            .map_err(|it| BootError::Settings(sentence(&it)))?;
        settings.refuse_zeros()?;
        settings.refuse_even_replicas()?;
        settings.refuse_key_for_file()?;
        Ok(settings)
    }

    /// A key in the place of its file's name would be repeated by the first error about the file.
    fn refuse_key_for_file(&self) -> Result<(), BootError> {
        let file = self.keys.file.as_deref().map(Path::to_string_lossy);
        let words = file
            .iter()
            .flat_map(|it| it.split(|it: char| !it.is_ascii_hexdigit()));
        if words.into_iter().any(|it| it.len() >= 64) {
            let sentence = "keys.file names the file of the keys; a key itself stands there";
            return Err(BootError::Settings(sentence.to_owned()));
        }
        Ok(())
    }

    /// An even number bears no more failures than the odd one below it.
    fn refuse_even_replicas(&self) -> Result<(), BootError> {
        if matches!(self.nats.replicas, 1 | 3 | 5) {
            return Ok(());
        }
        let sentence = "nats.replicas must be 1, 3 or 5";
        Err(BootError::Settings(sentence.to_owned()))
    }

    fn refuse_zeros(&self) -> Result<(), BootError> {
        let counts = [
            ("database.connections", u64::from(self.database.connections)),
            (
                "console.requests_per_minute",
                u64::from(self.console.requests_per_minute),
            ),
            ("messaging.watermark_ms", self.messaging.watermark_ms),
            ("messaging.poll_ms", self.messaging.poll_ms),
            (
                "accounts.people_per_account_max",
                u64::from(self.accounts.people_per_account_max),
            ),
            (
                "payments.approvals_required",
                u64::try_from(self.payments.approvals_required).unwrap_or(0),
            ),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((key, _)) => Err(BootError::Settings(format!("{key} must be at least 1"))),
            None => Ok(()),
        }
    }
}

/// The error in one sentence that names key and place, and repeats no value: it may be a password
/// that landed in the wrong line.
fn sentence(error: &figment::Error) -> String {
    let what = match &error.kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            format!("expected {expected}")
        }
        Kind::UnknownField(found, expected) => {
            format!(
                "unknown key {found:?}, expected one of: {}",
                expected.join(", ")
            )
        }
        Kind::UnknownVariant(_, expected) => format!("expected one of: {}", expected.join(", ")),
        Kind::Message(_) if !error.path.is_empty() => "the value is not understood".to_owned(),
        // A syntax error: the first line says where, the next ones show what stands there.
        Kind::Message(lines) => lines.lines().next().unwrap_or_default().to_owned(),
        other => other.to_string(),
    };
    let key = match error.path.join(".") {
        path if path.is_empty() => String::new(),
        path => format!(" for {path}"),
    };
    let place = error
        .metadata
        .as_ref()
        .map_or(String::new(), |it| match it.source.as_ref() {
            Some(source) => format!(" in {source}"),
            None => format!(" in {}", it.name),
        });
    format!("{what}{key}{place}")
}

#[cfg(test)]
mod tests;
