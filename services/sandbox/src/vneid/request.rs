use url::form_urlencoded;

use super::client::Clients;
use super::parameters::{Parameters, Repeated};

/// Characters of what a client sends to have it back.
const ECHOED_MAX: usize = 1_024;
/// Characters of an SHA-256 in base64url (RFC 7636, 4.2).
const CHALLENGE_CHARS: usize = 43;

/// What a client may ask to log somebody in with (OpenID Connect Core 1.0, 3.1.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthorizationRequest {
    pub client_id: String,
    pub redirect_uri: String,
    pub scope: Scope,
    pub state: Option<String>,
    pub nonce: Option<String>,
    /// PKCE, always S256 (RFC 7636).
    pub challenge: String,
}

/// What may be told of the citizen beside a pseudonym.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Name and date of birth.
    pub profile: bool,
    /// These and the numbers of the identity papers.
    pub citizen: bool,
}

/// Why nobody is logged in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// It is not known where the citizen may be sent back to: told on a page, in Vietnamese.
    Here(&'static str),
    /// Told to the client (RFC 6749, 4.1.2.1).
    ToClient(Refusal),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub redirect_uri: String,
    pub state: Option<String>,
    pub error: &'static str,
    /// ASCII, for the client's developers.
    pub description: &'static str,
}

impl AuthorizationRequest {
    pub(crate) fn read(
        parameters: &Parameters,
        clients: &Clients,
    ) -> Result<AuthorizationRequest, Invalid> {
        let here = |sentence| move |_: Repeated| Invalid::Here(sentence);
        let client = "Ứng dụng gửi bạn đến đây không được VNeID thử nghiệm biết đến.";
        let client_id = parameters.get("client_id").map_err(here(client))?;
        let client = client_id
            .and_then(|it| clients.find(it))
            .ok_or(Invalid::Here(client))?;
        let place = "Địa chỉ quay về của ứng dụng không phải là địa chỉ đã đăng ký.";
        let redirect_uri = parameters
            .get("redirect_uri")
            .map_err(here(place))?
            .filter(|it| client.may_redirect_to(it))
            .ok_or(Invalid::Here(place))?;
        let refusal = |state: Option<&str>, (error, description)| {
            Invalid::ToClient(Refusal {
                redirect_uri: redirect_uri.to_owned(),
                state: state.map(str::to_owned),
                error,
                description,
            })
        };
        let invalid = |description| ("invalid_request", description);
        let state = parameters.get("state").ok().flatten();
        let Ok(state) = sent_back(parameters, "state") else {
            let state = state.filter(|it| it.len() <= ECHOED_MAX);
            return Err(refusal(state, invalid("state is repeated or too long")));
        };
        let (scope, nonce, challenge) =
            asked(parameters).map_err(|it| refusal(state.as_deref(), it))?;
        Ok(AuthorizationRequest {
            client_id: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            scope,
            state,
            nonce,
            challenge,
        })
    }

    /// The request again, as parameters of a form.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, &str)> {
        let mut parameters = vec![
            ("client_id", &self.client_id[..]),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", "code"),
            ("scope", self.scope.name()),
            ("code_challenge", &self.challenge),
            ("code_challenge_method", "S256"),
        ];
        parameters.extend(self.state.as_deref().map(|it| ("state", it)));
        parameters.extend(self.nonce.as_deref().map(|it| ("nonce", it)));
        parameters
    }

    /// The same as one text.
    pub(crate) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.parameters()).finish()
    }

    pub(crate) fn refusal(&self, error: &'static str, description: &'static str) -> Refusal {
        Refusal {
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.clone(),
            error,
            description,
        }
    }
}

impl Scope {
    pub(crate) fn name(self) -> &'static str {
        match (self.profile, self.citizen) {
            (false, false) => "openid",
            (true, false) => "openid profile",
            (false, true) => "openid citizen",
            (true, true) => "openid profile citizen",
        }
    }

    /// `None` without `openid`; a scope that is not known here is not granted.
    fn read(text: &str) -> Option<Scope> {
        let has = |scope| text.split(' ').any(|it| it == scope);
        has("openid").then(|| Scope {
            profile: has("profile"),
            citizen: has("citizen"),
        })
    }
}

type Wrong = (&'static str, &'static str);

/// A value that goes back as it came; an error where it cannot.
fn sent_back(parameters: &Parameters, name: &str) -> Result<Option<String>, Repeated> {
    let value = parameters.get(name)?;
    let short = value.is_none_or(|it| it.len() <= ECHOED_MAX);
    short.then(|| value.map(str::to_owned)).ok_or(Repeated)
}

