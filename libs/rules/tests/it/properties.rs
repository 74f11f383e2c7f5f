use std::collections::BTreeMap;
use std::sync::LazyLock;

use domain::Money;
use proptest::prelude::*;
use rules::{Error, Facts, Law, Outcome};

use crate::tiny_law::{Person, at, law};

static LAW: LazyLock<Law> = LazyLock::new(law);

fn facts() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let groups = proptest::sample::subsequence(
        vec!["severe", "extremely_severe", "orphan", "single_parent"],
        0..=4,
    );
    (groups, 0..30u32, any::<bool>(), 0..8u8).prop_map(|(groups, children, boarding, which)| {
        let all = [
            ("groups", groups.join(" | ")),
            ("children", children.to_string()),
            ("boarding", boarding.to_string()),
        ];
        let chosen = all
            .into_iter()
            .enumerate()
            .filter(|(bit, _)| which >> bit & 1 == 1);
        chosen.map(|(_, it)| it).collect()
    })
}

fn person(birth_year: u32, facts: &[(&str, &str)]) -> Person {
    let birth: &'static str = Box::leak(birth_year.to_string().into_boxed_str());
    Person::of(&LAW, "TCXH", birth, facts)
}

proptest! {
    /// Whoever writes the facts first, and in whatever order codes stand, the bytes are the same.
    #[test]
    fn the_order_of_facts_does_not_matter(facts in facts(), year in 1930..2030u32) {
        let forwards: Vec<(&str, &str)> = facts.iter().map(|(it, text)| (*it, &**text)).collect();
        let turned: Vec<(&str, String)> = facts
            .iter()
            .rev()
            .map(|(it, text)| (*it, text.split(" | ").collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("|")))
            .collect();
        let backwards: Vec<(&str, &str)> = turned.iter().map(|(it, text)| (*it, &**text)).collect();
        let at = at("2026-12", "2026-12-01");
        let (one, other) = (person(year, &forwards), person(year, &backwards));
        match (one.decide(&LAW, at), other.decide(&LAW, at)) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(one.outcome, other.outcome);
                prop_assert_eq!(one.explanation, other.explanation);
            }
            (one, other) => prop_assert_eq!(one.err(), other.err()),
        }
    }

    /// What is paid is within the programme's maximum, or nothing is decided.
    #[test]
    fn nothing_is_paid_above_the_maximum(
        facts in facts(),
        year in 1930..2030u32,
        province in prop::sample::select(vec!["01", "04", "79"]),
    ) {
        let given: Vec<(&str, &str)> = facts.iter().map(|(it, text)| (*it, &**text)).collect();
        let mut one = person(year, &given);
        one.province = province;
        let base = if province == "79" { 650_000 } else { 540_000 };
        match one.decide(&LAW, at("2026-12", "2026-12-01")) {
            Ok(decision) => if let Outcome::Owed { amount, local } = decision.outcome {
                prop_assert!(amount <= Money::dong(20 * base));
                prop_assert!(local <= amount);
            },
            Err(error) => prop_assert!(matches!(error, Error::AboveMaximum { .. }), "{}", error),
        }
    }

    /// Facts survive being stored, and deciding by them gives the same bytes.
    #[test]
    fn stored_facts_decide_alike(facts in facts(), year in 1930..2030u32) {
        let given: Vec<(&str, &str)> = facts.iter().map(|(it, text)| (*it, &**text)).collect();
        let one = person(year, &given);
        let rules = LAW.programme(one.programme).unwrap();
        let read = Facts::stored(rules, &one.facts.to_json()).unwrap();
        prop_assert_eq!(&read, &one.facts);
    }
}
