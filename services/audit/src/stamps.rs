//! Has authorities stamp the newest checkpoint with their time, beside the sealing: whether they answer
//! or not, evidence is sealed and money leaves.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use boot::TimeStampSettings;
use chrono::{TimeDelta, Utc};
use proof::{Anchors, Log, StampRequest};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url, redirect};
use sqlx::PgPool;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// An authority that does not answer in this time is asked again later.
const TIMEOUT: Duration = Duration::from_secs(10);
/// After the first failure; each pause is twice as long as the one before.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_mins(10);
/// Between two looks whether a stamp is due.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of an answer: a stamp with its certificates has a few thousand.
const ANSWER_MAX: usize = 64 << 10;

/// One that is asked, whenever its time has come.
pub(crate) struct Authority {
    url: Url,
    /// As it stands on record: without a password.
    name: String,
    anchors: Option<Anchors>,
    every: Duration,
    client: Client,
    pool: PgPool,
    log: Log,
}

impl Authority {
    pub fn new(
        settings: &TimeStampSettings,
        pool: &PgPool,
        log: &Log,
    ) -> anyhow::Result<Authority> {
        let url: Url = settings.url.parse().context("proof.time_stamps.url")?;
        let mut named = url.clone();
        let is_named = named.set_username("").and(named.set_password(None));
        ensure!(is_named.is_ok(), "proof.time_stamps.url names no host");
        let anchors = settings.ca_file.as_ref().map(|path| {
            let named = || path.display().to_string();
            let text = std::fs::read(path).with_context(named)?;
            Anchors::of_pem(&text).with_context(named)
        });
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .build()?;
        Ok(Authority {
            url,
            name: named.to_string(),
            anchors: anchors.transpose()?,
            every: Duration::from_millis(settings.every_ms.max(1)),
            client,
            pool: pool.clone(),
            log: log.clone(),
        })
    }

    pub async fn run(self, stop: CancellationToken) {
        let shortest = PAUSE.min(self.every);
        let mut pause = shortest;
        let name = &self.name;
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                asked = self.ask() => asked,
            };
            let wait = match asked {
                Ok(stamped) => {
                    if let Some(size) = stamped {
                        tracing::info!(authority = name, size, "A checkpoint is stamped");
                    }
                    pause = shortest;
                    LOOK.min(self.every)
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(authority = name, error, "A checkpoint is not stamped yet");
                    let wait = pause;
                    pause = (pause * 2).min(PAUSE_MAX);
                    wait
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// The size that was stamped; `None` where no stamp is due.
    async fn ask(&self) -> anyhow::Result<Option<u64>> {
        let due = Utc::now() - TimeDelta::from_std(self.every)?;
        let Some((size, note)) = proof::stamp_due(&self.pool, &self.name, due).await? else {
            return Ok(None);
        };
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)?;
        let request = StampRequest::new(&note, nonce);
        let asked = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/timestamp-query")
            .body(request.der());
        let answer = asked.send().await.map_err(reqwest::Error::without_url)?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        let answer = body(answer).await?;
        let now = Utc::now();
        let stamp = request.accept(&answer, self.anchors.as_ref(), now)?;
        proof::keep_stamp(&self.pool, &self.log, (size, &self.name), &stamp, now).await?;
        Ok(Some(size))
    }
}

async fn body(mut answer: Response) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        ensure!(
            body.len() + piece.len() <= ANSWER_MAX,
            "an answer of more than {ANSWER_MAX} bytes"
        );
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
