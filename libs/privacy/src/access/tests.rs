use std::collections::HashSet;

use super::*;
use crate::{MaskedName, MaskedNumber};

const MAI: PersonNo = PersonNo(42);
const NAM: PersonNo = PersonNo(43);

fn granted(fields: &[Field], unmasked: bool) -> Granted {
    Granted {
        entry_no: 1,
        person_no: MAI,
        fields: fields.to_vec(),
        unmasked,
    }
}

fn clear(actor: &str, case_ref: Option<&str>) -> bool {
    let access = Access {
        actor,
        role: Role::Officer,
        purpose: Purpose::Complaint,
        case_ref,
        person_no: MAI,
        fields: &[],
        unmasked: false,
    };
    access.refuse_unclear().is_ok()
}

#[test]
fn an_actor_is_no_name_and_no_number() {
    for actor in [
        "nguyen.an",
        "person-42",
        "person-123456789",
        "accounts",
        "a1",
    ] {
        assert!(clear(actor, None), "{actor}");
    }
    let long = "a".repeat(65);
    for actor in [
        "",
        "a",
        "Nguyễn Văn An",
        "nguyen an",
        "031048000042",
        "cccd-031048000042",
        "person-",
        "person-+1",
        "person--1",
        "person-x",
        &long,
    ] {
        assert!(!clear(actor, None), "{actor}");
    }
}

#[test]
fn a_case_is_no_sentence_and_no_number_of_somebody() {
    for case in ["KN-2026/123", "12345678", "HS_1.ĐL"] {
        assert!(clear("nguyen.an", Some(case)), "{case}");
    }
    let long = "1-".repeat(40);
    for case in [
        "",
        "xem hộ",
        "031048000042",
        "a/123456789",
        "١٢٣٤٥٦٧٨٩",
        "x\n",
        &long,
    ] {
        assert!(!clear("nguyen.an", Some(case)), "{case}");
    }
}

#[test]
fn unmasking_nothing_is_unclear() {
    let access = Access {
        actor: "nguyen.an",
        role: Role::Officer,
        purpose: Purpose::Audit,
        case_ref: None,
        person_no: MAI,
        fields: &[],
        unmasked: true,
    };
    let error = access.refuse_unclear().unwrap_err().to_string();
    assert!(error.contains("nothing is named"), "{error}");
}

#[test]
fn codes_are_read_back_and_sentences_differ() {
    for role in Role::ALL {
        assert_eq!(Role::from_code(role.code()), Some(role));
    }
    for purpose in Purpose::ALL {
        assert_eq!(Purpose::from_code(purpose.code()), Some(purpose));
    }
    assert_eq!(Purpose::from_code("curiosity"), None);
    let said = Purpose::ALL.map(|it| [it.vi(), it.en()]).concat();
    assert_eq!(said.iter().collect::<HashSet<_>>().len(), said.len());
}

#[test]
fn a_record_opens_what_it_names_and_nothing_else() {
    let folder =
        std::env::temp_dir().join(format!("access-{}", hex::encode(crate::nonce::random())));
    let keys = Keys::generate_development(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let (mai, nam) = (MAI.0.to_be_bytes(), NAM.0.to_be_bytes());
    let name = keys.seal(Field::PersonName, &mai, "Trần Thị Mai");
    let number = keys.seal(Field::CitizenNumber, &mai, "031148000042");
    let of_nam = keys.seal(Field::PersonName, &nam, "Lê Nam");
    let refused = |it: Result<(), PrivacyError>| match it {
        Err(PrivacyError::NotGranted { reason }) => reason,
        other => panic!("{other:?}"),
    };

    let clear_name = granted(&[Field::PersonName], true);
    let open = |field, context: &[u8], sealed| clear_name.open(&keys, field, context, sealed);
    let opened = open(Field::PersonName, &mai, &name).unwrap();
    assert_eq!(opened.expose(), "Trần Thị Mai");
    let of_another_field = open(Field::CitizenNumber, &mai, &number).map(drop);
    assert_eq!(refused(of_another_field), "another field");
    let of_another_person = open(Field::PersonName, &nam, &of_nam).map(drop);
    assert_eq!(refused(of_another_person), "another person");

    let masks = granted(&[Field::PersonName, Field::CitizenNumber], false);
    let in_clear = masks.open(&keys, Field::PersonName, &mai, &name).map(drop);
    assert_eq!(refused(in_clear), "masks only");
    let masked_name: MaskedName = masks.mask(&keys, &mai, &name).unwrap();
    assert_eq!(masked_name.to_string(), "T••• T••• M•••");
    let masked_number: MaskedNumber = masks.mask(&keys, &mai, &number).unwrap();
    assert_eq!(refused(masked_name.unmask(&masks).map(drop)), "masks only");
    let beyond = masks.mask::<crate::masked::Account>(&keys, &mai, &name);
    assert_eq!(refused(beyond.map(drop)), "another field");

    assert_eq!(masked_name.unmask(&clear_name).unwrap(), "Trần Thị Mai");
    let number_by_name = masked_number.unmask(&clear_name).map(drop);
    assert_eq!(refused(number_by_name), "another field");
    let of_nam: MaskedName = Masked::new(NAM, Secret::from("Lê Nam".to_owned()));
    assert_eq!(
        refused(of_nam.unmask(&clear_name).map(drop)),
        "another person"
    );
}
