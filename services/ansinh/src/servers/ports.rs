use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below the range from which systems take the local ports of outgoing connections: while a
/// server is down, a client that keeps trying to reach its port could otherwise be given that
/// very port, connect to itself, and keep the server from coming back.
const LOWEST: u16 = 16_000;
const HIGHEST: u16 = 32_000;

const TRIES_MAX: usize = 64;

/// Ports of the loopback address that nobody listens on, all different.
///
/// Somebody else may take one before the server does; whoever starts the server tries again.
///
/// # Errors
/// When so many random ports are taken that something else must be wrong.
pub(super) fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    for _ in 0..TRIES_MAX {
        if held.len() == N {
            break;
        }
        let port = LOWEST + random_below(HIGHEST - LOWEST)?;
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
    }
    let mut ports = [0; N];
    for (at, port) in ports.iter_mut().enumerate() {
        let listener = held.get(at).ok_or(io::ErrorKind::AddrInUse)?;
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

fn random_below(bound: u16) -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes)?;
    Ok(u16::from_le_bytes(bytes) % bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_lie_below_the_outgoing_range() {
        let ports: [u16; 16] = free_ports().unwrap();
        let mut distinct = ports.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), ports.len());
        assert!(ports.iter().all(|it| (LOWEST..HIGHEST).contains(it)));
    }
}
