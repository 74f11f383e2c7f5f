//! One noun for what two officers do: whatever it is about, who decides it signs a text that names
//! it, and others verify that text later.

use approval::{Decision, Kind, Signing};
use chrono::{Datelike, Utc};
use domain::{Money, Programme};
use events::{BreakKind, EntryKind, Instruction, StatementEntry};
use messaging::CommandError;
use reconciliation::CaseFilter;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::evidence::{until_sealed, verified};
use crate::ground::ansinh_binary;
use crate::signing::foreign_verdict;
use crate::world::signing::{key_of, sign};
use crate::world::{World, credited, entry, institution, officer, pensioners, statement};

const PROGRAMME: Programme = Programme::RetirementPension;
const OURS: &str = "970436";
const MAKER: &str = "le.an";
const DECIDER: &str = "vo.hoa";
const REGISTRAR: &str = "nguyen.quan";

/// Something that waits for a second officer, and the command by which it is decided.
struct Asked {
    kind: Kind,
    service: &'static str,
    command: &'static str,
    body: Value,
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_two_officers_decide_is_signed_and_stays_evident() -> anyhow::Result<()> {
    let world = month().await?;
    let asked = everything(&world).await?;
    let kinds: Vec<Kind> = asked.iter().map(|it| it.kind).collect();
    assert!(Kind::ALL.iter().all(|it| kinds.contains(it)), "{kinds:?}");
    for it in &asked {
        decided_by_its_own_signature_alone(&world, it).await?;
    }
    until_sealed(&world).await?;
    let entered = "SELECT count(*) FROM proof.entries WHERE source = 'approval'";
    assert_eq!(world.number(entered).await?, i64::try_from(asked.len())?);
    for judged in ansinh::decisions(&world.pool, None, 100).await? {
        assert_eq!(judged.standing, ansinh::Standing::Valid, "{judged:?}");
    }
    assert_eq!(unsound(&world).await?, Vec::<String>::new());
    assert_eq!(verified(&world, &proof::Held::default()).await?.tampered, 0);
    assert_eq!(shown(&world).await?, Some(0));
    the_database_knows_who_decides_what(&world).await?;
    what_is_changed_is_found(&world).await?;
    world.leave().await
}

/// Nothing else lets it happen, and what is kept verifies without us.
async fn decided_by_its_own_signature_alone(world: &World, it: &Asked) -> anyhow::Result<()> {
    let decision = world.decision(it.command, &it.body).await?;
    let decision = decision.expect("there is something to decide");
    let by = decision.officer.as_str();
    world.register_key(by).await?;
    let mut elsewhere = decision.clone();
    elsewhere.matter.key.push('0');
    let contrary = Decision {
        is_accepted: !decision.is_accepted,
        ..decision.clone()
    };
    let signed = |key: &str, said: &Decision| Some(sign(&key_of(key), said));
    for (signature, code) in [
        (None, "signature_missing"),
        (signed(by, &elsewhere), "signature_invalid"),
        (signed(by, &contrary), "signature_invalid"),
        (signed(MAKER, &decision), "signature_invalid"),
    ] {
        let told = give(world, it, signature).await?;
        assert_eq!(told, Err(code.to_owned()), "{:?}", it.kind);
    }
    let before = approval::decisions(&world.pool, Some(it.kind), 100).await?;
    assert!(before.iter().all(|kept| kept.key != decision.matter.key));

    let told = give(world, it, signed(by, &decision)).await?;
    assert_eq!(told, Ok(()), "{:?}", it.kind);
    let kept = approval::decisions(&world.pool, Some(it.kind), 100).await?;
    let kept = kept
        .into_iter()
        .find(|kept| kept.key == decision.matter.key);
    let kept = kept.expect("it is kept");
    assert_eq!(kept.statement, decision.to_string());
    let text = &kept.statement;
    if let Some(promised) = promised(it.kind) {
        let bank = institution(OURS);
        let name = bank.info().map(|it| it.name).unwrap_or_default();
        assert_eq!(*text, promised.replace("BANK", &format!("{bank} {name}")));
    }
    let money = [Kind::YearClosing, Kind::Settlement, Kind::Case];
    assert_eq!(
        text.contains("\nBằng chữ: "),
        money.contains(&it.kind),
        "{text}"
    );
    let signature = kept.signature.as_deref().unwrap_or_default();
    let key = hex::encode(kept.public_key.as_deref().unwrap_or_default());
    assert!(foreign_verdict(&key, signature, text).await?);
    let another = text.replacen("chấp thuận", "từ chối", 1);
    assert!(another != *text && !foreign_verdict(&key, signature, &another).await?);
    assert!(
        give(world, it, signed(by, &decision)).await?.is_err() || it.kind == Kind::OrganisationKey
    );
    Ok(())
}

/// The whole text, where nothing in it depends on the day.
fn promised(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::InstitutionLimit => Some(
            "An Sinh · quyết định · hạn mức gửi lệnh của tổ chức chi trả · v1\nSố: 1\n\
            Tổ chức chi trả: BANK\nSố khoản mỗi phút tối đa: 60000\n\
            Hiệu lực từ: 01/01/2026 07:00:00\nCăn cứ: CV 12/2026\nNgười đề nghị: le.an\n\
            Quyết định: chấp thuận\nNgười ký: vo.hoa\n",
        ),
        Kind::ScheduleOrder => Some(
            "An Sinh · quyết định · lịch chi trả · v1\nSố: 1\nTổ chức chi trả: BANK\n\
            Giờ ngừng nhận trong ngày: 14:30:00\nHiệu lực từ: 04/01/2099\n\
            Căn cứ: PL 2 HĐ 7/2027\nNgười đề nghị: le.an\nQuyết định: chấp thuận\n\
            Người ký: vo.hoa\n",
        ),
        _ => None,
    }
}

