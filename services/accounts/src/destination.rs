use chrono::{DateTime, TimeDelta, Utc};
use domain::{CASH_AGENT, Channel, Institution, Money, Officer, PersonNo, Programme};
use events::{FailedWay, HoldReason, PayeeHold};
use privacy::{BlindIndex, Sealed};

use crate::authority::Authority;

/// An account that a person can be paid to, as it holds now.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    /// 1 is the social-security account.
    pub rank: i16,
    pub channel: Channel,
    pub institution: Institution,
    pub account_sealed: Sealed,
    pub account_index: BlindIndex,
    pub holder_sealed: Sealed,
    pub linked_at: DateTime<Utc>,
    pub changed_by: Option<Officer>,
    pub payable_from: Option<DateTime<Utc>>,
    /// Why nothing is paid to it until somebody has looked, and by when that is.
    pub hold: Option<(HoldReason, DateTime<Utc>)>,
}

/// Where a person's money can go: accounts in order, and cash behind them.
#[derive(Debug, Clone)]
pub(crate) struct Channels {
    /// Sealed for the person's number.
    pub name_sealed: Sealed,
    pub authority_no: Option<i16>,
    /// Where the person lives, where the registry says so.
    pub commune: Option<i32>,
    /// In the order of their rank.
    pub candidates: Vec<Candidate>,
}

/// Where one payment goes, and why it may have to wait.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    /// Whose account it is.
    pub payee_no: PersonNo,
    pub means: Means,
    pub channel: Channel,
    pub institution: Institution,
    pub account: Option<Sealed>,
    pub account_index: Option<BlindIndex>,
    /// Sealed for the payee's number, like the account.
    pub holder: Sealed,
    pub hold: Option<PayeeHold>,
    /// Who changed it lately, and may not approve what is paid to it.
    pub changed_by: Option<Officer>,
}

/// By what people are paid, as Decision 826 counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum Means {
    Ssa,
    BenefitAccount,
    Cash,
}

/// How long an officer who changed an account may not approve what is paid to it. By then the
/// account has been paid to for months, and the person has seen the notices.
const GUARD_DAYS: i64 = 90;

impl Means {
    pub fn as_str(self) -> &'static str {
        match self {
            Means::Ssa => "ssa",
            Means::BenefitAccount => "benefit_account",
            Means::Cash => "cash",
        }
    }
}

/// The way of a payment to `person_no`: the first account that may take it, else cash.
///
/// What is new or doubtful is held, not passed over, so that nobody gains by making an account
/// doubtful; only when nobody has looked by the deadline does the next channel take its place,
/// because a doubt may not take a benefit away.
pub(crate) fn choose(
    person_no: PersonNo,
    programme: Programme,
    channels: &Channels,
    now: DateTime<Utc>,
) -> Destination {
    let overdue = |it: &Candidate| it.hold.is_some_and(|(_, due)| due <= now);
    let mut usable = channels.candidates.iter();
    let chosen = usable.find(|it| takes(programme, it.channel) && !overdue(it));
    let Some(chosen) = chosen else {
        return cash(person_no, channels);
    };
    let cooling = chosen.payable_from.filter(|from| *from > now);
    let hold = match (chosen.hold, cooling) {
        (Some((reason, _)), _) => Some(PayeeHold {
            reason,
            until: None,
        }),
        (None, Some(until)) => Some(PayeeHold {
            reason: HoldReason::CoolingOff,
            until: Some(until),
        }),
        (None, None) => None,
    };
    let guarded = chosen.linked_at + TimeDelta::days(GUARD_DAYS) > now;
    Destination {
        payee_no: person_no,
        means: if chosen.rank == 1 {
            Means::Ssa
        } else {
            Means::BenefitAccount
        },
        channel: chosen.channel,
        institution: chosen.institution,
        account: Some(chosen.account_sealed.clone()),
        account_index: Some(chosen.account_index),
        holder: chosen.holder_sealed.clone(),
        hold,
        changed_by: chosen.changed_by.clone().filter(|_| guarded),
    }
}

/// Reasons after which an account is not tried again: it is wrong, closed, blocked or another's, it
/// takes no such payment, its holder wants none there, or what it had got came back. All others may
/// pass.
const CONDEMNS: [&str; 11] = [
    "AC01",
    "AC04",
    "AC06",
    "AG01",
    "AM02",
    "BE01",
    "CUST",
    "MD07",
    FailedWay::CAME_BACK,
    "RC01",
    "RR04",
];
/// So often an account may fail for a reason that passes, before the next one is tried.
const FAILURES_MAX: usize = 2;

