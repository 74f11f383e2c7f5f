use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use boot::{Health, Settings, Telemetry, health, shutdown};

use crate::cli::{ServiceName, Shared};
use crate::output::{Failure, say};
use crate::process;
use crate::servers::{self, Servers};
use crate::target::Target;

/// Where `ansinh up` serves citizens, where they log in, and where the log is read, if the settings say
/// nothing.
const DOOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8026);
const VNEID: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8085);
const LOG: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8027);

pub(super) async fn serve(service: ServiceName, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = match service {
        ServiceName::Console => Target::of_door(&shared.home)?,
        _ => Target::find(&shared.home)?,
    };
    serve_on(service, &target).await
}

pub(super) async fn up(shared: &Shared) -> Result<ExitCode, Failure> {
    if servers::running(&shared.home).is_some() {
        let text = format!("servers run in {} already", shared.home.display());
        return Err(Failure::Refused(text));
    }
    let servers = Servers::start(&shared.home).await?;
    let target = Target::embedded(&servers, &shared.home)?.with_settings(open_the_door);
    let served = async {
        target.migrate().await?;
        say("Ready. In another terminal: ansinh registry template, ansinh run open, ansinh check.");
        if let Some(door) = target.settings.console.listen {
            say(&format!("Citizens come in at http://{door}/citizen"));
        }
        if let Some(log) = target.settings.proof.listen {
            say(&format!("The log is read at http://{log}/checkpoint"));
        }
        serve_on(ServiceName::All, &target).await
    };
    let served = served.await;
    servers.stop().await?;
    served
}

/// A citizen can log in without anything being set: at VNeID's stand-in, as one whom it made up.
fn open_the_door(settings: &mut Settings) {
    settings.console.listen.get_or_insert(DOOR);
    settings.proof.listen.get_or_insert(LOG);
    if settings.identity.issuer.is_none() {
        let listen = *settings.sandbox.vneid_listen.get_or_insert(VNEID);
        let issuer = settings.sandbox.vneid_issuer.clone();
        settings.identity.issuer = Some(issuer.unwrap_or_else(|| format!("http://{listen}")));
    }
}

pub(super) async fn migrate(shared: &Shared) -> Result<ExitCode, Failure> {
    Target::of_database(&shared.home)?.migrate().await?;
    say("The schema is up.");
    Ok(ExitCode::SUCCESS)
}

/// Serves until a signal comes or a task panics.
async fn serve_on(service: ServiceName, target: &Target) -> Result<ExitCode, Failure> {
    let mut signals = shutdown::Signals::listen();
    let name = format!("ansinh-{service:?}").to_lowercase();
    let telemetry = Telemetry::start(&name, &target.settings)?;
    let health = Health::default();
    let wanted = [service];
    let services = tokio::select! {
        started = process::start_some(&wanted, &target.settings, &health) => started?,
        // Nothing is in hand yet that would have to be finished.
        () = signals.heard() => return Ok(ExitCode::SUCCESS),
    };
    let stopped = services.stopped();
    if let Some(address) = target.settings.http.listen {
        let listener = health::bind(address).await?;
        let serving = health
            .clone()
            .serve(listener, telemetry.registry(), stopped.clone());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error = %error, "Health is not served");
            }
        });
    }
    tracing::info!(service = name, "Serving");
    tokio::select! {
        () = signals.heard() => {}
        () = stopped.cancelled() => {}
    }
    services.stop().await;
    telemetry.shutdown().await;
    let panicked = shutdown::task_panicked();
    Ok(if panicked {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}
