//! Why somebody is paid what they are paid, told to people.

use domain::{Part, Period, PersonNo};
use rules::Law;
use serde_json::Value as Json;
use sqlx::PgPool;

use crate::law::Laws;
use crate::{Error, store};

/// A determination with its reasons, in Vietnamese and English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub law_no: i64,
    pub rule: String,
    pub amount: domain::Money,
    pub owed: domain::Money,
    pub reason: Option<String>,
    pub inputs: String,
    pub explanation: String,
    pub vi: Vec<String>,
    pub en: Vec<String>,
}

/// Tells a stored determination by the law that it was decided by; `None` where there is none.
pub async fn explain_determination(
    pool: &PgPool,
    part: Part,
    run_no: i64,
    person_no: PersonNo,
    (period, determination_no): (Period, i16),
) -> Result<Option<Explained>, Error> {
    let mut connection = pool.acquire().await?;
    let key = (run_no, person_no, period, determination_no);
    let Some(stored) = store::stored_determination(&mut connection, part, key).await? else {
        return Ok(None);
    };
    let law_no = stored.law_no.unwrap_or(1);
    let law = Laws::default().numbered(&mut connection, law_no).await?.law;
    let told = rules::explain(&law, &stored.explanation);
    let (mut vi, mut en) = (told.vi, told.en);
    overlaps(&law, &stored.explanation, &mut vi, &mut en);
    if stored.determination_no > 1 {
        let (owed, amount) = (stored.owed.vi(), stored.amount.vi());
        vi.push(format!(
            "Truy lĩnh kỳ {period}: phải chi {owed}, chi thêm {amount}."
        ));
        en.push(format!(
            "Arrears of {period}: {owed} are owed in all, {amount} of it now."
        ));
    }
    Ok(Some(Explained {
        law_no,
        rule: stored.rule.unwrap_or_default(),
        amount: stored.amount,
        owed: stored.owed,
        reason: stored.reason,
        inputs: stored.inputs,
        explanation: stored.explanation,
        vi,
        en,
    }))
}

/// What the person's other programmes changed, by the law's own sentences.
fn overlaps(law: &Law, explanation: &str, vi: &mut Vec<String>, en: &mut Vec<String>) {
    let json: Json = serde_json::from_str(explanation).unwrap_or(Json::Null);
    let rows = json["overlap"].as_array().cloned().unwrap_or_default();
    for row in rows {
        let text = |index: usize| row[index].as_str().unwrap_or_default();
        let (family, other, amount, effect) = (text(0), text(1), text(3), text(4));
        let found = law.overlaps().iter().find(|it| {
            it.family == family && (it.other.code() == other || it.programme.code() == other)
        });
        let Some(overlap) = found else { continue };
        let law = &overlap.legal_basis;
        let (effect_vi, effect_en) = match effect {
            "dropped" => ("không chi chương trình này", "nothing is paid here"),
            "reduced" => ("chi phần chênh lệch", "the difference is paid"),
            _ => ("không thay đổi", "nothing changes"),
        };
        let sentence = &overlap.sentence;
        vi.push(format!(
            "{} {other}: {amount} đồng; {effect_vi} ({law}).",
            sentence.vi
        ));
        en.push(format!(
            "{} {other}: {amount} đồng; {effect_en} ({law}).",
            sentence.en
        ));
    }
}
