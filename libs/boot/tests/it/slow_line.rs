//! A TCP line that holds back every answer, so that a caller can be cut off while it waits.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes requests on at once and answers after `delay`; returns its own port.
pub async fn open(host: String, port: u16, delay: Duration) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let own_port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((caller, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect((host.as_str(), port)).await else {
                return;
            };
            caller.set_nodelay(true).expect("a fresh socket");
            server.set_nodelay(true).expect("a fresh socket");
            let (mut asked, mut answer) = caller.into_split();
            let (mut answered, mut ask) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut asked, &mut ask).await });
            tokio::spawn(async move {
                let mut bytes = vec![0; 65_536];
                while let Ok(read @ 1..) = answered.read(&mut bytes).await {
                    tokio::time::sleep(delay).await;
                    if answer.write_all(&bytes[..read]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(own_port)
}
