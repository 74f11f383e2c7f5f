//! Whoever gets hold of a dump of the database finds nobody in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use ansinh::servers::postgres_programs;
use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boot::Health;
use chrono::Utc;
use domain::{PersonName, Programme};
use sandbox::people::Written;
use tokio::process::Command;
use unicode_normalization::UnicodeNormalization;

use crate::ground::Ground;
use crate::pay_day::{PayDay, registry};

const PEOPLE: u64 = 150;
const PROGRAMMES: [Programme; 2] = [Programme::SocialPension, Programme::RetirementPension];

/// Rows that are refused, each for another reason: what is said of them is in the dump as well.
const REFUSED_PEOPLE: &str = "\
citizen_number,full_name,birth_date,sex,province,programme,granted_amount,category,household
001148660955,Họa Mi Hót,12/05/1948,nam,01,HTXH,,,
001148660956,Sáo Sậu Bay 7,12/05/1948,nữ,01,HTXH,,,
001148660957,Chào Mào Đỏ,31/02/1948,nữ,01,HTXH,,,
001148660958,Bạc Má Nhỏ,12/05/1948,nữ,001148660958,HTXH,,,
001148660959,Chim Chích Lạ,12/05/1948,nữ,01,HTXH,,Chim Chích Lạ,
";
const REFUSED_LINKS: &str = "\
citizen_number,institution,account_number,holder_name
001148660960,970436,66003100445588,VANG ANH XA
001148660961,66003100445577,66003100445577,KHUOU DAU DEN
";

/// Which text of whom stands where, by the sequence of bytes that would show it.
struct Search {
    bytes: AhoCorasick,
    what: Vec<String>,
}

impl Search {
    fn of(people: &[(String, String)]) -> anyhow::Result<Search> {
        let mut looked_for: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        for (what, text) in people {
            for spelling in spellings(text) {
                for (form, bytes) in forms(spelling.as_bytes()) {
                    let what = format!("{what} {spelling}, {form}");
                    looked_for.entry(bytes).or_insert(what);
                }
            }
        }
        let (bytes, what): (Vec<_>, Vec<_>) = looked_for.into_iter().unzip();
        let bytes = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(bytes)?;
        Ok(Search { bytes, what })
    }

    /// What is found in the dump, and in the bytes that its columns of bytes hold.
    fn found_in(&self, dump: &str) -> Vec<String> {
        let mut found = self.seen(dump.as_bytes());
        for hex in runs_of_hex(dump) {
            found.extend(self.seen(&hex::decode(hex).expect("a run of pairs of digits")));
        }
        found
    }

    fn seen(&self, text: &[u8]) -> Vec<String> {
        let is_word = |it: Option<&u8>| it.is_some_and(u8::is_ascii_alphanumeric);
        let found = self.bytes.find_overlapping_iter(text).filter(|it| {
            // `LY AN` is no person in `ONLY AN`, and a number may stand among letters.
            let letters = text[it.range()].contains(&b' ');
            let before = it.start().checked_sub(1).and_then(|at| text.get(at));
            !(letters && (is_word(before) || is_word(text.get(it.end()))))
        });
        let what = found.map(|it| self.what[it.pattern().as_usize()].clone());
        what.collect()
    }
}

/// The ways in which people and programs write a name or a number.
fn spellings(text: &str) -> Vec<String> {
    let composed: String = text.nfc().collect();
    let mut spellings = vec![
        composed.nfd().collect(),
        composed.to_lowercase(),
        composed.to_uppercase(),
        PersonName::bank_form_of(&composed),
        composed,
    ];
    spellings.sort();
    spellings.dedup();
    // The banks' form of a number is nothing.
    spellings.retain(|it| !it.trim().is_empty());
    spellings
}

/// Bytes as they are, in hexadecimal digits, and in base64 wherever they begin in a longer text.
fn forms(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![
        ("in the clear", bytes.to_vec()),
        ("in hex", hex::encode(bytes).into_bytes()),
        ("in capital hex", hex::encode_upper(bytes).into_bytes()),
    ];
    for before in 0..3 {
        let text = STANDARD.encode([&[0; 2][..before], bytes].concat());
        // Without the digits that have bits of what is around.
        let (from, whole) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
        forms.push(("in base64", text.as_bytes()[from..whole].to_vec()));
    }
    forms
}

/// Columns of bytes in a dump: `\\x` and hexadecimal digits.
fn runs_of_hex(dump: &str) -> impl Iterator<Item = &str> {
    dump.split("\\x").skip(1).map(|it| {
        let end = it.find(|it: char| !it.is_ascii_hexdigit());
        &it[..end.unwrap_or(it.len()) / 2 * 2]
    })
}

