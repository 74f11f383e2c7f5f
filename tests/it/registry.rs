//! The registry file: every row is accepted, refused with its place, or a duplicate.

mod columns;
mod events;
mod report;
mod residence;
mod workbook;

use std::path::Path;
use std::sync::{Arc, LazyLock};

use chrono::Utc;
use domain::{Money, Programme, RunNo};
use intake::{LINE_BYTES_MAX, Report, TableFile, Tally};
use rules::Law;
use serde_json::Value;
use tokio::process::Command;

use crate::ground::{Ground, ansinh_binary};
use crate::world::{REGISTRY_HEADER, World, pensioner};

/// Rows with one thing wrong, then the column and the code that tell it. `#` is a number of the
/// row's own; the amounts that can be read add up to [`REFUSED`].
const WRONG: &str = "
    ,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => citizen_number citizen_number_length
    00104800001,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => citizen_number citizen_number_length
    0010480000011,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => citizen_number citizen_number_length
    003048000001,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => citizen_number citizen_number_province
    ０01048000001,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => citizen_number citizen_number_character
    #\u{a0},Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => citizen_number citizen_number_character
    #\u{200b},Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => citizen_number citizen_number_character
    001 048 000001,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => citizen_number citizen_number_character
    #,Nguyễn Văn Ân,12/05/1948,nữ,01,HTXH,,, => citizen_number citizen_number_sex
    #,Nguyễn Văn Ân,12/05/1949,nam,01,HTXH,,, => citizen_number citizen_number_birth_year
    #,Nguyễn Văn Ân,2048,nam,01,HTXH,,, => citizen_number citizen_number_birth_year
    #,Nguye\u{302}\u{303}n Va\u{306}n A\u{302}n,1948,nam,01,HTXH,,, => full_name name_not_nfc
    #,,12/05/1948,nam,01,HTXH,,, => full_name name_invalid
    #,Â,12/05/1948,nam,01,HTXH,,, => full_name name_invalid
    #,Nguyễn  Văn Ân,12/05/1948,nam,01,HTXH,,, => full_name name_invalid
    #,Nguyễn\u{a0}Văn Ân,12/05/1948,nam,01,HTXH,,, => full_name name_invalid
    #,Nguyễn Văn Ân\u{200b},12/05/1948,nam,01,HTXH,,, => full_name name_invalid
    #,=cmd|' /C calc'!A0,12/05/1948,nam,01,HTXH,,, => full_name name_invalid
    #,Nguyễn Văn Ân,31/02/1948,nam,01,HTXH,,, => birth_date birth_date_invalid
    #,Nguyễn Văn Ân,1/5/1948,nam,01,HTXH,,, => birth_date birth_date_invalid
    #,Nguyễn Văn Ân,1948-05-12,nam,01,HTXH,,, => birth_date birth_date_invalid
    #,Nguyễn Văn Ân,48,nam,01,HTXH,,, => birth_date birth_date_invalid
    #,Nguyễn Văn Ân,１２/05/1948,nam,01,HTXH,,, => birth_date birth_date_invalid
    #,Nguyễn Văn Ân,,nam,01,HTXH,,, => birth_date birth_date_invalid
    #,Nguyễn Văn Ân,12/05/1948,Nam,01,HTXH,,, => sex sex_invalid
    #,Nguyễn Văn Ân,12/05/1948,nu\u{31b}\u{303},01,HTXH,,, => sex sex_invalid
    #,Nguyễn Văn Ân,12/05/1948,,01,HTXH,,, => sex sex_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,03,HTXH,,, => province province_unknown
    #,Nguyễn Văn Ân,12/05/1948,nam,1,HTXH,,, => province province_unknown
    #,Nguyễn Văn Ân,12/05/1948,nam,０１,HTXH,,, => province province_unknown
    #,Nguyễn Văn Ân,12/05/1948,nam,,HTXH,,, => province province_unknown
    #,Nguyễn Văn Ân,12/05/1948,nam,01,htxh,,, => programme programme_unknown
    #,Nguyễn Văn Ân,12/05/1948,nam,01,,,, => programme programme_unknown
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,0,, => granted_amount amount_zero
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,-1,, => granted_amount amount_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,1.5,, => granted_amount amount_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,1e3,, => granted_amount amount_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,５000000,, => granted_amount amount_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,5.000.000,, => granted_amount amount_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,\"5,000,000\",, => granted_amount amount_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,1234567890123456789,, => granted_amount amount_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,500000,, => granted_amount amount_not_expected
    #,Nguyễn Văn Ân,12/05/1948,nam,01,NCC_THANG,500000,wounded_61, => granted_amount amount_not_expected
    #,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,severe, => category fact_not_expected
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,7000000,severe, => category category_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,TCXH,,pre1995, => category category_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,NCC_THANG,,wounded_99, => category category_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,,rich => household household_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,3000000,,poor => household fact_not_expected
    #,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,, => row columns_invalid
    #,Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,,, => row columns_invalid
    #,\"Nguyễn Văn Ân,12/05/1948,nam,01,HTXH,,, => row quote_open
    #,Nguyễn Văn\0 Ân,12/05/1948,nam,01,HTXH,,, => row encoding_invalid
