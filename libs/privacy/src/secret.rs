use std::fmt;

use zeroize::Zeroizing;

/// A clear personal value: wiped from memory when dropped, and never printed.
///
/// It has no `Display`, no `Serialize` and no `Clone`.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The clear text. Each use shows it to someone: log the purpose there.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(clear: String) -> Secret {
        Secret(Zeroizing::new(clear))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(••)")
    }
}

/// `••` and the last `keep` characters of a text: `••1234`.
///
/// The dots do not tell how long the text is, and a text of `keep` characters or fewer shows none
/// of them.
pub fn mask_tail(text: &str, keep: usize) -> String {
    let hidden = text.chars().count().saturating_sub(keep);
    let tail = match hidden {
        0 => "",
        hidden => text
            .char_indices()
            .nth(hidden)
            .map_or("", |(at, _)| &text[at..]),
    };
    format!("••{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_exposed_by_name_only() {
        let secret = Secret::from("012345678901".to_owned());
        assert_eq!(secret.expose(), "012345678901");
        assert_eq!(format!("{secret:?}"), "Secret(••)");
    }

    #[test]
    fn a_mask_shows_the_tail_and_hides_the_length() {
        assert_eq!(mask_tail("0123456789", 4), "••6789");
        assert_eq!(mask_tail("56789", 4), "••6789");
        assert_eq!(mask_tail("Nguyễn Thị Mẫu", 3), "••Mẫu");
    }

    #[test]
    fn a_text_shorter_than_the_tail_is_hidden_whole() {
        assert_eq!(mask_tail("1234", 4), "••");
        assert_eq!(mask_tail("12", 4), "••");
        assert_eq!(mask_tail("", 4), "••");
        assert_eq!(mask_tail("1234", 0), "••");
    }
}
