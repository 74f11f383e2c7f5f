use std::fmt;
use std::str::FromStr;

use domain::{Institution, Refusal};

/// Who signs what it says: not a person and not a program, but who answers for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Organisation {
    State,
    Institution(Institution),
}

/// Between whom a sequence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub sender: Organisation,
    pub receiver: Organisation,
}

impl Route {
    /// `None` for what services say to each other, which is not signed.
    pub fn of(speaker: &str) -> Option<Route> {
        let mut tokens = speaker.split('.');
        let is_bank = tokens.next() == Some("bank");
        let bank = tokens.next().filter(|_| is_bank)?.parse().ok()?;
        let bank = Organisation::Institution(bank);
        let (sender, receiver) = match tokens.next()? {
            "out" => (Organisation::State, bank),
            "in" => (bank, Organisation::State),
            _ => return None,
        };
        Some(Route { sender, receiver })
    }
}

impl From<Institution> for Organisation {
    fn from(institution: Institution) -> Organisation {
        Organisation::Institution(institution)
    }
}

impl fmt::Display for Organisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Organisation::State => f.write_str("state"),
            Organisation::Institution(it) => it.fmt(f),
        }
    }
}

impl FromStr for Organisation {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Organisation, Refusal> {
        if text == "state" {
            return Ok(Organisation::State);
        }
        text.parse()
            .map(Organisation::Institution)
            .map_err(|_: Refusal| {
                Refusal::new(
                    "organisation_invalid",
                    "an organisation is `state` or a bank's six digits, e.g. 970436",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_banks_are_told_and_say_has_a_sender_and_a_receiver() {
        let bank: Organisation = "970436".parse().unwrap();
        let out = Route {
            sender: Organisation::State,
            receiver: bank,
        };
        assert_eq!(Route::of("bank.970436.out"), Some(out));
        assert_eq!(
            Route::of("bank.970436.out.verification-requests"),
            Some(out)
        );
        let told = Route::of("bank.970436.in.results").unwrap();
        assert_eq!((told.sender, told.receiver), (bank, Organisation::State));
        for unsigned in [
            "payments",
            "bank",
            "bank.970436",
            "bank.x.in",
            "bank.970436.up",
        ] {
            assert_eq!(Route::of(unsigned), None, "{unsigned}");
        }
    }

    #[test]
    fn an_organisation_reads_as_it_is_written() {
        for text in ["state", "970436"] {
            assert_eq!(text.parse::<Organisation>().unwrap().to_string(), text);
        }
        let refused = "bank".parse::<Organisation>().unwrap_err();
        assert_eq!(refused.code, "organisation_invalid");
    }
}
