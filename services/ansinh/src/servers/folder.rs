use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use tokio::time::sleep;

use super::error::ServersError;

/// Whoever only asks whether a lock is held holds it for an instant; so one look is not enough.
const CLAIM_TRIES: u32 = 5;
const CLAIM_PAUSE: Duration = Duration::from_millis(20);

const PASSWORD_BYTES: usize = 24;

/// How much of a log's end an error shows, in lines.
const TAIL_LINES: usize = 6;

/// The folder that the embedded servers live in.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `home`, which is created if it is not there.
    pub(super) fn open(home: &Path) -> Result<Folder, ServersError> {
        // Root's PostgreSQL runs as another account, which has to get through, not to look.
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(home)
            .map_err(ServersError::io(format!("create {}", home.display())))?;
        Folder::at(home)
    }

    /// The folder at `home`, which is there.
    pub(super) fn at(home: &Path) -> Result<Folder, ServersError> {
        let path = home
            .canonicalize()
            .map_err(ServersError::io(format!("open {}", home.display())))?;
        Ok(Folder { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes this process the owner of a server, until the file is dropped or the process ends.
    pub(super) async fn claim(&self, server: &str) -> Result<File, ServersError> {
        let path = self.path.join(format!("{server}.lock"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(ServersError::io(format!("open {}", path.display())))?;
        for _ in 0..CLAIM_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => sleep(CLAIM_PAUSE).await,
                Err(TryLockError::Error(error)) => {
                    return Err(ServersError::io(format!("lock {}", path.display()))(error));
                }
            }
        }
        Err(ServersError::Taken {
            home: self.path.clone(),
        })
    }

    /// Whether some process owns a server of this folder.
    pub(super) fn is_claimed(&self, server: &str) -> bool {
        let file = OpenOptions::new()
            .write(true)
            .open(self.path.join(format!("{server}.lock")));
        file.is_ok_and(|it| matches!(it.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// The server's password, if it has one already.
    pub(super) fn password(&self, server: &str) -> Result<Option<String>, ServersError> {
        let path = self.path.join(format!("{server}.password"));
        match fs::read_to_string(&path) {
            Ok(password) => Ok(Some(password)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ServersError::io(format!("read {}", path.display()))(error)),
        }
    }

    /// Gives the server a new random password: letters and digits, at home in any URL.
    pub(super) fn new_password(&self, server: &str) -> Result<String, ServersError> {
        let mut bytes = [0; PASSWORD_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| ServersError::io("draw a password")(error.into()))?;
        let password = hex::encode(bytes);
        self.write_private(&format!("{server}.password"), password.as_bytes())?;
        Ok(password)
    }

    /// Writes a file that only its owner can read; a reader sees the old content or the new one.
    pub(super) fn write_private(&self, name: &str, content: &[u8]) -> Result<(), ServersError> {
        let path = self.path.join(name);
        let draft = self.path.join(format!("{name}.draft"));
        let write = || -> io::Result<()> {
            write_new_private(&draft, content)?;
            fs::rename(&draft, &path)
        };
        write().map_err(ServersError::io(format!("write {}", path.display())))
    }

    pub(super) fn log_path(&self, server: &str) -> PathBuf {
        self.path.join(format!("{server}.log"))
    }

    /// Puts the server's log aside, so that it says what happened since this start only.
    pub(super) fn turn_log(&self, server: &str) -> Result<(), ServersError> {
        let log = self.log_path(server);
        match fs::rename(&log, self.path.join(format!("{server}.log.previous"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ServersError::io(
                format!("put {} aside", log.display()),
            )(error)),
            _ => Ok(()),
        }
    }

    /// The server's log, open for adding to.
    pub(super) fn open_log(&self, server: &str) -> Result<File, ServersError> {
        let path = self.log_path(server);
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(ServersError::io(format!("open {}", path.display())))
    }

    /// The last lines of the server's log.
    pub(super) fn log_tail(&self, server: &str) -> String {
        let log = fs::read(self.log_path(server)).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&log))
    }
}

/// Creates a file that only its owner can read, in place of one that may be there.
pub(super) fn write_new_private(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// The end of a longer text, for an error.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|it| !it.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::servers::tests::Home;

    #[tokio::test]
    async fn a_claim_excludes_others_until_it_is_dropped() {
        let home = Home::new();
        let folder = Folder::open(home.path()).unwrap();
        assert!(!folder.is_claimed("nats"));
        let claim = folder.claim("nats").await.unwrap();
        assert!(folder.is_claimed("nats"));
        assert!(matches!(
            folder.claim("nats").await,
            Err(ServersError::Taken { .. })
        ));
        assert!(folder.claim("postgres").await.is_ok());
        drop(claim);
        assert!(folder.claim("nats").await.is_ok());
    }

    #[test]
    fn a_password_is_kept_and_private() {
        let home = Home::new();
        let folder = Folder::open(home.path()).unwrap();
        assert_eq!(folder.password("nats").unwrap(), None);
        let password = folder.new_password("nats").unwrap();
        assert_eq!(folder.password("nats").unwrap(), Some(password.clone()));
        assert_ne!(folder.new_password("nats").unwrap(), password);
        let file = fs::metadata(home.path().join("nats.password")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_end_of_a_long_text_is_its_last_lines() {
        assert_eq!(last_lines("1\n2\n3\n\n4\n5\n6\n7\n"), "2\n3\n4\n5\n6\n7");
        assert_eq!(last_lines("1\n"), "1");
        assert_eq!(last_lines(""), "");
    }
}
