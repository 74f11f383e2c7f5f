use domain::{PARTS, Part};

use crate::leases::Unit;
use crate::organisation::{Organisation, Route};

/// Into so many units is divided what a service says. More would move less at once and cost a pull
/// each, with its heartbeat.
const SHARES: i16 = 4;

/// What of a speaker one instance hears at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    /// All partitions of a bank's sequence: there are many of those, and each says little.
    Whole,
    /// Every fourth part of the partitions.
    Of(i16),
}

impl Share {
    pub(crate) fn all_of(speaker: &str) -> Vec<Share> {
        if speaker.starts_with("bank.") {
            return vec![Share::Whole];
        }
        (0..SHARES).map(Share::Of).collect()
    }

    pub(crate) fn parts(self) -> impl Iterator<Item = Part> {
        Part::all().filter(move |it| self.has(*it))
    }

    pub(crate) fn has(self, part: Part) -> bool {
        match self {
            Share::Whole => true,
            Share::Of(number) => part.number() / (PARTS / SHARES) == number,
        }
    }

    /// The work of hearing it.
    pub(crate) fn unit(self, consumer: &str, speaker: &str) -> Unit {
        let hears = format!("{consumer} hears {speaker}");
        match self {
            Share::Whole => Unit {
                group: format!("{consumer} hears banks"),
                name: hears,
            },
            Share::Of(number) => Unit {
                name: format!("{hears} {number}"),
                group: hears,
            },
        }
    }
}

/// Whether the outbox of a speaker is this database's: what banks, the population register and the central
/// bank say is recorded with them.
pub(crate) fn is_recorded_here(speaker: &str) -> bool {
    match Route::of(speaker) {
        Some(route) => route.sender == Organisation::State,
        None => ![events::POPULATION, events::CENTRAL_BANK].contains(&speaker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_is_in_one_share() {
        for speaker in ["payments", "bank.970436.in.results"] {
            let shares = Share::all_of(speaker);
            let parts = shares.iter().flat_map(|it| it.parts());
            let mut parts: Vec<Part> = parts.collect();
            parts.sort_unstable();
            assert_eq!(parts, Part::all().collect::<Vec<Part>>(), "{speaker}");
        }
        assert_eq!(
            Share::Of(1).parts().map(Part::number).collect::<Vec<_>>(),
            [4, 5, 6, 7]
        );
    }

    #[test]
    fn what_comes_from_outside_is_not_recorded_here() {
        for speaker in ["bank.970436.in.results", "population", "centralbank"] {
            assert!(!is_recorded_here(speaker), "{speaker}");
        }
        for speaker in ["payments", "eligibility", "bank.970436.out"] {
            assert!(is_recorded_here(speaker), "{speaker}");
        }
    }

    #[test]
    fn no_two_units_have_one_name() {
        let names = [
            "payments",
            "eligibility",
            "bank.970436.in.results",
            "bank.970436.out",
        ]
        .into_iter()
        .flat_map(|speaker| {
            let shares = Share::all_of(speaker);
            shares
                .into_iter()
                .map(move |it| it.unit("accounts", speaker).name)
        });
        let mut names: Vec<String> = names.collect();
        assert_eq!(names.len(), 10);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 10);
    }
}
