use domain::Money;
use rules::{Error, Facts, Law, Outcome};

use crate::tiny_law::{Person, at, event, law, tiny};

#[test]
fn the_day_of_knowledge_chooses_the_parameter_and_the_version() {
    let law = law();
    let old = Person::of(&law, "HTXH", "1940", &[]);
    assert_eq!(old.gets(&law, "2026-06", "2026-12-01"), "500000");
    assert_eq!(old.gets(&law, "2026-07", "2026-10-04"), "500000");
    assert_eq!(old.gets(&law, "2026-07", "2026-10-05"), "540000");
    let poor = Person::of(&law, "HTXH", "01/07/1956", &[("household", "poor")]);
    assert_eq!(poor.gets(&law, "2026-06", "2026-12-01"), "below_age");
    assert_eq!(poor.gets(&law, "2026-07", "2026-12-01"), "540000");
    let decided = poor.decide(&law, at("2026-07", "2026-12-01")).unwrap();
    assert_eq!(
        (decided.version.id(), &decided.rate_nos[..]),
        ("2026-07", &[1001][..])
    );
}

#[test]
fn a_correction_known_later_holds_from_the_day_it_is_known() {
    let mut files = tiny();
    let late = files.0["HTXH/2026-07.toml"]
        .replace("known_from = \"2025-07-01\"", "known_from = \"2026-11-01\"")
        .replace("base * 1.0", "base * 0.5");
    let examples = files.0["HTXH/2026-07.examples.csv"]
        .replace("2026-06-01", "2026-11-01")
        .replace("2026-10-05", "2026-11-01")
        .replace("500000", "270000")
        .replace("540000", "270000");
    files.0.insert("HTXH/2026-07b.toml".to_owned(), late);
    files
        .0
        .insert("HTXH/2026-07b.examples.csv".to_owned(), examples);
    let poor = files.0["HTXH/2026-07.examples.csv"].replace("2026-12-01", "2026-10-31");
    files.0.insert("HTXH/2026-07.examples.csv".to_owned(), poor);
    let law = Law::read(&files).unwrap();
    let old = Person::of(&law, "HTXH", "1940", &[]);
    assert_eq!(old.gets(&law, "2026-12", "2026-10-31"), "540000");
    assert_eq!(old.gets(&law, "2026-12", "2026-11-01"), "270000");
}

#[test]
fn where_the_law_is_not_there_nothing_is_guessed() {
    let law = law();
    let old = Person::of(&law, "HTXH", "1940", &[]);
    let missing = old.decide(&law, at("2025-06", "2026-12-01")).unwrap_err();
    assert!(matches!(missing, Error::NoVersion { .. }), "{missing}");
    let unknown = old.decide(&law, at("2025-07", "2025-06-30")).unwrap_err();
    assert!(matches!(unknown, Error::NoVersion { .. }), "{unknown}");
    let mut files = tiny();
    let later = files.0["parameters.csv"].replace(
        "base,,500000,VND/month,2025-07-01",
        "base,,500000,VND/month,2025-09-01",
    );
    files.0.insert("parameters.csv".to_owned(), later);
    let law = Law::read(&files).unwrap();
    let missing = old.decide(&law, at("2025-08", "2026-12-01")).unwrap_err();
    assert!(matches!(missing, Error::NoParameter { .. }), "{missing}");
}

