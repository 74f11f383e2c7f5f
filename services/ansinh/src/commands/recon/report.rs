use std::process::ExitCode;

use chrono::NaiveDate;
use domain::Institution;
use events::BreakKind;
use reconciliation::{DayReport, Named, SignedReport, Sum};

use crate::cli::Output;
use crate::output::{Failure, grouped, print, say, table};
use crate::target::Target;

pub(super) async fn report(
    target: &Target,
    output: Output,
    (institution, date): (Institution, NaiveDate),
) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let signed = reconciliation::report(&pool, institution, date).await?;
    let signed = signed.ok_or_else(|| {
        Failure::Refused(format!(
            "day_not_closed: {date} of {institution} is not closed"
        ))
    })?;
    match output {
        Output::Json => print(std::str::from_utf8(&signed.body)?),
        Output::Table => print(&text(&signed)),
    }
    Ok(ExitCode::SUCCESS)
}

/// For people: Vietnamese first, English beside it.
fn text(signed: &SignedReport) -> String {
    let it = &signed.report;
    let equation = &it.equation;
    let whole = |lines, total| Sum { lines, total };
    let mut rows = vec![
        row("Đã lệnh chi · instructed", equation.instructed),
        row("Đã ghi có · credited", equation.credited),
        row("Bị trả lại · returned", equation.returned),
        row(
            "Đang xử lý · in flight",
            whole(equation.in_flight.lines, equation.in_flight.total),
        ),
        row(
            "  chưa có kết quả · without result",
            equation.in_flight.without_result,
        ),
        row(
            "  chờ sao kê · awaiting statement",
            equation.in_flight.awaiting_statement,
        ),
        row(
            "Chênh lệch · difference",
            whole(equation.difference.lines, equation.difference.total),
        ),
    ];
    rows.extend(equation.difference.named.iter().map(named));
    rows.push([
        "Tài khoản chờ xử lý · suspense".to_owned(),
        grouped(it.suspense.iter().map(|it| it.lines).sum::<i64>()),
        String::new(),
    ]);
    rows.extend(it.suspense.iter().map(named));
    rows.extend(of_the_day(it));
    let head = format!(
        "Biên bản đối soát ngày {} · {} · số {}\nReconciliation of the day, closed by {} at {}",
        it.date.format("%d/%m/%Y"),
        it.institution,
        it.closing_no,
        it.closed_by,
        it.closed_at,
    );
    let residuals = &it.residuals;
    format!(
        "{head}\n{}\nTài khoản trung gian còn lại · left of clearing accounts: {} / {} / {} đồng\n\
         SHA-256 {}\nEd25519 {}\nKhóa công khai · public key {}",
        table(&["", "khoản · lines", "đồng"], 1, rows),
        residuals.in_transit,
        residuals.settled,
        residuals.suspense,
        hex::encode(&signed.hash),
        hex::encode(&signed.signature),
        hex::encode(&signed.public_key),
    )
}

fn row(name: &str, sum: Sum) -> [String; 3] {
    [name.to_owned(), grouped(sum.lines), grouped(sum.total)]
}

fn of_the_day(it: &DayReport) -> Vec<[String; 3]> {
    let day = &it.of_the_day;
    let mut rows = vec![row("Mang sang · carried", day.carried)];
    for (name, flow) in [
        (
            "Trong ngày: lệnh chi · of the day: instructed",
            &day.instructed,
        ),
        ("Trong ngày: ghi có · of the day: credited", &day.credited),
        ("Trong ngày: trả lại · of the day: returned", &day.returned),
    ] {
        rows.push([name.to_owned(), grouped(flow.lines), grouped(&flow.total)]);
    }
    for stated in &it.statements {
        rows.push([
            format!("Sao kê số · statement {}", stated.statement_no),
            grouped(stated.entries),
            grouped(stated.debits),
        ]);
    }
    rows
}

fn named(it: &Named) -> [String; 3] {
    let name = format!("  {} · {}", vietnamese(it.kind), it.kind.code());
    [name, grouped(it.lines), grouped(it.total)]
}

fn vietnamese(kind: BreakKind) -> &'static str {
    match kind {
        BreakKind::NotInstructed => "không có lệnh chi",
        BreakKind::WrongInstitution => "sai đơn vị chi trả",
        BreakKind::AmountDiffers => "số tiền lệch",
        BreakKind::AccountDiffers => "sai tài khoản",
        BreakKind::DebitedTwice => "ghi nợ hai lần",
        BreakKind::DebitedThoughRejected => "từ chối nhưng đã ghi nợ",
        BreakKind::DebitedWithoutResult => "ghi nợ không có kết quả",
        BreakKind::DayDiffers => "sai ngày hạch toán",
        BreakKind::FeeTaken => "thu phí",
        BreakKind::ReturnedAfterCredit => "hoàn trả sau ghi có",
        BreakKind::ReturnedTwice => "hoàn trả hai lần",
        BreakKind::ReturnUnexplained => "hoàn trả không rõ lý do",
        BreakKind::NotOnStatement => "không có trên sao kê",
        BreakKind::ContradictingResult => "kết quả mâu thuẫn",
    }
}

pub(super) async fn verify(
    target: &Target,
    output: Output,
    institution: Institution,
    public_key: Option<String>,
) -> Result<ExitCode, Failure> {
    let key = public_key.map(hex::decode).transpose();
    let key =
        key.map_err(|_| Failure::Refused("key_invalid: a key is 64 hex digits".to_owned()))?;
    let pool = target.pool(None).await?;
    let found = reconciliation::verify(&pool, institution, key.as_deref()).await?;
    if output == Output::Json {
        print(&serde_json::to_string_pretty(&found)?);
    }
    for place in &found.broken {
        say(place);
    }
    if !found.broken.is_empty() {
        return Err(Failure::Broken(format!(
            "verify: {} of {} reports are not as they were signed",
            found.broken.len(),
            found.reports
        )));
    }
    say(&format!(
        "verify: {} reports are as they were signed",
        found.reports
    ));
    Ok(ExitCode::SUCCESS)
}
