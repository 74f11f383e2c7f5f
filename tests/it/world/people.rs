use domain::{Institution, Money, Officer};

pub const REGISTRY_HEADER: &str = "citizen_number,full_name,birth_date,sex,province,programme,granted_amount,category,household\n";

const LINKS_HEADER: &str = "citizen_number,institution,account_number,holder_name\n";

pub fn officer(name: &str) -> Officer {
    name.parse().expect("tests name officers as they are named")
}

pub fn institution(bin: &str) -> Institution {
    bin.parse().expect("tests name institutions by their BIN")
}

/// A registry row of the retired person with this number, who was granted so many đồng.
pub fn pensioner(number: usize, granted: usize) -> String {
    format!("001048{number:06},Nguyễn Văn Ân,12/05/1948,nam,01,LUONG_HUU,{granted},,\n")
}

/// A registry of pensioners numbered from 1, each with an amount of their own, and the links of
/// those who have a bank.
pub fn pensioners(banks: &[Option<&str>]) -> (String, String) {
    let rows = (1..=banks.len()).map(|it| pensioner(it, granted(it)));
    let linked = (1..)
        .zip(banks)
        .filter_map(|(number, bank)| Some((number, (*bank)?)));
    let links = linked.map(|(number, bank)| {
        format!("001048{number:06},{bank},0011004{number:06},NGUYEN VAN AN\n")
    });
    let registry = REGISTRY_HEADER.to_owned() + &rows.collect::<String>();
    (
        registry,
        LINKS_HEADER.to_owned() + &links.collect::<String>(),
    )
}

/// What the pensioner with this number gets in December 2026: eight percent on the grant.
pub fn pension(number: usize) -> Money {
    Money::dong(u64::try_from(granted(number) / 100 * 108).expect("a pension is small"))
}

fn granted(number: usize) -> usize {
    5_000_000 + number * 10_000
}
