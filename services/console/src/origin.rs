use std::net::SocketAddr;

use identity::Url;

use crate::Error;

/// The address that browsers see: scheme, host and port, no path.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    url: Url,
    text: String,
}

impl Origin {
    /// What the settings say; else the listener itself, if it is loopback.
    pub(crate) fn new(public_url: Option<&str>, listener: SocketAddr) -> Result<Origin, Error> {
        let text = match public_url {
            Some(text) => text.to_owned(),
            None => format!("http://{listener}"),
        };
        let url = Url::parse(&text).map_err(|_| Error::PublicUrl)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !identity::is_safe(&url) || !bare || !anonymous {
            return Err(Error::PublicUrl);
        }
        let text = url.origin().ascii_serialization();
        Ok(Origin { url, text })
    }

    /// Where a path of ours is.
    pub(crate) fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// As the `Origin` header spells it (RFC 6454).
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(public_url: Option<&str>, listener: &str) -> Option<String> {
        let origin = Origin::new(public_url, listener.parse().unwrap());
        origin.ok().map(|it| it.as_str().to_owned())
    }

    #[test]
    fn a_session_never_travels_in_the_clear_over_a_network() {
        let own = "127.0.0.1:8080";
        assert_eq!(origin(None, own).unwrap(), "http://127.0.0.1:8080");
        assert_eq!(origin(None, "[::1]:8080").unwrap(), "http://[::1]:8080");
        assert_eq!(origin(None, "0.0.0.0:8080"), None);
        assert_eq!(origin(None, "10.0.0.1:8080"), None);
        let public = |url| origin(Some(url), "0.0.0.0:8080");
        assert_eq!(
            public("https://ansinh.example.vn").unwrap(),
            "https://ansinh.example.vn"
        );
        assert_eq!(
            public("https://ansinh.example.vn:443/").unwrap(),
            "https://ansinh.example.vn"
        );
        for bad in [
            "http://ansinh.example.vn",
            "https://ansinh.example.vn/door",
            "https://ansinh.example.vn?x",
            "https://mai@ansinh.example.vn",
            "ansinh.example.vn",
        ] {
            assert_eq!(public(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_way_back_is_under_the_public_address() {
        let origin = Origin::new(Some("https://a.vn"), "0.0.0.0:80".parse().unwrap()).unwrap();
        assert_eq!(
            origin.at("/citizen/callback").as_str(),
            "https://a.vn/citizen/callback"
        );
    }
}
