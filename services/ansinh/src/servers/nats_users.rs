//! Who may log in at NATS, and what each may do there: an account for the state, and one for each
//! bank, which can reach nothing but its own subjects.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::Institution;
use messaging::{bank_durable, stream_name};
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::error::ServersError;
use super::folder::{Folder, write_new_private};
use super::nats;

/// Public halves only, so that whoever reads it can log in as nobody.
const FILE: &str = "nats-users.json";
const LOCK: &str = "nats-users";
/// What the server's configuration includes.
pub(super) const ACCOUNTS: &str = "nats-accounts.conf";
pub(super) const PID_FILE: &str = "nats.pid";
const STATE_SEED: &str = "nats-state.nk";
const BANKS: &str = "banks";
/// The file in a bank's folder by which it logs in.
const BANK_SEED: &str = "nats.nk";
/// Credentials that a bank may have at the same time.
const OF_A_BANK_MAX: usize = 8;
const RELOADED: &str = "Reloaded server configuration";
const RELOADED_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Who may log in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatsUsers {
    /// nkeys of the state's services.
    pub state: Vec<String>,
    pub banks: BTreeMap<Institution, Vec<BankUser>>,
}

/// One of a bank's credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankUser {
    pub nkey: String,
    /// The key by which the bank signs, where it was issued with this one; hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
}

/// The seed by which the state's services log in at the server of `home`.
pub fn state_nkey_file(home: &Path) -> PathBuf {
    home.join(STATE_SEED)
}

/// The folder with one of each made-up bank in it.
pub fn banks_dir(home: &Path) -> PathBuf {
    home.join(BANKS)
}

/// A new user's seed in a new file of mode 0600; gives back the public half.
///
/// # Errors
/// [`ServersError::Io`] also where the file is there already.
pub fn issue_nkey(file: &Path) -> Result<String, ServersError> {
    let failed = |it: io::Error| ServersError::io(format!("write {}", file.display()))(it);
    let mut raw = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *raw).map_err(|it| failed(it.into()))?;
    let pair = KeyPair::new_from_raw(KeyPairType::User, *raw);
    let pair = pair.expect("any 32 bytes are a seed");
    let seed = Zeroizing::new(pair.seed().expect("it was made from one"));
    if file.exists() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    write_new_private(file, format!("{}\n", *seed).as_bytes()).map_err(failed)?;
    Ok(pair.public_key())
}

/// Who may log in at the server of `home`; nobody where it was never started.
///
/// # Errors
/// [`ServersError::Io`] where the record cannot be read.
pub fn nats_users(home: &Path) -> Result<NatsUsers, ServersError> {
    read(&Folder::at(home)?)
}

/// Whether a server heeds what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heeded {
    /// The embedded server does; who may not log in any more is cut.
    Now,
    /// None that we started runs there: whoever runs one has it read the files again.
    WhenTold,
}

/// Changes who may log in, writes the accounts of it and makes the folder's own running server heed
/// them.
///
/// # Errors
/// What `change` says, and [`ServersError::Silent`] where the server does not heed it.
pub async fn change_nats_users<T>(
    home: &Path,
    change: impl FnOnce(&mut NatsUsers) -> Result<T, ServersError>,
) -> Result<(T, Heeded), ServersError> {
    let folder = Folder::at(home)?;
    let _one_at_a_time = folder.claim(LOCK).await?;
    let mut users = read(&folder)?;
    let done = change(&mut users)?;
    write(&folder, &users)?;
    let heeded = reload(&folder).await?;
    Ok((done, heeded))
}

/// Lets the state's services in at a server that others run: a seed in a new file of the folder, and
/// the accounts that the server includes. Gives back the file and the public half; `None` where the
/// state was let in before.
///
/// # Errors
/// [`ServersError::Io`] where a file cannot be read or written.
pub async fn let_state_in(home: &Path) -> Result<Option<(PathBuf, String)>, ServersError> {
    make_folder(home)?;
    let file = state_nkey_file(home);
    let let_in = change_nats_users(home, |users| {
        if !users.state.is_empty() {
            return Ok(None);
        }
        let nkey = issue_nkey(&file)?;
        users.state = vec![nkey.clone()];
        Ok(Some(nkey))
    });
    let (nkey, _) = let_in.await?;
    Ok(nkey.map(|it| (file, it)))
}