async fn give(
    world: &World,
    it: &Asked,
    signature: Option<String>,
) -> anyhow::Result<Result<(), String>> {
    if it.kind == Kind::Law {
        let signing = Signing {
            signature: signature.as_deref(),
            is_required: true,
        };
        let number = it.body["law_no"].as_i64().expect("a number");
        let by = officer(DECIDER);
        let told = eligibility::approve_law(&world.pool, number, &by, signing, Utc::now()).await;
        return Ok(told.map_err(|it| match it {
            eligibility::Error::Approval(approval::Error::Refused(problem)) => problem.code,
            other => other.to_string(),
        }));
    }
    let mut body = it.body.clone();
    if let Some(signature) = signature {
        body["signature"] = signature.into();
    }
    let key = Uuid::now_v7().to_string();
    match messaging::ask(&world.nats, it.service, it.command, &key, &body).await {
        Ok(_) => Ok(Ok(())),
        Err(CommandError::Refused(problem)) => Ok(Err(problem.code)),
        Err(other) => Err(other.into()),
    }
}

/// Two of three lines are credited and stated beside a fee, one is never answered; two more people
/// are paid to one account.
async fn month() -> anyhow::Result<World> {
    let world = World::with_hand_played_banks(|it| {
        it.payments.result_sla_ms = 1_000;
        it.payments.enquiry_rounds = 1;
        it.payments.enquiry_pause_ms = 1;
        it.accounts.people_per_account_max = 1;
    })
    .await?;
    let (registry, links) = pensioners(&[Some(OURS); 5]);
    world.register(registry).await?;
    world
        .link(links.replace("0011004000005", "0011004000004"))
        .await?;
    let run_no = world.released(PROGRAMME).await?;
    let ours = world.instructions(institution(OURS)).await?;
    assert_eq!(ours.len(), 3, "who shares an account is held");
    world
        .answer(institution(OURS), ours[..2].iter().map(credited).collect())
        .await?;
    state(&world, &ours).await?;
    world
        .until("the third is the officers'", async || {
            let unknown = payments::unknown(&world.pool, &[run_no], 10).await?;
            Ok(unknown.iter().any(|it| it.enquire_at.is_none()))
        })
        .await?;
    Ok(world)
}

async fn state(world: &World, ours: &[Instruction]) -> anyhow::Result<()> {
    let bank = institution(OURS);
    let fee = StatementEntry {
        end_to_end_id: "PHI".to_owned(),
        account: Some(world.account_beside((bank, &ours[0]), (bank, "PHI"))?),
        amount: Money::dong(11),
        kind: EntryKind::Charge,
        ..entry(&ours[0])
    };
    let entries = vec![entry(&ours[0]), entry(&ours[1]), fee];
    let received = (Money::ZERO, Money::dong(900_000_000));
    let told = world.state(&statement(bank, 1, received, entries)).await?;
    assert_eq!(told, "matched");
    Ok(())
}

