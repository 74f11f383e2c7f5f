//! The law in force: which programmes' data a run decides by.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use approval::{Kind, Matter, Signing};
use chrono::{DateTime, Utc};
use domain::{Officer, Province};
use rules::{Files, Flaw, Law};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Mutex;

use crate::{Error, store};

/// The programmes that this version of the program ships; they become law 1 of a new database.
#[derive(rust_embed::Embed)]
#[folder = "programmes/"]
struct Shipped;

const MAKER: &str = "shipped";

/// A law that was approved, read.
#[derive(Debug, Clone)]
pub struct LawInForce {
    /// Its number in the database, from 1; determinations cite it.
    pub law_no: i64,
    pub law: Arc<Law>,
}

/// Laws that were read from the database; a law never changes, so each is read once.
#[derive(Debug, Clone, Default)]
pub struct Laws(Arc<Mutex<HashMap<i64, Arc<Law>>>>);

/// A law in the database, as a list shows it.
#[derive(Debug, Clone)]
pub struct LawRecord {
    pub law_no: i64,
    pub sha256: Vec<u8>,
    pub maker: String,
    pub reason: String,
    pub proposed_at: DateTime<Utc>,
    pub checker: Option<String>,
    pub approved_at: Option<DateTime<Utc>>,
}

/// The shipped files, by path.
pub fn shipped_files() -> Files {
    let is_law = |it: &str| Path::new(it).extension().is_some_and(|it| it != "md");
    let file = |path: std::borrow::Cow<'static, str>| {
        let text = Shipped::get(&path)?.data.into_owned();
        Some((path.into_owned(), String::from_utf8(text).ok()?))
    };
    let paths = Shipped::iter().filter(|it| is_law(it));
    Files(paths.filter_map(file).collect())
}

/// Reads files as a law.
///
/// # Errors
/// [`Error::Law`] with every flaw, a line each.
pub fn read_law(files: &Files) -> Result<Law, Error> {
    Law::read(files).map_err(|flaws| Error::Law(listed(&flaws)))
}

/// The provinces that have a level of their own in any parameter, whenever it holds.
pub fn provinces_with_local_levels(law: &Law) -> BTreeSet<Province> {
    law.parameters().filter_map(|it| it.province).collect()
}

/// Content hash of a law: each path and text with its length, in the order of paths.
pub fn law_hash(files: &Files) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (path, text) in &files.0 {
        for piece in [path, text] {
            let length = u64::try_from(piece.len()).expect("texts fit in memory");
            hash.update(length.to_be_bytes());
            hash.update(piece);
        }
    }
    hash.finalize().into()
}

/// What a law may not do to the one in force: a version that was approved is never edited in
/// place, and rows that determinations cite by number never move.
pub fn broken_promises(current: &Files, next: &Files) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (path, text) in &current.0 {
        let new = next.0.get(path).map(String::as_str);
        let broken = if path.ends_with("/programme.toml") {
            new.is_none()
                .then_some("a programme does not go; close its versions")
        } else if path.contains('/') {
            let sentence = "an approved version is never edited; add a version that is known later";
            (new != Some(text)).then_some(sentence)
        } else {
            let sentence = "rows that stand are cited by their number; new rows go to the end";
            let kept = new.is_some_and(|it| it.starts_with(text.trim_end()));
            (!kept).then_some(sentence)
        };
        flaws.extend(broken.map(|sentence| Flaw {
            file: path.clone(),
            place: first_difference(text, new.unwrap_or_default()),
            code: "approved_law_changed",
            sentence: sentence.to_owned(),
        }));
    }
    flaws
}

fn first_difference(old: &str, new: &str) -> String {
    let same = old
        .lines()
        .zip(new.lines())
        .take_while(|(old, new)| old == new);
    format!("line {}", same.count() + 1)
}

