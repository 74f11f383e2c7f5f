//! What banks are asked about payments that they have not answered, and what they say.

use domain::Money;
use events::{Enquiries, Enquiry, StandingAtBank, StandingLine, Standings};

use super::{Sample, bank, day, part, position, sample};

pub fn of_enquiries() -> Vec<Sample> {
    let asked = |line, round| Enquiry {
        end_to_end_id: position(line),
        amount: Money::dong(540_000),
        business_date: day(),
        round,
    };
    let standings = [
        StandingAtBank::Received,
        StandingAtBank::NotReceived,
        StandingAtBank::Pending,
    ];
    let stands = |(line, standing)| StandingLine {
        end_to_end_id: position(line),
        standing,
    };
    vec![
        sample(&Enquiries {
            institution: bank(),
            part: part(),
            message_id: "E1-R000123-07-0042-0001".to_owned(),
            lines: vec![asked(1, 1), asked(2, 2)],
        }),
        sample(&Standings {
            institution: bank(),
            part: part(),
            message_id: "970436-E1-R000123-07-0042-0001".to_owned(),
            lines: (1..).zip(standings).map(stands).collect(),
        }),
    ]
}
