//! Has witnesses sign what was sealed.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use boot::WitnessSettings;
use proof::{Log, SignedCheckpoint, Witness};
use reqwest::{Client, StatusCode};

/// A witness that does not answer in this time is asked again with the next checkpoint.
const TIMEOUT: Duration = Duration::from_secs(10);
/// It says how far it knows the log, and is asked from there: once is enough, unless it moves meanwhile.
const TRIES: usize = 3;

/// Those that are asked, and how far each is known to know the log.
pub(crate) struct Witnesses {
    client: Client,
    known: Vec<Known>,
}

struct Known {
    url: String,
    witness: Witness,
    size: u64,
}

impl Witnesses {
    pub fn new(settings: &[WitnessSettings]) -> anyhow::Result<Witnesses> {
        let known = settings.iter().map(|it| {
            let witness = Witness::of_key(&it.key).with_context(|| it.url.clone())?;
            let url = format!("{}/add-checkpoint", it.url.trim_end_matches('/'));
            Ok(Known {
                url,
                witness,
                size: 0,
            })
        });
        let client = Client::builder().timeout(TIMEOUT).build()?;
        Ok(Witnesses {
            client,
            known: known.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Adds each signature to the published checkpoint. Who refuses has a reason that a person has to
    /// hear of.
    pub async fn sign(&mut self, log: &Log, signed: &SignedCheckpoint) {
        let mut note = signed.note.clone();
        for known in &mut self.known {
            match known.sign(&self.client, log, signed, &note).await {
                Ok(with) => note = with,
                Err(error) => tracing::error!(
                    witness = known.witness.name(),
                    error = format!("{error:#}"),
                    "A witness has not signed the checkpoint"
                ),
            }
        }
        if note != signed.note
            && let Err(error) = log.publish_signed(&signed.note, &note)
        {
            tracing::error!(error = %error, "Witnesses' signatures are not published");
        }
    }
}

impl Known {
    async fn sign(
        &mut self,
        client: &Client,
        log: &Log,
        signed: &SignedCheckpoint,
        note: &str,
    ) -> anyhow::Result<String> {
        for _ in 0..TRIES {
            let body = proof::witness_request(log, self.size, signed)?;
            let answer = client.post(&self.url).body(body).send().await?;
            let (status, text) = (answer.status(), answer.text().await?);
            if status == StatusCode::CONFLICT {
                let size = text
                    .trim()
                    .parse()
                    .context("it does not say how far it is")?;
                ensure!(
                    size <= signed.size,
                    "it knows {size} leaves of a log that has fewer"
                );
                self.size = size;
                continue;
            }
            ensure!(status.is_success(), "{status}: {}", text.trim());
            let with = proof::cosigned(note, &text, &self.witness)?;
            self.size = signed.size;
            return Ok(with);
        }
        anyhow::bail!("it does not stay where it says it is")
    }
}
