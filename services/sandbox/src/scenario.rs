//! What a bank does otherwise than it should, because somebody wants to see what comes of it.
//!
//! Which lines are hit, and how, follows from the scenario's seed and the line's end-to-end id
//! alone; the bank's own books always say what it did. It is in force for what the bank hears from
//! its setting on, until another one is, or `none`.

pub(crate) mod store;

use chrono::{DateTime, Utc};
use domain::{EndToEndId, Institution, Money};
use messaging::Problem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use crate::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "kebab-case")]
#[sqlx(type_name = "text", rename_all = "kebab-case")]
pub enum ScenarioKind {
    /// All that is legal and rarely at once: late, backwards, repeated, and answers that are lost.
    MonthEnd,
    /// Each message of results comes three times, the third under another id.
    Duplicates,
    /// Credited; and later rejected, or credited with another amount.
    Contradicts,
    /// Debits the state's account twice for one payment.
    PaysTwice,
    /// Pays another amount than it was instructed; every other time it says so.
    WrongAmount,
    /// Never answers: half of the lines it pays, and of those it says no more than that it is at it.
    Silent,
    /// Credited, and on a later day's statement the money comes back.
    ReturnsLate,
    /// Hears nothing, and all of it when it is back.
    Offline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    pub kind: ScenarioKind,
    pub seed: u32,
    /// Lines in a thousand that are hit.
    pub share_per_mille: u16,
}

/// What is wrong with one line. Whoever is hit is not rejected, unless the deviation is in the
/// answer alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// The answer comes late, and the last one first.
    Late,
    /// The answer comes, and late once more.
    Repeated,
    /// Carried out; the answer is lost, and given when it is asked for.
    Lost,
    /// Credited, and later rejected.
    Contradicted,
    /// Credited, and later credited with this amount.
    OtherAmount(Money),
    PaidTwice,
    WrongAmount {
        paid: Money,
        /// Its result says what was paid, and not what was to be.
        admitted: bool,
    },
    /// Paid, and never answered.
    Withheld,
    /// Neither paid nor answered.
    Dropped,
    ReturnedLate,
}

/// `{"institution": "970436", "scenario": "silent", "seed": 7, "share_per_mille": 20}`; the last
/// two may be left out, and the scenario may be `none`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Setting {
    institution: Institution,
    scenario: String,
    #[serde(default = "first_seed")]
    seed: u32,
    share_per_mille: Option<u16>,
}

fn first_seed() -> u32 {
    7
}

impl ScenarioKind {
    /// Lines in a thousand that are hit where nobody says otherwise.
    fn usual_share(self) -> u16 {
        match self {
            ScenarioKind::MonthEnd => 100,
            _ => 20,
        }
    }
}

impl Scenario {
    /// What is wrong with a line, if it is hit.
    pub fn deviation(self, id: EndToEndId, amount: Money) -> Option<Deviation> {
        let hash: [u8; 32] = Sha256::new()
            .chain_update("scenario")
            .chain_update(self.seed.to_be_bytes())
            .chain_update(id.to_string())
            .finalize()
            .into();
        let number = |from: usize| {
            let bytes = hash[from..from + 8].try_into();
            u64::from_be_bytes(bytes.expect("a hash has 32 bytes"))
        };
        let (hit, way) = (number(0) % 1_000, number(8));
        if hit >= u64::from(self.share_per_mille) {
            return None;
        }
        let even = way.is_multiple_of(2);
        // By a few thousand đồng, so that it is more or less.
        let other = Money::dong(1_000 + number(16) % 9 * 1_000);
        let more = Money::sum([amount, other]);
        Some(match self.kind {
            ScenarioKind::MonthEnd => match way % 10 {
                0..=6 => Deviation::Late,
                7..=8 => Deviation::Repeated,
                _ => Deviation::Lost,
            },
            ScenarioKind::Contradicts if even => Deviation::Contradicted,
            ScenarioKind::Contradicts => Deviation::OtherAmount(more),
            ScenarioKind::PaysTwice => Deviation::PaidTwice,
            ScenarioKind::WrongAmount => Deviation::WrongAmount {
                paid: match amount.checked_sub(other) {
                    Some(less) if number(24).is_multiple_of(2) && !less.is_zero() => less,
                    _ => more,
                },
                admitted: even,
            },
            ScenarioKind::Silent if even => Deviation::Withheld,
            ScenarioKind::Silent => Deviation::Dropped,
            ScenarioKind::ReturnsLate => Deviation::ReturnedLate,
            ScenarioKind::Duplicates | ScenarioKind::Offline => return None,
        })
    }

    pub(crate) fn is_offline(self) -> bool {
        self.kind == ScenarioKind::Offline
    }

    pub(crate) fn says_again(self) -> bool {
        self.kind == ScenarioKind::Duplicates
    }
}

impl Deviation {
    /// Whether the line is paid whoever would reject it.
    pub(crate) fn pays(self) -> bool {
        !matches!(
            self,
            Deviation::Late | Deviation::Repeated | Deviation::Lost | Deviation::Dropped
        )
    }
}

