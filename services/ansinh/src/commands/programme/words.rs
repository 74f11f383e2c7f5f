//! Stable codes of what the law is made of, and the words for them in Vietnamese.

use chrono::NaiveDate;
use comfy_table::{ContentArrangement, Table};
use rules::{Beginning, Confidence, Does, Frequency, RoundingMode, Text};

use crate::output::print;

/// Columns of a wide terminal, and of a printed page across.
const WIDTH: u16 = 160;

pub(super) fn confidence_code(it: Confidence) -> &'static str {
    match it {
        Confidence::High => "high",
        Confidence::Medium => "medium",
        Confidence::Low => "low",
    }
}

pub(super) fn confidence_vi(it: Confidence) -> &'static str {
    match it {
        Confidence::High => "cao",
        Confidence::Medium => "trung bình",
        Confidence::Low => "thấp",
    }
}

pub(super) fn frequency_vi(it: Frequency) -> &'static str {
    match it {
        Frequency::Monthly => "hằng tháng",
        Frequency::OneOff => "một lần",
        Frequency::Campaign => "theo đợt",
    }
}

pub(super) fn rounding_code(it: RoundingMode) -> &'static str {
    match it {
        RoundingMode::HalfUp => "half_up",
        RoundingMode::HalfEven => "half_even",
        RoundingMode::Up => "up",
        RoundingMode::Down => "down",
    }
}

pub(super) fn rounding_vi(it: RoundingMode) -> &'static str {
    match it {
        RoundingMode::HalfUp => "gần nhất, một nửa thì lên",
        RoundingMode::HalfEven => "gần nhất, một nửa thì về số chẵn",
        RoundingMode::Up => "luôn lên",
        RoundingMode::Down => "luôn xuống",
    }
}

pub(super) fn does_code(it: Does) -> &'static str {
    match it {
        Does::Stop => "stop",
        Does::Suspend => "suspend",
        Does::Move => "move",
    }
}

pub(super) fn does_vi(it: Does) -> &'static str {
    match it {
        Does::Stop => "thôi hưởng",
        Does::Suspend => "tạm dừng",
        Does::Move => "chuyển nơi chi trả",
    }
}

pub(super) fn beginning_code(it: Beginning) -> &'static str {
    match it {
        Beginning::SameMonth => "same_month",
        Beginning::NextMonth => "next_month",
    }
}

pub(super) fn beginning_vi(it: Beginning) -> &'static str {
    match it {
        Beginning::SameMonth => "từ tháng đó",
        Beginning::NextMonth => "từ tháng liền sau",
    }
}

pub(super) fn yes_vi(it: bool) -> &'static str {
    if it { "có" } else { "không" }
}

pub(super) fn date_vi(it: NaiveDate) -> String {
    it.format("%d/%m/%Y").to_string()
}

/// Empty while no end is known.
pub(super) fn end_vi(it: Option<NaiveDate>) -> String {
    it.map(date_vi).unwrap_or_default()
}

/// Vietnamese first, English below it.
pub(super) fn both(it: &Text) -> String {
    format!("{}\n{}", it.vi, it.en)
}

/// Prints a table of texts, which are longer than a screen is wide.
pub(super) fn print_texts(mut table: Table) {
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH);
    print(&table.to_string());
}
