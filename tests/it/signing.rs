//! Who approves or releases signs for it, with a key of their own, over a text that others verify.

use std::process::Stdio;

use anyhow::ensure;
use approval::KeyStatement;
use domain::{Money, Programme, RunNo};
use messaging::Problem;
use payments::{ApproveRun, EndKey, RegisterKey, SignedAct};
use serde_json::to_value;
use tokio::io::AsyncWriteExt;

use crate::world::{CHECKER, MAKER, RELEASER, World, officer, pensioners, signing};

const PROGRAMME: Programme = Programme::RetirementPension;
const SECOND_CHECKER: &str = "pham.dung";
const REGISTRAR: &str = "bui.kiem";

/// Verifies with Node's own crypto: public key, signature and text come as three lines of hex.
const FOREIGN_VERIFIER: &str = r"
const [key, signature, text] = require('fs').readFileSync(0, 'utf8').trim().split('\n')
    .map((it) => Buffer.from(it, 'hex'));
const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]);
const publicKey = require('crypto').createPublicKey({ key: spki, format: 'der', type: 'spki' });
process.exit(require('crypto').verify(null, text, publicKey, signature) ? 0 : 1);
";

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_signed_with_its_officers_key_over_what_it_approves() -> anyhow::Result<()> {
    let world = three_pensioners().await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    let run = world.summary(run_no).await?;
    let approval = world.approval(run_no, CHECKER).await?;
    let of = async |act, by: &str| world.signature(act, by, &run).await;
    let refusals = [
        (None, "signature_missing"),
        (Some("ab".to_owned()), "signature_malformed"),
        (Some("00".repeat(64)), "signature_invalid"),
        (
            Some(of(SignedAct::Release, CHECKER).await?),
            "signature_invalid",
        ),
        (
            Some(of(SignedAct::Approve, RELEASER).await?),
            "signature_invalid",
        ),
    ];
    for (signature, code) in refusals {
        let body = ApproveRun {
            signature,
            ..approval.clone()
        };
        assert_eq!(
            refused(&world, "approve-run", &to_value(&body)?)
                .await?
                .code,
            code
        );
    }
    assert_eq!(
        world
            .number("SELECT count(*) FROM payments.acts WHERE act = 'approve'")
            .await?,
        0
    );
    world.approve(run_no).await?;
    world.until_state(run_no, "reserved").await?;

    let mut unsigned = world.releasing(run_no, RELEASER).await?;
    unsigned.signature = None;
    let problem = refused(&world, "release-run", &to_value(&unsigned)?).await?;
    assert_eq!(problem.code, "signature_missing");
    world.release(run_no).await?;
    world.until_state(run_no, "released").await?;
    others_verify_what_was_signed(&world, run_no).await?;
    a_changed_text_is_found(&world).await?;
    Ok(())
}

/// With what an auditor is shown and with no code of ours.
async fn others_verify_what_was_signed(world: &World, run_no: RunNo) -> anyhow::Result<()> {
    let acts = payments::acts(&world.pool, run_no).await?;
    let signed: Vec<_> = acts.iter().filter(|it| it.signature.is_some()).collect();
    let who: Vec<(&str, String)> = signed
        .iter()
        .map(|it| (&it.act[..], it.officer.to_string()))
        .collect();
    assert_eq!(
        who,
        [
            ("approve", CHECKER.to_owned()),
            ("release", RELEASER.to_owned())
        ]
    );
    let signatures: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT signature FROM payments.acts WHERE signature IS NOT NULL ORDER BY act_no",
    )
    .fetch_all(&world.pool)
    .await?;
    for (act, signature) in signed.into_iter().zip(signatures) {
        assert_eq!(act.signature, Some("valid"));
        let text = act.statement.as_deref().unwrap_or_default();
        let words = act.total.in_words();
        assert!(text.contains(&format!("Bằng chữ: {words}\n")), "{text}");
        let key = act.public_key.as_deref().unwrap_or_default();
        assert!(foreign_verdict(key, &signature, text).await?);
        let another = text.replacen("Số khoản: 3", "Số khoản: 4", 1);
        assert_ne!(another, text);
        assert!(!foreign_verdict(key, &signature, &another).await?);
    }
    Ok(())
}

pub async fn foreign_verdict(key: &str, signature: &[u8], text: &str) -> anyhow::Result<bool> {
    let mut node = tokio::process::Command::new("node")
        .args(["-e", FOREIGN_VERIFIER])
        .stdin(Stdio::piped())
        .spawn()?;
    let lines = format!("{key}\n{}\n{}\n", hex::encode(signature), hex::encode(text));
    let mut input = node.stdin.take().expect("it is piped");
    input.write_all(lines.as_bytes()).await?;
    drop(input);
    let code = node.wait().await?.code();
    ensure!(matches!(code, Some(0 | 1)), "node ended with {code:?}");
    Ok(code == Some(0))
}

