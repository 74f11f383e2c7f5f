mod access;
mod import;
mod receive;

use std::collections::VecDeque;
use std::process::ExitCode;

use approval::Kind;
use domain::Institution;
use messaging::{Organisation, SignedMessage};
use payments::{ConfirmOrganisationKey, EndOrganisationKey, RegisterOrganisationKey};
use serde::Serialize;

use super::signer::sign_matter;
use crate::cli::{Bank, Output, Shared};
use crate::output::{Failure, grouped, print, show, table};
use crate::target::Target;

/// Broken messages that are shown by name.
const BROKEN_SHOWN: usize = 100;

#[derive(Default, Serialize)]
struct Verified {
    /// In the outbox here.
    said: u64,
    /// As each consumer kept it.
    heard: u64,
    keys: usize,
    broken_count: u64,
    broken: Vec<SignedMessage>,
}

#[expect(clippy::too_many_lines, reason = "one short arm a command")]
pub(super) async fn bank(command: Bank, shared: &Shared) -> Result<ExitCode, Failure> {
    let target = || Target::find(&shared.home);
    match command {
        // At a bank there are no servers and keys of ours.
        Bank::Receive(it) => receive::receive(shared, &it).await,
        Bank::Add(it) => access::issue(&target()?, shared, &it, false).await,
        Bank::Rotate(it) => access::issue(&target()?, shared, &it, true).await,
        Bank::Revoke {
            institution,
            nkey,
            reason,
            by,
        } => {
            access::revoke(
                &target()?,
                shared,
                institution,
                nkey.as_deref(),
                &reason,
                &by,
            )
            .await
        }
        Bank::List => access::list(shared),
        Bank::Import(it) => import::import(&target()?, shared, &it).await,
        Bank::Messages {
            institution,
            verify: true,
            ..
        } => verify(&target()?, institution, shared.output).await,
        Bank::Messages {
            institution, limit, ..
        } => messages(&target()?, institution, limit, shared.output).await,
        Bank::Refused { institution, limit } => {
            refused(&target()?, institution, limit, shared.output).await
        }
        Bank::Keys { organisation } => keys(&target()?, organisation, shared.output).await,
        Bank::RegisterKey {
            organisation,
            public_key,
            valid_from,
            by,
        } => {
            let body = RegisterOrganisationKey {
                officer: by.by.clone(),
                organisation: organisation.to_string(),
                public_key,
                valid_from,
            };
            let command = "register-organisation-key";
            super::ask(&target()?, shared.output, command, &by, &body).await
        }
        Bank::ConfirmKey { key_no, deciding } => {
            let (target, matter) = (target()?, (Kind::OrganisationKey, key_no));
            let body = ConfirmOrganisationKey {
                officer: deciding.by.by.clone(),
                key_no,
                signature: sign_matter(&target, shared, matter, (true, None), &deciding).await?,
            };
            let command = "confirm-organisation-key";
            super::ask(&target, shared.output, command, &deciding.by, &body).await
        }
        Bank::EndKey {
            key_no,
            reason,
            at,
            by,
        } => {
            let body = EndOrganisationKey {
                officer: by.by.clone(),
                key_no,
                reason,
                ended_at: at,
            };
            super::ask(
                &target()?,
                shared.output,
                "end-organisation-key",
                &by,
                &body,
            )
            .await
        }
    }
}

async fn messages(
    target: &Target,
    institution: Institution,
    limit: usize,
    output: Output,
) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let mut newest: VecDeque<SignedMessage> = VecDeque::with_capacity(limit.min(10_000) + 1);
    messaging::each_message(&pool, Some(institution), |it| {
        let at = newest.partition_point(|that| that.created_at <= it.created_at);
        newest.insert(at, it);
        if newest.len() > limit {
            newest.pop_front();
        }
    })
    .await?;
    show(output, &newest, |it| message_table(it))?;
    Ok(ExitCode::SUCCESS)
}

fn message_table<'a>(messages: impl IntoIterator<Item = &'a SignedMessage>) -> comfy_table::Table {
    let rows = messages.into_iter().map(|it| {
        [
            it.created_at.to_rfc3339(),
            it.subject.clone(),
            it.heard_by.clone().unwrap_or_else(|| "(said)".to_owned()),
            it.sender.clone(),
            it.broken.unwrap_or("stands").to_owned(),
            it.part.to_string(),
            it.seq.to_string(),
            it.key_no.to_string(),
        ]
    });
    let header = [
        "created",
        "message",
        "heard by",
        "signed by",
        "signature",
        "part",
        "seq",
        "key",
    ];
    table(&header, 5, rows)
}

async fn verify(
    target: &Target,
    institution: Institution,
    output: Output,
) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let mut verified = Verified::default();
    let mut keys = std::collections::BTreeSet::new();
    messaging::each_message(&pool, Some(institution), |it| {
        keys.insert(it.key_no);
        match &it.heard_by {
            Some(_) => verified.heard += 1,
            None => verified.said += 1,
        }
        if it.broken.is_some() {
            verified.broken_count += 1;
            if verified.broken.len() < BROKEN_SHOWN {
                verified.broken.push(it);
            }
        }
    })
    .await?;
    verified.keys = keys.len();
    match output {
        Output::Json => print(&serde_json::to_string_pretty(&verified)?),
        Output::Table if verified.broken.is_empty() => print(&format!(
            "{} said and {} heard messages under {} keys: every signature stands",
            grouped(verified.said),
            grouped(verified.heard),
            verified.keys
        )),
        Output::Table => print(&message_table(&verified.broken).to_string()),
    }
    if verified.broken_count > 0 {
        return Err(Failure::Broken(format!(
            "bank: {} signatures do not stand",
            grouped(verified.broken_count)
        )));
    }
    Ok(ExitCode::SUCCESS)
}

async fn refused(
    target: &Target,
    institution: Institution,
    limit: u32,
    output: Output,
) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let refused = messaging::refused(&pool, institution, limit.into()).await?;
    show(output, &refused, |it| {
        let rows = it.iter().map(|it| {
            [
                it.refused_at.to_rfc3339(),
                it.speaker.clone(),
                it.consumer.clone(),
                it.code.clone(),
                it.refused_no.to_string(),
                grouped(it.body_bytes),
            ]
        });
        let header = [
            "refused",
            "in the name of",
            "heard by",
            "code",
            "no",
            "bytes",
        ];
        table(&header, 4, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn keys(
    target: &Target,
    organisation: Option<Organisation>,
    output: Output,
) -> Result<ExitCode, Failure> {
    let pool = target.pool(None).await?;
    let keys = messaging::organisation_keys(&pool, organisation).await?;
    show(output, &keys, |it| {
        let rows = it.iter().map(|it| {
            let unconfirmed = || "not confirmed".to_owned();
            [
                it.organisation.clone(),
                it.public_key.clone(),
                it.valid_from.to_rfc3339(),
                it.ended_at.map(|it| it.to_rfc3339()).unwrap_or_default(),
                it.registered_by.clone(),
                it.confirmed_by.clone().unwrap_or_else(unconfirmed),
                it.key_no.to_string(),
            ]
        });
        let header = [
            "organisation",
            "public key",
            "holds from",
            "ends",
            "registered by",
            "confirmed by",
            "no",
        ];
        table(&header, 6, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}
