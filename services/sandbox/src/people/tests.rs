use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::{
    BankAccount, BirthDate, CitizenNumber, Commune, Institution, Money, PersonName, Province, Sex,
};

use sha2::{Digest, Sha256};

use super::*;

const ROWS: u64 = 5000;

/// A directory of this test's own that is gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sandbox-people-{}-{number}", std::process::id());
        Folder(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn plan(seed: u64) -> Plan {
    Plan::new(ROWS, seed, "2026-12".parse().unwrap())
}

fn written(plan: &Plan) -> (Written, String, String) {
    let folder = Folder::new();
    let written = write_people(plan, &folder.0).unwrap();
    let people = fs::read_to_string(&written.people_csv).unwrap();
    let links = fs::read_to_string(&written.links_csv).unwrap();
    (written, people, links)
}

fn table(text: &str) -> Vec<HashMap<String, String>> {
    csv::Reader::from_reader(text.as_bytes())
        .deserialize()
        .map(Result::unwrap)
        .collect()
}

/// In `0..=1000`.
fn permille(
    rows: &[HashMap<String, String>],
    is: impl Fn(&HashMap<String, String>) -> bool,
) -> usize {
    rows.iter().filter(|it| is(it)).count() * 1000 / rows.len()
}

fn of(rows: &[HashMap<String, String>], programme: &str) -> Vec<HashMap<String, String>> {
    let chosen = rows.iter().filter(|it| it["programme"] == programme);
    chosen.cloned().collect()
}

fn age(row: &HashMap<String, String>) -> i32 {
    let birth: BirthDate = row["birth_date"].parse().unwrap();
    birth.age_on("2026-12-01".parse().unwrap())
}

#[test]
fn every_row_parses_and_no_number_is_given_twice() {
    let (written, people, links) = written(&plan(1));
    assert!(people.starts_with(
        "citizen_number,full_name,birth_date,sex,province,commune,programme,granted_amount,category,household\n"
    ));
    assert!(links.starts_with("citizen_number,institution,account_number,holder_name\n"));
    let (people, links) = (table(&people), table(&links));
    assert_eq!((written.people, people.len()), (ROWS, 5000));
    assert_eq!(written.linked, links.len() as u64);

    let mut names = HashMap::new();
    for row in &people {
        let citizen: CitizenNumber = row["citizen_number"].parse().unwrap();
        let name: PersonName = row["full_name"].parse().unwrap();
        let sex: Sex = row["sex"].parse().unwrap();
        let birth: BirthDate = row["birth_date"].parse().unwrap();
        citizen.agrees_with(sex, birth).unwrap();
        let province: Province = row["province"].parse().unwrap();
        let commune: Commune = row["commune"].parse().unwrap();
        assert_eq!(commune.province(), province);
        let programme: Programme = row["programme"].parse().unwrap();
        if programme == Programme::RetirementPension {
            let granted: Money = row["granted_amount"].parse().unwrap();
            assert!((Money::dong(1_800_000)..=Money::dong(15_000_000)).contains(&granted));
        } else {
            assert_eq!(row["granted_amount"], "");
        }
        assert!(["poor", "near_poor", ""].contains(&row["household"].as_str()));
        let twin = names.insert(row["citizen_number"].clone(), name.bank_form());
        assert_eq!(twin, None);
    }
    let mut accounts = HashSet::new();
    let mut linked = HashSet::new();
    for row in &links {
        row["institution"].parse::<Institution>().unwrap();
        row["account_number"].parse::<BankAccount>().unwrap();
        assert!((10..=14).contains(&row["account_number"].len()));
        assert_eq!(names[&row["citizen_number"]], row["holder_name"]);
        assert!(linked.insert(row["citizen_number"].clone()));
        let account = (row["institution"].clone(), row["account_number"].clone());
        assert!(accounts.insert(account));
    }
}

#[test]
fn the_same_plan_gives_the_same_bytes_and_another_seed_others() {
    let first = written(&plan(7));
    let again = written(&plan(7));
    let other = written(&plan(8));
    assert!(first.1 == again.1 && first.2 == again.2);
    assert!(first.1 != other.1 && first.2 != other.2);
}

/// How the SHA-256 of the two files of seed 7 without the column of communes begins.
const WITHOUT_COMMUNES: [u8; 8] = [235, 228, 180, 100, 160, 194, 192, 36];

#[test]
fn drawing_communes_moves_nothing_else() {
    let (_, people, links) = written(&plan(7));
    let mut others = Sha256::new();
    for line in people.lines() {
        let mut fields: Vec<&str> = line.split(',').collect();
        fields.remove(5);
        others.update(fields.join(",") + "\n");
    }
    others.update(links);
    assert_eq!(others.finalize()[..8], WITHOUT_COMMUNES);
}

#[test]
fn every_commune_of_a_province_has_people() {
    let people = table(&written(&plan(10)).1);
    let hue: Vec<_> = people.iter().filter(|it| it["province"] == "46").collect();
    let mut by_commune: HashMap<&str, usize> = HashMap::new();
    for row in &hue {
        *by_commune.entry(&row["commune"]).or_default() += 1;
    }
    // 40 communes, and fewer than two people for each: half of them at the least have somebody.
    assert!(
        by_commune.len() >= 20,
        "{} of {}",
        by_commune.len(),
        hue.len()
    );
    assert!(by_commune.values().all(|it| *it <= 8), "{by_commune:?}");
}

#[test]
fn ages_households_and_categories_fit_the_programmes() {
    let people = table(&written(&plan(2)).1);
    let pension = of(&people, "HTXH");
    assert!(pension.iter().all(|it| age(it) >= 70));
    let young = |it: &HashMap<String, String>| age(it) < 75;
    let poor = |it: &HashMap<String, String>| !it["household"].is_empty();
    let early = permille(&pension, |it| young(it) && poor(it));
    assert!((90..=150).contains(&early), "{early}");
    let refused = permille(&pension, |it| young(it) && !poor(it));
    assert!((3..=22).contains(&refused), "{refused}");

    let retired = of(&people, "LUONG_HUU");
    assert!(retired.iter().all(|it| (55..=95).contains(&age(it))));
    let pre1995 = |it: &HashMap<String, String>| it["category"] == "pre1995";
    assert!(
        retired
            .iter()
            .filter(|it| pre1995(it))
            .all(|it| age(it) >= 80)
    );
    assert!((25..=57).contains(&permille(&retired, pre1995)));
    let amount = |it: &HashMap<String, String>| it["granted_amount"].parse::<u64>().unwrap();
    let below = permille(&retired, |it| amount(it) < 5_500_000);
    assert!((460..=560).contains(&below), "{below}");
    assert!(permille(&retired, |it| amount(it) % 1000 != 0) > 800);

    let assisted = of(&people, "TCXH");
    assert!(assisted.iter().all(|it| (3..=90).contains(&age(it))));
    let severe = permille(&assisted, |it| it["category"] == "severe");
    assert!((760..=840).contains(&severe), "{severe}");
    let merited = of(&people, "NCC_THANG");
    assert!(merited.iter().all(|it| (45..=100).contains(&age(it))));
    let mothers = merited
        .iter()
        .filter(|it| it["category"] == "heroic_mother");
    assert!(mothers.into_iter().all(|it| it["sex"] == "nữ"));
}

#[test]
fn names_places_and_dates_are_spread_as_in_the_country() {
    let (_, people, links) = written(&plan(3));
    let (people, links) = (table(&people), table(&links));
    let nguyen = permille(&people, |it| it["full_name"].starts_with("Nguyễn "));
    assert!((280..=335).contains(&nguyen), "{nguyen}");
    let ethnic = permille(&people, |it| {
        let name = &it["full_name"];
        name.starts_with("H' ") || name.starts_with("Y ") || name.contains(" A ")
    });
    assert!((5..=35).contains(&ethnic), "{ethnic}");
    let saigon = permille(&people, |it| it["province"] == "79");
    assert!((105..=142).contains(&saigon), "{saigon}");
    let thi = permille(&people, |it| it["full_name"].contains(" Thị "));
    assert!((280..=450).contains(&thi), "{thi}");
    let here = permille(&people, |it| {
        it["province"] != "01" || it["citizen_number"].starts_with("001")
    });
    assert!((985..=998).contains(&here), "{here}");

    let old: Vec<_> = people.iter().filter(|it| age(it) > 72).cloned().collect();
    let year_only = permille(&old, |it| it["birth_date"].len() == 4);
    assert!((45..=75).contains(&year_only), "{year_only}");
    assert!((885..=915).contains(&(links.len() * 1000 / people.len())));
    let agribank = permille(&links, |it| it["institution"] == "970405");
    assert!((430..=490).contains(&agribank), "{agribank}");
}

#[test]
fn a_plan_keeps_to_its_programmes_and_its_share_of_links() {
    let mut one = plan(4);
    one.count = 300;
    one.programmes = vec![Programme::MeritAllowance];
    one.linked_permille = 1000;
    let (_, people, links) = written(&one);
    assert_eq!(of(&table(&people), "NCC_THANG").len(), 300);
    assert_eq!(table(&links).len(), 300);
    one.linked_permille = 0;
    assert_eq!(written(&one).2.lines().count(), 1);
}

#[test]
fn a_plan_that_cannot_be_is_refused_before_anything_is_written() {
    let folder = Folder::new();
    let mut bad = plan(5);
    bad.linked_permille = 1001;
    let refused = write_people(&bad, &folder.0).unwrap_err();
    assert!(matches!(refused, PeopleError::LinkedPermille(1001)));
    bad.linked_permille = 900;
    bad.period = "2036-01".parse().unwrap();
    let refused = write_people(&bad, &folder.0).unwrap_err();
    assert!(matches!(refused, PeopleError::Period(_)));
    assert!(!folder.0.exists());
}

/// A category that the programme does not know would be refused for a reason that is not the
/// person's.
#[test]
fn every_category_is_one_of_its_programme() {
    let programmes = concat!(env!("CARGO_MANIFEST_DIR"), "/../eligibility/programmes");
    let asked = |code: &str| {
        let text = fs::read_to_string(format!("{programmes}/{code}/programme.toml")).unwrap();
        move |category: &str| text.contains(&format!("\"{category}\""))
    };
    let merit = asked("NCC_THANG");
    for category in profile::merit_categories() {
        assert!(merit(category), "{category}");
    }
    let assistance = asked("TCXH");
    assert!(["severe", "extremely_severe"].into_iter().all(assistance));
    assert!(asked("LUONG_HUU")("pre1995"));
}

/// A filled cell that its programme does not ask for is refused.
#[test]
fn a_household_is_told_only_where_it_is_asked_for() {
    let people = table(&written(&plan(9)).1);
    for (programme, asked) in [
        ("HTXH", true),
        ("TCXH", true),
        ("LUONG_HUU", false),
        ("NCC_THANG", false),
    ] {
        let told = of(&people, programme)
            .iter()
            .any(|it| !it["household"].is_empty());
        assert_eq!(told, asked, "{programme}");
    }
}

#[test]
fn no_name_says_a_word_twice_in_a_row() {
    for row in table(&written(&plan(6)).1) {
        let words: Vec<&str> = row["full_name"].split(' ').collect();
        assert!(words.windows(2).all(|it| it[0] != it[1]), "{words:?}");
    }
}
