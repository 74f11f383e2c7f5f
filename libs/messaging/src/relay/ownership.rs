//! Whose speakers a relay publishes: those of its instance's leases.

use tokio::time::Instant;

use super::{Progress, Session};
use crate::leases::{Claim, Leases, Unit};
use crate::{Error, store};

/// A claim for each speaker that it would publish.
pub(super) struct Claims(Vec<(String, Claim)>);

impl Claims {
    pub(super) fn of(leases: &Leases, speakers: &[String]) -> Claims {
        let claim = |speaker: &String| {
            let unit = Unit {
                group: format!("{} publishes", leases.service()),
                name: format!("publish {speaker}"),
            };
            (speaker.clone(), leases.claim(unit))
        };
        Claims(speakers.iter().map(claim).collect())
    }

    /// Takes up the speakers that have become ours and lets those go that are not any more.
    pub(super) async fn own(&self, session: &mut Session) -> Result<(), Error> {
        for (speaker, claim) in &self.0 {
            let held = claim.epoch();
            if session.owned.get(speaker).copied() == held {
                continue;
            }
            forget(session, speaker);
            let Some(epoch) = held else { continue };
            let connection = &mut session.connection;
            let published = store::open_published(connection, speaker, epoch).await?;
            if published.is_empty() {
                claim.fenced(epoch);
                continue;
            }
            session.owned.insert(speaker.clone(), epoch);
            for (part, after) in published {
                let progress = Progress { after, drive: 0 };
                session.progress.insert((speaker.clone(), part), progress);
            }
            session.look_at = Instant::now();
        }
        Ok(())
    }

    /// Somebody else publishes it by now.
    pub(super) fn let_go(&self, session: &mut Session, speaker: &str) {
        let claim = self.0.iter().find(|(it, _)| it == speaker);
        if let (Some((_, claim)), Some(epoch)) = (claim, session.owned.get(speaker)) {
            claim.fenced(*epoch);
        }
        forget(session, speaker);
    }

    /// Waits until a lease of this instance comes or goes.
    pub(super) async fn until_changed(&mut self) {
        match self.0.first_mut() {
            Some((_, claim)) => claim.until_changed().await,
            None => std::future::pending().await,
        }
    }
}

fn forget(session: &mut Session, speaker: &str) {
    session.owned.remove(speaker);
    session.progress.retain(|(it, _), _| it != speaker);
}