";

/// What follows the wrong rows: people, and each way to be in the file twice.
const PEOPLE: &str = "
    001048900001,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,5000000,,
    001048900001,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,5000000,, => duplicate
    001048900001,Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,6000000,, => row duplicate_differs
    001048900001,Nguyễn Văn Ân,12/05/1948,nam,79,LUONG_HUU,5000000,, => row duplicate_differs
    001048900001,Nguyễn Văn Anh,12/05/1948,nam,01,LUONG_HUU,5000000,, => citizen_number identity_conflict
    001048900001,Nguyễn Văn Ân,1948,nam,01,HTXH,,, => citizen_number identity_conflict
    001048900001,Nguyễn Văn Ân,12/05/1948,nam,01,NCC_THANG,,wounded_61,
    001048900001,Nguyễn Văn Ân,12/05/1948,nam,01,TCXH,,,
    001148900002,Lê Thị Chi,1948,nữ,79,TCXH,,extremely_severe,near_poor
    001048900003,\"H' Hen Niê\",12/05/1948,nam,66,HTXH,,,poor
    001048900003,\"H' Hen Niê\",12/05/1948,nam,66,HTXH,,,poor => duplicate
    001299900004,Lê Văn Dần,01/01/2099,nam,79,TCXH,,severe, => birth_date birth_date_future
";

const ACCEPTED: u64 = 5_000_000;
const DUPLICATES: u64 = 5_000_000;
const REFUSED: u64 = 500_000 + 500_000 + 7_000_000 + 3_000_000 + 6_000_000 + 5_000_000 + 5_000_000;

/// Where a row was refused and why: line, column, code.
type Told = (i64, String, String);

/// A registry file, what must be told of it, and how many of its rows are duplicates.
#[derive(Default)]
struct Trial {
    text: Vec<u8>,
    lines: u64,
    told: Vec<Told>,
    duplicates: u64,
}

impl Trial {
    fn new() -> Trial {
        let mut trial = Trial::default();
        trial.line(REGISTRY_HEADER.trim_end().as_bytes());
        for (serial, case) in WRONG
            .trim()
            .lines()
            .chain(PEOPLE.trim().lines())
            .enumerate()
        {
            let own = format!("001048{serial:06}");
            let (row, told) = case
                .trim_start()
                .split_once(" => ")
                .unwrap_or((case.trim(), ""));
            trial.line(row.replacen('#', &own, 1).as_bytes());
            match told.split_once(' ') {
                Some((column, code)) => trial.tell(column, code),
                None => trial.duplicates += u64::from(told == "duplicate"),
            }
        }
        trial.line(b"001048900009,Nguy\xe1n,12/05/1948,nam,01,HTXH,,,"); // TCVN3, not UTF-8
        trial.tell("row", "encoding_invalid");
        trial.line("x".repeat(3 * LINE_BYTES_MAX).as_bytes());
        trial.tell("row", "line_too_long");
        trial.line(pensioner(900_010, 1).trim_end().as_bytes());
        trial
    }

    fn line(&mut self, line: &[u8]) {
        self.text.extend(line);
        self.text.push(b'\n');
        self.lines += 1;
    }

    /// Of the last line.
    fn tell(&mut self, column: &str, code: &str) {
        let line = i64::try_from(self.lines).expect("a short file");
        self.told.push((line, column.to_owned(), code.to_owned()));
    }
}