/// One of each kind, proposed by somebody else than who decides.
async fn everything(world: &World) -> anyhow::Result<Vec<Asked>> {
    let asked = |kind, service, command, body| Asked {
        kind,
        service,
        command,
        body,
    };
    let by = json!(DECIDER);
    let own = json!({ "officer": REGISTRAR, "appointed": REGISTRAR });
    done(world, "accounts", "appoint-officer", &own).await?;
    let mut all = vec![asked(
        Kind::Appointment,
        "accounts",
        "appoint-officer",
        json!({ "officer": REGISTRAR, "appointed": DECIDER }),
    )];
    let review = "SELECT review_no FROM accounts.reviews WHERE kind = 'shared_account'
        ORDER BY review_no LIMIT 1";
    all.push(asked(
        Kind::Review,
        "accounts",
        "decide-review",
        json!({ "officer": by, "review": world.number(review).await?, "accept": true,
            "reason": "vợ chồng, đã đối chiếu" }),
    ));
    all.push(asked(
        Kind::Case,
        "reconciliation",
        "decide",
        json!({ "officer": by, "proposal_no": case_proposed(world).await?, "accept": true }),
    ));
    let law_no = law_proposed(world).await?;
    let law = json!({ "officer": by, "law_no": law_no });
    all.push(asked(Kind::Law, "", "approve-law", law));
    all.extend(of_payments(world).await?);
    Ok(all)
}

async fn of_payments(world: &World) -> anyhow::Result<Vec<Asked>> {
    let year = Utc::now().year() - 1;
    let appropriated = json!({ "officer": MAKER, "programme": PROGRAMME, "budget_year": year,
        "amount": "7000000", "reference": "QĐ năm trước" });
    done(world, "payments", "appropriate", &appropriated).await?;
    let line = "SELECT 'R' || lpad(run_no::text, 6, '0') || '-' || lpad(part::text, 2, '0') || '-'
            || lpad(chunk::text, 4, '0') || '-' || lpad(line::text, 4, '0')
        FROM payments.exceptions WHERE kind = 'unknown' AND resolved_at IS NULL";
    let line: String = sqlx::query_scalar(line).fetch_one(&world.pool).await?;
    let settled = json!({ "officer": MAKER, "line": line, "as": "credited", "evidence": "CV 12" });
    done(world, "payments", "settle-unknown", &settled).await?;
    let public_key = hex::encode(key_of("a.new.key").verifying_key().to_bytes());
    let mut all = vec![Asked {
        kind: Kind::Settlement,
        service: "payments",
        command: "decide-unknown",
        body: json!({ "officer": DECIDER, "line": line, "accept": true }),
    }];
    for (kind, order, ordered, command, number, answer) in [
        (
            Kind::InstitutionLimit,
            "limit-institution",
            json!({ "institution": OURS, "lines_per_minute": 60_000,
                "holds_from": "2026-01-01T00:00:00Z", "reason": "CV 12/2026" }),
            "approve-limit",
            "limit_no",
            "limit",
        ),
        (
            Kind::ScheduleOrder,
            "order-schedule",
            json!({ "reason": "PL 2 HĐ 7/2027", "ordered": { "kind": "cut_off",
                "institution": OURS, "from": "2099-01-04", "at": "14:30:00" } }),
            "approve-order",
            "order_no",
            "order",
        ),
        (
            Kind::YearClosing,
            "close-year",
            json!({ "programme": PROGRAMME, "year": year, "surplus": "given_back",
                "reference": "LC 7" }),
            "approve-closing",
            "closing_no",
            "closing",
        ),
        (
            Kind::OrganisationKey,
            "register-organisation-key",
            json!({ "organisation": OURS, "public_key": public_key }),
            "confirm-organisation-key",
            "key_no",
            "key_no",
        ),
    ] {
        let mut ordered = ordered;
        ordered["officer"] = MAKER.into();
        let told = done(world, "payments", order, &ordered).await?;
        all.push(Asked {
            kind,
            service: "payments",
            command,
            body: json!({ "officer": DECIDER, number: told[answer] }),
        });
    }
    Ok(all)
}

