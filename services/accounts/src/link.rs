use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use domain::{BankAccount, Channel, Institution, PersonNo, Refusal};
use privacy::{BlindIndex, Sealed};
use serde::{Deserialize, Serialize};

use crate::refusal::RefusalCode;

/// A link of a person to an account, by its place: `L0000000023-02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkId {
    pub person_no: PersonNo,
    /// From 1 for each person.
    pub link_no: i16,
}

/// What an account is to its holder.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// The social-security account (tài khoản an sinh xã hội): an alias that the citizen chose,
    /// which holds no money. A person has one at most, and it comes first.
    Ssa,
    /// An account that a benefit is paid to already; it comes behind the social-security account.
    BenefitAccount,
}

/// Who asked for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Source {
    Citizen,
    Officer,
    Import,
    /// The bank moved its customer to another number.
    Bank,
}

/// The whole life of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Asked for; no bank knows of it yet.
    Requested,
    /// The bank is asked whose account it is.
    Pending,
    /// The person is paid to it.
    Linked,
    Refused(RefusalCode),
    /// The bank never said.
    Expired,
    /// Nothing is paid to it until somebody has looked; the next channel is used meanwhile.
    Suspended(RefusalCode),
    /// Another link took its place.
    Replaced,
    /// It ended, and none took its place.
    Unlinked,
}

/// What can happen to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Asked,
    Confirmed,
    Refused(RefusalCode),
    GivenUp,
    Suspended(RefusalCode),
    Resumed,
    Superseded,
    Removed,
}

/// What happened does not fit where the link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a link that is {} cannot be {signal:?}", .state.as_str())]
pub struct InvalidTransition {
    pub state: State,
    pub signal: Signal,
}

impl State {
    /// All that can happen to a link, on one screen.
    ///
    /// # Errors
    /// What does not fit: a link that has ended stays as it ended.
    pub fn on(self, signal: Signal) -> Result<State, InvalidTransition> {
        use State::{Expired, Linked, Pending, Refused, Replaced, Requested, Suspended, Unlinked};
        match (self, signal) {
            (Requested, Signal::Asked) => Ok(Pending),
            (Requested | Pending, Signal::Confirmed) | (Suspended(_), Signal::Resumed) => {
                Ok(Linked)
            }
            (Requested | Pending, Signal::Refused(code)) => Ok(Refused(code)),
            (Pending, Signal::GivenUp) => Ok(Expired),
            (Linked, Signal::Suspended(code)) => Ok(Suspended(code)),
            (Requested | Pending | Linked | Suspended(_), Signal::Superseded) => Ok(Replaced),
            (Requested | Pending | Linked | Suspended(_), Signal::Removed) => Ok(Unlinked),
            (state, signal) => Err(InvalidTransition { state, signal }),
        }
    }

    /// Stable name, the same on the wire and in the tables.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Requested => "requested",
            State::Pending => "pending",
            State::Linked => "linked",
            State::Refused(_) => "refused",
            State::Expired => "expired",
            State::Suspended(_) => "suspended",
            State::Replaced => "replaced",
            State::Unlinked => "unlinked",
        }
    }

    pub fn code(self) -> Option<RefusalCode> {
        match self {
            State::Refused(code) | State::Suspended(code) => Some(code),
            _ => None,
        }
    }

    /// Nothing happens to it any more.
    pub fn is_ended(self) -> bool {
        matches!(
            self,
            State::Refused(_) | State::Expired | State::Replaced | State::Unlinked
        )
    }

    /// As it stands in the tables; `None` where the words are none of ours.
    pub fn read(state: &str, code: Option<&str>) -> Option<State> {
        let code = || code?.parse::<RefusalCode>().ok();
        Some(match state {
            "requested" => State::Requested,
            "pending" => State::Pending,
            "linked" => State::Linked,
            "refused" => State::Refused(code()?),
            "expired" => State::Expired,
            "suspended" => State::Suspended(code()?),
            "replaced" => State::Replaced,
            "unlinked" => State::Unlinked,
            _ => return None,
        })
    }

    /// What the citizen reads.
    pub fn sentence_vi(self) -> &'static str {
        match self {
            State::Requested => "Đã tiếp nhận yêu cầu liên kết.",
            State::Pending => "Ngân hàng đang xác nhận chủ tài khoản.",
            State::Linked => "Đã liên kết. Khoản chi trả sẽ được chuyển vào tài khoản này.",
            State::Refused(code) | State::Suspended(code) => code.sentence_vi(),
            State::Expired => {
                "Ngân hàng chưa trả lời trong thời hạn. Vui lòng liên kết lại hoặc chọn tài khoản khác."
            }
            State::Replaced => "Đã được thay bằng tài khoản khác.",
            State::Unlinked => "Đã hủy liên kết.",
        }
    }
}

/// A link with where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub id: LinkId,
    pub kind: Kind,
    pub channel: Channel,
    pub institution: Institution,
    pub account_index: BlindIndex,
    pub account_sealed: Sealed,
    pub holder_sealed: Sealed,
    pub changed_by: Option<String>,
    pub state: State,
    /// Number of its last step, and from when that holds.
    pub step: i16,
    pub since: DateTime<Utc>,
    /// When it was first recorded as linked; `None` where nothing was ever paid to it.
    pub first_linked_at: Option<DateTime<Utc>>,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Ssa => "ssa",
            Kind::BenefitAccount => "benefit_account",
        }
    }
}

