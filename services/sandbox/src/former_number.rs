use domain::CitizenNumber;
use sha2::{Digest, Sha256};

/// Nine digits: the number of the identity card that somebody had before the citizen number
/// (CMND; issued until 2021), which banks still have in their books.
///
/// Made up from the citizen number, so that VNeID and the banks of the sandbox know one person by
/// the same one, whoever is asked first. It leads nowhere back.
pub fn former_number(citizen: &CitizenNumber) -> String {
    let hash: [u8; 32] = Sha256::new()
        .chain_update("former identity card")
        .chain_update([0])
        .chain_update(citizen.expose())
        .finalize()
        .into();
    let number = u64::from_be_bytes(hash[..8].try_into().expect("a hash has 32 bytes"));
    format!("{:09}", number % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_former_number_of_nine_digits() {
        let numbers: Vec<String> = (0..200)
            .map(|it| format!("001048{it:06}").parse().unwrap())
            .map(|it| former_number(&it))
            .collect();
        assert!(numbers.iter().all(|it| it.len() == 9));
        assert!(numbers.iter().all(|it| it.parse::<u64>().is_ok()));
        let different: std::collections::HashSet<&String> = numbers.iter().collect();
        assert_eq!(different.len(), 200);
        assert_eq!(former_number(&"001048000007".parse().unwrap()), numbers[7]);
    }
}
