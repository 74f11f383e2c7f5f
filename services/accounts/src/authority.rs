use chrono::{Months, NaiveDate};
use domain::{Money, PersonNo, Programme, Refusal};
use serde::{Deserialize, Serialize};

/// Why somebody else takes a person's money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorityKind {
    /// Of a child, or of who cannot act for themselves.
    Guardian,
    HouseholdHead,
    /// Authorised by the person, certified, for twelve months at most (Law 41/2024/QH15, Art 10).
    Collection,
}

/// An authority as it holds on the day of a payment.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    pub payee_no: PersonNo,
    /// Numbers of programmes; empty for all.
    pub programmes: Vec<i16>,
    pub amount_max: Option<Money>,
}

impl Authority {
    pub fn covers(&self, programme: Programme) -> bool {
        self.programmes.is_empty() || self.programmes.contains(&programme.number())
    }
}

impl AuthorityKind {
    pub fn as_str(self) -> &'static str {
        match self {
            AuthorityKind::Guardian => "guardian",
            AuthorityKind::HouseholdHead => "household_head",
            AuthorityKind::Collection => "collection",
        }
    }

    /// Whether an authority of this kind may hold for these days.
    ///
    /// # Errors
    /// `authority_dates` where it ends before it begins, `authority_too_long` for a collection
    /// without an end or of more than twelve months.
    pub fn may_hold(self, from: NaiveDate, to: Option<NaiveDate>) -> Result<(), Refusal> {
        if to.is_some_and(|it| it < from) {
            return Err(Refusal::new("authority_dates", "it ends before it begins"));
        }
        let longest = from.checked_add_months(Months::new(12));
        let within = to.zip(longest).is_some_and(|(to, longest)| to <= longest);
        if self == AuthorityKind::Collection && !within {
            let sentence = "who collects for another does so for twelve months at most";
            return Err(Refusal::new("authority_too_long", sentence));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_ends_within_twelve_months() {
        let day = |it: &str| it.parse::<NaiveDate>().unwrap();
        let from = day("2026-12-01");
        for (kind, to, code) in [
            (AuthorityKind::Collection, Some("2027-12-01"), None),
            (
                AuthorityKind::Collection,
                Some("2027-12-02"),
                Some("authority_too_long"),
            ),
            (AuthorityKind::Collection, None, Some("authority_too_long")),
            (AuthorityKind::Guardian, None, None),
            (
                AuthorityKind::Guardian,
                Some("2026-11-30"),
                Some("authority_dates"),
            ),
            (AuthorityKind::HouseholdHead, Some("2036-12-01"), None),
        ] {
            let held = kind.may_hold(from, to.map(day));
            assert_eq!(held.err().map(|it| it.code), code, "{kind:?} to {to:?}");
        }
    }

    #[test]
    fn an_authority_without_programmes_covers_all() {
        let mut authority = Authority {
            payee_no: PersonNo(1),
            programmes: Vec::new(),
            amount_max: None,
        };
        assert!(Programme::ALL.into_iter().all(|it| authority.covers(it)));
        authority.programmes = vec![Programme::SocialPension.number()];
        assert!(authority.covers(Programme::SocialPension));
        assert!(!authority.covers(Programme::MassGift));
    }
}
