//! Who may write to a bank's subject is no evidence of who wrote: only what its sender signed has
//! effects, and what was heard can be verified years later.

use anyhow::{Context, ensure};
use async_nats::jetstream;
use chrono::{DateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use domain::{Institution, Part, Programme};
use events::{Event, Instruction};
use messaging::{CommandError, Organisation, Signers};
use payments::{ConfirmOrganisationKey, EndOrganisationKey, RegisterOrganisationKey};
use privacy::Signer;
use serde_json::{Value, to_value};
use sha2::{Digest, Sha256};
use tokio::process::Command;
use uuid::Uuid;

use crate::by_hand::{Said, deliver, said};
use crate::ground::ansinh_binary;
use crate::world::{World, credited, institution, officer, pensioners, results};

const PROGRAMME: Programme = Programme::RetirementPension;
pub const OURS: &str = "970436";
pub const OTHER: &str = "970405";
const REFUSED: &str = "SELECT count(*) FROM messaging.refused";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bank_has_not_signed_moves_no_money_and_no_cursor() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let instruction = one_instruction(&world).await?;
    let bank = institution(OURS);
    let forgeries = forgeries(&world, &instruction).await?;
    let jetstream = jetstream::new(world.nats.clone());
    for (number, (code, forged)) in (1_i64..).zip(&forgeries) {
        // Delivered twice it is kept once.
        deliver(&jetstream, &[forged.clone(), forged.clone()]).await?;
        world
            .until(
                &format!("forgery {number} is refused: {code}"),
                async || Ok(world.number(REFUSED).await? == number),
            )
            .await?;
        let newest = "SELECT code FROM messaging.refused ORDER BY refused_no DESC LIMIT 1";
        let found: String = sqlx::query_scalar(newest).fetch_one(&world.pool).await?;
        assert_eq!(found, *code, "forgery {number}");
    }
    nothing_has_happened(&world).await?;

    // The true message has the number of all those.
    world.answer(bank, vec![credited(&instruction)]).await?;
    let paid = "SELECT count(*) FROM payments.results WHERE status = 'credited'";
    assert_eq!(world.number(paid).await?, 1);
    assert_eq!(
        world
            .number(
                "SELECT count(*) FROM messaging.received
        WHERE consumer = 'payments' AND body IS NOT NULL"
            )
            .await?,
        1
    );
    let again: Vec<Said> = said(&world.pool)
        .await?
        .into_iter()
        .filter(|it| it.speaker == events::bank_in_results(bank))
        .collect();
    deliver(&jetstream, &again).await?;
    // Behind it on the stream: when this is heard, so is that.
    world.answer(bank, vec![credited(&instruction)]).await?;
    assert_eq!(world.number(paid).await?, 1);
    let refused = world.number(REFUSED).await?;
    assert_eq!(refused, i64::try_from(forgeries.len())?);
    world.close().await
}