/// `sandbox.do.set-scenario`
pub(crate) async fn set_scenario(
    tx: &mut PgConnection,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Value, Error> {
    let setting: Setting = serde_json::from_slice(body)
        .map_err(|it| Problem::new(422, "body_invalid", it.to_string()))?;
    let bank = setting.institution;
    if !Institution::connected().any(|it| it.institution == bank) {
        let detail = format!("{bank} is none of the sandbox's banks");
        return Err(Problem::new(422, "institution_unknown", detail).into());
    }
    let scenario = scenario(&setting)?;
    store::set_scenario(tx, bank, scenario, now).await?;
    Ok(json!({
        "institution": bank,
        "scenario": scenario.map(|it| it.kind),
        "seed": scenario.map(|it| it.seed),
        "share_per_mille": scenario.map(|it| it.share_per_mille),
    }))
}

fn scenario(setting: &Setting) -> Result<Option<Scenario>, Error> {
    if setting.scenario == "none" {
        return Ok(None);
    }
    let kind = serde_json::from_value::<ScenarioKind>(json!(setting.scenario));
    let kind = kind.map_err(|it| Problem::new(422, "scenario_unknown", it.to_string()))?;
    let share_per_mille = setting.share_per_mille.unwrap_or(kind.usual_share());
    if share_per_mille > 1_000 {
        let detail = "of a thousand lines at most a thousand are hit";
        return Err(Problem::new(422, "share_invalid", detail).into());
    }
    Ok(Some(Scenario {
        kind,
        seed: setting.seed,
        share_per_mille,
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use ScenarioKind::{
        Contradicts, Duplicates, MonthEnd, Offline, PaysTwice, ReturnsLate, Silent, WrongAmount,
    };

    fn amount() -> Money {
        Money::dong(540_000)
    }

    fn ids() -> impl Iterator<Item = EndToEndId> {
        let chunks = (1..=10).flat_map(|chunk| (1..=1_000).map(move |line| (chunk, line)));
        chunks.map(|(chunk, line)| format!("R000001-07-{chunk:04}-{line:04}").parse().unwrap())
    }

    fn name(of: Deviation) -> &'static str {
        match of {
            Deviation::Late => "late",
            Deviation::Repeated => "repeated",
            Deviation::Lost => "lost",
            Deviation::Contradicted => "contradicted",
            Deviation::OtherAmount(_) => "other amount",
            Deviation::PaidTwice => "paid twice",
            Deviation::WrongAmount { admitted: true, .. } => "wrong, admitted",
            Deviation::WrongAmount { .. } => "wrong",
            Deviation::Withheld => "withheld",
            Deviation::Dropped => "dropped",
            Deviation::ReturnedLate => "returned late",
        }
    }

    fn counted(kind: ScenarioKind, share_per_mille: u16) -> BTreeMap<&'static str, usize> {
        let scenario = Scenario {
            kind,
            seed: 7,
            share_per_mille,
        };
        let mut found = BTreeMap::new();
        for id in ids() {
            let deviation = scenario.deviation(id, amount());
            assert_eq!(deviation, scenario.deviation(id, amount()));
            if let Some(it) = deviation {
                *found.entry(name(it)).or_default() += 1;
            }
        }
        found
    }

    #[test]
    fn each_scenario_hits_its_share_in_each_of_its_ways() {
        for (kind, ways) in [
            (MonthEnd, &["late", "lost", "repeated"][..]),
            (Contradicts, &["contradicted", "other amount"]),
            (PaysTwice, &["paid twice"]),
            (WrongAmount, &["wrong", "wrong, admitted"]),
            (Silent, &["dropped", "withheld"]),
            (ReturnsLate, &["returned late"]),
            (Duplicates, &[]),
            (Offline, &[]),
        ] {
            let found = counted(kind, 100);
            let names: Vec<_> = found.keys().copied().collect();
            assert_eq!(names, ways, "{kind:?}");
            let hit: usize = found.values().sum();
            assert!(ways.is_empty() || (900..=1_100).contains(&hit), "{found:?}");
            assert!(counted(kind, 0).is_empty());
            let all: usize = counted(kind, 1_000).values().sum();
            assert!(ways.is_empty() || all == 10_000);
        }
    }

    #[test]
    fn another_seed_hits_others() {
        let hit = |seed| {
            let scenario = Scenario {
                kind: Silent,
                seed,
                share_per_mille: 100,
            };
            let hit = ids().filter(|it| scenario.deviation(*it, amount()).is_some());
            hit.collect::<Vec<_>>()
        };
        assert_eq!(hit(1), hit(1));
        assert_ne!(hit(1), hit(2));
    }

    #[test]
    fn a_wrong_amount_is_another_one_and_never_none() {
        let scenario = Scenario {
            kind: WrongAmount,
            seed: 7,
            share_per_mille: 1_000,
        };
        for amount in [1, 1_000, 9_000, 540_000].map(Money::dong) {
            for id in ids().take(1_000) {
                let Some(Deviation::WrongAmount { paid, .. }) = scenario.deviation(id, amount)
                else {
                    panic!("all are hit");
                };
                assert!(paid != amount && !paid.is_zero());
            }
        }
    }

    #[test]
    fn a_setting_says_which_and_how_many() {
        let set = |scenario: &str, share| {
            let setting = Setting {
                institution: "970436".parse().unwrap(),
                scenario: scenario.to_owned(),
                seed: 3,
                share_per_mille: share,
            };
            super::scenario(&setting).map_err(|it| Problem::from(it).code)
        };
        assert_eq!(set("none", None), Ok(None));
        let share = |it: Option<Scenario>| it.map(|it| (it.kind, it.share_per_mille));
        assert_eq!(set("silent", None).map(share), Ok(Some((Silent, 20))));
        assert_eq!(set("month-end", None).map(share), Ok(Some((MonthEnd, 100))));
        assert_eq!(set("silent", Some(5)).map(share), Ok(Some((Silent, 5))));
        assert_eq!(set("Silent", None), Err("scenario_unknown".to_owned()));
        assert_eq!(set("silent", Some(1_001)), Err("share_invalid".to_owned()));
    }
}
