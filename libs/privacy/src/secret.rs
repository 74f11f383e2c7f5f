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
    use std::fmt::Display;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Keys, Masked, Name};

    /// Does not compile where the type has the trait: then there are two ways to be `Ambiguous`.
    macro_rules! lacks {
        ($type:ty: $($bound:path),+) => {$({
            trait Ambiguous<Way> {
                fn ask() {}
            }
            struct HasIt;
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $bound> Ambiguous<HasIt> for T {}
            <$type as Ambiguous<_>>::ask();
        })+};
    }

    #[test]
    fn clear_values_and_keys_have_no_way_out_but_their_own() {
        lacks!(Secret: Serialize, Deserialize<'static>, Display, Clone, Copy);
        lacks!(Secret: AsRef<str>, std::ops::Deref, PartialEq, Into<String>);
        lacks!(Masked<Name>: Deserialize<'static>, Clone, Copy);
        lacks!(Masked<Name>: AsRef<str>, std::ops::Deref, PartialEq, Into<String>);
        lacks!(Keys: Serialize, Display, Clone, Copy);
        lacks!(crate::Granted: Deserialize<'static>, Clone, Copy, Default);
    }

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
