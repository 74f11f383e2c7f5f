use super::*;

fn file(version: &str, sealing: &str, index: &str) -> String {
    format!("version = {version}\nsealing = \"{sealing}\"\nindex = \"{index}\"\n")
}

#[test]
fn a_file_of_three_lines_with_comments_and_spaces_is_read() {
    let text = format!(
        "# keys of the test\n\n{}",
        file("7", &"ab".repeat(32), &"cd".repeat(32))
    );
    let material = parse(&text).unwrap();
    assert_eq!(material.purpose, KeyPurpose::Production);
    assert_eq!(material.version, 7);
    assert_eq!(**material.sealing, [0xab; 32]);
    assert_eq!(**material.index, [0xcd; 32]);
    assert!(material.retired.is_empty());
}

#[test]
fn retired_versions_are_read_the_newest_first() {
    let text = format!(
        "purpose = \"development\"\nsealing.2 = \"{}\"\n{}sealing.5 = \"{}\"\n",
        "02".repeat(32),
        file("7", &"ab".repeat(32), &"cd".repeat(32)),
        "05".repeat(32),
    );
    let material = parse(&text).unwrap();
    assert_eq!(material.purpose, KeyPurpose::Development);
    let retired = material.retired.iter().map(|(it, key)| (*it, ***key));
    assert_eq!(retired.collect::<Vec<_>>(), [(5, [5; 32]), (2, [2; 32])]);
}

#[test]
fn a_malformed_file_is_refused_with_its_reason() {
    let (one, two, three) = (
        &"ab".repeat(32)[..],
        &"cd".repeat(32)[..],
        &"ef".repeat(32)[..],
    );
    let with = |line: &str| format!("{}{line}\n", file("12", one, two));
    let nine: Vec<String> = (1..=9)
        .map(|it| format!("sealing.{it} = {it:064x}"))
        .collect();
    let cases = [
        (file("0", one, two), "version is a number from 1 to 255"),
        (file("256", one, two), "version is a number from 1 to 255"),
        (file("1", &one[2..], two), "a key is 64 hex digits"),
        (
            file("1", one, one),
            "the sealing key and the index key are the same",
        ),
        (
            format!("{}index = \"{two}\"", file("1", one, two)),
            "a name stands there twice",
        ),
        (
            format!("sealing={one}\nindex={two}"),
            "the version is missing",
        ),
        (
            format!("version=1\nindex={two}"),
            "the sealing key is missing",
        ),
        (
            format!("version=1\nsealing={one}"),
            "the index key is missing",
        ),
        (
            "verison = 1".to_owned(),
            "the names are purpose, version, sealing, index and signing",
        ),
        ("version".to_owned(), "a line is `name = value`"),
        (
            with("purpose = test"),
            "purpose is production or development",
        ),
        (with("sealing.x = 1"), "version is a number from 1 to 255"),
        (with("sealing.1 = 00"), "a key is 64 hex digits"),
        (
            with(&format!("sealing.12 = {three}")),
            "a retired version is older than the current one",
        ),
        (
            with(&format!("sealing.1 = {three}\nsealing.1 = {three}")),
            "a name stands there twice",
        ),
        (
            with(&format!("sealing.1 = {one}")),
            "two versions have the same key",
        ),
        (
            with(&format!("sealing.1 = {two}")),
            "two versions have the same key",
        ),
        (
            with(&format!("signing = {two}")),
            "two versions have the same key",
        ),
        (with(&nine.join("\n")), "more than 8 versions are retired"),
    ];
    for (text, reason) in cases {
        assert_eq!(parse(&text).err(), Some(reason), "{text}");
    }
}

#[test]
fn a_rotated_text_keeps_each_other_line_and_the_key_that_was() {
    let one = "ab".repeat(32);
    let text = format!(
        "# of the ministry\n{}# the end\n",
        file("3", &one, &"cd".repeat(32))
    );
    let fresh = Key::new(Zeroizing::new([7; 32]));
    let text = rotated(text.as_bytes(), (3, 4), &fresh);
    let index = "cd".repeat(32);
    let fresh = "07".repeat(32);
    assert_eq!(
        *text,
        format!(
            "# of the ministry\nversion = 4\nsealing = \"{fresh}\"\nsealing.3 = \"{one}\"\n\
             index = \"{index}\"\n# the end\n"
        )
    );
}

#[test]
fn a_new_signing_key_stands_before_the_one_that_was() {
    let (one, two) = ("01".repeat(32), "02".repeat(32));
    let keys = file("3", &"ab".repeat(32), &"cd".repeat(32));
    let text = format!("{keys}signing = {one}\nsigning.former = {two}\n# the end\n");
    let old = parse(&text).unwrap();
    let fresh = Key::new(Zeroizing::new([7; 32]));
    let text = rotated_signing(text.as_bytes(), &old.signing[0], &fresh);
    let new = parse(&text).unwrap();
    let signing: Vec<[u8; 32]> = new.signing.iter().map(|it| ***it).collect();
    assert_eq!(signing, [[7; 32], [1; 32]]);
    assert!(text.starts_with(&format!("{keys}# the end\n")), "{}", *text);
}
