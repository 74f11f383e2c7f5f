//! People whose number, name and account occur nowhere else go through a whole run; then all that
//! the processes said, to whomever, is searched for them.

mod people;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;
use chrono::Utc;
use domain::{PersonNo, Programme};
use futures::StreamExt;
use privacy::{Access, Field, Keys, MaskedName, MaskedNumber, Purpose, Role, Sealed, record};
use sandbox::people::Written;
use sqlx::{PgPool, Row};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::people::{
    LINKS, REFUSED_EVENTS, REFUSED_LINKS, REFUSED_REGISTRY, REGISTRY, not_seen_in, seen_in,
};
use crate::ground::{Ground, ansinh_binary};
use crate::health::Port;
use crate::pay_day::PayDay;
use crate::processes::{Process, Processes, SERVICES, SPEAKING};

const TEST_MAX: Duration = Duration::from_mins(4);
const COMMAND_MAX: Duration = Duration::from_mins(1);

/// All that our own crates have to say, and more of the others than anybody turns on.
const FILTER: &str = "debug,boot=trace,domain=trace,events=trace,intake=trace,ledger=trace,\
    messaging=trace,privacy=trace,eligibility=trace,accounts=trace,payments=trace,\
    reconciliation=trace,sandbox=trace,ansinh=trace";

/// A message that went over NATS.
struct Heard {
    subject: String,
    headers: String,
    body: Vec<u8>,
    /// Between us and a bank, which opens what is sealed for it.
    of_bank: bool,
}

/// Hears everything that anybody says on NATS.
struct Ear {
    heard: Arc<Mutex<Vec<Heard>>>,
    stop: CancellationToken,
}

impl Ear {
    async fn listen(ground: &Ground) -> anyhow::Result<Ear> {
        let nats = ground.target().nats().await?;
        let mut all = nats.subscribe(">").await?;
        nats.flush().await?;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let (into, until) = (heard.clone(), stop.clone());
        tokio::spawn(async move {
            while let Some(Some(message)) = until.run_until_cancelled(all.next()).await {
                let mut heard = into.lock().expect("nobody panics with it");
                heard.push(Heard::from(message));
            }
            drop(nats);
        });
        Ok(Ear { heard, stop })
    }

    fn heard(self) -> Vec<Heard> {
        self.stop.cancel();
        std::mem::take(&mut *self.heard.lock().expect("nobody panics with it"))
    }
}

impl From<async_nats::Message> for Heard {
    fn from(message: async_nats::Message) -> Heard {
        let headers = message.headers.unwrap_or_default();
        let speaker = headers.get("Ansinh-Speaker");
        let speaker = speaker.map_or("", |it| it.as_str()).to_owned();
        Heard {
            subject: format!("{} {}", message.subject, message.reply.unwrap_or("".into())),
            headers: format!("{headers:?}"),
            body: message.payload.to_vec(),
            of_bank: speaker.starts_with("bank."),
        }
    }
}

/// Pages and bodies, in the order of their coming.
type Taken = Arc<Mutex<Vec<(String, Bytes)>>>;

/// An OpenTelemetry collector that keeps every byte. Texts stand in protobuf as they are.
struct Collector {
    url: String,
    taken: Taken,
}

impl Collector {
    async fn start() -> anyhow::Result<Collector> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let taken = Taken::default();
        let router = Router::new().fallback(take).with_state(taken.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Collector { url, taken })
    }

    /// Spans and meters of all services came, and nobody is in them.
    fn search(&self) -> anyhow::Result<()> {
        let taken = self.taken.lock().expect("nobody panics with it");
        let mut all = String::new();
        for (page, body) in taken.iter() {
            let text = String::from_utf8_lossy(body);
            not_seen_in(page, &text);
            all.push_str(&text);
        }
        for service in SPEAKING {
            let name = format!("ansinh-{service}");
            ensure!(all.contains(&name), "{name} was not traced");
        }
        Ok(())
    }
}

async fn take(State(kept): State<Taken>, page: Uri, body: Bytes) {
    let mut kept = kept.lock().expect("nobody panics with it");
    kept.push((page.to_string(), body));
}

