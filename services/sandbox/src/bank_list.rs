//! A bank's own list of the accounts that were linked, as it sends one now and then.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use chrono::{Days, NaiveDate};
use csv::{Reader, StringRecord, Writer};
use domain::Institution;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::people::another_given_name;

const LINKS_COLUMNS: [&str; 3] = ["institution", "account_number", "holder_name"];
const HEADER: [&str; 5] = [
    "account_number",
    "standing",
    "holder_name",
    "new_account_number",
    "since",
];
/// A change is at most so many days older than the list.
const CHANGED_WITHIN_DAYS: u64 = 90;
/// Before the old number; no account that is made up for people begins so at that length.
const MOVED_PREFIX: &str = "77";
const BUFFER_BYTES: usize = 1 << 18;

/// What list to write. Which accounts changed follows from the seed and the file alone.
#[derive(Debug, Clone)]
pub struct BankList {
    pub institution: Institution,
    /// A file of links as `ansinh sandbox people` writes it.
    pub links: PathBuf,
    /// The day of the list.
    pub date: NaiveDate,
    pub seed: u64,
    pub closed: u64,
    pub restricted: u64,
    pub renamed: u64,
    /// Accounts whose number is another now.
    pub moved: u64,
}

/// What [`write_bank_list`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    pub accounts: u64,
    pub changed: u64,
}

