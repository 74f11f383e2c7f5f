use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::HeaderMap;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio_util::sync::CancellationToken;

/// Between two times of forgetting callers who have all their requests again.
const FORGET: Duration = Duration::from_mins(1);

/// How many requests a caller has. A caller is an IPv4 address or an IPv6 network of 64 bits, which
/// one household or telephone has to itself; the address is kept nowhere else.
#[derive(Debug)]
pub(crate) struct Limit {
    callers: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    proxies: usize,
}

impl Limit {
    pub(crate) fn new(requests_per_minute: u32, proxies: usize) -> Limit {
        let requests = NonZeroU32::new(requests_per_minute).unwrap_or(NonZeroU32::MIN);
        Limit {
            callers: RateLimiter::keyed(Quota::per_minute(requests)),
            clock: DefaultClock::default(),
            proxies,
        }
    }

    /// Counts a request, or says in how many seconds the caller has one again.
    pub(crate) fn count(&self, peer: SocketAddr, headers: &HeaderMap) -> Result<(), u64> {
        let caller = caller(peer.ip(), headers, self.proxies);
        self.callers.check_key(&caller).map_err(|it| {
            let wait = it.wait_time_from(self.clock.now());
            wait.as_secs().saturating_add(1)
        })
    }

    /// Bounds what is remembered to the callers of the last minute or so.
    pub(crate) async fn forget(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(FORGET) => {}
            }
            self.callers.retain_recent();
            self.callers.shrink_to_fit();
        }
    }
}

/// The address that the outermost proxy of ours saw. What stands further left in the header was
/// written by the caller.
fn caller(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> IpAddr {
    let forwarded = headers.get_all("x-forwarded-for").iter();
    let forwarded: Vec<&str> = forwarded
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .collect();
    let seen = match proxies {
        0 => None,
        _ => forwarded.iter().nth_back(proxies - 1),
    };
    let address = seen.and_then(|it| it.trim().parse().ok()).unwrap_or(peer);
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(it) => match it.to_ipv4_mapped() {
            Some(it) => IpAddr::V4(it),
            None => IpAddr::V6(Ipv6Addr::from_bits(it.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        caller(peer.parse().unwrap(), &headers, proxies).to_string()
    }

    #[test]
    fn a_caller_cannot_choose_who_they_are() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.7"], 0), "192.0.2.1");
        assert_eq!(
            seen("10.0.0.1", &["198.51.100.7, 192.0.2.9"], 1),
            "192.0.2.9"
        );
        assert_eq!(
            seen("10.0.0.1", &["198.51.100.7", "192.0.2.9"], 1),
            "192.0.2.9"
        );
        assert_eq!(
            seen("10.0.0.1", &["6.6.6.6, 192.0.2.9, 10.0.0.2"], 2),
            "192.0.2.9"
        );
        assert_eq!(seen("10.0.0.1", &["not an address"], 1), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[], 1), "10.0.0.1");
    }

    #[test]
    fn a_household_is_one_caller() {
        assert_eq!(seen("2001:db8:1:2:3::4", &[], 0), "2001:db8:1:2::");
        assert_eq!(seen("2001:db8:1:2:ffff::9", &[], 0), "2001:db8:1:2::");
        assert_eq!(seen("::ffff:192.0.2.1", &[], 0), "192.0.2.1");
    }
}
