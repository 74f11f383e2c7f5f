use super::*;

const NONE: [(&str, &str); 0] = [];

/// A settings file of this test's own, gone with it.
struct File(PathBuf);

impl File {
    fn with(name: &str, text: &str) -> File {
        let name = format!("boot-settings-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        File(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn refused<const N: usize>(variables: [(&str, &str); N]) -> String {
    Settings::read(None, variables).unwrap_err().to_string()
}

#[test]
fn nothing_said_means_the_built_in_values() {
    let settings = Settings::read(None, NONE).unwrap();
    assert_eq!(settings.database.url, None);
    assert_eq!(settings.database.connections, 8);
    assert_eq!(settings.nats.replicas, 1);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.log.filter, "info");
    assert_eq!(settings.messaging.watermark_ms, 2_000);
    assert_eq!(settings.messaging.poll_ms, 200);
    assert_eq!(settings.payments.result_sla_ms, 86_400_000);
    assert_eq!(settings.payments.approvals_required, 1);
    assert_eq!(settings.reconciliation.grace_ms, 86_400_000);
    assert_eq!(settings.sandbox.seed, 7);
    assert_eq!(settings.sandbox.delay_ms, 1_500);
    assert_eq!(settings.identity.issuer, None);
    assert_eq!(settings.identity.client_id, "ansinh-accounts");
    assert_eq!(settings.console.listen, None);
    assert_eq!(settings.console.proxies, 0);
    assert_eq!(settings.console.requests_per_minute, 120);
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = File::with(
        "layers",
        "[database]\nurl = 'postgres://file'\nconnections = 9\n[http]\nlisten = '127.0.0.1:1'\n",
    );
    let settings = Settings::read(
        Some(&file.0),
        [
            ("ANSINH_DATABASE__CONNECTIONS", "12"),
            ("ANSINH_LOG__FORMAT", "pretty"),
            ("ANSINH_HTTP__LISTEN", "[::1]:9000"),
            ("ANSINH_KEYS__FILE", "/run/keys/ansinh"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(settings.database.url.as_deref(), Some("postgres://file"));
    assert_eq!(settings.database.connections, 12);
    assert_eq!(settings.log.format, LogFormat::Pretty);
    assert_eq!(settings.http.listen.unwrap().to_string(), "[::1]:9000");
    assert_eq!(settings.keys.file.unwrap(), Path::new("/run/keys/ansinh"));
}

#[test]
fn shared_variables_are_honoured_and_give_way_to_our_own() {
    let shared = [
        ("DATABASE_URL", "postgres://shared"),
        ("NATS_URL", "nats://shared"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("RUST_LOG", "debug"),
    ];
    let settings = Settings::read(None, shared).unwrap();
    assert_eq!(settings.database.url.as_deref(), Some("postgres://shared"));
    assert_eq!(settings.nats.url.as_deref(), Some("nats://shared"));
    let endpoint = settings.telemetry.otlp_endpoint.as_deref();
    assert_eq!(endpoint, Some("http://collector:4318"));
    assert_eq!(settings.log.filter, "debug");

    let own = [
        ("ANSINH_DATABASE__URL", "postgres://own"),
        ("DATABASE_URL", "postgres://shared"),
    ];
    let settings = Settings::read(None, own).unwrap();
    assert_eq!(settings.database.url.as_deref(), Some("postgres://own"));
}

#[test]
fn an_unknown_variable_is_named_with_what_was_expected() {
    assert_eq!(
        refused([("ANSINH_DATABASE__URLL", "x")]),
        "settings: unknown key \"urll\", expected one of: url, connections for database.urll \
         in environment variable ANSINH_DATABASE__URLL"
    );
    let error = refused([("ANSINH_DATABASE_URL", "x")]);
    assert!(error.contains("unknown key \"database_url\""), "{error}");
    assert!(error.contains("variable ANSINH_DATABASE_URL"), "{error}");
}

#[test]
fn an_unknown_key_of_the_file_is_named_with_the_file() {
    let file = File::with("unknown", "[messaging]\npol_ms = 1\n");
    let error = Settings::read(Some(&file.0), NONE).unwrap_err().to_string();
    assert!(error.contains("unknown key \"pol_ms\""), "{error}");
    assert!(error.contains("for messaging.pol_ms"), "{error}");
    assert!(error.contains("boot-settings-"), "{error}");
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let error = Settings::read(Some(Path::new("/nowhere/ansinh.toml")), NONE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "settings: there is no file /nowhere/ansinh.toml"
    );
}

#[test]
fn a_value_that_does_not_fit_is_never_repeated() {
    let secret = "postgres://ansinh:hunter2@db/ansinh";
    for name in [
        "ANSINH_DATABASE__CONNECTIONS",
        "ANSINH_HTTP__LISTEN",
        "ANSINH_LOG__FORMAT",
        "ANSINH_DATABASE",
    ] {
        let error = refused([(name, secret)]);
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_file_with_a_broken_line_is_refused_without_showing_the_line() {
    let file = File::with("broken", "[database]\nurl = 'postgres://a:hunter2@db\n");
    let error = Settings::read(Some(&file.0), NONE).unwrap_err().to_string();
    assert!(!error.contains("hunter2"), "{error}");
    assert!(error.contains("line 2"), "{error}");
    assert!(error.contains("boot-settings-"), "{error}");
}

#[test]
fn counts_that_may_not_be_zero_are_refused_by_name() {
    assert_eq!(
        refused([("ANSINH_PAYMENTS__APPROVALS_REQUIRED", "0")]),
        "settings: payments.approvals_required must be at least 1"
    );
    refused([("ANSINH_DATABASE__CONNECTIONS", "0")]);
    refused([("ANSINH_DATABASE__CONNECTIONS", "-1")]);
}

#[test]
fn replicas_are_a_number_with_a_majority() {
    let said = |it| Settings::read(None, [("ANSINH_NATS__REPLICAS", it)]);
    assert_eq!(said("3").unwrap().nats.replicas, 3);
    assert_eq!(said("5").unwrap().nats.replicas, 5);
    for it in ["0", "2", "4", "7"] {
        assert_eq!(
            refused([("ANSINH_NATS__REPLICAS", it)]),
            "settings: nats.replicas must be 1, 3 or 5"
        );
    }
}

#[test]
fn keys_come_from_a_file_and_never_from_the_environment() {
    let key = "ab".repeat(32);
    for (name, value) in [
        ("ANSINH_KEYS__SEALING", &key[..]),
        ("ANSINH_KEYS__INDEX", &key),
        ("ANSINH_KEYS__VERSION", "1"),
        ("ANSINH_KEYS", &key),
        ("ANSINH_KEY", &key),
        ("ANSINH_KEYS__FILE", &key),
        ("ANSINH_KEYS__FILE", &format!("sealing = \"{key}\"")),
    ] {
        let error = refused([(name, value)]);
        assert!(!error.contains(&key), "{error}");
    }
    let error = refused([("ANSINH_KEYS__SEALING", &key[..])]);
    assert!(error.contains("unknown key \"sealing\""), "{error}");
    assert!(error.contains("variable ANSINH_KEYS__SEALING"), "{error}");
}

#[test]
fn development_keys_are_allowed_by_whoever_says_so() {
    assert!(!Settings::read(None, NONE).unwrap().keys.allow_development);
    let said = |it| Settings::read(None, [("ANSINH_KEYS__ALLOW_DEVELOPMENT", it)]);
    assert!(said("true").unwrap().keys.allow_development);
    assert!(!said("false").unwrap().keys.allow_development);
    said("yes").unwrap_err();
}

#[test]
fn debug_hides_every_secret() {
    let settings = Settings::read(
        None,
        [
            (
                "DATABASE_URL",
                "postgres://ansinh:hunter2@db:5432/ansinh?password=hunter2",
            ),
            (
                "NATS_URL",
                "nats://hunter2@one:4222,nats://hunter2@two:4222",
            ),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:hunter2@collector"),
        ],
    )
    .unwrap();
    let debug = format!("{settings:?}");
    assert!(!debug.contains("hunter2"), "{debug}");
    assert!(debug.contains("postgres://••@db:5432/ansinh?••"), "{debug}");
}
