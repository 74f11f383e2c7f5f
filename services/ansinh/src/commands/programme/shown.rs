use std::process::ExitCode;

use chrono::NaiveDate;
use comfy_table::Table;
use eligibility::law_hash;
use rules::{Effect, Evidence, ProgrammeRules, Text, Version};
use serde::Serialize;

use super::{Chosen, words};
use crate::cli::Output;
use crate::output::{Failure, grouped, print, table};

#[derive(Serialize)]
struct LawView {
    /// `None` for the law that the program ships.
    law_no: Option<i64>,
    sha256: String,
    programmes: Vec<ProgrammeView>,
}

#[derive(Serialize)]
struct ProgrammeView {
    code: String,
    name: TextView,
    legal_basis: String,
    payer: TextView,
    funding: TextView,
    frequency: &'static str,
    payday: TextView,
    rounding: RoundingView,
    evidence: Vec<EvidenceView>,
    effects: Vec<EffectView>,
    versions: Vec<VersionView>,
}

#[derive(Serialize)]
pub(super) struct TextView {
    vi: String,
    en: String,
}

#[derive(Serialize)]
struct RoundingView {
    unit: u32,
    mode: &'static str,
}

#[derive(Serialize)]
struct EvidenceView {
    fact: String,
    #[serde(rename = "type")]
    kind: &'static str,
    one_of: Vec<String>,
    required: bool,
    label: TextView,
}

#[derive(Serialize)]
struct EffectView {
    event: &'static str,
    does: &'static str,
    from: &'static str,
    back_pay: bool,
    legal_basis: String,
    sentence: TextView,
}

#[derive(Serialize)]
pub(super) struct VersionView {
    rule: String,
    legal_basis: String,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
    known_from: NaiveDate,
    confidence: &'static str,
    parameters: Vec<String>,
    reasons: Vec<ReasonView>,
}

#[derive(Serialize)]
struct ReasonView {
    reason: String,
    sentence: TextView,
}