/// Makes what a folder lacks: the state's user, and one of each bank where nobody was ever let in.
pub(super) fn prepare(folder: &Folder) -> Result<(), ServersError> {
    let mut users = read(folder)?;
    if users.state.is_empty() {
        users.state = vec![issue_nkey(&folder.path().join(STATE_SEED))?];
    }
    if users.banks.is_empty() && !banks_dir(folder.path()).exists() {
        for it in Institution::connected() {
            let own = banks_dir(folder.path()).join(it.institution.to_string());
            make_folder(&own)?;
            let user = BankUser {
                nkey: issue_nkey(&own.join(BANK_SEED))?,
                public_key: None,
            };
            users.banks.insert(it.institution, vec![user]);
        }
    }
    write(folder, &users)
}

/// Lets in at one server who is let in at another of its cluster; the seeds stay with that one.
pub(super) fn take_over(folder: &Folder, from: &Folder) -> Result<(), ServersError> {
    write(folder, &read(from)?)
}

/// A folder that only its owner can look into.
///
/// # Errors
/// [`ServersError::Io`] where it cannot be made.
pub fn make_folder(path: &Path) -> Result<(), ServersError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(ServersError::io(format!("create {}", path.display())))
}

fn read(folder: &Folder) -> Result<NatsUsers, ServersError> {
    let file = folder.path().join(FILE);
    let failed = || ServersError::io(format!("read {}", file.display()));
    match fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|it| failed()(it.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(NatsUsers::default()),
        Err(error) => Err(failed()(error)),
    }
}

fn write(folder: &Folder, users: &NatsUsers) -> Result<(), ServersError> {
    let json = serde_json::to_vec_pretty(users).expect("words are JSON");
    folder.write_private(FILE, &json)?;
    folder.write_private(ACCOUNTS, users.accounts().as_bytes())
}

/// Tells a running server to read its configuration again, and waits until its log says so.
async fn reload(folder: &Folder) -> Result<Heeded, ServersError> {
    let pid_file = folder.path().join(PID_FILE);
    let pid = fs::read_to_string(&pid_file).ok();
    let pid = pid.and_then(|it| it.trim().parse::<i32>().ok());
    // A file that a killed server left behind may name another's process.
    let Some(pid) = pid.filter(|_| folder.is_claimed(nats::NAME)) else {
        return Ok(Heeded::WhenTold);
    };
    let reloads = || {
        let log = fs::read_to_string(folder.log_path(nats::NAME)).unwrap_or_default();
        log.matches(RELOADED).count()
    };
    let before = reloads();
    signal::kill(Pid::from_raw(pid), Signal::SIGHUP)
        .map_err(|it| ServersError::io("tell nats to reload")(it.into()))?;
    let deadline = Instant::now() + RELOADED_WITHIN;
    while reloads() == before {
        if Instant::now() > deadline {
            return Err(ServersError::Silent {
                server: nats::NAME,
                seconds: RELOADED_WITHIN.as_secs(),
                log: folder.log_path(nats::NAME),
            });
        }
        sleep(PAUSE).await;
    }
    Ok(Heeded::Now)
}

impl NatsUsers {
    /// One more of a bank's credentials; those that it has go on until they are taken back.
    ///
    /// # Errors
    /// [`ServersError::Full`] where it has as many as it may have.
    pub fn add(&mut self, bank: Institution, user: BankUser) -> Result<(), ServersError> {
        let users = self.banks.entry(bank).or_default();
        if users.len() >= OF_A_BANK_MAX {
            return Err(ServersError::Full { bank });
        }
        users.push(user);
        Ok(())
    }

    /// Takes back one of a bank's credentials, or all of them; gives back which.
    pub fn revoke(&mut self, bank: Institution, nkey: Option<&str>) -> Vec<BankUser> {
        let users = self.banks.remove(&bank).unwrap_or_default();
        let (gone, kept): (Vec<BankUser>, _) = users
            .into_iter()
            .partition(|it| nkey.is_none_or(|nkey| it.nkey == nkey));
        if !kept.is_empty() {
            self.banks.insert(bank, kept);
        }
        gone
    }