#[tokio::test]
async fn each_row_is_accepted_refused_with_its_place_or_a_duplicate() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    let trial = Trial::new();
    let report = import(&ground, &trial.text).await?;

    let told: Vec<Told> =
        sqlx::query_as(r#"SELECT line, "column", code FROM eligibility.refusals ORDER BY line"#)
            .fetch_all(&pool)
            .await?;
    assert_eq!(told, trial.told);
    let sums = report.sums;
    let refused = u64::try_from(told.len())?;
    let accepted = trial.lines - 1 - refused - trial.duplicates;
    let tally = |rows, amount| Tally {
        rows,
        amount: Money::dong(amount),
    };
    assert_eq!(sums.accepted, tally(accepted, ACCEPTED + 1));
    assert_eq!(sums.duplicates, tally(trial.duplicates, DUPLICATES));
    assert_eq!(sums.refused, tally(refused, REFUSED));
    let whole = ACCEPTED + 1 + DUPLICATES + REFUSED;
    assert_eq!(sums.file, tally(trial.lines - 1, whole));
    assert_eq!(report.refusals.len(), Report::SHOWN_MAX);
    assert!(!report.repeated);

    let enrolled: Vec<(i64, i16, i16)> = sqlx::query_as(
        "SELECT person_no, programme, version FROM eligibility.enrolments ORDER BY 1, 2",
    )
    .fetch_all(&pool)
    .await?;
    assert_eq!(
        enrolled,
        [
            (1, 2, 1),
            // Without the evidence it needs: the determination says so, not the import.
            (1, 3, 1),
            (1, 4, 1),
            (2, 3, 1),
            (3, 1, 1),
            (4, 2, 1)
        ]
    );
    // A refusal is read by many; it never says who the row was about.
    let sentences: Vec<String> = sqlx::query_scalar("SELECT sentence FROM eligibility.refusals")
        .fetch_all(&pool)
        .await?;
    let names_somebody = |it: &String| it.contains("Nguy") || it.contains("00104");
    assert!(!sentences.iter().any(names_somebody), "{sentences:?}");

    let again = import(&ground, &trial.text).await?;
    assert_eq!((again.repeated, again.sums), (true, sums));
    pool.close().await;
    ground.clear().await
}

#[tokio::test]
async fn a_broken_header_stops_the_file_before_its_first_row() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    let row = pensioner(1, 5_000_000);
    let of = |header: &str| format!("{header}\n{row}").into_bytes();
    let healthy = REGISTRY_HEADER.trim_end();
    let utf16 = format!("{healthy}\n{row}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for broken in [
        Vec::new(),
        of(""),
        of(&healthy.replace("sex,", "")),
        of(&format!("{healthy},note")),
        of(&format!("{healthy},household")),
        of(&healthy.replace("household", "")),
        of(&healthy.replace("full_name", "name")),
        of(&healthy.to_uppercase()),
        of(&healthy.replace(',', ";")),
        utf16,
    ] {
        let refused = import(&ground, &broken).await.unwrap_err();
        assert!(
            refused.to_string().starts_with("header_invalid"),
            "{refused}"
        );
    }
    let rows = "SELECT (SELECT count(*) FROM eligibility.persons)
        + (SELECT count(*) FROM eligibility.enrolments) + (SELECT count(*) FROM messaging.outbox)
        + (SELECT count(*) FROM eligibility.imports) + (SELECT count(*) FROM eligibility.refusals)";
    let rows: i64 = sqlx::query_scalar(rows).fetch_one(&pool).await?;
    assert_eq!(rows, 0);

    let with_mark = format!("\u{feff}{REGISTRY_HEADER}{row}").replace('\n', "\r\n");
    let report = import(&ground, with_mark.as_bytes()).await?;
    assert_eq!((report.sums.file.rows, report.sums.accepted.rows), (1, 1));
    pool.close().await;
    ground.clear().await
}

/// A row that repeats what is known counts as one of the file, though it changes nothing.
#[tokio::test]
async fn a_file_does_not_both_repeat_and_change_a_fact() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let pool = ground.pool().await?;
    let [known, changed] = [5_000_000, 6_000_000].map(|it| pensioner(1, it));
    import(&ground, format!("{REGISTRY_HEADER}{known}").as_bytes()).await?;
    let both = format!("{REGISTRY_HEADER}{known}{changed}");
    let report = import(&ground, both.as_bytes()).await?;
    assert_eq!(
        (report.sums.accepted.rows, report.sums.duplicates.rows),
        (0, 1)
    );
    let told: Vec<_> = report
        .refusals
        .iter()
        .map(|it| (it.line, it.code))
        .collect();
    assert_eq!(told, [(3, "duplicate_differs")]);
    let version = "SELECT max(version) FROM eligibility.enrolments";
    let version: i16 = sqlx::query_scalar(version).fetch_one(&pool).await?;
    assert_eq!(version, 1);
    pool.close().await;
    ground.clear().await
}

