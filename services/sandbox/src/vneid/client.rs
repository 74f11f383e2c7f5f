use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boot::settings::VneidClient;
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use super::VneidError;
use super::parameters::Parameters;

/// Hosts of which a client may choose the port at each login (RFC 8252, 7.3).
const LOOPBACK: [&str; 3] = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
const CALLBACKS: [&str; 3] = ["/citizen/callback", "/vneid/callback", "/callback"];

/// Who may send citizens here.
pub(crate) struct Clients(Vec<Client>);

/// A relying party.
pub(crate) struct Client {
    pub id: String,
    redirect_uris: Vec<String>,
    /// Of a confidential client; the hash is compared, so that time tells nothing of the secret.
    secret: Option<[u8; 32]>,
}

/// Why a client is not the one that it says it is (RFC 6749, 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unproven {
    /// `invalid_request`: two ways at once, or none.
    Request(&'static str),
    /// `invalid_client`; the challenge is due where the header was used.
    Client { by_header: bool },
}

impl Clients {
    /// Those of the settings, or `ansinh-accounts` where they name none.
    pub(crate) fn of(settings: &[VneidClient]) -> Result<Clients, VneidError> {
        if settings.is_empty() {
            let uris = LOOPBACK.iter();
            let uris = uris.flat_map(|host| CALLBACKS.map(|path| format!("{host}{path}")));
            return Ok(Clients(vec![Client {
                id: "ansinh-accounts".to_owned(),
                redirect_uris: uris.collect(),
                secret: None,
            }]));
        }
        let clients = settings.iter().map(Client::of);
        Ok(Clients(clients.collect::<Result<_, _>>()?))
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Client> {
        self.0.iter().find(|it| it.id == id)
    }

    /// Who asks the token endpoint: by the header (`client_secret_basic`), in the body
    /// (`client_secret_post`), or by its name alone where it is public (`none`).
    pub(crate) fn prove(
        &self,
        headers: &HeaderMap,
        body: &Parameters,
    ) -> Result<&Client, Unproven> {
        let repeated = |_| Unproven::Request("a parameter stands there twice");
        let named = body.get("client_id").map_err(repeated)?;
        let secret = body.get("client_secret").map_err(repeated)?;
        let Some(header) = headers.get(header::AUTHORIZATION) else {
            let refused = Unproven::Client { by_header: false };
            let id = named.ok_or(Unproven::Request("client_id is missing"))?;
            let client = self.find(id).ok_or(refused)?;
            return if client.is_proven_by(secret) {
                Ok(client)
            } else {
                Err(refused)
            };
        };
        if secret.is_some() {
            return Err(Unproven::Request("a client proves itself in one way"));
        }
        let refused = Unproven::Client { by_header: true };
        let (id, secret) = header.to_str().ok().and_then(basic).ok_or(refused)?;
        if named.is_some_and(|it| it != id) {
            return Err(Unproven::Request("client_id is another than in the header"));
        }
        let client = self.find(&id).ok_or(refused)?;
        if client.is_proven_by(Some(&secret)) {
            Ok(client)
        } else {
            Err(refused)
        }
    }
}

impl Client {
    fn of(settings: &VneidClient) -> Result<Client, VneidError> {
        let invalid = |what| VneidError::Client {
            client_id: settings.client_id.clone(),
            what,
        };
        if settings.client_id.is_empty() || settings.redirect_uris.is_empty() {
            return Err(invalid("it needs a name and a redirect URI"));
        }
        for uri in &settings.redirect_uris {
            let url = Url::parse(uri).map_err(|_| invalid("a redirect URI is a whole URI"))?;
            let http = matches!(url.scheme(), "http" | "https");
            if !http || url.fragment().is_some() {
                return Err(invalid(
                    "a redirect URI is of http or https, without fragment",
                ));
            }
        }
        Ok(Client {
            id: settings.client_id.clone(),
            redirect_uris: settings.redirect_uris.clone(),
            secret: settings.secret.as_deref().map(hash),
        })
    }

    /// Exactly one of those that are registered; of a loopback address in any port.
    pub(crate) fn may_redirect_to(&self, uri: &str) -> bool {
        let registered = &self.redirect_uris;
        registered
            .iter()
            .any(|it| it == uri || is_same_but_for_port(it, uri))
    }

