//! By what banks log in and sign: issued, followed by the next, taken back.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use domain::Institution;
use messaging::Organisation;
use payments::{EndOrganisationKey, RegisterOrganisationKey};
use privacy::{Keys, Signer};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cli::{By, Issue, Shared};
use crate::output::{Failure, say, show, table};
use crate::servers::{self, BankUser, Heeded};
use crate::target::Target;

#[derive(Serialize)]
struct Issued {
    institution: Institution,
    nkey: String,
    public_key: String,
    /// Another officer confirms it.
    key_no: i64,
}

#[derive(Serialize)]
struct UserView {
    institution: Institution,
    #[serde(flatten)]
    user: BankUser,
}

pub(super) async fn issue(
    target: &Target,
    shared: &Shared,
    issue: &Issue,
    is_next: bool,
) -> Result<ExitCode, Failure> {
    let Issue {
        institution,
        out,
        by,
    } = issue;
    let institution = *institution;
    refuse_out_of_turn(shared, institution, is_next)?;
    servers::make_folder(out)?;
    let public_key = hex::encode(new_signing_key(&out.join("signing.key"))?);
    let keys = target.keys()?;
    let exchange = keys.exchange_secret(&institution.to_string());
    new_file(&out.join("exchange.key"), exchange.expose())?;
    new_file(&out.join("state.pub"), &state_keys(&keys))?;
    let nkey = servers::issue_nkey(&out.join("nats.nk"))?;
    let body = RegisterOrganisationKey {
        officer: by.by.clone(),
        organisation: Organisation::Institution(institution).to_string(),
        public_key: public_key.clone(),
        valid_from: None,
    };
    let answer = ask(target, "register-organisation-key", by, &body).await?;
    let key_no = answer["key_no"].as_i64().unwrap_or_default();
    let user = BankUser {
        nkey: nkey.clone(),
        public_key: Some(public_key.clone()),
    };
    let added = servers::change_nats_users(&shared.home, |it| it.add(institution, user));
    let ((), heeded) = added.await?;
    say(&format!(
        "{} is for the bank alone; it can log in {}. Its signature stands when another officer \
         has seen whose key it is: ansinh bank confirm-key {key_no} --by …",
        out.display(),
        match heeded {
            Heeded::Now => "now",
            Heeded::WhenTold => "when the servers have read that",
        }
    ));
    say_who_tells(heeded, &shared.home);
    let issued = Issued {
        institution,
        nkey,
        public_key,
        key_no,
    };
    show(shared.output, &issued, |it| {
        let rows = [
            ["institution".to_owned(), it.institution.to_string()],
            ["nkey".to_owned(), it.nkey.clone()],
            ["signing key".to_owned(), it.public_key.clone()],
            ["number of the key".to_owned(), it.key_no.to_string()],
        ];
        table(&["credentials", ""], 2, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Credentials come after the state's own, the first before the next.
fn refuse_out_of_turn(
    shared: &Shared,
    institution: Institution,
    is_next: bool,
) -> Result<(), Failure> {
    let users = servers::nats_users(&shared.home)?;
    if users.state.is_empty() {
        let home = shared.home.display();
        let text = format!("state_unknown: {home} lets no service in yet; first: ansinh keys nats");
        return Err(Failure::Refused(text));
    }
    match (users.banks.contains_key(&institution), is_next) {
        (true, false) => {
            let text = format!("bank_known: {institution} has credentials; rotate issues the next");
            return Err(Failure::Refused(text));
        }
        (false, true) => {
            let text = format!("bank_unknown: {institution} has no credentials; add lets it in");
            return Err(Failure::Refused(text));
        }
        _ => {}
    }
    Ok(())
}

pub(super) async fn revoke(
    target: &Target,
    shared: &Shared,
    institution: Institution,
    nkey: Option<&str>,
    reason: &str,
    by: &By,
) -> Result<ExitCode, Failure> {
    let gone = servers::change_nats_users(&shared.home, |it| Ok(it.revoke(institution, nkey)));
    let (gone, heeded) = gone.await?;
    if gone.is_empty() {
        let text = format!("credentials_unknown: {institution} has no such credentials");
        return Err(Failure::Refused(text));
    }
    let pool = target.pool(None).await?;
    let organisation = Organisation::Institution(institution);
    let keys = messaging::organisation_keys(&pool, Some(organisation)).await?;
    for key in keys.iter().filter(|key| {
        let mut gone = gone.iter().filter_map(|it| it.public_key.as_ref());
        gone.any(|it| *it == key.public_key)
    }) {
        let body = EndOrganisationKey {
            officer: by.by.clone(),
            key_no: key.key_no,
            reason: reason.to_owned(),
            ended_at: None,
        };
        ask(target, "end-organisation-key", by, &body).await?;
    }
    match heeded {
        Heeded::Now => say("Cut. What was signed before stands."),
        Heeded::WhenTold => say("Taken back, but NOT CUT yet. What was signed before stands."),
    }
    say_who_tells(heeded, &shared.home);
    show_users(shared, institution_users(institution, gone))
}

/// A server that we did not start goes on by what it read last.
fn say_who_tells(heeded: Heeded, home: &Path) {
    if heeded == Heeded::WhenTold {
        say(&format!(
            "No server that ansinh started runs in {home}. Have each of yours read {home}/nats-accounts.conf \
             again: nats-server --signal reload=<its folder>/nats.pid",
            home = home.display()
        ));
    }
}

pub(super) fn list(shared: &Shared) -> Result<ExitCode, Failure> {
    let users = servers::nats_users(&shared.home)?.banks.into_iter();
    let users = users.flat_map(|(bank, users)| institution_users(bank, users));
    show_users(shared, users.collect())
}

fn institution_users(institution: Institution, users: Vec<BankUser>) -> Vec<UserView> {
    let users = users.into_iter();
    users.map(|user| UserView { institution, user }).collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a list is made to be shown once"
)]
fn show_users(shared: &Shared, users: Vec<UserView>) -> Result<ExitCode, Failure> {
    show(shared.output, &users, |it| {
        let rows = it.iter().map(|it| {
            [
                it.institution.to_string(),
                it.user.nkey.clone(),
                it.user.public_key.clone().unwrap_or_default(),
            ]
        });
        table(&["institution", "nkey", "signing key"], 3, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(
    target: &Target,
    command: &str,
    by: &By,
    body: &impl Serialize,
) -> Result<Value, Failure> {
    let key = by.idempotency_key.clone();
    let key = key.unwrap_or_else(|| format!("cli-{}", Uuid::now_v7()));
    let nats = target.nats().await?;
    Ok(messaging::ask(&nats, payments::SERVICE, command, &key, body).await?)
}

/// A new seed in a new file of mode 0600; gives back the public half.
fn new_signing_key(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(std::io::Error::from)?;
    let text = Zeroizing::new(hex::encode(*seed));
    new_file(file, &text)?;
    Ok(Signer::new(&seed).public_key())
}

/// By which the state signs, one a line.
fn state_keys(keys: &Keys) -> String {
    let public = keys.state_signers().iter();
    public
        .map(|it| hex::encode(it.public_key()) + "\n")
        .collect()
}

/// Of mode 0600, and never over one that is there.
fn new_file(file: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let mut made = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    made.write_all(text.as_bytes())?;
    made.sync_all()?;
    Ok(())
}