/// What a command says on stdout and stderr together, and how it ended.
async fn command(ground: &Ground, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    let said = Command::new(ansinh_binary()?)
        .args(arguments)
        .envs(ground.env())
        .env("ANSINH_LOG__FILTER", FILTER)
        .env("RUST_BACKTRACE", "1")
        .kill_on_drop(true)
        .output();
    let said = timeout(COMMAND_MAX, said).await??;
    let text = [said.stdout, said.stderr].concat();
    Ok((said.status.code(), String::from_utf8(text)?))
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let file = folder.join(name);
    std::fs::write(&file, text)?;
    Ok(file)
}

/// Wrong files: the errors say where and why, and do not repeat what stands there.
async fn import_what_is_refused(ground: &Ground) -> anyhow::Result<()> {
    let (_, headless) = REFUSED_REGISTRY.split_once('\n').context("a header")?;
    let files = [
        (
            "registry",
            "refused.csv",
            REFUSED_REGISTRY,
            "identity_conflict",
        ),
        ("registry", "headless.csv", headless, "header_invalid"),
        (
            "account",
            "refused_links.csv",
            REFUSED_LINKS,
            "person_unknown",
        ),
        ("account", "headless_links.csv", headless, "header_invalid"),
        ("event", "refused_events.csv", REFUSED_EVENTS, "refused"),
        ("event", "headless_events.csv", headless, "header_invalid"),
        // Imported before, with everything in it known.
        ("registry", "people.csv", REGISTRY, "imported before"),
    ];
    for (noun, name, text, expected) in files {
        let file = write(&ground.home, name, text)?;
        let file = file.to_str().context("a path in UTF-8")?;
        let (code, said) = command(ground, &[noun, "import", file]).await?;
        ensure!(said.contains(expected), "{name} led to {code:?} {said}");
        not_seen_in(name, &said);
    }
    let missing = ground.home.join("missing.csv");
    let missing = missing.to_str().context("a path in UTF-8")?;
    let (code, said) = command(ground, &["registry", "import", missing]).await?;
    ensure!(code == Some(1) || code == Some(3), "{code:?} {said}");
    not_seen_in("a missing file", &said);
    Ok(())
}

/// What an officer sees of a run on a terminal.
async fn look_at(ground: &Ground, run: &str) -> anyhow::Result<()> {
    let keys = ground.keys_file();
    let keys = keys.to_str().context("a path in UTF-8")?;
    let lines = ["run", "lines", run, "--output", "json"];
    let (_, lines) = command(ground, &lines).await?;
    let at = lines.find(run).context("a line of the run")?;
    let line = lines[at..].split('"').next().context("its number")?;
    let looks: [&[&str]; 11] = [
        &["eligibility", "explain", line],
        &["eligibility", "recompute"],
        &["keys", "status"],
        &["keys", "status", "--output", "json"],
        &["keys", "show", "--file", keys],
        &["run", "show", run],
        &["run", "lines", run],
        &["run", "lines", run, "--output", "json"],
        &["run", "exceptions", run, "--output", "json"],
        &["ledger", "trial-balance"],
        &["check"],
    ];
    for arguments in looks {
        let (code, said) = command(ground, arguments).await?;
        ensure!(code == Some(0), "{arguments:?} led to {code:?} {said}");
        not_seen_in(&arguments.join(" "), &said);
    }
    Ok(())
}

/// Every row of every table, the sandbox's and what banks are told included.
async fn search_tables(pool: &PgPool) -> anyhow::Result<()> {
    let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(pool).await?;
    ensure!(
        tables.len() > 20,
        "the tables are those of An Sinh: {tables:?}"
    );
    let mut told_to_banks = 0;
    for table in tables {
        let statement = sqlx::AssertSqlSafe(format!("SELECT t::text AS row FROM {table} t"));
        for row in sqlx::query(statement).fetch_all(pool).await? {
            let text: String = row.get("row");
            not_seen_in(&table, &readable(&text));
            let of_bank = table == "messaging.outbox" && text.starts_with("(bank.");
            told_to_banks += usize::from(of_bank);
        }
    }
    ensure!(told_to_banks > 0, "a bank was told nothing");
    Ok(())
}