    fn is_proven_by(&self, secret: Option<&str>) -> bool {
        self.secret == secret.map(hash)
    }
}

/// Text, not parsed URLs, is compared: nothing is normalised that a browser might read otherwise.
fn is_same_but_for_port(registered: &str, asked: &str) -> bool {
    LOOPBACK.iter().any(|host| {
        let rest = |uri: &str| -> Option<String> {
            let rest = uri.strip_prefix(host)?;
            let Some(port) = rest.strip_prefix(':') else {
                return Some(rest.to_owned());
            };
            let digits = port.bytes().take_while(u8::is_ascii_digit).count();
            port[..digits].parse::<u16>().ok()?;
            Some(port[digits..].to_owned())
        };
        let rests = rest(registered).zip(rest(asked));
        rests.is_some_and(|(ours, theirs)| ours == theirs && ours.starts_with('/'))
    })
}

/// Name and secret of an `Authorization: Basic` header, each form-encoded (RFC 6749, 2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |it: &str| -> Option<String> {
        // An `&` cannot stand in what was encoded, so this is one value.
        let (value, none) = form_urlencoded::parse(it.as_bytes()).next()?;
        (none.is_empty() && !it.contains(['&', '='])).then(|| value.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Clients {
        Clients::of(&[
            VneidClient {
                client_id: "console".to_owned(),
                redirect_uris: vec!["https://console.example/back?from=vneid".to_owned()],
                secret: Some("s3cret:& đ".to_owned()),
            },
            VneidClient {
                client_id: "public".to_owned(),
                redirect_uris: vec!["http://127.0.0.1/back".to_owned()],
                secret: None,
            },
        ])
        .unwrap()
    }

    #[test]
    fn a_redirect_uri_is_one_of_those_that_are_registered() {
        let clients = clients();
        let console = clients.find("console").unwrap();
        assert!(console.may_redirect_to("https://console.example/back?from=vneid"));
        for foreign in [
            "https://console.example/back",
            "https://console.example/back?from=vneid&x=1",
            "https://console.example:8443/back?from=vneid",
            "http://console.example/back?from=vneid",
            "https://console.example/BACK?from=vneid",
        ] {
            assert!(!console.may_redirect_to(foreign), "{foreign}");
        }
    }

    #[test]
    fn of_a_loopback_address_the_port_alone_is_free() {
        let clients = clients();
        let public = clients.find("public").unwrap();
        for ours in ["http://127.0.0.1/back", "http://127.0.0.1:8080/back"] {
            assert!(public.may_redirect_to(ours), "{ours}");
        }
        for foreign in [
            "http://localhost:8080/back",
            "https://127.0.0.1/back",
            "http://127.0.0.1:8080/back/",
            "http://127.0.0.1:8080/back?x",
            "http://127.0.0.1:80@evil.example/back",
            "http://127.0.0.1:99999/back",
            "http://127.0.0.1:/back",
            "http://127.0.0.1.evil.example/back",
            "http://evil.example/back",
        ] {
            assert!(!public.may_redirect_to(foreign), "{foreign}");
        }
    }

    fn proven(header: Option<&str>, body: &str) -> Result<String, Unproven> {
        let mut headers = HeaderMap::new();
        if let Some(text) = header {
            let value = format!("Basic {}", STANDARD.encode(text));
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let body = Parameters::parse(body.as_bytes());
        let clients = clients();
        clients.prove(&headers, &body).map(|it| it.id.clone())
    }

    #[test]
    fn a_client_proves_itself_in_the_way_that_it_has() {
        let encoded = "s3cret%3A%26+%C4%91";
        let in_header = format!("console:{encoded}");
        let in_body = format!("client_id=console&client_secret={encoded}");
        assert_eq!(proven(Some(&in_header), "").unwrap(), "console");
        assert_eq!(proven(None, &in_body).unwrap(), "console");
        assert_eq!(proven(None, "client_id=public").unwrap(), "public");
    }

    #[test]
    fn a_client_without_its_proof_is_refused() {
        let by_body = Err(Unproven::Client { by_header: false });
        let by_header = Err(Unproven::Client { by_header: true });
        assert_eq!(proven(None, "client_id=console"), by_body);
        assert_eq!(proven(None, "client_id=console&client_secret=x"), by_body);
        assert_eq!(proven(None, "client_id=public&client_secret=x"), by_body);
        assert_eq!(proven(None, "client_id=nobody"), by_body);
        assert_eq!(proven(Some("console:x"), ""), by_header);
        assert_eq!(proven(Some("no colon"), ""), by_header);
        let two_ways = proven(Some("console:x"), "client_id=console&client_secret=x");
        assert!(matches!(two_ways, Err(Unproven::Request(_))));
        assert!(matches!(proven(None, ""), Err(Unproven::Request(_))));
    }

    #[test]
    fn a_client_that_cannot_be_is_refused_at_the_start() {
        for uri in [
            "/back",
            "http://127.0.0.1/back#there",
            "javascript:alert(1)",
        ] {
            let refused = Clients::of(&[VneidClient {
                client_id: "x".to_owned(),
                redirect_uris: vec![uri.to_owned()],
                secret: None,
            }]);
            assert!(refused.is_err(), "{uri}");
        }
    }
}