/// The channels that are left after some have failed, in the order in which they are tried: bank
/// accounts, wallets, mobile money. Cash stays behind them, and always.
pub(crate) fn without_failed(mut channels: Channels, failed: &[FailedWay]) -> Channels {
    channels.candidates.retain(|it| {
        let of_account = failed.iter().filter(|failure| {
            failure.institution == it.institution && failure.account_index == Some(it.account_index)
        });
        let reasons: Vec<&str> = of_account.filter_map(|it| it.reason.as_deref()).collect();
        reasons.len() < FAILURES_MAX && !reasons.iter().any(|it| CONDEMNS.contains(it))
    });
    channels.candidates.sort_by_key(|it| (it.channel, it.rank));
    channels
}

/// The same for a beneficiary whose payment an authority leads to somebody else.
pub(crate) fn through(
    authority: &Authority,
    programme: Programme,
    payee: &Channels,
    amount: Money,
    now: DateTime<Utc>,
) -> Destination {
    let mut way = choose(authority.payee_no, programme, payee, now);
    if way.hold.is_none() && authority.amount_max.is_some_and(|it| amount > it) {
        way.hold = Some(PayeeHold {
            reason: HoldReason::PayeeLimit,
            until: None,
        });
    }
    way
}

/// Who has no account gets cash from the agent at the commune.
fn cash(person_no: PersonNo, channels: &Channels) -> Destination {
    Destination {
        payee_no: person_no,
        means: Means::Cash,
        channel: Channel::Cash,
        institution: CASH_AGENT,
        account: None,
        account_index: None,
        holder: channels.name_sealed.clone(),
        hold: None,
        changed_by: None,
    }
}