/// Scripts of a ministry look at the exit code.
#[tokio::test]
async fn the_command_line_ends_with_three_where_the_file_is_refused() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let file = ground.home.join("registry.csv");
    let row = pensioner(1, 5_000_000);
    for (text, code, rows, refused) in [
        (format!("citizen\n{row}"), 3, None, 0),
        (format!("{REGISTRY_HEADER}{row}"), 0, Some(1), 0),
        (format!("{REGISTRY_HEADER}{row}"), 0, Some(1), 0),
        (
            format!("{REGISTRY_HEADER}{row}{}", row.replace("nam", "Nam")),
            3,
            Some(2),
            1,
        ),
    ] {
        std::fs::write(&file, &text)?;
        let (ended, said) = registry_import(&ground, &file).await?;
        assert_eq!(ended, Some(code), "{text}");
        let sums = said.map(|it| it["sums"].clone());
        let of = |part: &str| sums.as_ref().and_then(|it| it[part]["rows"].as_u64());
        assert_eq!(of("file"), rows, "{text}");
        assert_eq!(of("refused").unwrap_or_default(), refused, "{text}");
    }
    ground.clear().await
}

/// Facts that change after a run was opened are facts of the next run.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_pays_what_was_known_when_it_was_opened() -> anyhow::Result<()> {
    let mut world = World::with_hand_played_banks(|_| {}).await?;
    let file = |first: usize, from: &str| {
        let header = REGISTRY_HEADER.trim_end();
        let rows = [(1, first, from), (2, 6_000_000, "")];
        let row = |(number, granted, from): (usize, usize, &str)| {
            format!("{},{from}", pensioner(number, granted).trim_end())
        };
        format!("{header},valid_from\n{}", rows.map(row).join("\n"))
    };
    world.register(file(5_000_000, "")).await?;
    determining_pauses(&world, true).await?;
    let programme = Programme::RetirementPension;
    let before = world.open(programme).await?;
    world
        .until("all partitions are frozen", async || {
            let frozen = "SELECT count(*) FROM eligibility.freezes WHERE done";
            Ok(world.number(frozen).await? == 16)
        })
        .await?;
    let changed = world.register(file(7_000_000, "2027-01-01")).await?;
    assert_eq!(
        (changed.sums.accepted.rows, changed.sums.duplicates.rows),
        (1, 1)
    );
    determining_pauses(&world, false).await?;
    assert_eq!(amounts(&world, before).await?, [5_400_000, 6_480_000]);
    world.period = "2027-01".parse()?;
    let after = world.open(programme).await?;
    assert_eq!(amounts(&world, after).await?, [7_560_000, 6_480_000]);
    let versions = "SELECT max(version)::bigint FROM eligibility.enrolments WHERE person_no = 1";
    assert_eq!(world.number(versions).await?, 2);
    world.close().await
}

/// Holds up who determines: partitions that are frozen meanwhile look done until it ends.
async fn determining_pauses(world: &World, pauses: bool) -> anyhow::Result<()> {
    let change = if pauses {
        "CREATE FUNCTION eligibility.pause() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN NEW.done := true; RETURN NEW; END';
        CREATE TRIGGER pause BEFORE INSERT ON eligibility.freezes
            FOR EACH ROW EXECUTE FUNCTION eligibility.pause()"
    } else {
        "DROP TRIGGER pause ON eligibility.freezes;
        UPDATE eligibility.freezes SET done = false"
    };
    sqlx::raw_sql(change).execute(&world.pool).await?;
    Ok(())
}

/// What each person gets, in the order of their numbers, once the run is prepared.
async fn amounts(world: &World, run_no: RunNo) -> anyhow::Result<Vec<i128>> {
    world.until_state(run_no, "awaiting_approval").await?;
    let mut lines = world.lines(run_no).await?;
    lines.sort_by_key(|it| it.person_no);
    Ok(lines.iter().map(|it| it.amount.units()).collect())
}

static LAW: LazyLock<Arc<Law>> = LazyLock::new(|| {
    let law = eligibility::read_law(&eligibility::shipped_files());
    Arc::new(law.expect("the shipped law reads"))
});

async fn import(ground: &Ground, text: &[u8]) -> anyhow::Result<Report> {
    let file = ground.home.join("registry.csv");
    std::fs::write(&file, text)?;
    import_file(ground, TableFile::from(&file)).await
}

async fn import_file(ground: &Ground, file: TableFile) -> anyhow::Result<Report> {
    let target = ground.target();
    let pool = target.pool(Some("ansinh_eligibility")).await?;
    let keys = target.keys()?;
    let report = eligibility::import_registry(&pool, &keys, &LAW, file, Utc::now()).await;
    pool.close().await;
    Ok(report?)
}

/// Exit code, and what was printed where that is JSON.
async fn registry_import(
    ground: &Ground,
    file: &Path,
) -> anyhow::Result<(Option<i32>, Option<Value>)> {
    let output = Command::new(ansinh_binary()?)
        .args(["--output", "json", "registry", "import"])
        .arg(file)
        .envs(ground.env())
        .output()
        .await?;
    let said = serde_json::from_slice(&output.stdout).ok();
    Ok((output.status.code(), said))
}