/// Each with the code by which it is refused; all have the number of the bank's next message.
async fn forgeries(
    world: &World,
    instruction: &Instruction,
) -> anyhow::Result<Vec<(&'static str, Said)>> {
    let bank = institution(OURS);
    let (ours, theirs) = (made_up(world, OURS)?, made_up(world, OTHER)?);
    let (our_no, their_no) = (key_no(world, &ours).await?, key_no(world, &theirs).await?);
    let stranger = Signer::new(&[9; 32]);
    let unconfirmed = registered(world, OURS, &stranger).await?;
    let ended = Signer::new(&[8; 32]);
    let ended_no = confirmed(world, OURS, &ended).await?;
    end(world, ended_no, None).await?;

    let now = Utc::now().trunc_subsecs(6);
    let letter = |at| letter(bank, instruction, at);
    let signed = |by: &Signer, number: i64, at: DateTime<Utc>| sign(letter(at), by, number);
    let mut unsigned = letter(now);
    unsigned.key_no = None;
    let mut other_body = signed(&ours, our_no, now);
    other_body.body.extend_from_slice(b" ");
    other_body.hash = chained(&other_body);
    let mut other_time = signed(&ours, our_no, now);
    other_time.recorded_at += TimeDelta::seconds(1);
    let mut other_kind = signed(&ours, our_no, now);
    other_kind.subject = format!("bank.{bank}.in.results.v2");
    other_kind.hash = chained(&other_kind);
    let mut other_past = letter(now);
    other_past.prev_hash = vec![7; 32];
    other_past.hash = chained(&other_past);
    let mut short = signed(&ours, our_no, now);
    short.signature = Some(vec![1; 63]);
    Ok(vec![
        ("signature_missing", unsigned),
        ("signature_wrong", signed(&stranger, our_no, now)),
        ("key_of_another", signed(&theirs, their_no, now)),
        ("key_unknown", signed(&stranger, 999_999, now)),
        ("key_not_confirmed", signed(&stranger, unconfirmed, now)),
        ("key_ended", signed(&ended, ended_no, now)),
        ("stale", signed(&ours, our_no, now + TimeDelta::minutes(10))),
        (
            "key_not_yet_valid",
            signed(&ours, our_no, now - TimeDelta::days(2)),
        ),
        ("signature_wrong", other_body),
        ("signature_wrong", other_time),
        ("signature_wrong", other_kind),
        ("chain_broken", sign(other_past, &ours, our_no)),
        ("header_invalid", short),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_pays_nobody_on_the_word_of_who_is_not_the_state() -> anyhow::Result<()> {
    let world = World::new().await?;
    let bank = institution(OURS);
    let message = crate::bank_messages::sealed_instructions(&world, OURS)?;
    let event = Event::of(&message, Utc::now());
    let state = key_no(&world, &world.target.keys()?.state_signers()[0]).await?;
    let forged = Said {
        speaker: event.speaker,
        part: event.part.number(),
        seq: 1,
        event_id: event.id,
        subject: event.subject,
        body: event.body,
        prev_hash: vec![0; 32],
        hash: Vec::new(),
        recorded_at: Utc::now().trunc_subsecs(6),
        key_no: None,
        signature: None,
    };
    let forged = sign(forged, &made_up(&world, OURS)?, state);
    deliver(&jetstream::new(world.nats.clone()), &[forged]).await?;
    world
        .until("bank and reconciliation refuse it", async || {
            let refused = "SELECT count(*) FROM messaging.refused WHERE code = 'signature_wrong'
                AND consumer IN ('sandbox', 'reconciliation')";
            Ok(world.number(refused).await? == 2)
        })
        .await?;
    for effect in [
        "SELECT count(*) FROM sandbox.entries",
        "SELECT count(*) FROM reconciliation.instructions",
        "SELECT coalesce(sum(seq), 0)::bigint FROM messaging.cursors WHERE speaker LIKE 'bank.%'",
    ] {
        assert_eq!(world.number(effect).await?, 0, "{effect} {bank}");
    }
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_followed_by_the_next_without_a_pause_and_what_it_signed_stands()
-> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let instruction = one_instruction(&world).await?;
    let bank = institution(OURS);
    let former = key_no(&world, &made_up(&world, OURS)?).await?;
    world.answer(bank, vec![credited(&instruction)]).await?;

    let next = Signer::new(&[5; 32]);
    let next_no = registered(&world, OURS, &next).await?;
    same_person_is_refused(&world, next_no).await?;
    confirm(&world, next_no).await?;
    let with_next = Signers::default().with(Organisation::Institution(bank), next);
    say_with(&world, &with_next, &instruction).await?;
    world.answer(bank, vec![credited(&instruction)]).await?;
    end(&world, former, None).await?;
    let refused = say(&world, &former_only(&world)?, &instruction).await;
    let refused = refused.expect_err("the key has ended").to_string();
    ensure!(refused.contains("no key is held"), "{refused}");
    say_with(&world, &with_next, &instruction).await?;

    let by_key: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT key_no, count(*) FROM messaging.received WHERE consumer = 'payments'
        GROUP BY key_no ORDER BY key_no",
    )
    .fetch_all(&world.pool)
    .await?;
    assert_eq!(by_key, [(former, 2), (next_no, 2)]);
    verified_until_somebody_changes_it(&world).await?;
    world.close().await
}

/// The command of the auditor, on what is there and on what somebody has changed since.
async fn verified_until_somebody_changes_it(world: &World) -> anyhow::Result<()> {
    let verify = async || -> anyhow::Result<(Option<i32>, String)> {
        let output = Command::new(ansinh_binary()?)
            .args(["bank", "messages", "--institution", OURS, "--verify"])
            .envs(world.ground.env())
            .output()
            .await?;
        Ok((output.status.code(), String::from_utf8(output.stdout)?))
    };
    let (code, text) = verify().await?;
    // One instruction and four answers said; the instruction and the answers heard once each.
    assert_eq!(
        (code, text.trim()),
        (
            Some(0),
            "5 said and 5 heard messages under 3 keys: every signature stands"
        )
    );
    let mut owner = world.pool.acquire().await?;
    let change = "ALTER TABLE messaging.received DISABLE TRIGGER USER;
        UPDATE messaging.received SET body = set_byte(body, 40, 48), received_at = received_at
        WHERE consumer = 'payments' AND seq = 2;";
    sqlx::raw_sql(change).execute(&mut *owner).await?;
    let (code, text) = verify().await?;
    ensure!(
        code == Some(8) && text.matches("signature_wrong").count() == 1,
        "{code:?} {text}"
    );
    let restore = "UPDATE messaging.received r SET body = o.body FROM messaging.outbox o
        WHERE (o.speaker, o.part, o.seq) = (r.speaker, r.part, r.seq) AND r.body IS NOT NULL;
        ALTER TABLE messaging.received ENABLE TRIGGER USER;";
    sqlx::raw_sql(restore).execute(&mut *owner).await?;
    Ok(())
}

/// A run at the banks that pays one person at [`OURS`].
async fn one_instruction(world: &World) -> anyhow::Result<Instruction> {
    let (registry, links) = pensioners(&[Some(OURS)]);
    world.register(registry).await?;
    world.link(links).await?;
    world.released(PROGRAMME).await?;
    let mut instructions = world.instructions(institution(OURS)).await?;
    instructions.pop().context("one is instructed")
}

async fn nothing_has_happened(world: &World) -> anyhow::Result<()> {
    for effect in [
        "SELECT count(*) FROM payments.results",
        "SELECT count(*) FROM payments.result_refusals",
        "SELECT count(*) FROM messaging.parked",
        "SELECT coalesce(sum(seq), 0)::bigint FROM messaging.cursors WHERE consumer = 'payments'
            AND speaker LIKE 'bank.%'",
    ] {
        assert_eq!(world.number(effect).await?, 0, "{effect}");
    }
    Ok(())
}

/// The first message of the bank in its line's partition, not signed yet.
pub fn letter(bank: Institution, instruction: &Instruction, created_at: DateTime<Utc>) -> Said {
    let part = instruction.end_to_end_id.part;
    let event = Event::of(
        &results(bank, part, vec![credited(instruction)]),
        created_at,
    );
    let mut said = Said {
        speaker: event.speaker,
        part: part.number(),
        seq: 1,
        event_id: event.id,
        subject: event.subject,
        body: event.body,
        prev_hash: vec![0; 32],
        hash: Vec::new(),
        recorded_at: created_at,
        key_no: None,
        signature: None,
    };
    said.hash = chained(&said);
    said
}

/// Signs as a bank does that has only our description of the text.
pub fn sign(mut said: Said, signer: &Signer, key_no: i64) -> Said {
    let (sender, receiver) = if said.speaker.contains(".in.") {
        (&said.speaker[5..11], "state")
    } else {
        ("state", &said.speaker[5..11])
    };
    let tokens: Vec<&str> = said.subject.split('.').collect();
    let text = format!(
        "An Sinh message 1\nschema: {}\nspeaker: {}\nsender: {sender}\nreceiver: {receiver}\n\
         id: {}\npart: {:02}\nseq: {}\nprevious: {}\ncreated: {}\nbody: {}\n",
        tokens[tokens.len() - 2..].join("."),
        said.speaker,
        said.event_id,
        said.part,
        said.seq,
        hex::encode(&said.prev_hash),
        said.recorded_at
            .to_rfc3339_opts(SecondsFormat::Micros, true),
        hex::encode(Sha256::digest(&said.body)),
    );
    said.signature = Some(signer.sign(text.as_bytes()));
    said.key_no = Some(key_no);
    said.hash = chained(&said);
    said
}

pub fn chained(said: &Said) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(&said.prev_hash)
        .chain_update(said.seq.to_be_bytes())
        .chain_update(said.event_id.as_bytes())
        .chain_update((said.subject.len() as u64).to_be_bytes())
        .chain_update(&said.subject)
        .chain_update(&said.body);
    hash.finalize().to_vec()
}

/// The key by which the sandbox would sign for a bank.
pub fn made_up(world: &World, bank: &str) -> anyhow::Result<Signer> {
    Ok(world.target.keys()?.signer(&format!("organisation {bank}")))
}

fn former_only(world: &World) -> anyhow::Result<Signers> {
    let former = made_up(world, OURS)?;
    Ok(Signers::default().with(Organisation::Institution(institution(OURS)), former))
}

pub async fn key_no(world: &World, signer: &Signer) -> anyhow::Result<i64> {
    let number = "SELECT key_no FROM messaging.organisation_keys WHERE public_key = $1";
    let number = sqlx::query_scalar(number).bind(signer.public_key());
    Ok(number.fetch_one(&world.pool).await?)
}

async fn say(
    world: &World,
    signers: &Signers,
    instruction: &Instruction,
) -> Result<(), messaging::Error> {
    let part = instruction.end_to_end_id.part;
    let message = results(institution(OURS), part, vec![credited(instruction)]);
    let mut tx = world.pool.begin().await?;
    let said = vec![Event::of(&message, Utc::now())];
    messaging::append_signed(&mut tx, signers, said, Utc::now()).await?;
    tx.commit().await?;
    Ok(())
}

async fn say_with(
    world: &World,
    signers: &Signers,
    instruction: &Instruction,
) -> anyhow::Result<()> {
    say(world, signers, instruction).await?;
    let speaker = events::bank_in_results(institution(OURS));
    world.until_heard("payments", &speaker).await
}

async fn registered(world: &World, bank: &str, signer: &Signer) -> anyhow::Result<i64> {
    let body = RegisterOrganisationKey {
        officer: officer("bui.kiem"),
        organisation: bank.to_owned(),
        public_key: hex::encode(signer.public_key()),
        valid_from: None,
    };
    let answer = ask(world, "register-organisation-key", to_value(body)?).await?;
    answer["key_no"].as_i64().context("a number")
}

async fn confirm(world: &World, key_no: i64) -> anyhow::Result<()> {
    let body = ConfirmOrganisationKey {
        officer: officer("ly.nhan"),
        key_no,
        signature: None,
    };
    ask(world, "confirm-organisation-key", to_value(body)?).await?;
    Ok(())
}

pub async fn confirmed(world: &World, bank: &str, signer: &Signer) -> anyhow::Result<i64> {
    let key_no = registered(world, bank, signer).await?;
    confirm(world, key_no).await?;
    Ok(key_no)
}

async fn same_person_is_refused(world: &World, key_no: i64) -> anyhow::Result<()> {
    let body = ConfirmOrganisationKey {
        officer: officer("bui.kiem"),
        key_no,
        signature: None,
    };
    let refused = ask(world, "confirm-organisation-key", to_value(body)?).await;
    let refused = refused
        .expect_err("who registered it confirms it")
        .to_string();
    ensure!(refused.contains("same_person"), "{refused}");
    // The database refuses it as well.
    let past_us = sqlx::query(
        "INSERT INTO messaging.organisation_key_confirmations VALUES ($1, 'bui.kiem', now())",
    );
    let refused = past_us.bind(key_no).execute(&world.pool).await;
    let refused = refused.expect_err("it is past the engine");
    ensure!(refused.to_string().contains("another officer"), "{refused}");
    Ok(())
}

async fn end(world: &World, key_no: i64, ended_at: Option<DateTime<Utc>>) -> anyhow::Result<Value> {
    let body = EndOrganisationKey {
        officer: officer("ly.nhan"),
        key_no,
        reason: "thay khoá".to_owned(),
        ended_at,
    };
    Ok(ask(world, "end-organisation-key", to_value(body)?).await?)
}

async fn ask(world: &World, command: &str, body: Value) -> Result<Value, CommandError> {
    let key = Uuid::now_v7().to_string();
    let body = world.signed(command, body).await.expect("it is read");
    messaging::ask(&world.nats, "payments", command, &key, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_refused_with_its_code_where_it_cannot_be_one() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|_| {}).await?;
    let known = hex::encode(made_up(&world, OURS)?.public_key());
    for (organisation, public_key, code) in [
        ("97043", &known[..], "organisation_invalid"),
        (OURS, "00ff", "public_key_invalid"),
        (OURS, "no hex at all", "public_key_invalid"),
        (OTHER, &known[..], "key_known"),
    ] {
        let body = RegisterOrganisationKey {
            officer: officer("bui.kiem"),
            organisation: organisation.to_owned(),
            public_key: public_key.to_owned(),
            valid_from: None,
        };
        let refused = ask(&world, "register-organisation-key", to_value(body)?).await;
        let refused = refused.expect_err(code).to_string();
        ensure!(refused.contains(code), "{code}: {refused}");
    }
    let number = key_no(&world, &made_up(&world, OURS)?).await?;
    let past = end(&world, number, Some(Utc::now() - TimeDelta::days(1))).await;
    let past = past.expect_err("an end in the past").to_string();
    ensure!(past.contains("end_in_past"), "{past}");
    let unsigned = results(institution(OURS), Part::ZERO, vec![]);
    let unsigned = Event::of(&unsigned, Utc::now());
    let mut tx = world.pool.begin().await?;
    let said = messaging::append(&mut tx, vec![unsigned], Utc::now()).await;
    ensure!(said.is_err(), "a bank's word without a signature");
    tx.rollback().await?;
    world.close().await
}
