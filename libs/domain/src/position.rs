use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Refusal;

/// How many partitions the nation is cut into; a person's is `person_no % PARTS`.
pub const PARTS: i16 = 16;

/// The most lines a chunk holds: one event, one transaction, one journal, one bank message.
pub const CHUNK_LINES_MAX: i32 = 1000;

/// A person's sequential number inside An Sinh; never shown to a bank.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct PersonNo(pub i64);

impl PersonNo {
    pub fn part(self) -> Part {
        let part = self.0.rem_euclid(i64::from(PARTS));
        Part(i16::try_from(part).expect("a remainder of 16 fits in i16"))
    }
}

/// People of one partition between whom at most this many others may stand in a stretch.
const STRANGERS_MAX: i64 = 8;

/// The first and the last numbers of stretches of people of one partition, in order, as two columns:
/// a few ranges where they are neighbours, one each where they are not. Others may stand between
/// them.
pub fn stretches(persons: &[PersonNo]) -> (Vec<i64>, Vec<i64>) {
    let mut numbers: Vec<i64> = persons.iter().map(|it| it.0).collect();
    numbers.sort_unstable();
    let near = |a: &i64, b: &i64| b - a <= (STRANGERS_MAX + 1) * i64::from(PARTS);
    let stretches = numbers.chunk_by(near);
    let ends = stretches.filter_map(|it| Some((*it.first()?, *it.last()?)));
    ends.unzip()
}

/// A partition, 0 to 15.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(try_from = "i16", into = "i16")]
#[sqlx(transparent)]
pub struct Part(i16);

impl Part {
    pub const ZERO: Part = Part(0);

    pub fn all() -> impl Iterator<Item = Part> {
        (0..PARTS).map(Part)
    }

    pub fn number(self) -> i16 {
        self.0
    }
}

impl TryFrom<i16> for Part {
    type Error = Refusal;

    fn try_from(number: i16) -> Result<Part, Refusal> {
        if (0..PARTS).contains(&number) {
            Ok(Part(number))
        } else {
            Err(Refusal::new(
                "part_invalid",
                "a partition is a number from 0 to 15",
            ))
        }
    }
}

impl From<Part> for i16 {
    fn from(part: Part) -> i16 {
        part.0
    }
}

/// Two digits, as in subjects: `07`.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

/// A payout run's sequential number; shown as `R000123`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct RunNo(pub i64);

impl fmt::Display for RunNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{:06}", self.0)
    }
}

/// `R000123`, `r123` or `123`.
impl FromStr for RunNo {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<RunNo, Refusal> {
        let digits = text.strip_prefix(['R', 'r']).unwrap_or(text);
        match digits.parse::<i64>() {
            Ok(number) if number > 0 && digits.bytes().all(|it| it.is_ascii_digit()) => {
                Ok(RunNo(number))
            }
            _ => Err(Refusal::new("run_invalid", "a run is written R000123")),
        }
    }
}

/// A chunk's number inside `(run, part)`, from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct ChunkNo(pub i32);

/// A line's number inside its chunk, from 1 to [`CHUNK_LINES_MAX`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type,
)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct LineNo(pub i32);

/// Where a payment line stands; its key everywhere, derived and never random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub run: RunNo,
    pub part: Part,
    pub chunk: ChunkNo,
    pub line: LineNo,
}

/// The end-to-end identification of a payment at a bank, `R000123-07-0042-0817`.
///
/// At most 35 characters (ISO 20022 `Max35Text`); says where the line stands, so that anybody
/// can check it.
pub type EndToEndId = Position;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}-{:04}-{:04}",
            self.run, self.part, self.chunk.0, self.line.0
        )
    }
}

impl FromStr for Position {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Position, Refusal> {
        let refusal = || {
            Refusal::new(
                "end_to_end_id_invalid",
                "an end-to-end id is written R000123-07-0042-0817",
            )
        };
        if text.len() > 35 || !text.starts_with('R') {
            return Err(refusal());
        }
        let mut fields = text.split('-');
        let mut next = || fields.next().ok_or_else(refusal);
        let run: RunNo = next()?.parse().map_err(|_| refusal())?;
        let part: i16 = next()?.parse().map_err(|_| refusal())?;
        let chunk: i32 = next()?.parse().map_err(|_| refusal())?;
        let line: i32 = next()?.parse().map_err(|_| refusal())?;
        let position = Position {
            run,
            part: Part::try_from(part).map_err(|_| refusal())?,
            chunk: ChunkNo(chunk),
            line: LineNo(line),
        };
        // One spelling only: `R1-7-42-817` would let one payment have two ids.
        if chunk < 1 || !(1..=CHUNK_LINES_MAX).contains(&line) || position.to_string() != text {
            return Err(refusal());
        }
        Ok(position)
    }
}

impl Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Position, D::Error> {
        crate::wire::from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_stretch_and_others_their_own() {
        let of = |numbers: &[i64]| {
            let persons: Vec<PersonNo> = numbers.iter().copied().map(PersonNo).collect();
            let (first, last) = stretches(&persons);
            first.into_iter().zip(last).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[39, 7, 23, 7]), [(7, 39)]);
        assert_eq!(of(&[7, 7 + 9 * 16]), [(7, 151)]);
        assert_eq!(of(&[7, 7 + 10 * 16]), [(7, 7), (167, 167)]);
    }

    #[test]
    fn an_end_to_end_id_has_one_spelling() {
        let id = "R000123-07-0042-0817";
        let position: Position = id.parse().unwrap();
        assert_eq!(position.to_string(), id);
        for bad in [
            "R123-7-42-817",
            "R000123-16-0042-0817",
            "R000123-07-0000-0817",
            "R000123-07-0042-1001",
            "R000123-07-0042",
            "R000123-07-0042-0817-1",
            "000123-07-0042-0817",
            "R000123-07-+042-0817",
        ] {
            assert_eq!(
                bad.parse::<Position>().unwrap_err().code,
                "end_to_end_id_invalid",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_person_has_one_partition() {
        assert_eq!(PersonNo(33).part(), Part::try_from(1).unwrap());
        assert!(Part::try_from(16).is_err());
    }
}