    /// The accounts as the server's configuration includes them.
    pub fn accounts(&self) -> String {
        let mut exports = String::new();
        let mut banks = String::new();
        for (bank, users) in &self.banks {
            let reach = Reach::of(*bank);
            reach.export(&mut exports);
            reach.account(&mut banks, users);
        }
        let state = users_of(&self.state, "");
        format!(
            "# Written by `ansinh bank` and `ansinh keys nats`. It holds public keys only.\n\
             accounts {{\n  SYS {{}}\n  STATE {{\n    jetstream: enabled\n    users: [\n{state}    ]\n    \
             exports: [\n{exports}    ]\n  }}\n{banks}}}\nsystem_account: SYS\n"
        )
    }
}

/// What a bank can reach, of the state's account and nowhere else.
struct Reach {
    bank: Institution,
    /// Where the bank asks for, answers, says and marks; each with how the state answers.
    services: Vec<(String, &'static str)>,
    /// What the bank hears without asking.
    streams: Vec<String>,
}

impl Reach {
    fn of(bank: Institution) -> Reach {
        let out = events::bank_out(bank);
        let mut services = Vec::new();
        for speaker in [out.clone(), events::bank_out_verification_requests(bank)] {
            let (stream, durable) = (stream_name(&speaker), bank_durable(&speaker));
            let next = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}");
            services.push((next, ", response_type: stream"));
            // Clients ask how their consumer stands before they pull again from a server that
            // was away.
            services.push((format!("$JS.API.CONSUMER.INFO.{stream}.{durable}"), ""));
            services.push((format!("$JS.ACK.{stream}.{durable}.>"), ""));
        }
        for said in [
            format!("bank.{bank}.in.>"),
            format!("watermark.bank.{bank}.in.>"),
            format!("redrive.{out}"),
            format!("redrive.{out}.>"),
        ] {
            services.push((said, ""));
        }
        let streams = vec![
            format!("watermark.{out}"),
            format!("watermark.{out}.>"),
            format!("redrive.bank.{bank}.in.>"),
        ];
        Reach {
            bank,
            services,
            streams,
        }
    }

    fn export(&self, to: &mut String) {
        let bank = self.bank;
        for (subject, response) in &self.services {
            line(
                to,
                &format!("      {{ service: \"{subject}\"{response}, accounts: [BANK_{bank}] }}"),
            );
        }
        for subject in &self.streams {
            line(
                to,
                &format!("      {{ stream: \"{subject}\", accounts: [BANK_{bank}] }}"),
            );
        }
    }

    fn account(&self, to: &mut String, users: &[BankUser]) {
        let bank = self.bank;
        let quoted = |it: &str| format!("\"{it}\"");
        let published: Vec<String> = self.services.iter().map(|(it, _)| quoted(it)).collect();
        let inbox = format!("_INBOX_{bank}.>");
        let heard = self.streams.iter().chain([&inbox]).map(|it| quoted(it));
        let permissions = format!(
            ", permissions: {{ publish: [{}], subscribe: [{}] }}",
            published.join(", "),
            heard.collect::<Vec<String>>().join(", ")
        );
        let nkeys: Vec<String> = users.iter().map(|it| it.nkey.clone()).collect();
        line(to, &format!("  BANK_{bank} {{\n    users: ["));
        to.push_str(&users_of(&nkeys, &permissions));
        line(to, "    ]\n    imports: [");
        for (subject, _) in &self.services {
            line(
                to,
                &format!("      {{ service: {{ account: STATE, subject: \"{subject}\" }} }}"),
            );
        }
        for subject in &self.streams {
            line(
                to,
                &format!("      {{ stream: {{ account: STATE, subject: \"{subject}\" }} }}"),
            );
        }
        line(to, "    ]\n  }");
    }
}

fn users_of(nkeys: &[String], permissions: &str) -> String {
    nkeys.iter().fold(String::new(), |mut text, it| {
        line(&mut text, &format!("      {{ nkey: {it}{permissions} }}"));
        text
    })
}