/// Law 41/2024/QH15, article 93, pays social insurance to bank accounts, in cash or through the
/// employer; it names neither wallets nor mobile money. The other programmes may go to any electronic account.
fn takes(programme: Programme, channel: Channel) -> bool {
    match programme {
        Programme::RetirementPension
        | Programme::RetirementLumpSum
        | Programme::SurvivorAllowance
        | Programme::SurvivorLumpSum
        | Programme::InsuranceFuneral => !matches!(channel, Channel::Wallet | Channel::MobileMoney),
        Programme::SocialPension
        | Programme::SocialAssistance
        | Programme::MeritAllowance
        | Programme::MeritLumpSum
        | Programme::CareSupport
        | Programme::AssistanceFuneral
        | Programme::UnemploymentBenefit
        | Programme::MassGift
        | Programme::PolicyGift => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: PersonNo = PersonNo(23);

    fn now() -> DateTime<Utc> {
        "2026-12-01T01:30:00Z".parse().unwrap()
    }

    fn candidate(rank: i16, channel: Channel) -> Candidate {
        Candidate {
            rank,
            channel,
            institution: "970436".parse().unwrap(),
            account_sealed: Sealed::from(vec![u8::try_from(rank).unwrap()]),
            account_index: BlindIndex::try_from(&[7; 32][..]).unwrap(),
            holder_sealed: Sealed::from(vec![9]),
            linked_at: now() - TimeDelta::days(400),
            changed_by: None,
            payable_from: None,
            hold: None,
        }
    }

    fn channels(candidates: Vec<Candidate>) -> Channels {
        Channels {
            name_sealed: Sealed::from(vec![0]),
            authority_no: None,
            commune: None,
            candidates,
        }
    }

    fn way(candidates: Vec<Candidate>) -> Destination {
        choose(
            PERSON,
            Programme::SocialPension,
            &channels(candidates),
            now(),
        )
    }

    #[test]
    fn the_social_security_account_comes_first_and_cash_last() {
        let both = vec![
            candidate(1, Channel::BankAccount),
            candidate(2, Channel::BankAccount),
        ];
        assert_eq!(way(both.clone()).means, Means::Ssa);
        assert_eq!(way(both[1..].to_vec()).means, Means::BenefitAccount);
        let cash = way(Vec::new());
        assert_eq!((cash.means, cash.channel), (Means::Cash, Channel::Cash));
        assert_eq!(cash.holder, Sealed::from(vec![0]));
    }

    #[test]
    fn social_insurance_passes_a_wallet_by() {
        let linked = channels(vec![
            candidate(1, Channel::Wallet),
            candidate(2, Channel::BankAccount),
        ]);
        let to = |programme| choose(PERSON, programme, &linked, now()).means;
        assert_eq!(to(Programme::SocialPension), Means::Ssa);
        assert_eq!(to(Programme::RetirementPension), Means::BenefitAccount);
    }

    #[test]
    fn a_changed_account_cools_off_to_the_second() {
        let mut changed = candidate(1, Channel::BankAccount);
        changed.payable_from = Some(now() + TimeDelta::seconds(1));
        let hold = way(vec![changed.clone()]).hold.unwrap();
        assert_eq!(hold.reason, HoldReason::CoolingOff);
        assert_eq!(hold.until, changed.payable_from);
        changed.payable_from = Some(now());
        assert_eq!(way(vec![changed]).hold, None);
    }

    #[test]
    fn a_doubt_holds_until_its_deadline_and_then_the_next_channel_pays() {
        let mut doubtful = candidate(1, Channel::BankAccount);
        doubtful.hold = Some((HoldReason::Suspicion, now() + TimeDelta::seconds(1)));
        let held = way(vec![doubtful.clone()]);
        assert_eq!(held.hold.unwrap().reason, HoldReason::Suspicion);
        doubtful.hold = Some((HoldReason::Suspicion, now()));
        let overdue = way(vec![doubtful]);
        assert_eq!((overdue.means, overdue.hold), (Means::Cash, None));
    }

    #[test]
    fn who_changed_an_account_is_told_for_ninety_days() {
        let mut changed = candidate(1, Channel::BankAccount);
        changed.changed_by = Some("le.an".parse().unwrap());
        assert_eq!(way(vec![changed.clone()]).changed_by, None);
        changed.linked_at = now() - TimeDelta::days(GUARD_DAYS) + TimeDelta::seconds(1);
        let changed_by = way(vec![changed]).changed_by.unwrap();
        assert_eq!(changed_by.as_str(), "le.an");
    }

    #[test]
    fn what_came_back_goes_down_the_waterfall() {
        use Channel::{BankAccount, MobileMoney, Wallet};
        let mut all = vec![
            candidate(1, Wallet),
            candidate(2, MobileMoney),
            candidate(3, BankAccount),
            candidate(4, BankAccount),
        ];
        for it in &mut all {
            let index = [u8::try_from(it.rank).unwrap(); 32];
            it.account_index = BlindIndex::try_from(&index[..]).unwrap();
        }
        let failed = |rank: usize, reason: Option<&str>| FailedWay {
            channel: all[rank - 1].channel,
            institution: all[rank - 1].institution,
            account_index: Some(all[rank - 1].account_index),
            reason: reason.map(str::to_owned),
        };
        let next = |failures: &[FailedWay]| {
            let left = without_failed(channels(all.clone()), failures);
            choose(PERSON, Programme::SocialPension, &left, now()).channel
        };
        let first = |failures: &[FailedWay]| {
            let left = without_failed(channels(all.clone()), failures);
            left.candidates.first().map(|it| it.rank)
        };
        // Never handed over, or for a reason that may pass: the same account, once more.
        assert_eq!(first(&[]), Some(3));
        assert_eq!(first(&[failed(3, None), failed(3, None)]), Some(3));
        assert_eq!(first(&[failed(3, Some("AB05"))]), Some(3));
        assert_eq!(
            first(&[failed(3, Some("AB05")), failed(3, Some("TM01"))]),
            Some(4)
        );
        let mut failures = Vec::new();
        for (rank, channel) in [
            (3, BankAccount),
            (4, Wallet),
            (1, MobileMoney),
            (2, Channel::Cash),
        ] {
            failures.push(failed(rank, Some("AC04")));
            assert_eq!(next(&failures), channel);
        }
        // The same number at another institution is another account.
        let mut elsewhere = failed(3, Some("AC04"));
        elsewhere.institution = "970405".parse().unwrap();
        assert_eq!(first(&[elsewhere]), Some(3));
    }

    #[test]
    fn an_authority_leads_to_the_payee_and_holds_what_is_above_its_limit() {
        let authority = Authority {
            payee_no: PersonNo(40),
            programmes: Vec::new(),
            amount_max: Some(Money::dong(1_000_000)),
        };
        let payee = channels(vec![candidate(1, Channel::BankAccount)]);
        let to = |dong| {
            let amount = Money::dong(dong);
            through(&authority, Programme::SocialPension, &payee, amount, now())
        };
        assert_eq!(
            (to(1_000_000).payee_no, to(1_000_000).hold),
            (PersonNo(40), None)
        );
        assert_eq!(to(1_000_001).hold.unwrap().reason, HoldReason::PayeeLimit);
    }
}