/// Makes the shipped programmes law 1 of a database that has none.
pub(crate) async fn ensure_shipped(pool: &PgPool, now: DateTime<Utc>) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    store::lock_laws(&mut tx).await?;
    if store::latest_law_no(&mut tx).await?.is_none() {
        let files = shipped_files();
        read_law(&files)?;
        store::insert_law(&mut tx, 1, &files, MAKER, "comes with the program", now).await?;
        store::approve_law(&mut tx, 1, MAKER, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// The law that was approved last; in a new database the shipped one.
pub async fn law_in_force(pool: &PgPool, now: DateTime<Utc>) -> Result<LawInForce, Error> {
    ensure_shipped(pool, now).await?;
    let mut connection = pool.acquire().await?;
    Laws::default().in_force(&mut connection).await
}

/// Proposes a law; it holds for nobody until somebody else approves it. Returns its number.
///
/// # Errors
/// [`Error::Law`] with the flaws of the files, or with what they would change in place;
/// [`Error::LawRepeated`] for a law that is there already.
pub async fn propose_law(
    pool: &PgPool,
    files: &Files,
    maker: &Officer,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<i64, Error> {
    read_law(files)?;
    // A proposal is never law 1: that one is its own checker.
    ensure_shipped(pool, now).await?;
    let mut tx = pool.begin().await?;
    store::lock_laws(&mut tx).await?;
    if let Some(law_no) = store::law_by_hash(&mut tx, &law_hash(files)).await? {
        return Err(Error::LawRepeated(law_no));
    }
    if let Some(current) = store::latest_law_no(&mut tx).await? {
        let broken = broken_promises(&store::law_files(&mut tx, current).await?, files);
        if !broken.is_empty() {
            return Err(Error::Law(listed(&broken)));
        }
    }
    let law_no = store::next_law_no(&mut tx).await?;
    store::insert_law(&mut tx, law_no, files, maker.as_str(), reason, now).await?;
    tx.commit().await?;
    Ok(law_no)
}

/// Approves a proposal; from then on every run that opens is decided by it.
///
/// # Errors
/// [`Error::LawUnknown`], [`Error::LawApproved`] where it holds already or a later one does,
/// [`Error::LawSamePerson`] where the maker approves; the database refuses that too; and
/// [`Error::Approval`] where it is not signed as it has to be.
pub async fn approve_law(
    pool: &PgPool,
    law_no: i64,
    checker: &Officer,
    signing: Signing<'_>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    store::lock_laws(&mut tx).await?;
    let records = store::laws(&mut tx).await?;
    let Some(law) = records.iter().find(|it| it.law_no == law_no) else {
        return Err(Error::LawUnknown(law_no));
    };
    let latest = store::latest_law_no(&mut tx).await?.unwrap_or_default();
    if law.approved_at.is_some() || latest > law_no {
        return Err(Error::LawApproved(law_no));
    }
    if law.maker == checker.as_str() {
        return Err(Error::LawSamePerson);
    }
    let files = store::law_files(&mut tx, law_no).await?;
    let decision = matter_of(law, &files).decision(true, None, checker);
    approval::decide(&mut tx, &decision, signing, now).await?;
    store::approve_law(&mut tx, law_no, checker.as_str(), now).await?;
    tx.commit().await?;
    Ok(())
}

/// A proposal as it is stored; whoever is to sign it is shown this.
///
/// # Errors
/// [`Error::LawUnknown`].
pub async fn law_matter(connection: &mut PgConnection, law_no: i64) -> Result<Matter, Error> {
    let records = store::laws(connection).await?;
    let law = records.iter().find(|it| it.law_no == law_no);
    let law = law.ok_or(Error::LawUnknown(law_no))?;
    let files = store::law_files(connection, law_no).await?;
    Ok(matter_of(law, &files))
}

/// The hash is taken of the files anew: what is signed is what is there.
fn matter_of(law: &LawRecord, files: &Files) -> Matter {
    let matter = Matter::new(Kind::Law, law.law_no)
        .saying("Số tệp", files.0.len())
        .saying("SHA-256", hex::encode(law_hash(files)));
    Matter {
        maker: law.maker.parse().ok(),
        reason: Some(law.reason.clone()),
        ..matter
    }
}

/// All laws and proposals, the oldest first.
pub async fn list_laws(pool: &PgPool) -> Result<Vec<LawRecord>, Error> {
    let mut connection = pool.acquire().await?;
    store::laws(&mut connection).await
}

/// The files of a law or proposal.
pub async fn files_of_law(pool: &PgPool, law_no: i64) -> Result<Files, Error> {
    let mut connection = pool.acquire().await?;
    let files = store::law_files(&mut connection, law_no).await?;
    if files.0.is_empty() {
        return Err(Error::LawUnknown(law_no));
    }
    Ok(files)
}

impl Laws {
    /// The law that was approved last.
    pub async fn in_force(&self, connection: &mut PgConnection) -> Result<LawInForce, Error> {
        let law_no = store::latest_law_no(connection).await?;
        self.numbered(connection, law_no.ok_or(Error::NoLaw)?).await
    }

    pub async fn numbered(
        &self,
        connection: &mut PgConnection,
        law_no: i64,
    ) -> Result<LawInForce, Error> {
        let mut read = self.0.lock().await;
        if let Some(law) = read.get(&law_no) {
            let law = Arc::clone(law);
            return Ok(LawInForce { law_no, law });
        }
        let law = Arc::new(read_law(&store::law_files(connection, law_no).await?)?);
        read.insert(law_no, Arc::clone(&law));
        Ok(LawInForce { law_no, law })
    }
}

fn listed(flaws: &[Flaw]) -> String {
    let lines = flaws
        .iter()
        .map(|it| format!("{}: {}: {}: {}", it.file, it.place, it.code, it.sentence));
    lines.collect::<Vec<String>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn files(texts: &[(&str, &str)]) -> Files {
        let texts = texts
            .iter()
            .map(|(path, text)| (String::from(*path), String::from(*text)));
        Files(texts.collect::<BTreeMap<String, String>>())
    }

    #[test]
    fn the_shipped_law_reads_and_agrees_with_its_examples() {
        let law = read_law(&shipped_files()).unwrap();
        assert_eq!(law.programmes().count(), domain::Programme::ALL.len());
        assert!(law.examples() >= 150, "{}", law.examples());
        let local: Vec<String> = provinces_with_local_levels(&law)
            .iter()
            .map(Province::to_string)
            .collect();
        assert_eq!(local, ["01", "08", "22", "31", "79"]);
    }

    #[test]
    fn an_approved_version_is_never_edited_in_place() {
        let current = files(&[
            ("parameters.csv", "name,value\na,1\n"),
            ("HTXH/programme.toml", "code"),
            ("HTXH/2025-07.toml", "one\ntwo\n"),
        ]);
        let more = files(&[
            ("parameters.csv", "name,value\na,1\nb,2\n"),
            ("HTXH/programme.toml", "another label"),
            ("HTXH/2025-07.toml", "one\ntwo\n"),
            ("HTXH/2026-07.toml", "new"),
        ]);
        assert_eq!(broken_promises(&current, &more), []);

        let edited = files(&[
            ("parameters.csv", "name,value\nb,2\na,1\n"),
            ("HTXH/programme.toml", "code"),
            ("HTXH/2025-07.toml", "one\nthree\n"),
        ]);
        let places: Vec<(String, String)> = broken_promises(&current, &edited)
            .into_iter()
            .map(|it| (it.file, it.place))
            .collect();
        let expected = [
            ("HTXH/2025-07.toml", "line 2"),
            ("parameters.csv", "line 2"),
        ];
        assert_eq!(
            places,
            expected.map(|(file, place)| (file.into(), place.into()))
        );
    }
}