fn line(to: &mut String, text: &str) {
    writeln!(to, "{text}").expect("a text takes every line");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;
    use crate::servers::programs;
    use crate::servers::tests::Home;

    fn sample() -> NatsUsers {
        // Of seeds that nobody kept.
        let [state, one, two] = [
            "UA6JDIVAFELPWHZ7JNIMO433WJWFCPEKGNDGV2SLNRJBMWENM5ICRSIM",
            "UBXDO6LX3CVSAKIGAEW4MUOCYWU7AZ62BROEZ3I7BAFMW2BYNEOB2TSV",
            "UCTRSISFOJVXO6V2Y5KOUNO2NLJSSKRMSGRGIAHOP7FTV2C4SRISBBWN",
        ];
        let mut users = NatsUsers {
            state: vec![state.to_owned()],
            banks: BTreeMap::new(),
        };
        for (bank, nkey) in [("970405", one), ("970436", two)] {
            let user = BankUser {
                nkey: nkey.to_owned(),
                public_key: None,
            };
            users.add(bank.parse().unwrap(), user).unwrap();
        }
        users
    }

    #[test]
    fn the_example_in_deploy_is_what_is_written() {
        let example = include_str!("../../../../deploy/nats/nats-accounts.conf");
        assert_eq!(sample().accounts(), example);
    }

    #[tokio::test]
    async fn the_state_is_let_in_once_at_a_server_that_is_told_by_others() {
        let home = Home::new();
        let (file, nkey) = let_state_in(home.path()).await.unwrap().unwrap();
        assert_eq!(file, state_nkey_file(home.path()));
        let accounts = fs::read_to_string(home.path().join(ACCOUNTS)).unwrap();
        assert!(accounts.contains(&nkey), "{accounts}");
        assert_eq!(let_state_in(home.path()).await.unwrap(), None);

        let bank = Institution::from_number(970_436).unwrap();
        let user = BankUser {
            nkey: nkey.clone(),
            public_key: None,
        };
        let added = change_nats_users(home.path(), |it| it.add(bank, user));
        assert_eq!(added.await.unwrap(), ((), Heeded::WhenTold));
        assert_eq!(nats_users(home.path()).unwrap().state, [nkey]);
    }

    #[tokio::test]
    async fn a_real_server_takes_the_examples() {
        let program = programs::nats_server().await.unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/nats");
        for example in ["nats.conf", "nats-cluster.conf"] {
            let tested = Command::new(&program)
                .args(["-t", "-c", example])
                .current_dir(&folder)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&tested.stderr).into_owned();
            assert!(tested.status.success(), "{example}: {said}");
            let written = fs::read_to_string(folder.join(example)).unwrap();
            assert!(written.contains("\n  sync_interval: always\n"), "{example}");
        }
    }

    #[test]
    fn a_seed_is_written_once_and_for_its_owner_only() {
        let home = Home::new();
        let file = home.path().join("nats.nk");
        let public = issue_nkey(&file).unwrap();
        assert!(public.starts_with('U'), "{public}");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let seed = fs::read_to_string(&file).unwrap();
        let pair = KeyPair::from_seed(seed.trim()).unwrap();
        assert_eq!(pair.public_key(), public);
        assert!(issue_nkey(&file).is_err(), "it would be lost");
    }

    #[test]
    fn what_is_taken_back_leaves_the_others() {
        let mut users = sample();
        let bank: Institution = "970436".parse().unwrap();
        let user = |nkey: &str| BankUser {
            nkey: nkey.to_owned(),
            public_key: None,
        };
        users.add(bank, user("U2")).unwrap();
        assert_eq!(users.revoke(bank, Some("U2")), [user("U2")]);
        assert_eq!(users, sample());
        assert_eq!(users.revoke(bank, Some("U2")), []);
        assert_eq!(users.revoke(bank, None).len(), 1);
        assert!(!users.accounts().contains("970436"));
    }

    #[test]
    fn a_bank_has_a_bounded_number_of_credentials() {
        let mut users = sample();
        let bank: Institution = "970436".parse().unwrap();
        let added = (0..9).map(|it| {
            let user = BankUser {
                nkey: format!("U{it}"),
                public_key: None,
            };
            users.add(bank, user).is_ok()
        });
        assert_eq!(added.filter(|it| *it).count(), OF_A_BANK_MAX - 1);
    }
}
