//! The one HTTP door: for now, what a citizen sees and asks.
//!
//! Owns nothing: no table, no database role, no key to what is sealed. It keeps a citizen's session
//! in their own browser, and asks accounts, which verifies who that is and keeps who was shown what.
//!
//! Asks (accounts, commands): `open-session`, `close-session`, `request-link`, `unlink`,
//! `request-data`. Asks (accounts, questions): `my-links`, `my-access-log`, `my-requests`.
//! Asks (the identity service): who logged in, as [`identity`] says.
//!
//! Serves `/citizen` (pages that work without a script), `/v1/citizen` (the same as an API) and
//! `/v1/openapi.json`, on `console.listen`. It speaks HTTP/1.1 without TLS: a proxy in front
//! terminates TLS and `console.public_url` says what browsers see.

mod accounts;
mod api;
mod cookies;
mod door;
mod error;
mod guard;
mod language;
mod limit;
mod login;
mod origin;
mod pages;
mod refusal;
mod routes;
mod session;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;

use boot::Doorway;
use tokio::net::TcpListener;

pub use error::Error;

use crate::door::Door;

/// Serves citizens until `stop`, and says at which address: a port of 0 is one that is free.
pub async fn start(doorway: &Doorway) -> Result<SocketAddr, Error> {
    let address = doorway.settings.console.listen.ok_or(Error::NoAddress)?;
    let listen = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let door = Arc::new(Door::new(doorway, address)?);
    if let Some(vneid) = door.vneid.clone() {
        let stop = doorway.stop.clone();
        doorway.spawn("vneid_keys", async move { vneid.keep_fresh(stop).await });
    }
    let (limit, stop) = (door.limit.clone(), doorway.stop.clone());
    doorway.spawn("forget_callers", async move { limit.forget(stop).await });
    let stop = doorway.stop.clone();
    doorway.spawn("serve", async move {
        if let Err(error) = routes::serve(listener, door, stop).await {
            tracing::error!(%error, "Citizens are not served");
        }
    });
    tracing::info!(%address, "Serving citizens");
    Ok(address)
}
