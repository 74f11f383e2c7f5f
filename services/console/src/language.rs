use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// In which language a caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Vietnamese,
    English,
}

impl Language {
    /// What `Accept-Language` prefers of the two (RFC 9110 §12.5.4); Vietnamese otherwise.
    pub(crate) fn of(headers: &HeaderMap) -> Language {
        let told = headers.get(ACCEPT_LANGUAGE);
        let told = told.and_then(|it| it.to_str().ok()).unwrap_or_default();
        let weight = |language: &str| {
            let weights = told.split(',').filter_map(|range| {
                let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
                let primary = tag.trim().split('-').next().unwrap_or_default();
                primary
                    .eq_ignore_ascii_case(language)
                    .then(|| thousandths(weight.trim()))
            });
            weights.max().unwrap_or(0)
        };
        if weight("en") > weight("vi") {
            Language::English
        } else {
            Language::Vietnamese
        }
    }

    pub(crate) fn tag(self) -> &'static str {
        match self {
            Language::Vietnamese => "vi",
            Language::English => "en",
        }
    }
}

/// `q=0.8` is 800; what is not understood is 0.
fn thousandths(weight: &str) -> u16 {
    let Some(weight) = weight.strip_prefix("q=") else {
        return 0;
    };
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    match (whole, fraction.len()) {
        ("1", _) => 1000,
        ("0", 1..=3) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(told: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, told.parse().unwrap());
        Language::of(&headers)
    }

    #[test]
    fn vietnamese_is_spoken_unless_english_is_preferred() {
        for told in [
            "",
            "vi",
            "vi-VN,vi;q=0.9,en;q=0.8",
            "fr",
            "*",
            "en;q=0",
            "en;q=x",
            "en,vi",
        ] {
            assert_eq!(language(told), Language::Vietnamese, "{told}");
        }
        for told in [
            "en",
            "en-GB,en;q=0.9",
            "EN",
            "vi;q=0.5,en;q=0.75",
            "fr,en;q=0.1",
        ] {
            assert_eq!(language(told), Language::English, "{told}");
        }
    }
}
