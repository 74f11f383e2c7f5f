use std::sync::OnceLock;

use proptest::prelude::*;
use rules::EventKind;

use super::*;

/// Reading runs all examples; once is enough for all tests.
fn law() -> &'static Law {
    static LAW: OnceLock<Law> = OnceLock::new();
    LAW.get_or_init(|| crate::read_law(&crate::shipped_files()).unwrap())
}

fn enrolled(programme: Programme, facts: &[(&str, &str)]) -> Enrolled {
    let rules = law().programme(programme).unwrap();
    let mut known = Facts::default();
    for (fact, text) in facts {
        known.set(*fact, rules.parse_fact(fact, text).unwrap());
    }
    Enrolled {
        province: "04".parse().unwrap(),
        facts: known,
    }
}

fn person(birth: &str, programmes: &[(Programme, &[(&str, &str)])]) -> Inputs {
    let programmes = programmes.iter();
    Inputs {
        birth: birth.parse().unwrap(),
        sex: Sex::Female,
        enrolled: programmes
            .map(|(programme, facts)| (*programme, enrolled(*programme, facts)))
            .collect(),
        events: Vec::new(),
    }
}

fn month(period: &str, known: &str) -> At {
    At {
        period: period.parse().unwrap(),
        known: known.parse().unwrap(),
    }
}

fn december(programme: Programme, inputs: &Inputs) -> Determination {
    let at = month("2026-12", "2026-12-01");
    decide(law(), &mut Bench::new(), programme, inputs, at).unwrap()
}

fn outcome(it: &Determination) -> (String, Option<&str>) {
    (it.owed.to_string(), it.reason.as_deref())
}

#[test]
fn of_two_programmes_of_a_family_the_higher_is_owed() {
    use Programme::{SocialAssistance, SocialPension};
    let both = person(
        "01/02/1948",
        &[
            (SocialPension, &[]),
            (SocialAssistance, &[("category", "severe")]),
        ],
    );
    let pension = december(SocialPension, &both);
    assert_eq!(outcome(&pension), ("0".to_owned(), Some("overlap_lower")));
    assert!(
        pension
            .explanation
            .contains("\"TCXH\",\"highest\",\"1080000\",\"dropped\"")
    );
    let assistance = december(SocialAssistance, &both);
    assert_eq!(outcome(&assistance), ("1080000".to_owned(), None));

    let alone = person("01/02/1948", &[(SocialPension, &[])]);
    let pension = december(SocialPension, &alone);
    assert_eq!(outcome(&pension), ("540000".to_owned(), None));
    assert!(!pension.explanation.contains("overlap"));
}

#[test]
fn a_lower_pension_is_filled_up_and_a_higher_one_excludes() {
    use Programme::{RetirementPension, SocialPension};
    for (granted, expected) in [
        // 300.000 rises by 8 % in July 2026.
        ("300000", ("216000", None)),
        ("5000000", ("0", Some("overlap_no_difference"))),
    ] {
        let facts = [("granted_amount", granted)];
        let inputs = person(
            "01/02/1948",
            &[(SocialPension, &[]), (RetirementPension, &facts)],
        );
        let determination = december(SocialPension, &inputs);
        let (owed, reason) = expected;
        assert_eq!(
            outcome(&determination),
            (owed.to_owned(), reason),
            "{granted}"
        );
    }
}

#[test]
fn knowledge_decides_about_the_same_month() {
    let inputs = person("01/02/1948", &[(Programme::SocialPension, &[])]);
    for (known, owed) in [("2026-07-01", "500000"), ("2026-10-05", "540000")] {
        let at = month("2026-07", known);
        let determination = decide(
            law(),
            &mut Bench::new(),
            Programme::SocialPension,
            &inputs,
            at,
        )
        .unwrap();
        assert_eq!(determination.owed.to_string(), owed, "{known}");
    }
}

