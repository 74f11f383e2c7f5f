//! People whose number, name and account occur nowhere else go through a whole run; then all that
//! the processes said, to whomever, is searched for them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use domain::{PersonName, Programme};
use futures::StreamExt;
use sandbox::people::Written;
use sqlx::{PgPool, Row};
use tokio::process::Command;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::ground::{Ground, ansinh_binary};
use crate::health::Port;
use crate::pay_day::PayDay;
use crate::processes::{Process, Processes, SERVICES};

const TEST_MAX: Duration = Duration::from_mins(4);
const COMMAND_MAX: Duration = Duration::from_mins(1);

/// All that our own crates have to say, and more of the others than anybody turns on.
const FILTER: &str = "debug,boot=trace,domain=trace,events=trace,intake=trace,ledger=trace,\
    messaging=trace,privacy=trace,eligibility=trace,accounts=trace,payments=trace,\
    reconciliation=trace,sandbox=trace,ansinh=trace";

const REGISTRY: &str = "\
citizen_number,full_name,birth_date,sex,province,programme,granted_amount,category,household
001148770911,Hoàng Yến Hót,12/05/1948,nữ,01,HTXH,,,
079050770922,Sơn Ca Bản,03/04/1950,nam,79,HTXH,,,
001149770933,Vành Khuyên Lạ,1949,nữ,40,HTXH,,,
";

/// The third person has no account and gets cash.
const LINKS: &str = "\
citizen_number,institution,account_number,holder_name
001148770911,970436,77003100445566,HOANG YEN HOT
079050770922,971005,0987700933,SON CA BAN
";

/// Each row is wrong in another way, and each has something of somebody in it.
const REFUSED_REGISTRY: &str = "\
citizen_number,full_name,birth_date,sex,province,programme,granted_amount,category,household
001148770944,Họa Mi Hay,12/05/1948,nam,01,HTXH,,,
001148770945,Họa Mi Hay 7,12/05/1948,nữ,01,HTXH,,,
00114877094O,Họa Mi Hay,12/05/1948,nữ,01,HTXH,,,
001148770911,Họa Mi Hay,12/05/1948,nữ,01,HTXH,,,
001148770946,Họa Mi Hay,31/02/1948,nữ,01,HTXH,,,
001148770946,Họa Mi Hay,12/05/1948,nữ,01,HTXH,,Họa Mi Hay,
001148770946,Họa Mi Hay,12/05/1948,nữ,01,HTXH,,,Họa Mi Hay
001148770946,Họa Mi Hay,12/05/1948,nữ,01,001148770946,,,
001148770946,Họa Mi Hay,12/05/1948,nữ,001148770946,HTXH,,,
001148770946,Họa Mi Hay,12/05/1948,Họa Mi Hay,01,HTXH,,,
001148770946,Họa Mi Hay,12/05/1948,nữ,01,LUONG_HUU,7700 3100 445599,,
001148770946,Họa Mi Hay,12/05/1948,nữ
001148770946,\"Họa Mi Hay,12/05/1948,nữ,01,HTXH,,,
";

const REFUSED_LINKS: &str = "\
citizen_number,institution,account_number,holder_name
001148770946,970436,77003100445599,HOA MI HAY
001148770911,970436,7700 3100 445599,HOA MI HAY
001148770911,970436,77003100445599,HOA MI HAY 7
001148770911,77003100445599,77003100445599,HOA MI HAY
001148770911,970436,77003100445599
001148770911,970436,77003100445591,HOA MI HAY
001148770911,970436,77003100445592,HOA MI HAY
";

/// What must not be seen: the people above, in each spelling that anybody may write.
fn canaries() -> Vec<String> {
    let names = [
        "Hoàng Yến Hót",
        "Sơn Ca Bản",
        "Vành Khuyên Lạ",
        "Họa Mi Hay",
    ];
    // Long enough that no hash or UUID has them by chance.
    let numbers = [
        "0011487709",
        "0790507709",
        "0011497709",
        "770031004455",
        "0987700933",
        "7700 3100 4455",
    ];
    let plain = names.map(PersonName::bank_form_of);
    let all = names.map(str::to_owned).into_iter().chain(plain);
    all.chain(numbers.map(str::to_owned)).collect()
}

/// The canaries that stand in a text, whatever their capitals.
fn seen_in(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let seen = canaries().into_iter();
    seen.filter(|it| text.contains(&it.to_lowercase()))
        .collect()
}

#[track_caller]
fn not_seen_in(place: &str, text: &str) {
    let seen = seen_in(text);
    let line = text.lines().find(|it| !seen_in(it).is_empty());
    assert!(
        seen.is_empty(),
        "{place} shows {seen:?}: {}",
        line.unwrap_or_default()
    );
}

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
        let nats = async_nats::connect(ground.nats.url()).await?;
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
    let looks: [&[&str]; 6] = [
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

async fn a_run_of_the_canaries() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let ear = Ear::listen(&ground).await?;
    let mut ports = Vec::new();
    let mut processes = Vec::new();
    for service in SERVICES {
        let port = Port::free()?;
        let settings = [
            ("ANSINH_HTTP__LISTEN", port.address()),
            ("ANSINH_LOG__FILTER", FILTER),
            ("ANSINH_RECONCILIATION__GRACE_MS", "3000"),
        ];
        processes.push(Process::start(&ground, service, &settings)?);
        ports.push(port);
    }
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
    day.release().await?;
    day.until_answered().await?;
    day.close().await?;
    look_at(&ground, &day.runs[0].to_string()).await?;

    for (service, port) in SERVICES.iter().zip(&ports) {
        for page in ["/metrics", "/readyz"] {
            let (status, text) = port.get(page).await?;
            ensure!(status == 200, "{service} {page} {status}");
            not_seen_in(&format!("{page} of {service}"), &text);
            ensure!(
                page != "/metrics" || text.contains("ansinh_events_applied_total"),
                "{service} counts nothing:\n{text}"
            );
        }
    }
    Processes(processes).stop().await?;
    for service in SERVICES {
        let log = std::fs::read_to_string(ground.home.join(format!("{service}.log")))?;
        ensure!(
            log.contains("\"level\":\"debug\""),
            "{service} said little:\n{log}"
        );
        not_seen_in(&format!("the log of {service}"), &log);
    }
    let heard = ear.heard();
    for it in &heard {
        not_seen_in(&it.subject, &format!("{} {}", it.subject, it.headers));
        not_seen_in(&it.subject, &String::from_utf8_lossy(&it.body));
    }
    ensure!(heard.iter().any(|it| it.of_bank), "the ear heard no bank");
    search_tables(&day.pool).await?;
    day.pool.close().await;
    ground.clear().await
}

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
