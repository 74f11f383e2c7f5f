use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRef;
use axum_extra::extract::cookie::Key;
use boot::Doorway;
use identity::{Port, RelyingParty};
use tokio::sync::Semaphore;

use crate::Error;
use crate::accounts::Accounts;
use crate::limit::Limit;
use crate::origin::Origin;

/// Requests in work at the same time; a request waits for accounts most of its life.
const AT_ONCE: usize = 256;

/// What every request is served with.
pub(crate) struct Door {
    pub origin: Origin,
    pub accounts: Accounts,
    /// `None` where no issuer is set: nobody can log in.
    pub vneid: Option<Arc<Port>>,
    pub limit: Arc<Limit>,
    pub places: Semaphore,
    pub cookie_key: Key,
}

impl Door {
    pub(crate) fn new(doorway: &Doorway, listener: SocketAddr) -> Result<Door, Error> {
        let (console, own) = (&doorway.settings.console, &doorway.settings.identity);
        let secret = own.client_secret_file.as_deref();
        let vneid = if let Some(issuer) = &own.issuer {
            let party = RelyingParty::new(issuer, &own.client_id, secret)?;
            Some(Arc::new(Port::new(party)))
        } else {
            tracing::warn!("identity.issuer is not set: no citizen can log in");
            None
        };
        let cookie_key = match &console.cookie_key_file {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(Error::CookieKeyFile)?;
                let bytes = hex::decode(text.trim()).map_err(|_| Error::CookieKey)?;
                let exact = bytes.len() == 64;
                exact.then(|| Key::from(&bytes)).ok_or(Error::CookieKey)?
            }
            None => Key::generate(),
        };
        Ok(Door {
            origin: Origin::new(console.public_url.as_deref(), listener)?,
            accounts: Accounts::new(doorway.nats.clone()),
            vneid,
            limit: Arc::new(Limit::new(console.requests_per_minute, console.proxies)),
            places: Semaphore::new(AT_ONCE),
            cookie_key,
        })
    }
}

/// A door as handlers get it.
#[derive(Clone)]
pub(crate) struct Served(pub Arc<Door>);

impl FromRef<Served> for Key {
    fn from_ref(door: &Served) -> Key {
        door.0.cookie_key.clone()
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Door({})", self.origin.as_str())
    }
}