#[test]
fn frozen_inputs_give_the_same_bytes() {
    let mut inputs = person(
        "1948",
        &[
            (Programme::SocialPension, &[("household", "poor")]),
            (
                Programme::SocialAssistance,
                &[("category", "severe|single_parent"), ("children", "2")],
            ),
        ],
    );
    inputs.events.push(LifeEvent {
        kind: EventKind::Death,
        happened_on: "2027-01-05".parse().unwrap(),
        known_on: "2027-01-20".parse().unwrap(),
    });
    let at = month("2026-12", "2026-12-01");
    let json = inputs_json(Programme::SocialPension, &inputs, at);
    let frozen = stored_inputs(law(), &json).unwrap();
    assert_eq!((&frozen.inputs, frozen.at), (&inputs, at));
    assert_eq!(
        inputs_json(frozen.programme, &frozen.inputs, frozen.at),
        json
    );
    let again = december(Programme::SocialPension, &frozen.inputs);
    assert_eq!(again, december(Programme::SocialPension, &inputs));
}

#[test]
fn inputs_that_were_changed_do_not_pass_for_others() {
    let json = inputs_json(
        Programme::SocialPension,
        &person("1948", &[(Programme::SocialPension, &[])]),
        month("2026-12", "2026-12-01"),
    );
    for (old, new) in [
        ("\"HTXH\":[", "\"TCXH\":["),
        ("\"female\"", "\"other\""),
        ("2026-12\"", "2026-13\""),
        ("{}", "{\"unheard_of\":\"1\"}"),
    ] {
        assert!(json.contains(old), "{json}");
        let changed = json.replacen(old, new, 1);
        assert!(
            matches!(stored_inputs(law(), &changed), Err(Error::Inputs(_))),
            "{changed}"
        );
    }
}

fn any_person() -> impl Strategy<Value = Inputs> {
    let household = prop::sample::select(vec![None, Some("poor"), Some("near_poor")]);
    let category = prop::sample::select(vec!["severe", "extremely_severe", "single_parent"]);
    let years = (1930..2020i32, any::<bool>());
    let parts = (
        years,
        household,
        category,
        0..6u32,
        0..9_000_000u64,
        any::<[bool; 3]>(),
    );
    parts.prop_map(|((year, _), household, category, children, granted, has)| {
        let (children, granted) = (children.to_string(), granted.to_string());
        let assistance = [("category", category), ("children", &children)];
        let pension = [("granted_amount", &granted[..])];
        let poor: Vec<(&str, &str)> = household.iter().map(|it| ("household", *it)).collect();
        let mut programmes: Vec<(Programme, &[(&str, &str)])> =
            vec![(Programme::SocialPension, &poor)];
        if has[0] {
            programmes.push((Programme::SocialAssistance, &assistance));
        }
        if has[1] {
            programmes.push((Programme::RetirementPension, &pension));
        }
        person(&format!("01/06/{year}"), &programmes)
    })
}

proptest! {
    /// A decision above the programme's maximum, or below zero, is an error of the law.
    #[test]
    fn what_is_owed_is_never_negative_and_never_above_the_maximum(inputs in any_person()) {
        for programme in inputs.enrolled.keys() {
            let determination = december(*programme, &inputs);
            prop_assert_eq!(determination.owed.is_zero(), determination.reason.is_some());
            prop_assert!(determination.local <= determination.owed);
        }
    }

    #[test]
    fn a_programme_that_has_nothing_to_do_with_it_changes_nothing(inputs in any_person()) {
        let mut more = inputs.clone();
        let gift = enrolled(Programme::MassGift, &[]);
        more.enrolled.insert(Programme::MassGift, gift);
        let programme = Programme::SocialPension;
        prop_assert_eq!(december(programme, &inputs), december(programme, &more));
    }

    #[test]
    fn the_order_of_people_does_not_matter(mut people in prop::collection::vec(any_person(), 1..8)) {
        let mut bench = Bench::new();
        let at = month("2026-12", "2026-12-01");
        let programme = Programme::SocialPension;
        let one_after_the_other = |people: &[Inputs], bench: &mut Bench| -> Vec<String> {
            let decide = |it| decide(law(), bench, programme, it, at).unwrap().explanation;
            people.iter().map(decide).collect()
        };
        let mut forwards = one_after_the_other(&people, &mut bench);
        people.reverse();
        forwards.reverse();
        prop_assert_eq!(forwards, one_after_the_other(&people, &mut bench));
    }
}
