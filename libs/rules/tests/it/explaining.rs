use rules::explain;

use crate::tiny_law::{Person, at, event, law};

/// These bytes are compared years later; whoever changes them changes what was said.
#[test]
fn the_bytes_of_an_explanation_are_fixed() {
    let law = law();
    let told = |person: &Person| {
        person
            .decide(&law, at("2026-12", "2026-12-01"))
            .unwrap()
            .explanation
    };
    let mut old = Person::of(&law, "HTXH", "1950", &[("household", "poor")]);
    assert_eq!(
        told(&old),
        r#"{"rule":"HTXH/2026-07","facts":{"household":"poor"},"derived":{"age":76},"parameters":[[1001,"base","540000"]],"steps":[["monthly","540000"]],"rounded":"540000","maximum":"540000"}"#
    );
    old.province = "79";
    assert_eq!(
        told(&old),
        r#"{"rule":"HTXH/2026-07","facts":{"household":"poor"},"derived":{"age":76},"parameters":[[1001,"base","540000"]],"steps":[["monthly","540000"]],"rounded":"540000","maximum":"540000","local":{"parameters":[[1002,"base","650000"]],"steps":[["monthly","650000"]],"rounded":"650000","maximum":"650000"}}"#
    );
    let young = Person::of(&law, "HTXH", "1955", &[]);
    assert_eq!(
        told(&young),
        r#"{"rule":"HTXH/2026-07","facts":{},"derived":{"age":71},"parameters":[[1001,"base","540000"]],"steps":[],"reason":"household_not_poor","step":2}"#
    );
    let facts = [("groups", "severe|single_parent"), ("children", "3")];
    let parent = Person::of(&law, "TCXH", "1990", &facts);
    assert_eq!(
        told(&parent),
        r#"{"rule":"TCXH/2025-07","facts":{"children":"3","groups":["severe","single_parent"]},"derived":{"age":36,"sex":"male"},"parameters":[[1001,"base","540000"]],"steps":[["band",{"row":2,"band":"adult"}],["coefficient",{"row":1,"coefficient":"1.5"},{"row":6,"coefficient":"1","taken":false}],["extra",{"row":1,"extra":"2"},{"row":2,"extra":"0.25"}],["place",{"row":3,"share":"1"}],["monthly","2025000"]],"rounded":"2025000","maximum":"10800000"}"#
    );
    let alone = Person::of(&law, "TCXH", "1990", &[("groups", "severe")]);
    assert!(told(&alone).contains(r#"["extra",{"row":0,"extra":"0"}]"#));
}

#[test]
fn what_happened_is_in_the_explanation() {
    let law = law();
    let mut old = Person::of(&law, "HTXH", "1940", &[]);
    old.events = vec![event("death", "2026-08-31", "2026-09-20")];
    let told = |old: &Person, period| {
        old.decide(&law, at(period, "2026-12-01"))
            .unwrap()
            .explanation
    };
    assert_eq!(
        told(&old, "2026-09"),
        r#"{"rule":"HTXH/2026-07","facts":{},"event":["death","2026-08-31","2026-09-20"],"reason":"stopped_death"}"#
    );
    old.events = vec![
        event("not_collected", "2026-08-01", "2026-08-05"),
        event("resumed", "2026-11-01", "2026-11-05"),
    ];
    assert!(told(&old, "2026-09").starts_with(
        r#"{"rule":"HTXH/2026-07","facts":{},"paid_back":["not_collected","2026-08-01"],"derived""#
    ));
}

#[test]
fn people_are_told_in_two_languages() {
    let law = law();
    let facts = [("groups", "severe|single_parent"), ("children", "3")];
    let parent = Person::of(&law, "TCXH", "1990", &facts);
    let decision = parent.decide(&law, at("2026-12", "2026-12-01")).unwrap();
    let told = explain(&law, &decision.explanation);
    assert_eq!(
        told.vi,
        [
            "Trợ cấp xã hội: theo Decree 6 (phiên bản 2025-07).",
            "Nhóm đối tượng: severe, single_parent.",
            "Số con: 3.",
            "Tuổi vào ngày cuối tháng: 36.",
            "Giới tính: nam.",
            "base: 540.000 đồng, theo Decree 2.",
            "Người lớn (Decree 6 b): band = adult.",
            "Khuyết tật nặng (Decree 6 d): coefficient = 1,5.",
            "Cũng thuộc: Đơn thân (Decree 6 i), nhưng có mức cao hơn: coefficient = 1.",
            "Thêm cho mỗi con (Decree 6 k): extra = 2.",
            "Đông con (Decree 6 l): extra = 0,25.",
            "Tại nhà (Decree 6 o): share = 1.",
            "Mức hằng tháng: 2.025.000.",
            "Mức được hưởng: 2.025.000 đồng (làm tròn đến 1 đồng, xuống).",
        ]
    );
    assert_eq!(told.en.len(), told.vi.len());
    assert_eq!(
        told.en[0],
        "Social assistance: by Decree 6 (version 2025-07)."
    );
    assert_eq!(
        told.en[7],
        "Severe disability (Decree 6 d): coefficient = 1.5."
    );
    assert_eq!(
        told.en[13],
        "Owed: 2.025.000 đồng (rounded to 1 đồng, down)."
    );
}

#[test]
fn a_refusal_a_stop_and_a_local_level_are_told() {
    let law = law();
    let told = |person: &Person, period| {
        let decision = person.decide(&law, at(period, "2026-12-01")).unwrap();
        explain(&law, &decision.explanation)
    };
    let young = told(&Person::of(&law, "HTXH", "1960", &[]), "2026-12");
    assert_eq!(
        young.vi.last().unwrap(),
        "Không được hưởng: Chưa đủ 70 tuổi."
    );
    assert_eq!(
        young.en.last().unwrap(),
        "Nothing is owed: Below the age of 70."
    );
    let mut old = Person::of(&law, "HTXH", "1940", &[]);
    old.province = "79";
    let local = told(&old, "2026-12");
    assert!(
        local
            .vi
            .contains(&"base: 650.000 đồng, theo Resolution 3.".to_owned())
    );
    old.events = vec![event("death", "2026-08-31", "2026-09-20")];
    let dead = told(&old, "2026-09");
    assert!(dead.vi[1].contains("ngày 31/08/2026, được biết ngày 20/09/2026; Law 1 Article 9"));
    assert_eq!(dead.vi[2], "Không được hưởng: Đã thôi hưởng.");
    let bare = told(&Person::of(&law, "LUONG_HUU", "1940", &[]), "2026-09");
    assert!(bare.vi.contains(&"Thiếu: Mức đang hưởng.".to_owned()));
}

#[test]
fn what_the_law_at_hand_does_not_cite_is_said_to_be_unreadable() {
    for stored in [
        "",
        "{}",
        r#"{"rule":"HTXH/1999-01"}"#,
        r#"{"age":76,"reason":"x"}"#,
    ] {
        let told = explain(&law(), stored);
        assert_eq!(
            told.en,
            ["This explanation cannot be read with the law at hand."],
            "{stored}"
        );
    }
}