/// Every number, name and account in the files, with what each is.
fn of_files(people: &Written) -> anyhow::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    let refused = [REFUSED_PEOPLE, REFUSED_LINKS].map(str::to_owned);
    let files = [&people.people_csv, &people.links_csv].map(std::fs::read_to_string);
    for text in files
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .iter()
        .chain(&refused)
    {
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let header = rows.headers()?.clone();
        for row in rows.records() {
            for (column, value) in header.iter().zip(&row?) {
                if [
                    "citizen_number",
                    "full_name",
                    "account_number",
                    "holder_name",
                ]
                .contains(&column)
                {
                    all.push((column.to_owned(), value.to_owned()));
                }
            }
        }
    }
    Ok(all)
}

/// A dump in plain form of all that is in the database.
async fn dump(ground: &Ground) -> anyhow::Result<String> {
    let done = Command::new(postgres_programs().await?.join("pg_dump"))
        .arg("--format=plain")
        .arg(format!("--dbname={}", ground.database_url))
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(String::from_utf8(done.stdout)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_after_a_closed_run_shows_no_number_no_name_and_no_account() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let people = registry(PEOPLE, 31, &PROGRAMMES, &ground.home)?;
    let settings = Arc::new(ground.settings());
    let services = ansinh::start_services(&settings, &Health::default()).await?;
    let mut day = PayDay::of(&ground, &PROGRAMMES).await?;
    day.carry(&people).await?;
    import_what_is_refused(&ground).await?;
    services.stop().await;

    let search = Search::of(&of_files(&people)?)?;
    let dumped = dump(&ground).await?;
    for table in ["payments.lines", "messaging.outbox", "sandbox.entries"] {
        let copied = format!("COPY {table} (");
        ensure!(dumped.contains(&copied), "{table} is not dumped");
    }
    let found = search.found_in(&dumped);
    ensure!(found.is_empty(), "the dump shows {found:#?}");

    // What is put there is found, as text and as bytes.
    let put = "INSERT INTO sandbox.delayed (institution, part, message_id, due_at, body)
        VALUES (1, 1, $1, now(), $2)";
    let someone = std::fs::read_to_string(&people.links_csv)?;
    let someone = someone.lines().nth(1).context("a link")?;
    let (number, _) = someone.split_once(',').context("a citizen's number")?;
    for (message_id, body) in [
        ("text", number.to_owned()),
        ("base64", STANDARD.encode(someone)),
    ] {
        let put = sqlx::query(put).bind(message_id).bind(body);
        put.execute(&day.pool).await?;
    }
    let found = search.found_in(&dump(&ground).await?);
    ensure!(found.len() >= 4, "what is there is found: {found:?}");
    day.pool.close().await;
    ground.clear().await
}

async fn import_what_is_refused(ground: &Ground) -> anyhow::Result<()> {
    let target = ground.target();
    let keys = target.keys()?;
    let write = |name: &str, text: &str| -> anyhow::Result<std::path::PathBuf> {
        let file = Path::new(&ground.home).join(name);
        std::fs::write(&file, text)?;
        Ok(file)
    };
    let pool = target.pool(Some("ansinh_eligibility")).await?;
    let law = eligibility::law_in_force(&pool, Utc::now()).await?.law;
    let file = write("refused.csv", REFUSED_PEOPLE)?;
    let report = eligibility::import_registry(&pool, &keys, &law, &file, Utc::now()).await?;
    ensure!(report.sums.refused.rows == 5, "{:?}", report.sums);
    let pool = target.pool(Some("ansinh_accounts")).await?;
    let file = write("refused_links.csv", REFUSED_LINKS)?;
    let report = target.import_links(&pool, &file).await?;
    ensure!(report.sums.refused.rows == 2, "{:?}", report.sums);
    Ok(())
}

#[test]
fn a_name_is_found_in_each_spelling_and_form_and_only_as_a_word() {
    let search = Search::of(&[("name".to_owned(), "Lý An".to_owned())]).unwrap();
    let body = format!("{{\"holder\":\"{}\"}}", STANDARD.encode("x Lý An y"));
    for text in [
        "COPY Lý An",
        "COPY ly\u{301} an; LY\u{301} AN; Ly\u{301} An",
        "x\tLY AN\t7",
        &format!("\\\\x{}", hex::encode("to Lý An")),
        &format!("\\\\x{}", hex::encode(&body)),
        &body,
    ] {
        assert!(!search.found_in(text).is_empty(), "{text}");
    }
    for text in ["ALTER ONLY AND", "\\\\x4c59", "Lý và An"] {
        assert_eq!(search.found_in(text), Vec::<String>::new());
    }
}
