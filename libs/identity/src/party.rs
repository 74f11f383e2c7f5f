use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use openidconnect::url::{Host, Url};
use secrecy::SecretString;

use crate::Error;

/// Whom the provider knows us as, and the provider whom we trust.
#[derive(Clone)]
pub struct RelyingParty {
    /// The issuer, letter for letter as it stands in its tokens.
    pub issuer: String,
    pub client_id: String,
    /// Only whoever exchanges codes needs it, and only where the provider asks for one.
    pub client_secret: Option<SecretString>,
}

impl RelyingParty {
    /// Reads the secret, if there is one, from its file.
    pub fn new(
        issuer: &str,
        client_id: &str,
        secret_file: Option<&Path>,
    ) -> Result<RelyingParty, Error> {
        let url = Url::parse(issuer).ok().filter(is_safe);
        if url.is_none() {
            let sentence = "identity.issuer is an https URL (http on loopback only)";
            return Err(Error::Settings(sentence.to_owned()));
        }
        let secret = secret_file.map(std::fs::read_to_string).transpose();
        let secret = secret.map_err(|it| {
            let kind = it.kind();
            Error::Settings(format!(
                "identity.client_secret_file cannot be read: {kind}"
            ))
        })?;
        Ok(RelyingParty {
            issuer: issuer.to_owned(),
            client_id: client_id.to_owned(),
            client_secret: secret.map(|it| it.trim().to_owned().into()),
        })
    }
}

/// True for https, and for http that does not leave this machine.
pub fn is_safe(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Ipv4(it)) => IpAddr::V4(it).is_loopback(),
        Some(Host::Ipv6(it)) => IpAddr::V6(it).is_loopback(),
        Some(Host::Domain(it)) => it == "localhost",
        None => false,
    };
    url.host().is_some() && (url.scheme() == "https" || url.scheme() == "http" && loopback)
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelyingParty")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_never_travels_in_the_clear_over_a_network() {
        for (issuer, good) in [
            ("https://vneid.example.vn", true),
            ("https://vneid.example.vn/oidc", true),
            ("http://127.0.0.1:8085", true),
            ("http://[::1]:8085", true),
            ("http://localhost:8085/vneid", true),
            ("http://vneid.example.vn", false),
            ("http://127.0.0.1.example.vn", false),
            ("ftp://127.0.0.1", false),
            ("vneid.example.vn", false),
            ("", false),
        ] {
            let party = RelyingParty::new(issuer, "ansinh-accounts", None);
            assert_eq!(party.is_ok(), good, "{issuer}");
        }
    }
}
