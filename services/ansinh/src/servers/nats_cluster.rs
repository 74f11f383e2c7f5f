//! Three servers that keep every message between them and go on when one of them ends.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use tokio::time::{Instant, sleep};

use super::error::ServersError;
use super::nats::{
    ANSWER_PAUSE, ANSWER_WITHIN, Listening, NAME, Nats, START_PAUSE, STARTS_MAX, STOP, Site,
};
use super::nats_users;
use super::ports::free_ports;
use super::process::Process;

const SERVERS: usize = 3;
const NAME_OF_CLUSTER: &str = "ansinh";
const PASSWORD_BYTES: usize = 24;

/// How a server reaches the others of its cluster, on loopback like all else.
#[derive(Clone)]
pub(super) struct Routes {
    port: u16,
    /// Of all of them, its own as well.
    ports: [u16; SERVERS],
    /// What they tell each other, so that nobody else on the machine joins them.
    password: String,
}

impl Nats {
    /// Starts a cluster: its first server in `home`, each other one in a folder of its own in it.
    ///
    /// Who may log in is what the first server's folder says; accounts are the same at all of them.
    pub async fn start_cluster(home: &Path) -> Result<[Nats; SERVERS], ServersError> {
        let mut sites = Vec::with_capacity(SERVERS);
        for number in 1..=SERVERS {
            sites.push(Site::claim(&home_of(home, number)).await?);
        }
        let first = &sites[0].folder;
        nats_users::prepare(first)?;
        for other in &sites[1..] {
            nats_users::take_over(&other.folder, first)?;
        }
        let mut starts = 1;
        let started = loop {
            let listening = listenings()?;
            match launch_all(&sites, &listening).await {
                Err(ServersError::Exited { .. }) if starts < STARTS_MAX => starts += 1,
                launched => break listening.into_iter().zip(launched?),
            }
            sleep(START_PAUSE).await;
        };
        let servers: Vec<Nats> = sites
            .into_iter()
            .zip(started)
            .map(|(site, (listening, process))| Nats::of(site, listening, process))
            .collect();
        Ok(servers
            .try_into()
            .unwrap_or_else(|_| unreachable!("each site is a server")))
    }
}

fn home_of(home: &Path, number: usize) -> PathBuf {
    match number {
        1 => home.to_owned(),
        _ => home.join(format!("{NAME}-{number}")),
    }
}

fn listenings() -> Result<Vec<Listening>, ServersError> {
    let free: [u16; 3 * SERVERS] =
        free_ports().map_err(ServersError::io("find free ports for nats"))?;
    let ports = [free[0], free[1], free[2]];
    let mut secret = [0; PASSWORD_BYTES];
    getrandom::fill(&mut secret)
        .map_err(|error| ServersError::io("draw a password")(error.into()))?;
    let password = hex::encode(secret);
    let servers = ports.into_iter().zip(free[SERVERS..].chunks(2));
    servers
        .map(|(port, own)| {
            let password = password.clone();
            let routes = Routes {
                port,
                ports,
                password,
            };
            Listening::on([own[0], own[1]], Some(routes))
        })
        .collect()
}

/// All of them at once, because alone none has a leader; or none.
async fn launch_all(sites: &[Site], listening: &[Listening]) -> Result<Vec<Process>, ServersError> {
    let launches = sites
        .iter()
        .zip(listening)
        .map(|(it, at)| it.launch_first(at));
    let mut running = Vec::with_capacity(SERVERS);
    let mut failed = None;
    for launched in futures::future::join_all(launches).await {
        match launched {
            Ok(process) => running.push(process),
            Err(error) => failed = Some(error),
        }
    }
    if failed.is_none() {
        failed = settled(sites, listening).await.err();
    }
    let Some(error) = failed else {
        return Ok(running);
    };
    for mut it in running {
        it.stop(&STOP).await?;
    }
    Err(error)
}

async fn settled(sites: &[Site], listening: &[Listening]) -> Result<(), ServersError> {
    let deadline = Instant::now() + ANSWER_WITHIN;
    for (site, at) in sites.iter().zip(listening) {
        while !at.is_settled().await {
            if Instant::now() > deadline {
                return Err(site.silent());
            }
            sleep(ANSWER_PAUSE).await;
        }
    }
    Ok(())
}

impl Routes {
    /// What the configuration of a server in a cluster has besides.
    pub(super) fn config(&self) -> String {
        let Routes {
            port,
            ports,
            password,
        } = self;
        let mut routes = String::new();
        for it in ports {
            let route = format!("nats://{NAME_OF_CLUSTER}:{password}@127.0.0.1:{it}");
            writeln!(routes, "    \"{route}\"").expect("a text takes every line");
        }
        format!(
            r#"
cluster {{
  name: "{NAME_OF_CLUSTER}"
  listen: "127.0.0.1:{port}"
  authorization {{ user: "{NAME_OF_CLUSTER}", password: "{password}" }}
  routes: [
{routes}  ]
}}
"#
        )
    }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream;

    use super::*;
    use crate::servers::tests::Home;

    #[tokio::test]
    async fn a_message_on_three_servers_outlives_the_kill_of_any_of_them() {
        let home = Home::new();
        let mut cluster = Nats::start_cluster(home.path()).await.unwrap();
        let urls: Vec<&str> = cluster.iter().map(Nats::url).collect();
        let seed = std::fs::read_to_string(cluster[0].nkey_file()).unwrap();
        let client = async_nats::ConnectOptions::with_nkey(seed.trim().to_owned())
            .connect(&urls)
            .await
            .unwrap();
        let context = jetstream::new(client);
        let config = jetstream::stream::Config {
            name: "PAY".to_owned(),
            subjects: vec!["pay.>".to_owned()],
            num_replicas: SERVERS,
            ..Default::default()
        };
        context.create_stream(config).await.unwrap();
        for (before, server) in (0..).zip(&mut cluster) {
            let ack = context.publish("pay.one", "1".into()).await.unwrap();
            ack.await.unwrap();
            server.kill().await.unwrap();
            let messages = loop {
                // A new leader is chosen, and the client finds another server.
                if let Ok(stream) = context.get_stream("PAY").await {
                    break stream.cached_info().state.messages;
                }
                sleep(ANSWER_PAUSE).await;
            };
            assert_eq!(messages, before + 1);
            server.restart().await.unwrap();
            while !server.is_settled().await {
                sleep(ANSWER_PAUSE).await;
            }
        }
        for it in cluster {
            it.stop().await.unwrap();
        }
    }
}
