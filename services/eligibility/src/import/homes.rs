use std::collections::{BTreeMap, HashMap};

use domain::PersonNo;
use sqlx::PgConnection;

use super::Objection;
use crate::Error;
use crate::residence::Place;
use crate::store::{self, Author, NewResidence};

/// What a file has said of where people live: bits by person, so that a file of the whole nation
/// fits.
#[derive(Default)]
pub(super) struct Said(Vec<u8>);

const PROVINCE: u8 = 1;
const COMMUNE: u8 = 2;

/// Where the people of a batch live: as it is known, and as the batch says.
#[derive(Default)]
pub(super) struct Homes(HashMap<PersonNo, Home>);

#[derive(Default)]
struct Home {
    /// Of the residence that is stored; 0 where there is none.
    version: i16,
    before: Option<Place>,
    current: Option<Place>,
    /// What files said last, this one included.
    by_file: Option<Place>,
    news: bool,
}

impl Said {
    fn of(&self, person_no: PersonNo) -> u8 {
        self.0.get(index(person_no)).copied().unwrap_or_default()
    }

    fn add(&mut self, person_no: PersonNo, place: Place) {
        let index = index(person_no);
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] |= PROVINCE | place.commune.map_or(0, |_| COMMUNE);
    }
}

fn index(person_no: PersonNo) -> usize {
    usize::try_from(person_no.0).expect("people are numbered from 1")
}

impl Homes {
    /// What is known of people, each of whom is asked for once.
    pub(super) async fn of(tx: &mut PgConnection, persons: &[PersonNo]) -> Result<Homes, Error> {
        let known = store::standing(tx, persons).await?.into_iter();
        let homes = known.map(|it| {
            let home = Home {
                version: it.version,
                before: it.current,
                current: it.current,
                by_file: it.by_file.map(|(_, place)| place),
                news: false,
            };
            (it.person_no, home)
        });
        Ok(Homes(homes.collect()))
    }

    /// Takes what a row says; true where it is news. A file that has the person in two places
    /// contradicts itself, whichever row is right.
    pub(super) fn hear(
        &mut self,
        person_no: PersonNo,
        place: Place,
        said: &mut Said,
    ) -> Result<bool, Objection> {
        let home = self.0.entry(person_no).or_default();
        if let Some(known) = home.by_file {
            let column = contradicted(place, known, said.of(person_no));
            if let Some(column) = column {
                let sentence = "this file has the person in two places";
                return Err((column, "residence_differs", sentence));
            }
        }
        said.add(person_no, place);
        if home.by_file.is_some_and(|known| place.repeats(known)) {
            return Ok(false);
        }
        let place = place.completed(home.current);
        home.current = Some(place);
        home.by_file = Some(place);
        home.news = true;
        Ok(true)
    }

    /// Residences to add, and of whom the place changed.
    pub(super) fn changes(self, import_no: i64) -> (Vec<NewResidence>, BTreeMap<PersonNo, Place>) {
        let news = self.0.into_iter().filter(|(_, it)| it.news);
        let (mut added, mut changed) = (Vec::new(), BTreeMap::new());
        for (person_no, home) in news {
            let place = home.current.expect("news are of a place");
            if home.before != home.current {
                changed.insert(person_no, place);
            }
            added.push(NewResidence {
                person_no,
                version: home.version + 1,
                place,
                author: Author::File(import_no),
            });
        }
        added.sort_by_key(|it| (it.person_no.part(), it.person_no));
        (added, changed)
    }
}

/// The column in which a row contradicts an earlier one of its file.
fn contradicted(place: Place, known: Place, said: u8) -> Option<&'static str> {
    if said & PROVINCE != 0 && place.province != known.province {
        return Some("province");
    }
    let other = place.commune.is_some() && place.commune != known.commune;
    (said & COMMUNE != 0 && other).then_some("commune")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        let (province, commune) = text.split_once(' ').unwrap_or((text, ""));
        Place::read(province.parse().unwrap(), commune).unwrap()
    }

    /// A row, and what comes of it: whether it is news, or column and code.
    type Heard = (&'static str, Result<bool, (&'static str, &'static str)>);

    /// What files said before, where the person lives, then the rows of the file.
    #[test]
    fn rows_of_one_file_add_up_or_contradict() {
        let differs = |column| Err((column, "residence_differs"));
        let cases: [(&str, &str, &[Heard]); 9] = [
            ("", "", &[("01", Ok(true)), ("01", Ok(false))]),
            ("", "", &[("01 00004", Ok(true)), ("01", Ok(false))]),
            ("", "", &[("01", Ok(true)), ("01 00004", Ok(true))]),
            ("", "", &[("01", Ok(true)), ("79", differs("province"))]),
            (
                "",
                "",
                &[("01 00004", Ok(true)), ("01 00008", differs("commune"))],
            ),
            // Known, and so no news; the file has said it all the same.
            (
                "01",
                "01",
                &[("01", Ok(false)), ("79", differs("province"))],
            ),
            (
                "01 00004",
                "01 00004",
                &[("01", Ok(false)), ("01 00008", Ok(true))],
            ),
            // Moved since: what files say again is no news, what they say anew is.
            ("01 00004", "79 25747", &[("01 00004", Ok(false))]),
            ("01 00004", "79 25747", &[("79", Ok(true))]),
        ];
        for (by_file, current, rows) in cases {
            let known = |text: &str| (!text.is_empty()).then(|| place(text));
            let home = Home {
                before: known(current),
                current: known(current),
                by_file: known(by_file),
                ..Home::default()
            };
            let mut homes = Homes(HashMap::from([(PersonNo(1), home)]));
            let mut said = Said::default();
            for (row, expected) in rows {
                let heard = homes.hear(PersonNo(1), place(row), &mut said);
                let heard = heard.map_err(|(column, code, _)| (column, code));
                assert_eq!(heard, *expected, "{by_file} {current}: {row}");
            }
        }
    }

    /// A file that says the province to which somebody moved leaves the commune as it was told.
    #[test]
    fn what_a_file_catches_up_with_is_kept_and_not_told() {
        let home = Home {
            version: 2,
            before: Some(place("79 25747")),
            current: Some(place("79 25747")),
            by_file: Some(place("01")),
            news: false,
        };
        let mut homes = Homes(HashMap::from([(PersonNo(1), home)]));
        let mut said = Said::default();
        assert!(homes.hear(PersonNo(1), place("79"), &mut said).unwrap());
        let (added, changed) = homes.changes(9);
        let added: Vec<_> = added.iter().map(|it| (it.version, it.place)).collect();
        assert_eq!(added, [(3, place("79 25747"))]);
        assert!(changed.is_empty());
    }
}
