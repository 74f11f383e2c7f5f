use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use csv::{Position, Reader, StringRecord};
use domain::{BirthDate, CitizenNumber, PersonName};

use super::VneidError;
use crate::former_number;

/// Citizens on one page.
pub(crate) const SHOWN_MAX: usize = 50;
/// Identity cards with nine digits were given to people of fourteen and more, until 2016 almost
/// everywhere.
const FORMER_CARD_BORN_BEFORE: i32 = 2002;
/// Citizens of a file whose number ends so have registered in the app only.
const LEVEL_ONE_ENDS: &str = "00";
const COLUMNS: [&str; 3] = ["citizen_number", "full_name", "birth_date"];

/// Somebody who can log in. Nobody here is real.
#[derive(Debug, Clone)]
pub struct Citizen {
    pub number: CitizenNumber,
    pub name: PersonName,
    pub birth: BirthDate,
    /// Nine digits, of those who had the former identity card.
    pub former_number: Option<String>,
    pub level: Level,
}

/// How well an electronic identity is proven (Decree 69/2024/NĐ-CP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Registered in the app.
    One,
    /// In person, with face and chip.
    Two,
}

/// Where citizens are found: by an id that is their place there.
pub(crate) enum Citizens {
    BuiltIn(Vec<Citizen>),
    /// Read anew for each question, row by row, so memory does not grow with the nation.
    InFile {
        path: PathBuf,
        columns: [usize; 3],
    },
}

pub(crate) type Found = (u64, Citizen);

/// The citizens who are there without a file: their numbers agree with sex and birth, the third
/// has a name of the Ê Đê and no day of birth, the fourth never had the former card, and the last
/// is of level 1.
///
/// # Panics
/// Never: the list is a constant.
pub fn built_in() -> Vec<Citizen> {
    let rows = [
        ("001148003117", "Nguyễn Thị Mẫu", "12/05/1948", Level::Two),
        ("079050004228", "Trần Văn Thử", "03/04/1950", Level::Two),
        ("066152005339", "H' Mẫu Niê", "1952", Level::Two),
        ("048204006441", "Lê Hoàng Mẫu", "20/11/2004", Level::Two),
        ("031048007552", "Đặng Đình Ường", "29/02/1948", Level::Two),
        (
            "092149008663",
            "Võ Thị Chưa Định Danh",
            "02/09/1949",
            Level::One,
        ),
    ];
    let citizens = rows.map(|(number, name, birth, level)| {
        let read = Citizen::read(number, name, birth);
        let citizen = read.expect("the list is a constant");
        Citizen { level, ..citizen }
    });
    citizens.to_vec()
}

impl Level {
    pub(crate) fn acr(self) -> &'static str {
        match self {
            Level::One => "urn:vneid:level:1",
            Level::Two => "urn:vneid:level:2",
        }
    }
}

impl Citizen {
    /// `None` where the fields are not those of a citizen.
    fn read(number: &str, name: &str, birth: &str) -> Option<Citizen> {
        let number: CitizenNumber = number.parse().ok()?;
        let birth: BirthDate = birth.parse().ok()?;
        let had_card = birth.year() < FORMER_CARD_BORN_BEFORE;
        Some(Citizen {
            former_number: had_card.then(|| former_number(&number)),
            level: if number.expose().ends_with(LEVEL_ONE_ENDS) {
                Level::One
            } else {
                Level::Two
            },
            name: name.parse().ok()?,
            birth,
            number,
        })
    }

    /// `2026-12-01`, or the year where that is all that is known (OpenID Connect Core 1.0, 5.1).
    pub(crate) fn birthdate(&self) -> String {
        if self.birth.is_year_only() {
            self.birth.year().to_string()
        } else {
            self.birth.date().to_string()
        }
    }
}

impl Citizens {
    pub(crate) fn of(file: Option<&Path>) -> Result<Citizens, VneidError> {
        let Some(path) = file else {
            return Ok(Citizens::BuiltIn(built_in()));
        };
        let unreadable = |source| VneidError::Citizens {
            path: path.to_owned(),
            source,
        };
        let header = open(path).and_then(|mut it| Ok(it.headers()?.clone()));
        let header = header.map_err(unreadable)?;
        let places = COLUMNS.map(|name| header.iter().position(|it| it == name));
        let [Some(number), Some(name), Some(birth)] = places else {
            let what = format!("the header has no {}", COLUMNS.join(", "));
            return Err(unreadable(io::Error::other(what)));
        };
        Ok(Citizens::InFile {
            path: path.to_owned(),
            columns: [number, name, birth],
        })
    }

    /// The first citizens whose name, however accented, or number has the words; all match none.
    pub(crate) fn search(&self, words: &str) -> io::Result<Vec<Found>> {
        let number: String = words.chars().filter(|it| !it.is_whitespace()).collect();
        let name = PersonName::bank_form_of(words);
        let matches = |it: &Citizen| {
            it.number.expose().contains(&number) || it.name.bank_form().contains(&name)
        };
        match self {
            Citizens::BuiltIn(citizens) => {
                let found = (0..).zip(citizens).filter(|(_, it)| matches(it));
                Ok(found
                    .take(SHOWN_MAX)
                    .map(|(id, it)| (id, it.clone()))
                    .collect())
            }
            Citizens::InFile { path, columns } => {
                let mut reader = open(path)?;
                let mut row = StringRecord::new();
                let mut found = Vec::new();
                while found.len() < SHOWN_MAX && reader.read_record(&mut row)? {
                    let place = row.position().map(Position::byte);
                    let citizen = read(&row, *columns).filter(matches);
                    found.extend(place.zip(citizen));
                }
                Ok(found)
            }
        }
    }

