//! A bank that sends no messages hands in files, and is paid through and reconciled as the others.

use std::path::{Path, PathBuf};

use chrono::Utc;
use domain::{Money, Part, Programme};
use events::{EntryKind, Instruction, Results, StatementEntry, StatementPage};
use iso20022::{Kind, ReportWriter, StatementWriter, mapping};
use privacy::Signer;
use serde_json::Value;
use tokio::process::Command;

use crate::bank_signatures::confirmed;
use crate::ground::ansinh_binary;
use crate::world::{World, credited, institution, pensioners, rejected};

const PROGRAMME: Programme = Programme::RetirementPension;
const BANK: &str = "970436";

#[tokio::test(flavor = "multi_thread")]
async fn a_banks_files_move_the_money_once_and_are_matched() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let (registry, links) = pensioners(&[Some(BANK); 4]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    let told = world.instructions(institution(BANK)).await?;
    assert_eq!(told.len(), 4);
    let key = world.ground.home.join("signing.key");
    std::fs::write(&key, hex::encode([6; 32]))?;

    let report = report(&world, &told)?;
    let (code, said) = import(&world, &report, &key).await?;
    assert_eq!(code, Some(3), "nobody has seen whose key it is: {said}");
    assert!(said.contains("no key is held"), "{said}");
    confirmed(&world, BANK, &Signer::new(&[6; 32])).await?;
    let (code, said) = import(&world, &report, &key).await?;
    assert_eq!(code, Some(0), "{said}");
    let said: Value = serde_json::from_str(&said)?;
    assert_eq!(
        (&said["results"], &said["undecided"]),
        (&4.into(), &0.into())
    );
    let seen = world.summary(run_no).await?;
    assert_eq!((seen.credited_lines, seen.returned_lines), (3, 1));

    let statement = statement(&world, &told)?;
    for (file, code) in [(&report, "file_known"), (&statement, "")] {
        let (exit, said) = import(&world, file, &key).await?;
        let expected = if code.is_empty() { 0 } else { 3 };
        assert_eq!(exit, Some(expected), "{said}");
        assert!(said.contains(code), "{said}");
    }
    world
        .until("the statement is matched", async || {
            Ok(world.summary(run_no).await?.matched_lines == 3)
        })
        .await?;
    let seen = world.summary(run_no).await?;
    assert_eq!((seen.breaks, seen.missing_lines), (0, 0));
    wrong_files_say_nothing(&world, &statement, &key).await?;
    world.close_run(run_no).await?;
    world.close().await
}

/// All of a file or nothing, under a code and with a place.
async fn wrong_files_say_nothing(world: &World, file: &Path, key: &Path) -> anyhow::Result<()> {
    let heard = "SELECT count(*) FROM messaging.received";
    let before = world.number(heard).await?;
    let text = std::fs::read_to_string(file)?;
    let wrong = world.ground.home.join("wrong.xml");
    for (text, code) in [
        (text.replacen("CLBD", "CLAV", 1), "balance_invalid"),
        (
            text.replacen("<ElctrncSeqNb>1</ElctrncSeqNb>", "", 1),
            "statement_number_missing",
        ),
        (text.replacen("<Amt ", "<!DOCTYPE x><Amt ", 1), "xml_"),
        (text[..text.len() / 2].to_owned(), "xml_malformed"),
    ] {
        std::fs::write(&wrong, text)?;
        let (exit, said) = import(world, &wrong, key).await?;
        assert_eq!(exit, Some(3), "{code}: {said}");
        assert!(said.contains(code), "{code}: {said}");
    }
    assert_eq!(world.number(heard).await?, before);
    Ok(())
}

/// All are paid but the last.
fn report(world: &World, told: &[Instruction]) -> anyhow::Result<PathBuf> {
    let (last, paid) = told.split_last().expect("four are instructed");
    let mut lines: Vec<_> = paid.iter().map(credited).collect();
    lines.push(rejected(last));
    let said = Results {
        institution: institution(BANK),
        part: Part::ZERO,
        message_id: "KQ-1".to_owned(),
        lines,
    };
    let path = world.ground.home.join("results.xml");
    let mut writer = ReportWriter::begin(std::fs::File::create(&path)?)?;
    for item in mapping::report(&said, Utc::now())? {
        writer.item(&item)?;
    }
    writer.finish()?;
    Ok(path)
}

/// The day of the bank: what came, and what it paid.
fn statement(world: &World, told: &[Instruction]) -> anyhow::Result<PathBuf> {
    let key = world.target.keys()?.exchange(BANK);
    let paid = &told[..told.len() - 1];
    let received = Money::sum(told.iter().map(|it| it.amount));
    let debits = Money::sum(paid.iter().map(|it| it.amount));
    let closing = received.checked_sub(debits).expect("it paid what it had");
    let entry = |(number, it): (i64, &Instruction)| StatementEntry {
        entry_no: number,
        end_to_end_id: it.end_to_end_id.to_string(),
        amount: it.amount,
        account: it.account.clone(),
        bank_ref: credited(it).bank_ref,
        kind: EntryKind::Payment,
        booked_on: None,
    };
    let page = StatementPage {
        institution: institution(BANK),
        part: Part::ZERO,
        statement_no: 1,
        date: world.business_date,
        page: 1,
        pages: 1,
        opening: Money::ZERO,
        received,
        debits,
        returned: Money::ZERO,
        entries_count: i64::try_from(paid.len())?,
        closing,
        entries: (1..).zip(paid).map(entry).collect(),
    };
    let path = world.ground.home.join("statement.xml");
    let file = std::fs::File::create(&path)?;
    let mut writer = StatementWriter::begin(file, Kind::Statement)?;
    let account = format!("KBNN{BANK}").parse()?;
    for item in mapping::statement_head(&page, &account, Utc::now())? {
        writer.item(&item)?;
    }
    for it in &page.entries {
        for item in mapping::statement_entry(it, page.date, &key)? {
            writer.item(&item)?;
        }
    }
    writer.item(&mapping::statement_end(&page, 0))?;
    writer.finish()?;
    Ok(path)
}

/// Exit code and output of the operator's command.
async fn import(world: &World, file: &Path, key: &Path) -> anyhow::Result<(Option<i32>, String)> {
    let output = Command::new(ansinh_binary()?)
        .args(["bank", "import", "--output", "json", "--institution", BANK])
        .args(["--by", "le.an", "--key"])
        .args([key, file])
        .envs(world.ground.env())
        .output()
        .await?;
    let said = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    Ok((output.status.code(), String::from_utf8(said)?))
}
