//! What two officers decide in payments, as it is stored and as they sign it.

use approval::{Decision, Kind, Matter, Signing};
use chrono::{DateTime, Utc};
use domain::{Institution, Money, Part, Position};
use events::ResultStatus;
use messaging::{KeyRow, Problem};
use sqlx::{PgConnection, PgPool};

use crate::Error;
use crate::command::Ordered;
use crate::store::{self, Settlement, WaitingLimit, WaitingOrder};
use crate::year_end::{Closing, Surplus};

/// The matter as it is stored now; whoever is to sign it is shown this.
///
/// # Errors
/// `limit_unknown`, `closing_unknown`, `order_unknown`, `settlement_unknown`, `key_unknown`.
pub async fn matter(tx: &mut PgConnection, kind: Kind, number: i64) -> Result<Matter, Error> {
    match kind {
        Kind::InstitutionLimit => Ok(of_limit(number, &store::lock_limit(tx, number).await?)),
        Kind::YearClosing => {
            let closing = store::lock_closing(tx, number).await?;
            let account = closing.fund.account().number();
            let amount = match closing.amount {
                Some(amount) => amount,
                None => ledger::stands(tx, Part::ZERO, &[account]).await?[0],
            };
            Ok(of_closing(number, &closing, amount))
        }
        Kind::ScheduleOrder => Ok(of_order(number, &store::lock_order(tx, number).await?)),
        Kind::Settlement => Ok(of_settlement(&store::settlement(tx, number).await?)),
        Kind::OrganisationKey => {
            let key = messaging::organisation_key(tx, number).await?;
            let detail = format!("there is no key {number}");
            let key = key.ok_or_else(|| Problem::new(404, "key_unknown", detail))?;
            of_organisation_key(&key)
        }
        Kind::Law | Kind::Case | Kind::Review | Kind::Appointment => {
            let detail = format!("payments decides no {}", kind.as_str());
            Err(Problem::new(404, "matter_unknown", detail).into())
        }
    }
}

/// The settlement of a line that waits for another officer, by its number.
///
/// # Errors
/// What the database says.
pub async fn open_settlement(pool: &PgPool, line: Position) -> Result<Option<i64>, Error> {
    let mut connection = pool.acquire().await?;
    let found = store::open_settlement(&mut connection, line).await?;
    Ok(found.map(|it| it.settlement_no))
}

/// Keeps a decision that is signed as it has to be.
pub(crate) async fn decide(
    tx: &mut PgConnection,
    decision: &Decision,
    (signature, is_required): (Option<&str>, bool),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let signing = Signing {
        signature,
        is_required,
    };
    Ok(approval::decide(tx, decision, signing, now).await?)
}

pub(crate) fn of_limit(limit_no: i64, limit: &WaitingLimit) -> Matter {
    Matter::new(Kind::InstitutionLimit, limit_no)
        .saying(
            "Tổ chức chi trả",
            named(store::institution_of(limit.institution)),
        )
        .saying("Số khoản mỗi phút tối đa", limit.lines_per_minute)
        .saying("Hiệu lực từ", moment(limit.holds_from))
        .by(&limit.maker, &limit.reason)
}

/// `amount` is what is left of the year's fund.
pub(crate) fn of_closing(closing_no: i64, closing: &Closing, amount: Money) -> Matter {
    let fund = closing.fund;
    let level = fund.province.map_or("trung ương", |it| it.name());
    let how = match closing.how {
        Surplus::GivenBack => "hoàn trả kho bạc",
        Surplus::CarriedOver => "chuyển sang năm sau",
    };
    Matter::new(Kind::YearClosing, closing_no)
        .saying("Chương trình", fund.programme)
        .saying("Cấp ngân sách", level)
        .saying("Năm ngân sách", fund.year)
        .saying("Số dư", how)
        .amounting("Số tiền", amount)
        .by(&closing.maker, &closing.reference)
}

pub(crate) fn of_order(order_no: i64, order: &WaitingOrder) -> Matter {
    const DAY: &str = "%d/%m/%Y";
    let matter = Matter::new(Kind::ScheduleOrder, order_no);
    let matter = match order.ordered {
        Ordered::Day { day, is_worked } => {
            let what = if is_worked {
                "ngày làm việc"
            } else {
                "ngày nghỉ"
            };
            matter.saying("Ngày", day.format(DAY)).saying("Là", what)
        }
        Ordered::PayDay {
            programme,
            period,
            day,
        } => matter
            .saying("Chương trình", programme)
            .saying("Kỳ", period.first_day().format("%m/%Y"))
            .saying("Ngày chi", day.format(DAY)),
        Ordered::CutOff {
            institution,
            from,
            at,
        } => matter
            .saying("Tổ chức chi trả", named(institution))
            .saying("Giờ ngừng nhận trong ngày", at.format("%H:%M:%S"))
            .saying("Hiệu lực từ", from.format(DAY)),
    };
    matter.by(&order.maker, &order.reason)
}

pub(crate) fn of_settlement(settlement: &Settlement) -> Matter {
    let end = ended(settlement.settled_as);
    Matter::new(Kind::Settlement, settlement.settlement_no)
        .saying("Khoản chi", settlement.line)
        .saying("Kết quả", end)
        .saying("Ngày hạch toán", settlement.booked_on.format("%d/%m/%Y"))
        .amounting("Số tiền", settlement.amount)
        .by(&settlement.officer, &settlement.evidence)
}

/// How a line ended, for who signs it.
pub(crate) fn ended(status: ResultStatus) -> &'static str {
    match status {
        ResultStatus::Credited => "đã ghi có cho người hưởng",
        ResultStatus::Rejected => "không chi được",
    }
}

/// Whoever registered the key before there were officers' names is nobody who could decide.
pub(crate) fn of_organisation_key(key: &KeyRow) -> Result<Matter, Error> {
    let registered_by = key.registered_by.parse();
    let registered_by = registered_by
        .map_err(|it: domain::Refusal| Problem::new(422, it.code, it.sentence.clone()))?;
    let matter = Matter::new(Kind::OrganisationKey, key.key_no)
        .saying("Tổ chức", &key.organisation)
        .saying("Khoá công khai", &key.public_key)
        .saying("Hiệu lực từ", moment(key.valid_from));
    Ok(Matter {
        maker: Some(registered_by),
        ..matter
    })
}

fn named(institution: Institution) -> String {
    let info = institution.info();
    info.map_or_else(
        || institution.to_string(),
        |it| format!("{institution} {}", it.name),
    )
}

fn moment(at: DateTime<Utc>) -> String {
    boot::clock::in_vietnam(at)
        .format("%d/%m/%Y %H:%M:%S")
        .to_string()
}