/// All but who asks and where the answer goes.
fn asked(parameters: &Parameters) -> Result<(Scope, Option<String>, String), Wrong> {
    let get = |name| {
        let repeated = |_| ("invalid_request", "a parameter stands there twice");
        parameters.get(name).map_err(repeated)
    };
    if get("request")?.is_some() {
        return Err(("request_not_supported", "requests are not taken as objects"));
    }
    if get("request_uri")?.is_some() {
        return Err(("request_uri_not_supported", "requests are not fetched"));
    }
    match get("response_type")? {
        Some("code") => {}
        None => return Err(("invalid_request", "response_type is missing")),
        Some(_) => return Err(("unsupported_response_type", "response_type is code")),
    }
    if get("response_mode")?.is_some_and(|it| it != "query") {
        return Err(("invalid_request", "response_mode is query"));
    }
    let scope = get("scope")?.and_then(Scope::read);
    let scope = scope.ok_or(("invalid_scope", "scope has openid"))?;
    let nonce = sent_back(parameters, "nonce");
    let nonce = nonce.map_err(|_| ("invalid_request", "nonce is repeated or too long"))?;
    // Left out, the method would be plain (RFC 7636, 4.3).
    if get("code_challenge_method")? != Some("S256") {
        return Err((
            "invalid_request",
            "PKCE with code_challenge_method S256 is required",
        ));
    }
    let challenge = get("code_challenge")?.filter(|it| is_challenge(it));
    let challenge = challenge.ok_or((
        "invalid_request",
        "code_challenge is an SHA-256 in base64url",
    ))?;
    let prompts: Vec<&str> = get("prompt")?.unwrap_or_default().split(' ').collect();
    if prompts.contains(&"none") {
        return Err(if prompts.len() > 1 {
            ("invalid_request", "prompt none stands alone")
        } else {
            ("login_required", "a citizen is chosen at each login")
        });
    }
    Ok((scope, nonce, challenge.to_owned()))
}

fn is_challenge(text: &str) -> bool {
    let letter = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
    text.len() == CHALLENGE_CHARS && text.bytes().all(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    /// A good request with these parameters in place of its own; an empty one is left out.
    fn read(changes: &[(&str, &str)]) -> Result<AuthorizationRequest, Invalid> {
        let mut all = vec![
            ("client_id", "ansinh-accounts"),
            ("redirect_uri", "http://127.0.0.1:4000/vneid/callback"),
            ("response_type", "code"),
            ("scope", "openid citizen unheard-of"),
            ("state", "s t&ate"),
            ("nonce", "n-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            all.retain(|(it, _)| it != name);
            all.push((name, value));
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(all).finish();
        let clients = Clients::of(&[]).unwrap();
        AuthorizationRequest::read(&Parameters::parse(query.as_bytes()), &clients)
    }

    #[test]
    fn a_request_is_read_and_written_to_the_same() {
        let request = read(&[]).unwrap();
        assert_eq!(request.scope.name(), "openid citizen");
        assert_eq!(request.state.as_deref(), Some("s t&ate"));
        let clients = Clients::of(&[]).unwrap();
        let again = Parameters::parse(request.query().as_bytes());
        let again = AuthorizationRequest::read(&again, &clients).unwrap();
        assert_eq!(again, request);
        // Neither is required: PKCE is.
        assert!(read(&[("state", ""), ("nonce", "")]).is_ok());
    }

    #[test]
    fn who_asks_wrongly_from_a_known_place_is_told_there() {
        let long = "x".repeat(ECHOED_MAX + 1);
        for (name, value, error) in [
            ("response_type", "", "invalid_request"),
            ("response_type", "token", "unsupported_response_type"),
            (
                "response_type",
                "code id_token",
                "unsupported_response_type",
            ),
            ("response_mode", "fragment", "invalid_request"),
            ("scope", "", "invalid_scope"),
            ("scope", "profile openidx", "invalid_scope"),
            ("code_challenge", "", "invalid_request"),
            ("code_challenge", "short", "invalid_request"),
            ("code_challenge_method", "", "invalid_request"),
            ("code_challenge_method", "plain", "invalid_request"),
            ("nonce", &long, "invalid_request"),
            ("prompt", "none", "login_required"),
            ("prompt", "none login", "invalid_request"),
            ("request", "e30.e30.", "request_not_supported"),
            (
                "request_uri",
                "http://x.example/",
                "request_uri_not_supported",
            ),
        ] {
            let Err(Invalid::ToClient(refusal)) = read(&[(name, value)]) else {
                panic!("{name}={value} was taken");
            };
            assert_eq!(refusal.error, error, "{name}={value}");
            assert_eq!(refusal.state.as_deref(), Some("s t&ate"));
            let back = "http://127.0.0.1:4000/vneid/callback";
            assert_eq!(refusal.redirect_uri, back);
        }
        assert!(matches!(
            read(&[("state", &long)]),
            Err(Invalid::ToClient(_))
        ));
    }

    #[test]
    fn nobody_is_sent_to_a_place_that_is_not_known() {
        for (name, value) in [
            ("client_id", ""),
            ("client_id", "nobody"),
            ("redirect_uri", ""),
            ("redirect_uri", "http://evil.example/vneid/callback"),
            ("redirect_uri", "http://127.0.0.1:4000/elsewhere"),
        ] {
            let refused = read(&[(name, value), ("response_type", "token")]);
            assert!(matches!(refused, Err(Invalid::Here(_))), "{name}={value}");
        }
    }
}
