mod store;

use std::path::PathBuf;
use std::process::ExitCode;

use privacy::{Keys, PrivacyError};
use serde::Serialize;

use crate::cli::{KeyRing, Output, Shared};
use crate::output::{Failure, grouped, print, say, show, table};
use crate::servers;
use crate::target::Target;

/// What a file holds; there is no way from here to a key.
#[derive(Serialize)]
struct RingView {
    purpose: &'static str,
    current: u8,
    retired: Vec<u8>,
    /// Public keys by which the state signs, the newest first, in hex.
    signing: Vec<String>,
}

#[derive(Serialize)]
struct CountView {
    column: String,
    version: i32,
    rows: i64,
    /// `current`, `retired`, or `missing` where the key file does not hold the version.
    key: &'static str,
    /// Whether its service seals these values again after a rotation.
    resealed: bool,
}

pub(super) async fn keys(command: KeyRing, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        KeyRing::Generate(it) => {
            let keys = Keys::generate(&it.file).map_err(refused)?;
            say("Made. Keep a copy apart from the database: losing keys is losing the data.");
            show_ring(&keys, shared.output)
        }
        KeyRing::Rotate {
            file,
            signing: true,
        } => {
            let keys = Keys::rotate_signing(&file.file).map_err(refused)?;
            say(
                "Made. The former key signs until the new one is known: start all services again, \
                 then `ansinh bank register-key --organisation state`, and another officer confirms.",
            );
            show_ring(&keys, shared.output)
        }
        KeyRing::Rotate { file: it, .. } => {
            let keys = Keys::rotate(&it.file).map_err(refused)?;
            say("Rotated. Start all services again, then follow `ansinh keys status`.");
            show_ring(&keys, shared.output)
        }
        KeyRing::Show(it) => show_ring(&Keys::from_file(&it.file).map_err(refused)?, shared.output),
        KeyRing::Nats => let_state_in(shared).await,
        KeyRing::Status => status(shared).await,
    }
}

/// The file is the caller's input.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where an error is mapped"
)]
fn refused(error: PrivacyError) -> Failure {
    Failure::Refused(error.to_string())
}

fn show_ring(keys: &Keys, output: Output) -> Result<ExitCode, Failure> {
    let view = RingView {
        purpose: keys.purpose().code(),
        current: keys.current_version(),
        retired: keys.retired_versions(),
        signing: keys
            .state_signers()
            .iter()
            .map(|it| hex::encode(it.public_key()))
            .collect(),
    };
    show(output, &view, |it| {
        let retired: Vec<String> = it.retired.iter().map(u8::to_string).collect();
        let rows = [
            ["purpose".to_owned(), it.purpose.to_owned()],
            ["current version".to_owned(), it.current.to_string()],
            ["retired versions".to_owned(), retired.join(", ")],
            ["signing (public)".to_owned(), it.signing.join("\n")],
        ];
        table(&["keys", ""], 2, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// By which the state's services log in at NATS.
#[derive(Serialize)]
struct LoginView {
    file: PathBuf,
    nkey: String,
}

async fn let_state_in(shared: &Shared) -> Result<ExitCode, Failure> {
    let Some((file, nkey)) = servers::let_state_in(&shared.home).await? else {
        let text = format!(
            "state_known: {} lets the state in already",
            shared.home.display()
        );
        return Err(Failure::Refused(text));
    };
    say(
        "Made. Services are told of the file by ANSINH_NATS__NKEY_FILE; the server reads the accounts when it starts or is told.",
    );
    show(shared.output, &LoginView { file, nkey }, |it| {
        let rows = [
            ["seed".to_owned(), it.file.display().to_string()],
            ["nkey (public)".to_owned(), it.nkey.clone()],
        ];
        table(&["login at NATS", ""], 2, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn status(shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let keys = target.keys()?;
    let held = |it: i32| match u8::try_from(it) {
        Ok(it) if it == keys.current_version() => "current",
        Ok(it) if keys.retired_versions().contains(&it) => "retired",
        _ => "missing",
    };
    let counts = store::sealed_by_version(&target.pool(None).await?).await?;
    let views: Vec<CountView> = counts
        .into_iter()
        .map(|it| CountView {
            key: held(it.version),
            column: it.column,
            version: it.version,
            rows: it.rows,
            resealed: it.resealed,
        })
        .collect();
    match shared.output {
        Output::Json => print(&serde_json::to_string_pretty(&views)?),
        Output::Table => tell(&views),
    }
    let lost = views.iter().filter(|it| it.key == "missing");
    match lost.map(|it| it.rows).sum::<i64>() {
        0 => Ok(ExitCode::SUCCESS),
        lost => Err(Failure::Broken(format!(
            "keys: {} values open with no key of the file",
            grouped(lost)
        ))),
    }
}

fn tell(views: &[CountView]) {
    let rows = views.iter().map(|it| {
        let after = if it.resealed { "sealed again" } else { "kept" };
        [
            it.column.clone(),
            it.key.to_owned(),
            after.to_owned(),
            it.version.to_string(),
            grouped(it.rows),
        ]
    });
    let header = ["column", "key", "after a rotation", "version", "values"];
    print(&table(&header, 3, rows).to_string());
    say(
        "A retired version may go from the file once nothing that has to be opened needs it: what \
         is counted here, and events in messaging.outbox, which are not counted and keep theirs.",
    );
}
