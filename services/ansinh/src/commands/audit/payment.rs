//! One payment from the law to the log, on a page that can be printed.

mod store;

use std::process::ExitCode;

use chrono::Utc;
use domain::{Officer, Position, Programme};
use payments::ActRow;
use serde::Serialize;
use serde_json::json;

use super::{log_of, refused};
use crate::cli::Output;
use crate::output::{Failure, grouped, print, say, table};
use crate::target::Target;

/// What the auditors' views, the law, the signatures and the log say of one payment.
#[derive(Serialize)]
struct Story {
    line: Position,
    payment: store::PaymentRow,
    why: Why,
    acts: Vec<ActRow>,
    messages: Vec<store::MessageRow>,
    transfers: Vec<store::TransferRow>,
    breaks: Vec<store::BreakRow>,
    proven: Proven,
}

/// By which law somebody is owed it.
#[derive(Serialize)]
struct Why {
    law_no: i64,
    rule: String,
    vi: Vec<String>,
    en: Vec<String>,
}

/// How many of its transfers are proven by the log, and by which checkpoint.
#[derive(Serialize)]
struct Proven {
    transfers: usize,
    size: u64,
    root: String,
}

pub(super) async fn payment(
    target: &Target,
    output: Output,
    line: Position,
    by: &Officer,
) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let asked = ("payment", &json!({ "line": line }));
    super::store::insert_query(&pool, by.as_str(), asked, Utc::now()).await?;
    say("Bạn đang xem ở chế độ chỉ đọc · mọi truy vấn được ghi nhật ký");
    let mut tx = super::store::as_auditor(&pool).await?;
    let unknown = |what: &str| Failure::Refused(format!("line_unknown: {line} has no {what}"));
    let payment = store::payment(&mut tx, line).await?;
    let payment = payment.ok_or_else(|| unknown("payment"))?;
    let key = (payment.period, payment.determination_no);
    let (run_no, person_no) = (line.run.0, payment.person_no);
    let told = eligibility::explain_determination(&pool, line.part, run_no, person_no, key);
    let told = told.await.map_err(anyhow::Error::from)?;
    let told = told.ok_or_else(|| unknown("determination"))?;
    let story = Story {
        line,
        why: Why {
            law_no: told.law_no,
            rule: told.rule,
            vi: told.vi,
            en: told.en,
        },
        acts: payments::acts(&pool, line.run).await?,
        messages: store::messages(&mut tx, line).await?,
        transfers: store::transfers(&mut tx, line).await?,
        breaks: store::breaks(&mut tx, line).await?,
        proven: proven(target, &pool, line).await?,
        payment,
    };
    drop(tx);
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&story)?),
        Output::Table => tell(&story),
    }
    story.verdict()
}

/// What the log proves of it, verified as somebody else would: by the proof and the key alone.
async fn proven(target: &Target, pool: &sqlx::PgPool, line: Position) -> Result<Proven, Failure> {
    let (log, key) = log_of(target)?;
    let key = key.verifier_key();
    let made = proof::prove(pool, &log, &key, line)
        .await
        .map_err(refused)?;
    let signed = proof::verify_proof(&made, &key);
    let signed = signed.map_err(|it| Failure::Broken(it.to_string()))?;
    Ok(Proven {
        transfers: made.steps.len(),
        size: signed.size,
        root: hex::encode(signed.root),
    })
}

