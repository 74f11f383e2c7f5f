use std::io;
use std::net::SocketAddr;

/// Why the door cannot open. Each sentence says what an operator has to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("console.listen is missing (set it in ansinh.toml or as ANSINH_CONSOLE__LISTEN)")]
    NoAddress,
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("console.public_url is an https address without a path (http on loopback only)")]
    PublicUrl,
    #[error("console.cookie_key_file cannot be read: {0}")]
    CookieKeyFile(io::Error),
    #[error("console.cookie_key_file holds 64 bytes in hex, and nothing else")]
    CookieKey,
    #[error("{0}")]
    Identity(#[from] identity::Error),
}
