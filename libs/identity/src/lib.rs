//! VNeID behind one port: who a citizen is, said by the national identity service.
//!
//! The interface of the real VNeID is not public, so this crate is the one place to replace. What
//! it asks of a provider is `OpenID` Connect Core 1.0 with Discovery, the authorization code flow
//! with PKCE S256 (RFC 7636), assurance level 2 (Decree 69/2024/NĐ-CP) as the `acr` value
//! `urn:vneid:level:2`, and four claims in the ID token under the scope `citizen`:
//!
//! | claim | meaning |
//! |---|---|
//! | `citizen_number` | the 12-digit citizen identification number |
//! | `name` | the full name as on the papers, Unicode NFC |
//! | `birthdate` | `YYYY-MM-DD`, or `YYYY` where day and month are unknown |
//! | `old_id_number` | the nine-digit number of the former identity card; may be absent |
//!
//! Whoever relies on a login verifies the ID token itself ([`IdentityProvider::verify`]): the
//! register trusts no door. A [`Port`] is what a service holds: it finds the provider at first
//! need and keeps its keys fresh.

mod error;
mod http;
mod party;
mod port;
mod provider;
mod token;

pub use error::Error;
pub use openidconnect::url::Url;
pub use party::{RelyingParty, is_safe};
pub use port::Port;
pub use provider::{IdentityProvider, Login};
pub use token::{Citizen, LEVEL_MIN, LOGIN_AGE_MAX, SKEW_MAX, TOKEN_BYTES_MAX};
