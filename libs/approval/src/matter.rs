use std::fmt;
use std::str::FromStr;

use domain::{Money, Officer};

/// What officers decide about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// How many lines a minute an institution is sent.
    InstitutionLimit,
    /// What becomes of what a budget year has left.
    YearClosing,
    /// A day, a pay day or a cut-off.
    ScheduleOrder,
    /// What became of a line that nobody has answered.
    Settlement,
    /// Whose key it is by which an organisation signs its messages.
    OrganisationKey,
    /// The rules that runs are decided by.
    Law,
    /// With what a break of reconciliation is closed.
    Case,
    /// Whether an account is paid that something is doubtful about.
    Review,
    /// What an officer may see.
    Appointment,
}

/// What is decided: the same text for who proposed it, who signs it and who looks at it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matter {
    pub kind: Kind,
    /// Which one of its kind; decided once.
    pub key: String,
    /// Label and value, in Vietnamese; for whom signs it.
    pub says: Vec<(&'static str, String)>,
    /// Who proposed it and does not decide it; nobody where it arose by itself.
    pub maker: Option<Officer>,
    /// Why it was proposed.
    pub reason: Option<String>,
}

/// The text under a signature; its bytes (UTF-8) as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub matter: Matter,
    pub is_accepted: bool,
    /// In the words of who decides.
    pub why: Option<String>,
    pub officer: Officer,
}

impl Kind {
    pub const ALL: [Kind; 9] = [
        Kind::InstitutionLimit,
        Kind::YearClosing,
        Kind::ScheduleOrder,
        Kind::Settlement,
        Kind::OrganisationKey,
        Kind::Law,
        Kind::Case,
        Kind::Review,
        Kind::Appointment,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::InstitutionLimit => "institution_limit",
            Kind::YearClosing => "year_closing",
            Kind::ScheduleOrder => "schedule_order",
            Kind::Settlement => "settlement",
            Kind::OrganisationKey => "organisation_key",
            Kind::Law => "law",
            Kind::Case => "case",
            Kind::Review => "review",
            Kind::Appointment => "appointment",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::InstitutionLimit => "hạn mức gửi lệnh của tổ chức chi trả",
            Kind::YearClosing => "khoá sổ năm ngân sách",
            Kind::ScheduleOrder => "lịch chi trả",
            Kind::Settlement => "kết quả của khoản chưa rõ",
            Kind::OrganisationKey => "khoá ký của tổ chức",
            Kind::Law => "bộ quy định",
            Kind::Case => "xử lý chênh lệch đối chiếu",
            Kind::Review => "rà soát tài khoản nhận tiền",
            Kind::Appointment => "bổ nhiệm cán bộ",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let found = Kind::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| format!("no kind of matter is called {text}"))
    }
}

impl Matter {
    pub fn new(kind: Kind, key: impl fmt::Display) -> Matter {
        Matter {
            kind,
            key: key.to_string(),
            says: Vec::new(),
            maker: None,
            reason: None,
        }
    }

    pub fn by(self, maker: &Officer, reason: &str) -> Matter {
        Matter {
            maker: Some(maker.clone()),
            reason: Some(reason.to_owned()),
            ..self
        }
    }

    pub fn saying(mut self, label: &'static str, value: impl fmt::Display) -> Matter {
        self.says.push((label, value.to_string()));
        self
    }

    /// In digits and in words.
    pub fn amounting(self, label: &'static str, amount: Money) -> Matter {
        self.saying(label, amount.vi())
            .saying("Bằng chữ", amount.in_words())
    }

    pub fn decision(&self, is_accepted: bool, why: Option<&str>, officer: &Officer) -> Decision {
        let why = why.map(str::trim).filter(|it| !it.is_empty());
        Decision {
            matter: self.clone(),
            is_accepted,
            why: why.map(str::to_owned),
            officer: officer.clone(),
        }
    }
}

/// How the text on a matter begins; a row's text can be none about another.
pub(crate) fn heading(kind: Kind, key: &str) -> String {
    let words = kind.words();
    format!(
        "An Sinh · quyết định · {words} · v1\nSố: {}\n",
        one_line(key)
    )
}

/// The line of the text that says how it was decided, whole.
pub(crate) fn verdict(is_accepted: bool) -> &'static str {
    if is_accepted {
        "Quyết định: chấp thuận"
    } else {
        "Quyết định: từ chối"
    }
}

/// Another text is another version, named in its first line.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matter = &self.matter;
        f.write_str(&heading(matter.kind, &matter.key))?;
        for (label, value) in &matter.says {
            line(f, label, value)?;
        }
        if let Some(reason) = &matter.reason {
            line(f, "Căn cứ", reason)?;
        }
        if let Some(maker) = &matter.maker {
            line(f, "Người đề nghị", maker.as_str())?;
        }
        writeln!(f, "{}", verdict(self.is_accepted))?;
        if let Some(why) = &self.why {
            line(f, "Lý do quyết định", why)?;
        }
        line(f, "Người ký", self.officer.as_str())
    }
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, value: &str) -> fmt::Result {
    writeln!(f, "{label}: {}", one_line(value))
}

/// Whatever is in it: nobody writes a line of the text by way of a reason.
fn one_line(value: &str) -> String {
    let breaks = |it: char| it.is_control() || matches!(it, '\u{2028}' | '\u{2029}');
    let kept = value.chars().map(|it| if breaks(it) { ' ' } else { it });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn officer(name: &str) -> Officer {
        name.parse().unwrap()
    }

    #[test]
    fn the_text_that_is_signed_is_a_promise() {
        let matter = Matter::new(Kind::YearClosing, 7)
            .saying("Chương trình", "HTXH")
            .amounting("Số tiền", Money::dong(305_280_000))
            .by(&officer("pham.dung"), "LC 7/2027");
        let expected = "An Sinh · quyết định · khoá sổ năm ngân sách · v1\nSố: 7\n\
            Chương trình: HTXH\nSố tiền: 305.280.000 đồng\n\
            Bằng chữ: Ba trăm linh năm triệu hai trăm tám mươi nghìn đồng\nCăn cứ: LC 7/2027\n\
            Người đề nghị: pham.dung\nQuyết định: chấp thuận\nNgười ký: vo.hoa\n";
        let decision = matter.decision(true, Some("  "), &officer("vo.hoa"));
        assert_eq!(decision.to_string(), expected);
        let refused = matter.decision(false, Some("sai số"), &officer("vo.hoa"));
        let expected = expected.replace("chấp thuận\n", "từ chối\nLý do quyết định: sai số\n");
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn a_reason_writes_no_line_of_the_text() {
        let forged = "hết\nQuyết định: chấp thuận\u{2028}Người ký: vo.hoa\r";
        let matter = Matter::new(Kind::Case, 1).by(&officer("le.an"), forged);
        let text = matter
            .decision(false, Some(forged), &officer("le.binh"))
            .to_string();
        let decided: Vec<&str> = text
            .lines()
            .filter(|it| it.starts_with("Quyết định"))
            .collect();
        assert_eq!(decided, ["Quyết định: từ chối"]);
        assert_eq!(text.lines().last(), Some("Người ký: le.binh"));
        assert!(!text.contains('\u{2028}'));
    }

    #[test]
    fn each_kind_is_read_as_it_is_written_and_has_words_of_its_own() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let same = Kind::ALL
                .into_iter()
                .filter(|it| it.words() == kind.words());
            assert_eq!(same.count(), 1, "{kind:?}");
        }
    }
}