pub(super) fn list(chosen: &Chosen, output: Output) -> Result<ExitCode, Failure> {
    match output {
        Output::Json => {
            let programmes = chosen.law.programmes().map(programme_view).collect();
            print(&serde_json::to_string_pretty(&law_view(
                chosen, programmes,
            ))?);
        }
        Output::Table => {
            let rows = chosen.law.programmes().flat_map(version_rows);
            words::print_texts(versions_table(rows));
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn programme(
    chosen: &Chosen,
    it: &ProgrammeRules,
    output: Output,
) -> Result<ExitCode, Failure> {
    match output {
        Output::Json => {
            let view = law_view(chosen, vec![programme_view(it)]);
            print(&serde_json::to_string_pretty(&view)?);
        }
        Output::Table => {
            words::print_texts(facts_table(it));
            words::print_texts(evidence_table(it.evidence()));
            words::print_texts(effects_table(it.effects()));
            words::print_texts(versions_table(version_rows(it)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn law_view(chosen: &Chosen, programmes: Vec<ProgrammeView>) -> LawView {
    LawView {
        law_no: chosen.law_no,
        sha256: hex::encode(law_hash(&chosen.files)),
        programmes,
    }
}

fn programme_view(it: &ProgrammeRules) -> ProgrammeView {
    ProgrammeView {
        code: it.programme().to_string(),
        name: text_view(it.name()),
        legal_basis: it.legal_basis().to_owned(),
        payer: text_view(it.payer()),
        funding: text_view(it.funding()),
        frequency: it.frequency().code(),
        payday: text_view(it.payday()),
        rounding: RoundingView {
            unit: it.rounding().unit,
            mode: words::rounding_code(it.rounding().mode),
        },
        evidence: it.evidence().iter().map(evidence_view).collect(),
        effects: it.effects().iter().map(effect_view).collect(),
        versions: it.versions().iter().map(version_view).collect(),
    }
}

fn text_view(it: &Text) -> TextView {
    TextView {
        vi: it.vi.clone(),
        en: it.en.clone(),
    }
}

fn evidence_view(it: &Evidence) -> EvidenceView {
    EvidenceView {
        fact: it.fact.to_string(),
        kind: it.kind.code(),
        one_of: it.one_of.iter().map(ToString::to_string).collect(),
        required: it.required,
        label: text_view(&it.label),
    }
}

fn effect_view(it: &Effect) -> EffectView {
    EffectView {
        event: it.event.code(),
        does: words::does_code(it.does),
        from: words::beginning_code(it.from),
        back_pay: it.back_pay,
        legal_basis: it.legal_basis.clone(),
        sentence: text_view(&it.sentence),
    }
}

pub(super) fn version_view(it: &Version) -> VersionView {
    let reason = |(reason, sentence): (&rules::ReasonCode, &Text)| ReasonView {
        reason: reason.to_string(),
        sentence: text_view(sentence),
    };
    VersionView {
        rule: it.rule(),
        legal_basis: it.legal_basis().to_owned(),
        valid_from: it.valid_from(),
        valid_to: it.valid_to(),
        known_from: it.known_from(),
        confidence: words::confidence_code(it.confidence()),
        parameters: it.parameters().map(str::to_owned).collect(),
        reasons: it.reasons().map(reason).collect(),
    }
}

fn facts_table(it: &ProgrammeRules) -> Table {
    let rounding = it.rounding();
    let rounded = format!(
        "đến {} đồng, {}",
        grouped(rounding.unit),
        words::rounding_vi(rounding.mode)
    );
    let rows = [
        ["Tên", &words::both(it.name())],
        ["Căn cứ pháp lý", it.legal_basis()],
        ["Cơ quan chi trả", &words::both(it.payer())],
        ["Nguồn kinh phí", &words::both(it.funding())],
        ["Định kỳ", words::frequency_vi(it.frequency())],
        ["Ngày chi trả", &words::both(it.payday())],
        ["Làm tròn", &rounded],
    ];
    let rows = rows.map(|it| it.map(str::to_owned));
    table(&["Chương trình", it.programme().code()], 2, rows)
}

fn evidence_table(evidence: &[Evidence]) -> Table {
    let rows = evidence.iter().map(|it| {
        [
            it.fact.to_string(),
            words::both(&it.label),
            it.kind.code().to_owned(),
            words::yes_vi(it.required).to_owned(),
            it.one_of.join(" | "),
        ]
    });
    let header = ["Thông tin", "Ý nghĩa", "Loại", "Bắt buộc", "Giá trị"];
    table(&header, header.len(), rows)
}

fn effects_table(effects: &[Effect]) -> Table {
    let rows = effects.iter().map(|it| {
        [
            it.event.to_string(),
            words::does_vi(it.does).to_owned(),
            words::beginning_vi(it.from).to_owned(),
            words::yes_vi(it.back_pay).to_owned(),
            words::both(&it.sentence),
            it.legal_basis.clone(),
        ]
    });
    let header = [
        "Sự kiện",
        "Tác động",
        "Từ",
        "Truy lĩnh",
        "Nội dung",
        "Căn cứ pháp lý",
    ];
    table(&header, header.len(), rows)
}

fn version_rows(rules: &ProgrammeRules) -> impl Iterator<Item = [String; 8]> {
    rules.versions().iter().map(|it| {
        [
            it.rule(),
            rules.name().vi.clone(),
            words::frequency_vi(rules.frequency()).to_owned(),
            words::date_vi(it.valid_from()),
            words::end_vi(it.valid_to()),
            words::date_vi(it.known_from()),
            words::confidence_vi(it.confidence()).to_owned(),
            it.legal_basis().to_owned(),
        ]
    })
}

pub(super) fn versions_table(rows: impl IntoIterator<Item = [String; 8]>) -> Table {
    let header = [
        "Phiên bản",
        "Chương trình",
        "Định kỳ",
        "Hiệu lực từ",
        "đến",
        "Biết từ",
        "Độ tin cậy",
        "Căn cứ pháp lý",
    ];
    table(&header, header.len(), rows)
}
