use std::sync::LazyLock;

use crate::{CASH_AGENT, Channel, Institution};

/// An institution that An Sinh exchanges messages with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstitutionInfo {
    pub institution: Institution,
    pub channel: Channel,
    /// The name people know it by.
    pub name: &'static str,
}

/// Banks and the wallet by their NAPAS BIN, then who pays cash.
static CONNECTED: LazyLock<[InstitutionInfo; 7]> = LazyLock::new(|| {
    let known = |number, channel, name| InstitutionInfo {
        institution: Institution::from_number(number).expect("a BIN has six digits"),
        channel,
        name,
    };
    [
        known(970_405, Channel::BankAccount, "Agribank"),
        known(970_415, Channel::BankAccount, "VietinBank"),
        known(970_418, Channel::BankAccount, "BIDV"),
        known(970_436, Channel::BankAccount, "Vietcombank"),
        known(970_449, Channel::BankAccount, "LPBank"),
        known(971_005, Channel::Wallet, "Viettel Money"),
        known(CASH_AGENT.number(), Channel::Cash, "VNPost"),
    ]
});

impl Institution {
    /// All institutions that instructions can go to, in the order of their numbers.
    pub fn connected() -> impl Iterator<Item = &'static InstitutionInfo> {
        CONNECTED.iter()
    }

    /// `None` for an institution that is not connected: nothing can be paid through it.
    pub fn info(self) -> Option<&'static InstitutionInfo> {
        Institution::connected().find(|it| it.institution == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connected_institutions_stand_in_the_order_of_their_numbers() {
        let numbers: Vec<i32> = Institution::connected()
            .map(|it| it.institution.number())
            .collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }

    #[test]
    fn an_institution_is_found_by_its_number_and_a_strange_one_is_not() {
        let agent = CASH_AGENT.info().unwrap();
        assert_eq!((agent.channel, agent.name), (Channel::Cash, "VNPost"));
        assert_eq!(
            Institution::from_number(970_436)
                .unwrap()
                .info()
                .unwrap()
                .name,
            "Vietcombank"
        );
        assert_eq!(Institution::from_number(970_400).unwrap().info(), None);
    }
}
