use std::time::Duration;

use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Error, IdentityProvider, RelyingParty};

/// Between two fetches of the provider's keys when nobody missed one.
const FRESH: Duration = Duration::from_mins(10);
/// A provider that was not found is looked for again after this, and not at every request.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What a service holds of the identity service. Who starts before it works as soon as it is there.
#[derive(Debug)]
pub struct Port {
    party: RelyingParty,
    found: OnceCell<IdentityProvider>,
    /// When it was looked for in vain.
    missed: Mutex<Option<(Instant, Error)>>,
}

impl Port {
    pub fn new(party: RelyingParty) -> Port {
        Port {
            party,
            found: OnceCell::new(),
            missed: Mutex::new(None),
        }
    }

    /// The provider, discovered at first need.
    ///
    /// # Errors
    ///
    /// [`Error::ProviderUnavailable`], within about ten seconds.
    pub async fn provider(&self) -> Result<&IdentityProvider, Error> {
        self.found.get_or_try_init(|| self.look()).await
    }

    async fn look(&self) -> Result<IdentityProvider, Error> {
        let mut missed = self.missed.lock().await;
        if let Some((at, error)) = missed.as_ref().filter(|(at, _)| at.elapsed() < LOOK_AGAIN) {
            tracing::debug!(
                seconds = at.elapsed().as_secs(),
                "Looked for VNeID just now"
            );
            return Err(error.clone());
        }
        let found = IdentityProvider::discover(&self.party).await;
        if let Err(error) = &found {
            tracing::warn!(%error, "VNeID was not found");
            *missed = Some((Instant::now(), error.clone()));
        }
        found
    }

    /// Fetches the keys now and then, so that a change of keys is seen before it is needed and a
    /// key that was withdrawn is no longer taken.
    pub async fn keep_fresh(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FRESH) => {}
            }
            let refreshed = match self.found.get() {
                Some(provider) => provider.refresh().await,
                None => self.provider().await.map(|_| true),
            };
            if let Err(error) = refreshed {
                tracing::warn!(%error, "The keys of VNeID were not fetched; the last ones stay");
            }
        }
    }
}