impl Source {
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Citizen => "citizen",
            Source::Officer => "officer",
            Source::Import => "import",
            Source::Bank => "bank",
        }
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{:010}-{:02}", self.person_no.0, self.link_no)
    }
}

impl FromStr for LinkId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<LinkId, Refusal> {
        let read = || {
            let (person, link) = text.strip_prefix('L')?.split_once('-')?;
            let digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
            let sound = person.len() >= 10 && link.len() >= 2 && digits(person) && digits(link);
            let link_no = link.parse().ok().filter(|it| *it > 0)?;
            let person_no = PersonNo(person.parse().ok()?);
            sound.then_some(LinkId { person_no, link_no })
        };
        read().ok_or_else(|| Refusal::new("link_invalid", "a link is named like L0000000023-02"))
    }
}

impl TryFrom<String> for LinkId {
    type Error = Refusal;

    fn try_from(text: String) -> Result<LinkId, Refusal> {
        text.parse()
    }
}

impl From<LinkId> for String {
    fn from(id: LinkId) -> String {
        id.to_string()
    }
}

/// A link, and the others of its person.
pub(crate) fn parted(links: &mut [Link], id: LinkId) -> (Option<&mut Link>, Vec<&mut Link>) {
    let (mut named, mut others) = (None, Vec::new());
    for link in links
        .iter_mut()
        .filter(|it| it.id.person_no == id.person_no)
    {
        if link.id == id {
            named = Some(link);
        } else {
            others.push(link);
        }
    }
    (named, others)
}

/// An account that can be linked: the institution is connected, and the number has its form.
///
/// # Errors
/// `institution_not_connected` for a cash agent or a stranger, and the codes of the parsers.
pub fn account_at(
    institution: &str,
    account: &str,
) -> Result<(Institution, Channel, BankAccount), (&'static str, Refusal)> {
    let at = |column: &'static str| move |it: Refusal| (column, it);
    let institution: Institution = institution.parse().map_err(at("institution"))?;
    let connected = institution.info().filter(|it| it.channel != Channel::Cash);
    let channel = connected.map(|it| it.channel).ok_or_else(|| {
        let sentence = "the institution is no connected bank or wallet";
        at("institution")(Refusal::new("institution_not_connected", sentence))
    })?;
    let account: BankAccount = account.parse().map_err(at("account_number"))?;
    Ok((institution, channel, account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_state_and_signal_is_decided() {
        let code = RefusalCode::AccountClosed;
        let states = [
            State::Requested,
            State::Pending,
            State::Linked,
            State::Refused(code),
            State::Expired,
            State::Suspended(code),
            State::Replaced,
            State::Unlinked,
        ];
        let signals = [
            Signal::Asked,
            Signal::Confirmed,
            Signal::Refused(code),
            Signal::GivenUp,
            Signal::Suspended(code),
            Signal::Resumed,
            Signal::Superseded,
            Signal::Removed,
        ];
        // A row a state, a column a signal, in the orders above.
        let expected = [
            "pending linked refused - - - replaced unlinked",
            "- linked refused expired - - replaced unlinked",
            "- - - - suspended - replaced unlinked",
            "- - - - - - - -",
            "- - - - - - - -",
            "- - - - - linked replaced unlinked",
            "- - - - - - - -",
            "- - - - - - - -",
        ];
        for (state, row) in states.into_iter().zip(expected) {
            for (signal, expected) in signals.into_iter().zip(row.split(' ')) {
                let found = state.on(signal).map_or("-", State::as_str);
                assert_eq!(found, expected, "{state:?} {signal:?}");
            }
            assert_eq!(state.is_ended(), row == "- - - - - - - -", "{state:?}");
        }
    }

    #[test]
    fn a_state_is_read_back_from_its_words() {
        for state in [
            State::Linked,
            State::Refused(RefusalCode::NameDiffers),
            State::Suspended(RefusalCode::AccountRestricted),
        ] {
            let code = state.code().map(RefusalCode::as_str);
            assert_eq!(State::read(state.as_str(), code), Some(state));
        }
        assert_eq!(State::read("refused", None), None);
        assert_eq!(State::read("refused", Some("because")), None);
        assert_eq!(State::read("gone", None), None);
    }

    #[test]
    fn a_link_is_named_by_its_place() {
        let id = LinkId {
            person_no: PersonNo(23),
            link_no: 2,
        };
        assert_eq!(id.to_string(), "L0000000023-02");
        assert_eq!("L0000000023-02".parse(), Ok(id));
        for bad in [
            "",
            "L23-2",
            "0000000023-02",
            "L0000000023-00",
            "L00000000+3-02",
            "Lx-02",
        ] {
            assert_eq!(
                bad.parse::<LinkId>().unwrap_err().code,
                "link_invalid",
                "{bad}"
            );
        }
    }
}
