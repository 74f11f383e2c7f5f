use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{User, geteuid};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::error::ServersError;
use super::folder::Folder;

/// Who may run PostgreSQL for root, the first that exists.
const ACCOUNTS: [&str; 3] = ["postgres", "ansinh", "nobody"];

const NAME: &str = "postgres";
/// Says where the data of this folder lie when they do not lie in it.
const RECORD: &str = "postgres.path";
/// Kept over a restart of the machine, and open to every account.
const ELSEWHERE: &str = "/var/tmp";

/// Whether others may pass through a folder.
const SEARCH_BY_OTHERS: u32 = 0o001;

/// Where a PostgreSQL cluster lies and which account runs it.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    account: Option<Account>,
}

/// An account that is not root's.
#[derive(Debug, Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Place {
    /// Finds or makes the place of the cluster of `folder`.
    ///
    /// That is a folder in it, except when root's PostgreSQL, which runs as another account,
    /// cannot get there: then it is a folder of that account elsewhere, and `folder` says which.
    pub(super) fn of(folder: &Folder) -> Result<Place, ServersError> {
        let account = if geteuid().is_root() {
            Some(find_account()?)
        } else {
            None
        };
        let path = choose(folder, account.is_some())?;
        make_private(&path, account)?;
        Ok(Place { path, account })
    }

    /// The place itself: private to the account, and where its programs stand.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The cluster.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// A program that will run as the account.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // Where we stand may be out of the account's reach.
        command.current_dir(&self.path);
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Gives a file in this place to the account.
    pub(super) fn give(&self, file: &Path) -> io::Result<()> {
        match self.account {
            Some(account) => chown(file, Some(account.uid), Some(account.gid)),
            None => Ok(()),
        }
    }
}

fn find_account() -> Result<Account, ServersError> {
    ACCOUNTS
        .iter()
        .filter_map(|it| User::from_name(it).ok().flatten())
        .find(|it| !it.uid.is_root())
        .map(|it| Account {
            uid: it.uid.as_raw(),
            gid: it.gid.as_raw(),
        })
        .ok_or(ServersError::NoAccount)
}

fn choose(folder: &Folder, as_other_account: bool) -> Result<PathBuf, ServersError> {
    let inside = folder.path().join(NAME);
    if !as_other_account {
        return Ok(inside);
    }
    let elsewhere = elsewhere(folder.path());
    let reachable = others_may_search(folder.path());
    match (reachable, holds_cluster(&inside), holds_cluster(&elsewhere)) {
        // What was written stays where it is; an empty cluster beside it would look like a loss.
        (false, true, _) => Err(ServersError::Unreachable { path: inside }),
        (true, true, _) | (true, false, false) => Ok(inside),
        (_, false, true) | (false, false, false) => {
            let record = format!("{}\n", elsewhere.display());
            folder.write_private(RECORD, record.as_bytes())?;
            Ok(elsewhere)
        }
    }
}

/// One place for one folder, derived from its full name.
fn elsewhere(home: &Path) -> PathBuf {
    let hash = Sha256::digest(home.as_os_str().as_encoded_bytes());
    Path::new(ELSEWHERE).join(format!("ansinh-{}", hex::encode(&hash[..8])))
}

fn holds_cluster(place: &Path) -> bool {
    place.join("data/PG_VERSION").is_file()
}

fn others_may_search(folder: &Path) -> bool {
    folder.ancestors().all(|it| {
        fs::metadata(it).is_ok_and(|found| found.permissions().mode() & SEARCH_BY_OTHERS != 0)
    })
}

/// Creates the folder for the account alone, or checks that it is such a folder: anybody may
/// have put anything under a name in a public place.
fn make_private(path: &Path, account: Option<Account>) -> Result<(), ServersError> {
    let failed = || ServersError::io(format!("prepare {}", path.display()));
    let ours = geteuid().as_raw();
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed()(error)),
        _ => {}
    }
    let found = fs::symlink_metadata(path).map_err(failed())?;
    let theirs = account.map_or(ours, |it| it.uid);
    if !found.is_dir() || ![ours, theirs].contains(&found.uid()) {
        return Err(ServersError::ForeignOwner {
            path: path.to_owned(),
            owner: found.uid(),
        });
    }
    match account {
        Some(it) => chown(path, Some(it.uid), Some(it.gid)).map_err(failed()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;
    use crate::servers::tests::Home;

    fn close(folder: &Path) {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
    }

    fn open(folder: &Path) {
        fs::set_permissions(folder, Permissions::from_mode(0o711)).unwrap();
    }

    fn pretend_cluster(place: &Path) {
        fs::create_dir_all(place.join("data")).unwrap();
        fs::write(place.join("data/PG_VERSION"), "15\n").unwrap();
    }

    #[test]
    fn a_cluster_lies_in_its_folder_when_its_account_can_get_there() {
        let home = Home::new();
        open(home.path());
        let folder = Folder::open(home.path()).unwrap();
        assert_eq!(
            choose(&folder, true).unwrap(),
            folder.path().join("postgres")
        );
        close(home.path());
        assert_eq!(
            choose(&folder, false).unwrap(),
            folder.path().join("postgres")
        );
    }

    #[test]
    fn a_cluster_out_of_its_accounts_reach_lies_elsewhere_and_the_folder_says_where() {
        let home = Home::new();
        close(home.path());
        let folder = Folder::open(home.path()).unwrap();
        let place = choose(&folder, true).unwrap();
        assert_eq!(place.parent(), Some(Path::new("/var/tmp")));
        let record = fs::read_to_string(home.path().join("postgres.path")).unwrap();
        assert_eq!(Path::new(record.trim_end()), place);

        pretend_cluster(&place);
        open(home.path());
        assert_eq!(
            choose(&folder, true).unwrap(),
            place,
            "data stay where they are"
        );
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn data_that_went_out_of_reach_are_not_replaced_by_an_empty_cluster() {
        let home = Home::new();
        pretend_cluster(&home.path().join("postgres"));
        close(home.path());
        let folder = Folder::open(home.path()).unwrap();
        let refused = choose(&folder, true);
        assert!(
            matches!(refused, Err(ServersError::Unreachable { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_link_that_somebody_put_in_the_way_is_refused() {
        let home = Home::new();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path(), &link).unwrap();
        let refused = make_private(&link, None);
        assert!(
            matches!(refused, Err(ServersError::ForeignOwner { .. })),
            "{refused:?}"
        );
    }
}