    /// The citizen with an id that [`Citizens::search`] gave.
    pub(crate) fn find(&self, id: u64) -> io::Result<Option<Citizen>> {
        match self {
            Citizens::BuiltIn(citizens) => {
                let citizen = usize::try_from(id).ok().and_then(|it| citizens.get(it));
                Ok(citizen.cloned())
            }
            Citizens::InFile { path, columns } => {
                if !begins_row(path, id)? {
                    return Ok(None);
                }
                let mut reader = open(path)?;
                reader.headers()?;
                let mut place = Position::new();
                place.set_byte(id);
                reader.seek(place)?;
                let mut row = StringRecord::new();
                let there = reader.read_record(&mut row)?;
                Ok(there.then(|| read(&row, *columns)).flatten())
            }
        }
    }
}

fn open(path: &Path) -> io::Result<Reader<File>> {
    let reader = csv::ReaderBuilder::new().flexible(true).from_path(path);
    Ok(reader?)
}

/// An id from outside may be any number; a row that begins in the middle would be somebody else.
fn begins_row(path: &Path, id: u64) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if id == 0 || id >= file.metadata()?.len() {
        return Ok(false); // the header, or nothing
    }
    file.seek(SeekFrom::Start(id - 1))?;
    let mut byte = [0];
    Ok(file.read(&mut byte)? == 1 && byte[0] == b'\n')
}

fn read(row: &StringRecord, [number, name, birth]: [usize; 3]) -> Option<Citizen> {
    Citizen::read(row.get(number)?, row.get(name)?, row.get(birth)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use domain::Sex;

    use super::*;

    fn names(found: &[Found]) -> Vec<&str> {
        found.iter().map(|(_, it)| it.name.expose()).collect()
    }

    #[test]
    fn the_built_in_citizens_are_of_every_kind_that_a_client_must_tell_apart() {
        let citizens = built_in();
        for it in &citizens {
            let sex = [Sex::Male, Sex::Female];
            assert!(
                sex.iter()
                    .any(|sex| it.number.agrees_with(*sex, it.birth).is_ok()),
                "{it:?}"
            );
        }
        assert_eq!(
            citizens.iter().filter(|it| it.level == Level::One).count(),
            1
        );
        assert!(citizens.iter().any(|it| it.former_number.is_none()));
        assert!(citizens.iter().any(|it| it.birthdate() == "1952"));
        assert_eq!(citizens[0].birthdate(), "1948-05-12");
    }

    #[test]
    fn citizens_are_found_by_name_without_accents_and_by_number() {
        let citizens = Citizens::of(None).unwrap();
        assert_eq!(citizens.search("").unwrap().len(), 6);
        assert_eq!(
            names(&citizens.search("nguyen thi").unwrap()),
            ["Nguyễn Thị Mẫu"]
        );
        assert_eq!(
            names(&citizens.search("ĐÌNH Ư").unwrap()),
            ["Đặng Đình Ường"]
        );
        assert_eq!(names(&citizens.search("066 152").unwrap()), ["H' Mẫu Niê"]);
        assert!(citizens.search("nobody").unwrap().is_empty());
        let (id, _) = citizens.search("Thử").unwrap()[0];
        let found = citizens.find(id).unwrap().unwrap();
        assert_eq!(found.name.expose(), "Trần Văn Thử");
        assert!(citizens.find(6).unwrap().is_none());
    }

    #[test]
    fn a_file_is_searched_row_by_row_and_a_citizen_is_found_by_place() {
        let folder = std::env::temp_dir().join(format!("vneid-citizens-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("people.csv");
        let mut text = "programme,citizen_number,full_name,birth_date\n".to_owned();
        for it in 0..120 {
            text += &format!("HTXH,001048{it:06},Nguyễn Văn Ân,12/05/1948\n");
        }
        text += "HTXH,no number,Lê Thị Sai,12/05/1948\nHTXH,001148000777,Lê Thị Bảy,1948\n";
        fs::write(&path, &text).unwrap();

        let citizens = Citizens::of(Some(&path)).unwrap();
        let first = citizens.search("").unwrap();
        assert_eq!(first.len(), SHOWN_MAX);
        assert_eq!(first[0].1.level, Level::One, "the number ends in 00");
        assert_eq!(first[1].1.level, Level::Two);
        let found = citizens.search("le thi").unwrap();
        assert_eq!(names(&found), ["Lê Thị Bảy"]);
        let (id, _) = found[0];
        let again = citizens.find(id).unwrap().unwrap();
        assert_eq!(again.number.expose(), "001148000777");
        // Neither the header, nor the middle of a row, nor what lies behind the end.
        for nowhere in [0, id + 1, id + 5, text.len() as u64, u64::MAX / 2] {
            assert!(citizens.find(nowhere).unwrap().is_none(), "{nowhere}");
        }
        fs::write(&path, "name,number\n").unwrap();
        assert!(Citizens::of(Some(&path)).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
