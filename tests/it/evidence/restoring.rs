//! The log's folder can be lost: the database keeps what it is made of, and the signatures on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::ensure;
use proof::Held;
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;

use super::{Copy, files_under, log_of, sealed_month};
use crate::ground::{Ground, ansinh_binary};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_log_is_restored_byte_by_byte_or_not_at_all() -> anyhow::Result<()> {
    let ground = sealed_month().await?.end().await?;
    let before = content(&ground.log_dir())?;
    let told = restored(&ground).await?;
    assert_eq!(
        told.status.code(),
        Some(3),
        "it writes over nothing: {told:?}"
    );
    assert_eq!(content(&ground.log_dir())?, before);

    std::fs::remove_dir_all(ground.log_dir())?;
    let told = restored(&ground).await?;
    ensure!(told.status.success(), "{told:?}");
    assert_eq!(content(&ground.log_dir())?, before);
    let copy = Copy::of(&ground).await?;
    let (log, _) = log_of(&ground)?;
    let verified = copy.verified(&log, &Held::default()).await?;
    assert_eq!((verified.tampered, &verified.incomplete), (0, &Vec::new()));
    copy.drop().await?;

    // A sealer that has found no checkpoint has put it there again, alone.
    std::fs::remove_dir_all(ground.log_dir().join("tile"))?;
    ensure!(restored(&ground).await?.status.success());
    assert_eq!(content(&ground.log_dir())?, before);

    for change in [
        "UPDATE proof.entries SET commitment = sha256('x') WHERE (lane, seq) = (16, 1)",
        "DELETE FROM proof.leaves WHERE index = 5",
        "UPDATE proof.checkpoints SET root = sha256('x') WHERE size =
            (SELECT max(size) FROM proof.checkpoints)",
        "UPDATE proof.checkpoints SET note = replace(note, 'evidence', 'evidenc3')",
    ] {
        std::fs::remove_dir_all(ground.log_dir())?;
        let mut owner = PgConnection::connect(&ground.database_url).await?;
        sqlx::raw_sql(
            "CREATE TABLE public.kept AS TABLE proof.checkpoints;
            CREATE TABLE public.kept_leaves AS TABLE proof.leaves;
            CREATE TABLE public.kept_entries AS TABLE proof.entries;
            SET session_replication_role = replica",
        )
        .execute(&mut owner)
        .await?;
        sqlx::raw_sql(change).execute(&mut owner).await?;
        let told = restored(&ground).await?;
        assert_eq!(told.status.code(), Some(8), "{change}: {told:?}");
        ensure!(
            content(&ground.log_dir())?.is_empty(),
            "{change} leaves something"
        );
        sqlx::raw_sql(
            "TRUNCATE proof.leaves, proof.checkpoints, proof.entries CASCADE;
            INSERT INTO proof.entries TABLE public.kept_entries;
            INSERT INTO proof.leaves TABLE public.kept_leaves;
            INSERT INTO proof.checkpoints TABLE public.kept;
            DROP TABLE public.kept, public.kept_leaves, public.kept_entries",
        )
        .execute(&mut owner)
        .await?;
        owner.close().await?;
    }
    ensure!(restored(&ground).await?.status.success());
    assert_eq!(content(&ground.log_dir())?, before);
    ground.clear().await
}

async fn restored(ground: &Ground) -> anyhow::Result<Output> {
    let mut command = Command::new(ansinh_binary()?);
    command.args(["audit", "restore-log", "--output", "json"]);
    Ok(command.envs(ground.env()).output().await?)
}

fn content(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let files = files_under(folder)?.into_iter();
    files
        .map(|it| Ok((it.clone(), std::fs::read(it)?)))
        .collect()
}
