use std::path::Path;
use std::process::ExitCode;

use boot::shutdown;

use crate::cli::Servers as Command;
use crate::output::Failure;
use crate::servers::Servers;

/// Where `servers exec` keeps its servers.
const HOME: &str = ".ansinh/exec";

pub(super) async fn servers(command: Command) -> Result<ExitCode, Failure> {
    let Command::Exec { command } = command;
    let mut signals = shutdown::Signals::listen();
    let servers = Servers::start(Path::new(HOME)).await?;
    let mut child = tokio::process::Command::new(&command[0])
        .args(&command[1..])
        .env("DATABASE_URL", servers.database_url())
        .env("NATS_URL", servers.nats_url())
        .env("ANSINH_NATS__NKEY_FILE", servers.nats_nkey_file())
        .kill_on_drop(true)
        .spawn()?;
    let status = tokio::select! {
        status = child.wait() => Some(status?),
        // The terminal sent the signal to the child as well; the servers are ours to stop.
        () = signals.heard() => None,
    };
    if status.is_none() {
        child.kill().await?;
    }
    servers.stop().await?;
    let code = status
        .and_then(|it| it.code())
        .and_then(|it| u8::try_from(it).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