impl Story {
    /// A signature that does not stand, and a transfer that the log does not prove, are no story.
    fn verdict(&self) -> Result<ExitCode, Failure> {
        let line = self.line;
        if self.acts.iter().any(|it| it.signature == Some("invalid")) {
            let told = format!("signature_invalid: an act on {line} is not what was signed");
            return Err(Failure::Broken(told));
        }
        if self.proven.transfers != self.transfers.len() {
            let told = format!(
                "not_proven: {line} has {} transfers, {} are in the log",
                self.transfers.len(),
                self.proven.transfers
            );
            return Err(Failure::Broken(told));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn tell(it: &Story) {
    let paid = &it.payment;
    let programme = Programme::from_number(paid.programme).map(Programme::code);
    let month = paid.period.first_day().format("%m/%Y");
    let amount = paid.amount;
    print(&format!("KHOẢN CHI {} · PAYMENT", it.line));
    print(&format!(
        "  {} kỳ {month} · người hưởng số {} · {} ({})",
        programme.unwrap_or_default(),
        paid.person_no.0,
        amount.vi(),
        amount.in_words(),
    ));
    print(&format!(
        "  {} · kênh {} · tổ chức {:06} · tài khoản {} · {}",
        paid.state,
        paid.channel,
        paid.institution,
        paid.account_ref.as_deref().unwrap_or("–"),
        paid.booked_on.map_or_else(
            || "chưa ghi sổ".to_owned(),
            |it| it.format("ghi sổ %d/%m/%Y").to_string()
        ),
    ));
    print("\n1. Vì sao được hưởng · Why it is owed");
    for sentence in &it.why.vi {
        print(&format!("   {sentence}"));
    }
    print(&format!(
        "   Theo luật số {}, quy tắc {}.",
        it.why.law_no, it.why.rule
    ));
    print("\n2. Ai lập, phê duyệt, phát lệnh · Who acted, and whether it is signed");
    print(&acts(&it.acts).to_string());
    print("\n3. Thông điệp với ngân hàng · Messages with the bank");
    print(&messages(&it.messages).to_string());
    print("\n4. Sổ cái · Ledger");
    print(&transfers(&it.transfers).to_string());
    print("\n5. Sao kê và chênh lệch · Statement and breaks");
    match paid.statement_no.filter(|_| paid.is_matched) {
        Some(number) => print(&format!(
            "   Khớp sao kê số {number} · settled by statement {number}"
        )),
        None => print("   Chưa khớp sao kê · no statement settles it"),
    }
    for it in &it.breaks {
        let how = it.how.as_deref().unwrap_or("mở · open");
        print(&format!("   {} {} · {how}", it.kind, it.amount.vi()));
    }
    print("\n6. Bằng chứng · Proof");
    print(&format!(
        "   {}/{} bút toán có trong nhật ký {} lá, mã băm gốc {}",
        it.proven.transfers,
        it.transfers.len(),
        grouped(it.proven.size),
        it.proven.root
    ));
}

fn acts(rows: &[ActRow]) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        [
            boot::clock::in_vietnam(it.at)
                .format("%d/%m/%Y %H:%M:%S")
                .to_string(),
            it.act.clone(),
            it.officer.to_string(),
            it.signature.unwrap_or_default().to_owned(),
            if it.voided_at.is_some() { "voided" } else { "" }.to_owned(),
        ]
    });
    table(
        &[
            "khi · at",
            "việc · act",
            "ai · officer",
            "chữ ký · signature",
            "",
        ],
        5,
        rows,
    )
}

fn messages(rows: &[store::MessageRow]) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        [
            boot::clock::in_vietnam(it.created_at)
                .format("%d/%m/%Y %H:%M:%S")
                .to_string(),
            format!("{} {}/{}", it.subject, it.part, it.seq),
            it.signed_by.clone(),
            it.body_sha256.chars().take(16).collect(),
        ]
    });
    let header = [
        "lập lúc · made",
        "thông điệp · message",
        "ký · signed by",
        "SHA-256",
    ];
    table(&header, 4, rows)
}

fn transfers(rows: &[store::TransferRow]) -> comfy_table::Table {
    let rows = rows.iter().map(|it| {
        [
            it.journal.clone(),
            it.kind.clone(),
            format!("{} {}", it.debit, it.debit_no),
            format!("{} {}", it.credit, it.credit_no),
            grouped(it.amount),
        ]
    });
    let header = [
        "chứng từ · journal",
        "loại · kind",
        "nợ · debit",
        "có · credit",
        "đồng",
    ];
    table(&header, 4, rows)
}
