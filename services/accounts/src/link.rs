use domain::{BankAccount, CASH_AGENT, Channel, CitizenNumber, Institution, PersonName, Refusal};
use intake::{Refused, Row};
use privacy::{BlindIndex, Sealed};

/// The columns of a file of links.
pub const HEADER: [&str; 4] = [
    "citizen_number",
    "institution",
    "account_number",
    "holder_name",
];

/// A row that was understood: this citizen is paid there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub line: u64,
    pub citizen_number: CitizenNumber,
    pub institution: Institution,
    pub channel: Channel,
    pub account: BankAccount,
    pub holder: PersonName,
}

/// Where a payment goes.
#[derive(Debug, Clone)]
pub struct Destination {
    pub channel: Channel,
    pub institution: Institution,
    pub account: Option<Sealed>,
    pub account_index: Option<BlindIndex>,
    /// Sealed for the person's number, like the account.
    pub holder: Sealed,
}

impl Link {
    /// Reads a row; the first column that is wrong is the one that is told.
    pub fn parse(row: &Row) -> Result<Link, Refused> {
        let at = |column: usize| move |it: Refusal| Refused::at(row.line, HEADER[column], it);
        let citizen_number: CitizenNumber = row.field(0).parse().map_err(at(0))?;
        let institution: Institution = row.field(1).parse().map_err(at(1))?;
        let connected = institution.info().filter(|it| it.channel != Channel::Cash);
        let channel = connected.map(|it| it.channel).ok_or_else(|| {
            let sentence = "the institution is no connected bank or wallet";
            at(1)(Refusal::new("institution_not_connected", sentence))
        })?;
        let account: BankAccount = row.field(2).parse().map_err(at(2))?;
        let holder: PersonName = row.field(3).parse().map_err(at(3))?;
        Ok(Link {
            line: row.line,
            citizen_number,
            institution,
            channel,
            account,
            holder,
        })
    }
}

impl Destination {
    /// Who has no linked account gets cash from the agent at the commune.
    pub fn cash(holder: Sealed) -> Destination {
        Destination {
            channel: Channel::Cash,
            institution: CASH_AGENT,
            account: None,
            account_index: None,
            holder,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(row: &str) -> Result<Channel, (&'static str, &'static str)> {
        let text = format!("{}\n{row}\n", HEADER.join(","));
        let mut rows = intake::Rows::new(text.as_bytes(), &HEADER).unwrap();
        let row = rows.next_row().unwrap().unwrap().unwrap();
        Link::parse(&row)
            .map(|it| it.channel)
            .map_err(|it| (it.column, it.code))
    }

    #[test]
    fn each_column_is_held_against_its_kind() {
        assert_eq!(
            code("001148000001,970436,0011004123456,NGUYEN THI ANH"),
            Ok(Channel::BankAccount)
        );
        assert_eq!(
            code("001148000001,971005,0912345678,NGUYEN THI ANH"),
            Ok(Channel::Wallet)
        );
        for (row, column, expected) in [
            (
                "00114800000,970436,0011004123456,AN",
                "citizen_number",
                "citizen_number_length",
            ),
            (
                "001148000001,97043,0011004123456,AN",
                "institution",
                "institution_invalid",
            ),
            (
                "001148000001,970400,0011004123456,AN",
                "institution",
                "institution_not_connected",
            ),
            (
                "001148000001,990001,0011004123456,AN",
                "institution",
                "institution_not_connected",
            ),
            (
                "001148000001,970436,00 11,AN",
                "account_number",
                "account_invalid",
            ),
            (
                "001148000001,970436,0011004123456,A2",
                "holder_name",
                "name_invalid",
            ),
        ] {
            assert_eq!(code(row), Err((column, expected)), "{row}");
        }
    }
}
