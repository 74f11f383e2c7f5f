use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::error::ServersError;
use super::folder::{Folder, last_lines, write_new_private};
use super::place::Place;
use super::postgres;

/// The superuser that the cluster is created with.
pub(super) const OWNER: &str = "ansinh";

const INITDB_WITHIN: Duration = Duration::from_mins(2);

/// A connection in the middle of a computation looks for its postmaster only after that.
const SILENCE_WITHIN: Duration = Duration::from_secs(10);
const SILENCE_PAUSE: Duration = Duration::from_millis(20);

/// Creates the cluster if it is not there; returns the owner's password.
///
/// `initdb` works beside the cluster's place, so that one that was interrupted leaves no half of
/// a cluster there.
pub(super) async fn ensure(
    folder: &Folder,
    place: &Place,
    bin: &Path,
) -> Result<String, ServersError> {
    let data = place.data();
    let password = folder.password(postgres::NAME)?;
    if data.exists() {
        return password.ok_or(ServersError::PasswordLost { path: data });
    }
    let password = match password {
        Some(password) => password,
        None => folder.new_password(postgres::NAME)?,
    };
    let draft = place.path().join("data.draft");
    let password_file = place.path().join("password.draft");
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(ServersError::io(format!("remove {}", draft.display()))(
                error,
            ));
        }
        _ => {}
    }
    write_new_private(&password_file, password.as_bytes())
        .and_then(|()| place.give(&password_file))
        .map_err(ServersError::io("hand the password to initdb"))?;
    let created = initdb(place.command(&bin.join("initdb")), &draft, &password_file).await;
    let removed = fs::remove_file(&password_file);
    created?;
    removed
        .and_then(|()| fs::rename(&draft, &data))
        .map_err(ServersError::io(format!("create {}", data.display())))?;
    Ok(password)
}

async fn initdb(mut command: Command, data: &Path, password: &Path) -> Result<(), ServersError> {
    command
        .args(["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"])
        .args(["--data-checksums", "--no-instructions", "--username", OWNER])
        .arg("--pwfile")
        .arg(password)
        .arg("--pgdata")
        .arg(data)
        .kill_on_drop(true);
    let failed = |detail| ServersError::Initdb { detail };
    let output = timeout(INITDB_WITHIN, command.output())
        .await
        .map_err(|_| failed(format!("not done within {} s", INITDB_WITHIN.as_secs())))?
        .map_err(ServersError::io("run initdb"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(last_lines(&String::from_utf8_lossy(&output.stderr))))
}

/// Says by its exit code whether a process works in the folder: 0 yes, 1 no.
const IN_USE: &str = r#"for it in /proc/[0-9]*/cwd; do [ "$it" -ef "$1" ] && exit 0; done; exit 1"#;

/// Removes the lock file of a postmaster that is gone.
///
/// PostgreSQL does that itself unless the process id in it is in use: by a stranger, who got it
/// after a restart of the machine, or by a zombie that nobody waits for. We own the folder's
/// claim, so a lock is stale when no process works in the data; the processes of a killed
/// postmaster's connections do until they end.
pub(super) async fn remove_stale_lock(place: &Place) {
    let lock = place.data().join("postmaster.pid");
    if lock.exists() && is_in_use(place).await == Some(false) {
        // One that cannot be removed PostgreSQL reports.
        drop(fs::remove_file(lock));
    }
}

/// Waits, within bounds, until the processes of a killed postmaster's connections have ended
/// too: until they notice its death they can still commit.
pub(super) async fn wait_for_silence(place: &Place) {
    let deadline = Instant::now() + SILENCE_WITHIN;
    while Instant::now() < deadline && is_in_use(place).await == Some(true) {
        sleep(SILENCE_PAUSE).await;
    }
}

/// Whether a process works in the data; `None` when the system does not tell.
async fn is_in_use(place: &Place) -> Option<bool> {
    // Without /proc (not Linux) nothing is known.
    if !Path::new("/proc/self/cwd").exists() {
        return None;
    }
    // Asked as the account: root in a container may not look where another's process works.
    let asked = place
        .command(Path::new("sh"))
        .args(["-c", IN_USE, "in-use"])
        .arg(place.data())
        .status()
        .await;
    match asked.ok()?.code()? {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::Home;

    #[tokio::test]
    async fn a_lock_is_kept_while_a_process_works_in_the_data() {
        let home = Home::new();
        let folder = Folder::open(home.path()).unwrap();
        let place = Place::of(&folder).unwrap();
        let lock = place.data().join("postmaster.pid");
        fs::create_dir(place.data()).unwrap();
        fs::write(&lock, "1\n").unwrap();
        place.give(&place.data()).unwrap();
        let mut worker = place
            .command(Path::new("sleep"))
            .arg("60")
            .current_dir(place.data())
            .spawn()
            .unwrap();
        remove_stale_lock(&place).await;
        assert!(lock.exists());

        worker.kill().await.unwrap();
        remove_stale_lock(&place).await;
        assert!(!lock.exists());
    }
}
