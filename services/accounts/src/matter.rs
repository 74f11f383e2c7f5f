//! What officers decide about accounts and about each other, as it is stored and as they sign it.

use approval::{Kind, Matter};
use chrono::SecondsFormat;
use domain::{Officer, Province};
use messaging::Problem;
use sqlx::PgConnection;

use crate::Error;
use crate::link::Link;
use crate::linking;
use crate::store::{self, ReviewRow, Scope};

/// A review as it is stored; whoever is to sign it is shown this.
///
/// # Errors
/// `review_unknown`, `link_unknown`.
pub async fn review_matter(tx: &mut PgConnection, review_no: i64) -> Result<Matter, Error> {
    store::set_scope(tx, Scope::Nation).await?;
    let review = store::review(tx, review_no).await?;
    let detail = format!("there is no review {review_no}");
    let review = review.ok_or_else(|| Problem::new(404, "review_unknown", detail))?;
    let links = store::links_of(tx, &[review.link.person_no]).await?;
    let link = links.iter().find(|it| it.id == review.link);
    let link = link.ok_or_else(|| linking::link_unknown(review.link))?;
    Ok(of_review(&review, link))
}

pub(crate) fn of_review(review: &ReviewRow, link: &Link) -> Matter {
    let doubt = match &review.kind[..] {
        "name" => "tên chủ tài khoản gần giống",
        "old_number" => "ngân hàng còn giữ số định danh cũ",
        "suspicion" => "tài khoản bị cảnh báo",
        "shared_account" => "nhiều người cùng nhận vào một tài khoản",
        "account_restricted" => "tài khoản bị hạn chế",
        "renamed" => "tên chủ tài khoản đã đổi",
        other => other,
    };
    let matter = Matter::new(Kind::Review, review.review_no)
        .saying("Liên kết tài khoản", review.link)
        .saying("Cần rà soát vì", doubt)
        .saying("Chi tiết", &review.detail);
    Matter {
        // A citizen's own wish has no officer behind it.
        maker: link.changed_by.as_deref().and_then(|it| it.parse().ok()),
        ..matter
    }
}

/// The next appointment of an officer; whoever is to sign it is shown this. It names what it takes
/// the place of, so that no signature serves for a later one.
///
/// # Errors
/// What the database says.
pub async fn appointment_matter(
    tx: &mut PgConnection,
    appointed: &Officer,
    province: Option<Province>,
) -> Result<Matter, Error> {
    let since = store::appointed_at(tx, appointed).await?;
    let since = since.map_or_else(
        || "0".to_owned(),
        |it| it.to_rfc3339_opts(SecondsFormat::Micros, true),
    );
    let scope = province.map_or("toàn quốc", |it| it.name());
    Ok(
        Matter::new(Kind::Appointment, format!("{appointed}/{since}"))
            .saying("Cán bộ", appointed)
            .saying("Phạm vi", scope),
    )
}