async fn case_proposed(world: &World) -> anyhow::Result<Value> {
    let filter = CaseFilter {
        institution: None,
        kind: Some(BreakKind::FeeTaken),
        all: false,
        limit: 1,
    };
    let cases = reconciliation::cases(&world.pool, filter, Utc::now().date_naive()).await?;
    let body = json!({ "officer": MAKER, "case": cases[0].case, "how": "written_off",
        "reason": "phí theo hợp đồng" });
    let told = done(world, "reconciliation", "propose", &body).await?;
    Ok(told["proposal"].clone())
}

async fn law_proposed(world: &World) -> anyhow::Result<i64> {
    let mut files = eligibility::shipped_files();
    let text = files
        .0
        .get_mut("HTXH/programme.toml")
        .expect("it is shipped");
    text.push_str("# bổ sung\n");
    let (by, now) = (officer(MAKER), Utc::now());
    Ok(eligibility::propose_law(&world.pool, &files, &by, "NĐ 335/2026", now).await?)
}

async fn done(world: &World, service: &str, command: &str, body: &Value) -> anyhow::Result<Value> {
    let key = Uuid::now_v7().to_string();
    Ok(messaging::ask(&world.nats, service, command, &key, body).await?)
}

/// Exit code of the command by which an auditor verifies the decisions anew.
async fn shown(world: &World) -> anyhow::Result<Option<i32>> {
    let shown = tokio::process::Command::new(ansinh_binary()?)
        .args(["officer", "decisions", "--output", "json"])
        .envs(world.ground.env())
        .output()
        .await?;
    let rows: Vec<Value> = serde_json::from_slice(&shown.stdout)?;
    assert!(rows.iter().all(|it| it["statement"].is_string()));
    Ok(shown.status.code())
}

/// What `check` finds of signatures that do not stand.
async fn unsound(world: &World) -> anyhow::Result<Vec<String>> {
    let all = ansinh::check_all(&world.pool).await?;
    let found = all.into_iter().find(|it| it.name == "signatures");
    Ok(found.expect("the invariant is checked").broken)
}

/// Whatever a program does.
async fn the_database_knows_who_decides_what(world: &World) -> anyhow::Result<()> {
    let alone = "INSERT INTO approval.decisions (kind, key, maker, officer, is_accepted, statement,
            decided_at)
        VALUES ('case', 'x', 'le.an', 'le.an', true, 'x', now())";
    let error = sqlx::query(alone)
        .execute(&world.pool)
        .await
        .expect_err("refused");
    let constraint = error.as_database_error().and_then(|it| it.constraint());
    assert_eq!(constraint, Some("other_person"));
    let accounts = world.target.pool(Some("ansinh_accounts")).await?;
    let foreign = alone.replace("'le.an', true", "'le.binh', true");
    let foreign = sqlx::query(sqlx::AssertSqlSafe(foreign))
        .execute(&accounts)
        .await;
    let code = foreign.expect_err("it is none of theirs");
    let code = code
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    assert_eq!(code.as_deref(), Some("42501"), "insufficient_privilege");
    accounts.close().await;
    Ok(())
}

/// Whoever can write to the tables changes what was signed, or what it was about.
async fn what_is_changed_is_found(world: &World) -> anyhow::Result<()> {
    for (change, found) in [
        (
            "UPDATE approval.decisions SET statement = replace(statement, '7.000.000', '9.000.000')
            WHERE kind = 'year_closing'",
            "year_closing 1",
        ),
        (
            "UPDATE payments.rate_limits SET lines_per_minute = 1",
            "institution_limit 1",
        ),
    ] {
        let mut tx = world.pool.begin().await?;
        sqlx::raw_sql("SET LOCAL session_replication_role = replica")
            .execute(&mut *tx)
            .await?;
        let changed = sqlx::query(change).execute(&mut *tx).await?;
        assert_eq!(changed.rows_affected(), 1, "{change}");
        tx.commit().await?;
        let broken = unsound(world).await?;
        assert!(broken.iter().any(|it| it == found), "{broken:?}");
        assert_eq!(shown(world).await?, Some(8));
    }
    let told = verified(world, &proof::Held::default()).await?;
    assert_eq!(told.tampered, 1, "the limit's row is no evidence: {told:?}");
    Ok(())
}