/// Whoever can write to the tables cannot sign.
async fn a_changed_text_is_found(world: &World) -> anyhow::Result<()> {
    let of_signatures = async || -> anyhow::Result<Vec<String>> {
        let all = ansinh::check_all(&world.pool).await?;
        let found = all.into_iter().find(|it| it.name == "signatures");
        let found = found.expect("the invariant is checked");
        assert_eq!(found.covered, 2);
        Ok(found.broken)
    };
    assert_eq!(of_signatures().await?, Vec::<String>::new());
    sqlx::query("UPDATE payments.acts SET total = total + 1 WHERE act = 'approve'")
        .execute(&world.pool)
        .await?;
    assert_eq!(of_signatures().await?.len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_its_officers_own_until_it_ends() -> anyhow::Result<()> {
    let world = three_pensioners().await?;
    let key = signing::key_of(CHECKER);
    let statement = KeyStatement {
        officer: officer(CHECKER),
        public_key: hex::encode(key.verifying_key().to_bytes()),
    };
    let registration = RegisterKey {
        officer: officer(REGISTRAR),
        owner: officer(CHECKER),
        public_key: statement.public_key.clone(),
        proof: signing::sign(&key, &statement),
    };
    let by_itself = RegisterKey {
        officer: officer(CHECKER),
        ..registration.clone()
    };
    let of_another = RegisterKey {
        owner: officer(RELEASER),
        ..registration.clone()
    };
    for (body, status, code) in [
        (&by_itself, 403, "same_person"),
        (&of_another, 403, "signature_invalid"),
    ] {
        let problem = refused(&world, "register-key", &to_value(body)?).await?;
        assert_eq!((problem.status, &problem.code[..]), (status, code));
    }
    world
        .ask("register-key", "one", &to_value(&registration)?)
        .await?;
    let again = refused(&world, "register-key", &to_value(&registration)?).await?;
    assert_eq!(again.code, "key_known");

    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    let approval = world.approval(run_no, CHECKER).await?;
    let ending = EndKey {
        officer: officer(REGISTRAR),
        owner: officer(CHECKER),
        reason: "mất khoá".to_owned(),
    };
    world.ask("end-key", "end", &to_value(&ending)?).await?;
    let problem = refused(&world, "approve-run", &to_value(&approval)?).await?;
    assert_eq!(problem.code, "key_unknown");
    let ended = refused(&world, "end-key", &to_value(&ending)?).await?;
    assert_eq!(ended.code, "key_unknown");
    // The database knows whose key it is, whatever the service would write.
    let foreign = sqlx::query(
        "INSERT INTO payments.acts (run_no, officer, act, lines, total, acted_at, key_no,
            statement, signature)
        SELECT $1, $2, 'approve', 0, 0, now(), key_no, '', decode(repeat('00', 64), 'hex')
        FROM approval.officer_keys LIMIT 1",
    );
    let foreign = foreign.bind(run_no.0).bind(SECOND_CHECKER);
    let error = foreign.execute(&world.pool).await.err();
    let constraint = error.as_ref().and_then(sqlx::Error::as_database_error);
    assert_eq!(constraint.and_then(|it| it.constraint()), Some("own_key"));
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn how_many_approve_follows_from_the_sum() -> anyhow::Result<()> {
    let world = three_pensioners().await?;
    let run_no = world.open(PROGRAMME).await?;
    world.until_state(run_no, "awaiting_approval").await?;
    let run = world.summary(run_no).await?;
    assert_eq!(run.approvals_required, 1);
    let level = sqlx::query("INSERT INTO payments.approval_levels VALUES ($1, 2)");
    level.bind(run.total).execute(&world.pool).await?;
    assert_eq!(world.summary(run_no).await?.approvals_required, 2);
    let first = world.approve(run_no).await?;
    assert_eq!(first["state"], "awaiting_approval");
    assert_eq!(first["approvals_required"], 2);
    let by_maker = to_value(world.approval(run_no, MAKER).await?)?;
    let problem = refused(&world, "approve-run", &by_maker).await?;
    assert_eq!(problem.code, "same_person");
    let second = to_value(world.approval(run_no, SECOND_CHECKER).await?)?;
    let second = world.ask("approve-run", "second", &second).await?;
    assert_eq!(second["state"], "approved");
    world.until_state(run_no, "reserved").await?;
    world.close().await
}

async fn three_pensioners() -> anyhow::Result<World> {
    let world = World::with_hand_played_banks(|_| {}).await?;
    let (registry, links) = pensioners(&[Some("970436"); 3]);
    world.register(registry).await?;
    world.link(links).await?;
    world
        .appropriate(PROGRAMME, Money::dong(900_000_000))
        .await?;
    Ok(world)
}

async fn refused(
    world: &World,
    command: &str,
    body: &serde_json::Value,
) -> anyhow::Result<Problem> {
    let key = format!("{command}-{}", uuid::Uuid::now_v7());
    world.refused(command, &key, body).await
}