/// A row as text, with its bytes as the text that they may be.
fn readable(row: &str) -> String {
    let mut text = row.to_owned();
    for hex in row.split("\\x").skip(1) {
        let end = hex.find(|it: char| !it.is_ascii_hexdigit());
        let bytes = hex::decode(&hex[..end.unwrap_or(hex.len())]).unwrap_or_default();
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    text
}

/// Officers look at everybody, masked and in clear, and some may not. What is printed of it is
/// never the person.
async fn look_at_people(ground: &Ground, pool: &PgPool) -> anyhow::Result<()> {
    let keys = Keys::from_file(&ground.keys_file())?;
    let people: Vec<(i64, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT person_no, citizen_sealed, name_sealed FROM eligibility.persons")
            .fetch_all(pool)
            .await?;
    for (person_no, number, name) in people {
        let (number, name) = (Sealed::from(number), Sealed::from(name));
        let context = person_no.to_be_bytes();
        let look = |unmasked| Access {
            actor: "nguyen.an",
            role: Role::Officer,
            purpose: Purpose::Complaint,
            case_ref: Some("KN-2026/123"),
            person_no: PersonNo(person_no),
            fields: &[Field::CitizenNumber, Field::PersonName],
            unmasked,
        };
        let mut tx = pool.begin().await?;
        let masks = record(&mut tx, &look(false), "eligibility", Utc::now()).await?;
        let clear = record(&mut tx, &look(true), "eligibility", Utc::now()).await?;
        let masked_name: MaskedName = masks.mask(&keys, &context, &name)?;
        let masked_number: MaskedNumber = masks.mask(&keys, &context, &number)?;
        let secret = clear.open(&keys, Field::CitizenNumber, &context, &number)?;
        ensure!(!seen_in(secret.expose()).is_empty(), "a canary is opened");
        let name_in_clear = masked_name.unmask(&clear)?;
        ensure!(!seen_in(name_in_clear).is_empty(), "a canary is unmasked");
        let errors = [
            masked_number.unmask(&masks).map(drop),
            clear
                .open(&keys, Field::BankAccount, &context, &number)
                .map(drop),
            clear
                .open(&keys, Field::PersonName, &context, &number)
                .map(drop),
            clear
                .open(&keys, Field::PersonName, secret.expose().as_bytes(), &name)
                .map(drop),
        ];
        let case_of_somebody = Access {
            case_ref: Some(secret.expose()),
            ..look(true)
        };
        let named = Access {
            actor: name_in_clear,
            ..look(true)
        };
        for unclear in [case_of_somebody, named] {
            let refused = record(&mut tx, &unclear, "eligibility", Utc::now()).await;
            not_seen_in("a refused access", &format!("{refused:?}"));
            let refused = refused.map_err(|it| it.to_string());
            not_seen_in("a refused access", &refused.expect_err("it names somebody"));
        }
        for error in errors {
            let error = error.expect_err("nothing of this was granted");
            not_seen_in("an error", &format!("{error} {error:?}"));
        }
        let json = serde_json::to_string(&(&masked_name, &masked_number))?;
        not_seen_in("JSON of masks", &json);
        not_seen_in(
            "what is printed",
            &format!(
                "{masked_name} {masked_name:?} {masked_number} {masked_number:?} {secret:?} {clear:?}"
            ),
        );
        tx.commit().await?;
    }
    Ok(())
}

/// Everything that the processes say goes where it is looked at.
fn start(ground: &Ground, collector: &Collector, ports: &[Port]) -> anyhow::Result<Processes> {
    let mut processes = Vec::new();
    for (service, port) in SERVICES.into_iter().zip(ports) {
        let settings = [
            ("ANSINH_HTTP__LISTEN", port.address()),
            ("ANSINH_LOG__FILTER", FILTER),
            ("ANSINH_RECONCILIATION__GRACE_MS", "3000"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ];
        processes.push(Process::start(ground, service, &settings)?);
    }
    Ok(Processes(processes))
}

/// Gives back the services that counted something.
async fn search_pages(ports: &[Port]) -> anyhow::Result<BTreeSet<&'static str>> {
    let mut counting = BTreeSet::new();
    for (service, port) in SERVICES.iter().zip(ports) {
        for page in ["/metrics", "/readyz"] {
            let (status, text) = port.get(page).await?;
            ensure!(status == 200, "{service} {page} {status}");
            not_seen_in(&format!("{page} of {service}"), &text);
            if text.contains("ansinh_events_applied_total") {
                counting.insert(*service);
            }
        }
    }
    Ok(counting)
}

/// Neither the people nor the keys that they are sealed with.
fn search_logs(ground: &Ground) -> anyhow::Result<()> {
    let keys = std::fs::read_to_string(ground.keys_file())?;
    let keys: Vec<&str> = keys.split('"').filter(|it| it.len() == 64).collect();
    ensure!(keys.len() == 4, "two versions, an index and a signing key");
    for service in SERVICES {
        let log = std::fs::read_to_string(ground.home.join(format!("{service}.log")))?;
        ensure!(
            log.contains("\"level\":\"debug\""),
            "{service} said little:\n{log}"
        );
        not_seen_in(&format!("the log of {service}"), &log);
        ensure!(
            !keys.iter().any(|it| log.contains(it)),
            "{service} shows a key"
        );
    }
    Ok(())
}

fn search_messages(heard: &[Heard]) -> anyhow::Result<()> {
    for it in heard {
        not_seen_in(&it.subject, &format!("{} {}", it.subject, it.headers));
        not_seen_in(&it.subject, &String::from_utf8_lossy(&it.body));
    }
    ensure!(heard.iter().any(|it| it.of_bank), "the ear heard no bank");
    Ok(())
}

async fn a_run_of_the_canaries() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let ear = Ear::listen(&ground).await?;
    let collector = Collector::start().await?;
    let ports = SERVICES.map(|_| Port::free());
    let ports: Vec<Port> = ports.into_iter().collect::<Result<_, _>>()?;
    let processes = start(&ground, &collector, &ports)?;
    let people = Written {
        people: 3,
        linked: 2,
        people_csv: write(&ground.home, "people.csv", REGISTRY)?,
        links_csv: write(&ground.home, "links.csv", LINKS)?,
    };
    let mut day = PayDay::of(&ground, &[Programme::SocialPension]).await?;
    day.register(&people).await?;
    import_what_is_refused(&ground).await?;
    day.open().await?;
    day.approve().await?;

    day.until_state("reserved").await?;
    let mut counting = search_pages(&ports).await?;
    processes.stop().await?;
    let keys = ground.keys_file();
    let keys = keys.to_str().context("a path in UTF-8")?;
    let (code, said) = command(&ground, &["keys", "rotate", "--file", keys]).await?;
    ensure!(code == Some(0), "{said}");
    not_seen_in("keys rotate", &said);
    let processes = start(&ground, &collector, &ports)?;
    day.until_true(ALL_SEALED_ANEW).await?;

    day.release().await?;
    day.until_answered().await?;
    day.close().await?;
    look_at(&ground, &day.runs[0].to_string()).await?;
    look_at_people(&ground, &day.pool).await?;
    counting.append(&mut search_pages(&ports).await?);
    ensure!(counting.len() == SPEAKING.len(), "only {counting:?} count");
    processes.stop().await?;
    search_logs(&ground)?;
    search_messages(&ear.heard())?;
    collector.search()?;
    search_tables(&day.pool).await?;
    let looks = sqlx::query_scalar("SELECT count(*) FROM privacy.access_log");
    let looks: i64 = looks.fetch_one(&day.pool).await?;
    ensure!(
        looks == 6,
        "{looks} looks are in the tables that were searched"
    );
    day.pool.close().await;
    ground.clear().await
}

const ALL_SEALED_ANEW: &str = "SELECT count(*) = 2 FROM privacy.reseals
    WHERE version = 2 AND finished_at IS NOT NULL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_seen_anywhere() -> anyhow::Result<()> {
    timeout(TEST_MAX, a_run_of_the_canaries()).await?
}

#[test]
fn a_canary_is_seen_in_each_spelling_and_in_bytes() {
    assert_eq!(seen_in("calm"), Vec::<String>::new());
    assert_eq!(seen_in("paid HOANG YEN HOT"), ["HOANG YEN HOT"]);
    assert_eq!(
        seen_in("họa mi hay, 001148770946"),
        ["Họa Mi Hay", "0011487709"]
    );
    let row = format!("(1,\"\\\\x{}\",7)", hex::encode("to 77003100445566"));
    assert_eq!(seen_in(&row), Vec::<String>::new());
    assert_eq!(seen_in(&readable(&row)), ["770031004455"]);
}
