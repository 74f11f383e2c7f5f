use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::error::ServersError;

const PG_BIN: &str = "ANSINH_PG_BIN";
const NATS_BIN: &str = "ANSINH_NATS_BIN";

/// `MERGE`, `lz4` for WAL, ICU collations: what the schema and the settings use.
const POSTGRES_MIN: (u32, u32) = (15, 0);
/// Atomic batch publishing.
const NATS_MIN: (u32, u32) = (2, 12);

const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";
/// Where `deploy/setup` puts what it installs for this project alone.
const PROJECT_BIN: &str = ".ansinh/bin";
/// What marks the folder of the project.
const PROJECT_MARK: &str = "deploy/setup";

/// The folder with PostgreSQL's server programs, found as `deploy/setup` finds it.
pub(super) async fn postgres() -> Result<PathBuf, ServersError> {
    if let Some(folder) = env::var_os(PG_BIN) {
        let folder = PathBuf::from(folder);
        return match postgres_version(&folder).await {
            Some(version) if version >= POSTGRES_MIN => Ok(folder),
            _ => Err(ServersError::Override {
                variable: PG_BIN,
                program: "PostgreSQL",
                version_min: "15",
            }),
        };
    }
    for folder in postgres_folders() {
        let version = postgres_version(&folder).await;
        if version.is_some_and(|it| it >= POSTGRES_MIN) {
            return Ok(folder);
        }
    }
    Err(ServersError::Missing {
        program: "PostgreSQL",
        version_min: "15",
    })
}

/// The NATS server, found as `deploy/setup` finds it.
pub(super) async fn nats_server() -> Result<PathBuf, ServersError> {
    if let Some(program) = env::var_os(NATS_BIN) {
        let program = PathBuf::from(program);
        return match version_of(&program).await {
            Some(version) if version >= NATS_MIN => Ok(program),
            _ => Err(ServersError::Override {
                variable: NATS_BIN,
                program: "nats-server",
                version_min: "2.12",
            }),
        };
    }
    let project = project_folder().map(|it| it.join(PROJECT_BIN));
    for folder in path_folders().into_iter().chain(project) {
        let program = folder.join("nats-server");
        let version = version_of(&program).await;
        if version.is_some_and(|it| it >= NATS_MIN) {
            return Ok(program);
        }
    }
    Err(ServersError::Missing {
        program: "nats-server",
        version_min: "2.12",
    })
}

/// `PATH` first, then Debian's folders, which are not on it, the newest first.
fn postgres_folders() -> Vec<PathBuf> {
    let on_path = path_folders().into_iter().filter_map(|folder| {
        // The program may be a link to a folder where its companions are.
        let program = folder.join("postgres").canonicalize().ok()?;
        program.parent().map(Path::to_owned)
    });
    let mut of_debian: Vec<(u32, PathBuf)> = fs::read_dir(DEBIAN_POSTGRES)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|it| {
            Some((
                it.file_name().to_str()?.parse().ok()?,
                it.path().join("bin"),
            ))
        })
        .collect();
    of_debian.sort_unstable_by_key(|(major, _)| std::cmp::Reverse(*major));
    on_path
        .chain(of_debian.into_iter().map(|(_, folder)| folder))
        .collect()
}

/// The folders of `PATH` by their full names; an empty or relative one would depend on where we
/// stand.
fn path_folders() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|it| it.is_absolute())
        .collect()
}

/// The project around the current folder: tests run in the folders of their crates.
fn project_folder() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    here.ancestors()
        .find(|it| it.join(PROJECT_MARK).is_file())
        .map(Path::to_owned)
}

async fn postgres_version(folder: &Path) -> Option<(u32, u32)> {
    if !folder.join("initdb").is_file() {
        return None;
    }
    version_of(&folder.join("postgres")).await
}

async fn version_of(program: &Path) -> Option<(u32, u32)> {
    if !program.is_file() {
        return None;
    }
    let output = Command::new(program).arg("--version").output().await.ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// The version in the first line that a program prints: `postgres (PostgreSQL) 15.18 (Debian …)`,
/// `postgres (PostgreSQL) 18beta1`, `nats-server: v2.15.1`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let word = text
        .split_whitespace()
        .map(|it| it.trim_start_matches('v'))
        .find(|it| it.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut numbers = word.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = if word.contains('.') {
        numbers.next()?.parse().ok()?
    } else {
        0
    };
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        for (text, version) in [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some((15, 18)),
            ),
            ("postgres (PostgreSQL) 18beta1\n", Some((18, 0))),
            ("nats-server: v2.15.1\n", Some((2, 15))),
            ("nats-server: v2.9.10\n", Some((2, 9))),
            ("nothing to see\n", None),
            ("", None),
        ] {
            assert_eq!(parse_version(text), version, "{text}");
        }
        assert!((2, 9) < NATS_MIN, "versions are numbers, not decimals");
    }

    #[tokio::test]
    async fn both_servers_are_found_once_set_up() {
        let folder = postgres().await.unwrap();
        assert!(folder.join("initdb").is_file());
        assert!(nats_server().await.unwrap().is_file());
    }
}
