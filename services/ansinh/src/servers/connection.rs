use std::fmt;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ServersError;
use super::folder::Folder;
use super::{nats, postgres};

const FILE: &str = "connection.json";
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Where running servers can be reached. The URL of the database holds a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// The database `ansinh`, as its owner.
    pub database_url: String,
    /// NATS, for clients.
    pub nats_url: String,
    /// NATS, the base of its monitoring pages.
    pub nats_monitor_url: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("nats_url", &self.nats_url)
            .field("nats_monitor_url", &self.nats_monitor_url)
            .finish_non_exhaustive()
    }
}

/// Where the servers of `home` can be reached, if some process runs them now.
///
/// A record that a killed process left behind does not count: its owner must live and both
/// servers must accept connections. Takes at most about a second.
pub fn running(home: &Path) -> Option<Connection> {
    let connection: Connection = serde_json::from_slice(&fs::read(home.join(FILE)).ok()?).ok()?;
    let folder = Folder::at(home).ok()?;
    let owned = folder.is_claimed(postgres::NAME) && folder.is_claimed(nats::NAME);
    let alive = owned && accepts(&connection.database_url) && accepts(&connection.nats_url);
    alive.then_some(connection)
}

/// Whether the address in a URL `scheme://[user:password@]address:port[/path]` takes connections.
fn accepts(url: &str) -> bool {
    url.split(['/', '@'])
        .find_map(|it| it.parse::<SocketAddr>().ok())
        .is_some_and(|address| TcpStream::connect_timeout(&address, ANSWER_WITHIN).is_ok())
}

/// The file that says where the servers are, while they are.
pub(super) struct Record(PathBuf);

impl Record {
    pub(super) fn write(home: &Path, connection: &Connection) -> Result<Record, ServersError> {
        let folder = Folder::at(home)?;
        let json = serde_json::to_vec_pretty(connection).expect("three strings are JSON");
        folder.write_private(FILE, &json)?;
        Ok(Record(folder.path().join(FILE)))
    }

    /// Best effort: a record that stays is seen to be dead by [`running`].
    pub(super) fn remove(&self) {
        drop(fs::remove_file(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::servers::ports::free_ports;
    use crate::servers::tests::Home;

    fn at(address: SocketAddr) -> Connection {
        Connection {
            database_url: format!("postgres://ansinh:x@{address}/ansinh"),
            nats_url: format!("nats://{address}"),
            nats_monitor_url: format!("http://{address}"),
        }
    }

    #[tokio::test]
    async fn only_a_record_of_servers_that_are_owned_and_answer_is_believed() {
        let home = Home::new();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = at(server.local_addr().unwrap());
        let record = Record::write(home.path(), &connection).unwrap();
        assert_eq!(running(home.path()), None, "nobody owns them");

        let folder = Folder::at(home.path()).unwrap();
        let _of_postgres = folder.claim(postgres::NAME).await.unwrap();
        assert_eq!(running(home.path()), None, "nobody owns one of them");
        let _of_nats = folder.claim(nats::NAME).await.unwrap();
        assert_eq!(running(home.path()), Some(connection));

        record.remove();
        assert_eq!(running(home.path()), None, "there is no record");
        let [port] = free_ports().unwrap();
        Record::write(home.path(), &at(([127, 0, 0, 1], port).into())).unwrap();
        assert_eq!(running(home.path()), None, "nobody answers");
    }

    #[test]
    fn only_the_owner_can_read_the_record() {
        let home = Home::new();
        let connection = at(([127, 0, 0, 1], 1).into());
        let record = Record::write(home.path(), &connection).unwrap();
        let mode = fs::metadata(&record.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