/// Why the list could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BankListError {
    #[error("cannot read or write {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("the header of {0} has no institution, account_number and holder_name")]
    Header(PathBuf),
    #[error("{changes} accounts shall have changed, but the bank has {accounts}")]
    TooMany { changes: u64, accounts: u64 },
    #[error("a row cannot be read or written")]
    Row(#[from] csv::Error),
    #[error("cannot finish a file")]
    Finish(#[from] io::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Closed,
    Restricted,
    Renamed,
    Moved,
}

/// Gives each row its standing so that exactly so many of each kind are among them, every choice as
/// likely as any other (Knuth's algorithm S), without knowing the rows that follow.
struct Lots {
    rows_left: u64,
    left: [(Standing, u64); 4],
}

/// Reads the links twice, row by row: to count the bank's, and to write them.
///
/// Columns: `account_number`, `standing` (`open`, `closed`, `restricted`, `renamed`, `moved`),
/// `holder_name` in the banks' form (of a renamed account the new one), `new_account_number` of a
/// moved account, and `since` when a change holds; the last two are empty otherwise.
///
/// # Errors
/// More changes than the bank has accounts, files, or rows that are none. A file at `out` is
/// replaced; after an error it is not whole.
pub fn write_bank_list(list: &BankList, out: &Path) -> Result<Listed, BankListError> {
    let mut accounts = 0;
    for_each_link(list, |_, _| {
        accounts += 1;
        Ok(())
    })?;
    let mut lots = Lots::of(list, accounts)?;
    let mut random = ChaCha8Rng::seed_from_u64(list.seed);
    let file = File::create(out).map_err(|source| BankListError::File {
        path: out.to_owned(),
        source,
    })?;
    let mut writer = Writer::from_writer(BufWriter::with_capacity(BUFFER_BYTES, file));
    writer.write_record(HEADER)?;
    let mut changed = 0;
    for_each_link(list, |account, holder| {
        let standing = lots.draw(&mut random);
        let days = Days::new(random.random_range(0..CHANGED_WITHIN_DAYS));
        let since = list
            .date
            .checked_sub_days(days)
            .unwrap_or(list.date)
            .to_string();
        let (mut name, mut new_account, mut since) = (holder.to_owned(), String::new(), since);
        match standing {
            Standing::Open => since.clear(),
            Standing::Closed | Standing::Restricted => {}
            Standing::Renamed => name = another_given_name(holder, &mut random),
            Standing::Moved => new_account = format!("{MOVED_PREFIX}{account}"),
        }
        changed += u64::from(standing != Standing::Open);
        writer.write_record([account, standing.code(), &name, &new_account, &since])?;
        Ok(())
    })?;
    writer.flush()?;
    Ok(Listed { accounts, changed })
}

/// Shows account and holder of each link of the bank.
fn for_each_link(
    list: &BankList,
    mut take: impl FnMut(&str, &str) -> Result<(), BankListError>,
) -> Result<(), BankListError> {
    let file = File::open(&list.links).map_err(|source| BankListError::File {
        path: list.links.clone(),
        source,
    })?;
    let mut reader = Reader::from_reader(io::BufReader::with_capacity(BUFFER_BYTES, file));
    let header = reader.headers()?;
    let places = LINKS_COLUMNS.map(|name| header.iter().position(|it| it == name));
    let [Some(institution), Some(account), Some(holder)] = places else {
        return Err(BankListError::Header(list.links.clone()));
    };
    let ours = list.institution.to_string();
    let mut row = StringRecord::new();
    while reader.read_record(&mut row)? {
        if row.get(institution) == Some(&ours) {
            let value = |at| row.get(at).unwrap_or_default();
            take(value(account), value(holder))?;
        }
    }
    Ok(())
}

impl Lots {
    fn of(list: &BankList, accounts: u64) -> Result<Lots, BankListError> {
        let left = [
            (Standing::Closed, list.closed),
            (Standing::Restricted, list.restricted),
            (Standing::Renamed, list.renamed),
            (Standing::Moved, list.moved),
        ];
        let changes = left
            .iter()
            .fold(0, |sum: u64, (_, it)| sum.saturating_add(*it));
        if changes > accounts {
            return Err(BankListError::TooMany { changes, accounts });
        }
        Ok(Lots {
            rows_left: accounts,
            left,
        })
    }

    /// The standing of the next row; open where the file grew since its rows were counted.
    fn draw(&mut self, random: &mut ChaCha8Rng) -> Standing {
        if self.rows_left == 0 {
            return Standing::Open;
        }
        let mut drawn = random.random_range(0..self.rows_left);
        self.rows_left -= 1;
        for (standing, left) in &mut self.left {
            if drawn < *left {
                *left -= 1;
                return *standing;
            }
            drawn -= *left;
        }
        Standing::Open
    }
}

impl Standing {
    fn code(self) -> &'static str {
        match self {
            Standing::Open => "open",
            Standing::Closed => "closed",
            Standing::Restricted => "restricted",
            Standing::Renamed => "renamed",
            Standing::Moved => "moved",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::fs;

    use super::*;

    /// A folder of this test's own that is gone when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let name = format!("sandbox-bank-list-{}-{name}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// 1,000 links of the bank, each behind one of another bank.
    fn list(folder: &Folder) -> BankList {
        let mut text = "citizen_number,institution,account_number,holder_name\n".to_owned();
        for it in 0..1_000 {
            text += &format!("001048{it:06},970405,1000205{it:06},LE VAN AN\n");
            text += &format!("001048{it:06},970436,0001100{it:06},NGUYEN VAN AN\n");
        }
        let links = folder.0.join("links.csv");
        fs::write(&links, text).unwrap();
        BankList {
            institution: "970436".parse().unwrap(),
            links,
            date: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap(),
            seed: 7,
            closed: 120,
            restricted: 30,
            renamed: 40,
            moved: 50,
        }
    }

    fn written(list: &BankList, folder: &Folder) -> (Listed, String) {
        let out = folder.0.join("list.csv");
        let listed = write_bank_list(list, &out).unwrap();
        (listed, fs::read_to_string(out).unwrap())
    }

    #[test]
    fn exactly_so_many_accounts_of_the_bank_changed_as_were_asked_for() {
        let folder = Folder::new("exact");
        let (listed, text) = written(&list(&folder), &folder);
        assert_eq!((listed.accounts, listed.changed), (1_000, 240));
        let mut counts = BTreeMap::new();
        let mut places = Vec::new();
        let rows = Reader::from_reader(text.as_bytes()).into_deserialize();
        for (place, row) in rows.enumerate() {
            let row: HashMap<String, String> = row.unwrap();
            let standing = &row["standing"];
            *counts.entry(standing.clone()).or_insert(0) += 1;
            assert!(row["account_number"].starts_with("0001100"));
            let moved = standing == "moved";
            let new_number = format!("77{}", row["account_number"]);
            assert_eq!(
                row["new_account_number"],
                if moved { new_number } else { String::new() }
            );
            assert_eq!(row["holder_name"] != "NGUYEN VAN AN", standing == "renamed");
            assert!(row["holder_name"].starts_with("NGUYEN VAN "));
            assert_eq!(row["since"].is_empty(), standing == "open");
            if standing != "open" {
                let since: NaiveDate = row["since"].parse().unwrap();
                let age = (NaiveDate::from_ymd_opt(2026, 12, 1).unwrap() - since).num_days();
                assert!((0..90).contains(&age), "{age}");
                places.push(place);
            }
        }
        let counts: Vec<(&str, i32)> = counts.iter().map(|(it, count)| (&it[..], *count)).collect();
        let expected = [
            ("closed", 120),
            ("moved", 50),
            ("open", 760),
            ("renamed", 40),
            ("restricted", 30),
        ];
        assert_eq!(counts, expected);
        // Spread over the whole list.
        assert!(places[0] < 50 && places[239] > 950, "{places:?}");
    }

    #[test]
    fn the_same_list_has_the_same_bytes_and_another_seed_others() {
        let folder = Folder::new("seed");
        let list = list(&folder);
        let first = written(&list, &folder).1;
        assert!(first == written(&list, &folder).1);
        assert!(first != written(&BankList { seed: 8, ..list }, &folder).1);
    }

    #[test]
    fn a_mass_closure_is_a_list_and_more_than_all_is_an_error() {
        let folder = Folder::new("mass");
        let all = BankList {
            closed: 1_000,
            restricted: 0,
            renamed: 0,
            moved: 0,
            ..list(&folder)
        };
        let (listed, text) = written(&all, &folder);
        assert_eq!(listed.changed, 1_000);
        assert_eq!(text.matches(",closed,").count(), 1_000);
        let more = BankList { moved: 1, ..all };
        let refused = write_bank_list(&more, &folder.0.join("none.csv")).unwrap_err();
        assert!(matches!(
            refused,
            BankListError::TooMany {
                changes: 1_001,
                accounts: 1_000
            }
        ));
        assert!(!folder.0.join("none.csv").exists());
    }
}