#[test]
fn who_is_not_born_or_has_no_evidence_is_owed_nothing() {
    let law = law();
    let child = Person::of(&law, "TCXH", "01/01/2027", &[("groups", "severe")]);
    assert_eq!(child.gets(&law, "2026-12", "2026-12-01"), "not_born");
    assert_eq!(child.gets(&law, "2027-01", "2026-12-01"), "1080000");
    let newborn = Person::of(&law, "TCXH", "31/01/2027", &[("groups", "severe")]);
    assert_eq!(newborn.gets(&law, "2027-01", "2026-12-01"), "1080000");
    let bare = Person::of(&law, "TCXH", "1990", &[("children", "2")]);
    assert_eq!(bare.gets(&law, "2026-12", "2026-12-01"), "evidence_missing");
    let explanation = bare
        .decide(&law, at("2026-12", "2026-12-01"))
        .unwrap()
        .explanation;
    assert!(explanation.contains(r#""missing":["groups"],"reason":"evidence_missing"}"#));
}

#[test]
fn each_hit_policy_takes_its_rows() {
    let law = law();
    let gets = |birth, facts: &[(&str, &str)]| {
        Person::of(&law, "TCXH", birth, facts).gets(&law, "2026-12", "2026-12-01")
    };
    // unique: a band by age, with its borders.
    assert_eq!(gets("01/01/2011", &[("groups", "severe")]), "1080000");
    assert_eq!(gets("31/12/2010", &[("groups", "severe")]), "810000");
    assert_eq!(gets("1900", &[("groups", "severe")]), "no_band");
    // highest: of several groups the one that gives most; none where none is listed.
    assert_eq!(
        gets("1990", &[("groups", "severe | extremely_severe")]),
        "1080000"
    );
    assert_eq!(gets("1990", &[("groups", "orphan")]), "not_in_table");
    // sum: nothing, one or two extras; a formula in a cell.
    assert_eq!(
        gets("1990", &[("groups", "single_parent"), ("children", "1")]),
        "540000"
    );
    assert_eq!(
        gets("1990", &[("groups", "single_parent"), ("children", "3")]),
        "1620000"
    );
    assert_eq!(
        gets(
            "1990",
            &[("groups", "single_parent|severe"), ("children", "3")]
        ),
        "2025000"
    );
    // first: the institution comes before everything after it.
    assert_eq!(
        gets("1990", &[("groups", "severe"), ("boarding", "true")]),
        "81000"
    );
}

#[test]
fn the_amount_is_rounded_once_by_the_rule_of_the_programme() {
    let law = law();
    let gets = |granted: &str, retired: &str| {
        let facts = [("granted_amount", granted), ("retired_on", retired)];
        let pensioner = Person::of(&law, "LUONG_HUU", "1950", &facts);
        pensioner.gets(&law, "2026-12", "2026-12-01")
    };
    // 1000000 × 1.0855 + 0 = 1085500: half of a thousand, up.
    assert_eq!(gets("1000000", "2026-12-31"), "1000000");
    assert_eq!(gets("1000000", "2019-12-31"), "1086000"); // + 84 months
    assert_eq!(gets("1000500", "2026-12-31"), "1001000");
    assert_eq!(gets("1000499", "2026-12-31"), "1000000");
}

#[test]
fn a_province_tops_up_where_its_level_is_higher() {
    let law = law();
    let mut old = Person::of(&law, "HTXH", "1940", &[]);
    let owed = |amount, local| Outcome::Owed {
        amount: Money::dong(amount),
        local: Money::dong(local),
    };
    for (province, known, amount, local, rate_nos) in [
        ("79", "2026-12-01", 650_000, 110_000, vec![1001, 1002]),
        ("01", "2026-10-04", 510_000, 10_000, vec![1000, 1003]),
        // The country has overtaken it.
        ("01", "2026-10-05", 540_000, 0, vec![1001]),
        ("04", "2026-12-01", 540_000, 0, vec![1001]),
    ] {
        old.province = province;
        let decision = old.decide(&law, at("2026-12", known)).unwrap();
        assert_eq!(decision.outcome, owed(amount, local), "{province} {known}");
        assert_eq!(decision.rate_nos, rate_nos, "{province} {known}");
        assert_eq!(decision.explanation.contains(r#""local":{"#), local > 0);
    }
}

/// A lower level of a province is no level of its own, whatever would follow from it.
#[test]
fn a_lower_level_of_a_province_does_not_count() {
    let mut files = tiny();
    let rows = "uplift,79,0.01,ratio,2025-07-01,,2025-07-01,Resolution 5,high\n";
    let text = format!("{}{rows}", files.0["parameters.csv"]);
    files.0.insert("parameters.csv".to_owned(), text);
    let text = files.0["LUONG_HUU/2025-07.toml"].replace("? uplift : 0", "? 0.171 - uplift : 0");
    files.0.insert("LUONG_HUU/2025-07.toml".to_owned(), text);
    let law = Law::read(&files).unwrap();
    let mut pensioner = Person::of(&law, "LUONG_HUU", "1950", &[("granted_amount", "1000000")]);
    pensioner.province = "79";
    assert_eq!(pensioner.gets(&law, "2026-12", "2026-12-01"), "1086000");
}

#[test]
fn death_ends_payment_with_the_month_once_it_is_known() {
    let law = law();
    let mut old = Person::of(&law, "HTXH", "1940", &[]);
    old.events = vec![event("death", "2026-08-31", "2026-09-20")];
    assert_eq!(old.gets(&law, "2026-08", "2026-09-20"), "500000");
    assert_eq!(old.gets(&law, "2026-09", "2026-09-19"), "500000");
    assert_eq!(old.gets(&law, "2026-09", "2026-09-20"), "stopped_death");
    assert_eq!(old.gets(&law, "2027-09", "2026-09-20"), "stopped_death");
    old.events
        .push(event("imprisoned", "2026-07-05", "2026-07-06"));
    assert_eq!(
        old.gets(&law, "2026-08", "2026-09-20"),
        "suspended_imprisoned"
    );
    assert_eq!(old.gets(&law, "2026-09", "2026-09-20"), "stopped_death");
    // What a programme says nothing of, and a move, change nothing.
    old.events = vec![
        event("job_found", "2026-07-05", "2026-07-06"),
        event("moved", "2026-07-05", "2026-07-06"),
    ];
    assert_eq!(old.gets(&law, "2026-09", "2026-09-20"), "500000");
}

#[test]
fn a_suspension_ends_with_and_without_back_pay() {
    let law = law();
    let gets = |kind, resumed, period, known| {
        let mut old = Person::of(&law, "HTXH", "1940", &[]);
        old.events = vec![
            event(resumed, "2026-08-10", "2026-08-20"),
            event(kind, "2026-05-15", "2026-05-20"),
        ];
        old.gets(&law, period, known)
    };
    for (period, known, outcome) in [
        ("2026-05", "2026-09-01", "500000"),
        ("2026-06", "2026-08-19", "suspended_imprisoned"),
        ("2026-06", "2026-09-01", "suspended_imprisoned"),
        ("2026-08", "2026-09-01", "suspended_imprisoned"),
        ("2026-09", "2026-08-19", "suspended_imprisoned"),
        ("2026-09", "2026-09-01", "500000"),
    ] {
        assert_eq!(
            gets("imprisoned", "returned", period, known),
            outcome,
            "{period} {known}"
        );
    }
    for (period, known, outcome) in [
        ("2026-04", "2026-08-19", "500000"),
        ("2026-05", "2026-05-19", "500000"),
        ("2026-05", "2026-08-19", "suspended_not_collected"),
        ("2026-05", "2026-08-20", "500000"),
        ("2026-07", "2026-08-20", "500000"),
        ("2026-08", "2026-08-20", "500000"),
    ] {
        assert_eq!(
            gets("not_collected", "resumed", period, known),
            outcome,
            "{period} {known}"
        );
    }
}

#[test]
fn what_comes_out_negative_or_above_the_maximum_is_not_paid() {
    for (formula, maximum, expected) in [
        (
            "rate > 0 ? 0 - granted_amount : 0",
            "granted_amount",
            "negative",
        ),
        (
            "rate > 0 ? granted_amount + 1 : 0",
            "granted_amount",
            "above its maximum",
        ),
    ] {
        let mut files = tiny();
        let version = files.0["LUONG_HUU/2025-07.toml"].replace(
            "granted_amount * (1 + (retired_on < 20200101 ? uplift : 0)) + months_since_retired_on",
            formula,
        );
        let version = version.replace("2 * granted_amount + 1200", maximum);
        files.0.insert("LUONG_HUU/2025-07.toml".to_owned(), version);
        let examples = files.0["LUONG_HUU/2025-07.examples.csv"]
            .replace("1086000", "0")
            .replace("1000000,83", "0,83");
        let examples = examples
            .replace(",,,1000000,,", ",,,0,,")
            .replace("2020-01-02,,1000000", "2020-01-02,,0");
        files
            .0
            .insert("LUONG_HUU/2025-07.examples.csv".to_owned(), examples);
        let law = Law::read(&files).unwrap();
        let facts = [("granted_amount", "1000"), ("rate", "0.1")];
        let pensioner = Person::of(&law, "LUONG_HUU", "1950", &facts);
        let error = pensioner
            .decide(&law, at("2026-12", "2026-12-01"))
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn facts_are_read_back_as_they_were_written() {
    let law = law();
    let facts = [
        ("children", "2"),
        ("groups", "severe|orphan"),
        ("boarding", "false"),
    ];
    let person = Person::of(&law, "TCXH", "1990", &facts);
    let rules = law.programme(person.programme).unwrap();
    let json = person.facts.to_json();
    assert_eq!(
        json,
        r#"{"boarding":false,"children":"2","groups":["orphan","severe"]}"#
    );
    assert_eq!(Facts::stored(rules, &json).unwrap(), person.facts);
    let pensioner = [
        ("granted_amount", "3200000"),
        ("retired_on", "2020-02-29"),
        ("rate", "0.750"),
    ];
    let person = Person::of(&law, "LUONG_HUU", "1950", &pensioner);
    let rules = law.programme(person.programme).unwrap();
    let json = person.facts.to_json();
    assert_eq!(
        json,
        r#"{"granted_amount":"3200000","rate":"0.75","retired_on":"2020-02-29"}"#
    );
    assert_eq!(Facts::stored(rules, &json).unwrap(), person.facts);
    for (text, code) in [
        (r#"{"salary":"1"}"#, "fact_unknown"),
        (r#"{"granted_amount":1}"#, "facts_invalid"),
        (r#"{"granted_amount":"1.5"}"#, "amount_invalid"),
        (r#"{"retired_on":"29/02/2020"}"#, "fact_invalid"),
        (r#"{"rate":"-1"}"#, "fact_invalid"),
        ("[]", "facts_invalid"),
    ] {
        assert_eq!(Facts::stored(rules, text).unwrap_err().code, code, "{text}");
    }
    let rules = law.programme("TCXH".parse().unwrap()).unwrap();
    let unknown = Facts::stored(rules, r#"{"groups":["rich"]}"#).unwrap_err();
    assert_eq!(unknown.code, "fact_code_unknown");
}

#[test]
fn a_fact_of_another_programme_is_a_mistake_and_said_to_be_one() {
    let law = law();
    let mut old = Person::of(&law, "HTXH", "1940", &[]);
    old.facts = Person::of(&law, "TCXH", "1940", &[("groups", "severe")]).facts;
    let error = old.decide(&law, at("2026-12", "2026-12-01")).unwrap_err();
    assert!(matches!(error, Error::Fact { .. }), "{error}");
}

/// One law is read and shared by all workers.
#[test]
fn a_law_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let law = law();
    shared(&law);
    shared(&Facts::default());
}
