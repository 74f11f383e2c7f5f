//! RFC 3161: what an authority is asked to stamp with its time, and whether it did.
//!
//! Stamped is the SHA-256 of a checkpoint's note as it is on record: the signed text, the empty line
//! and the log's own signature line with its newline. Lines of witnesses stand behind that and are no
//! part of it.

mod kept;
mod signed;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::signed_data::SignedData;
use der::asn1::{Int, Null, ObjectIdentifier, OctetString};
use der::oid::db::rfc5911::ID_SIGNED_DATA;
use der::oid::db::rfc5912::ID_SHA_256;
use der::{Any, Decode, Encode, Sequence, Tag, Tagged};
use sha2::{Digest, Sha256};
use x509_tsp::{Accuracy, MessageImprint, TimeStampReq, TimeStampResp, TsaPolicyId, TspVersion};

use crate::Error;
use signed::is_signed;

pub use kept::{KeptStamp, keep_stamp, stamp_due, stamps};
pub(crate) use kept::{restore, verify};
pub use signed::Anchors;

/// What stands in a token that is a time stamp.
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
/// `granted` and `grantedWithMods` (RFC 3161, 2.4.2).
const GRANTED: [u8; 2] = [0, 1];

/// What an authority is asked: to stamp this note, under a number that nobody can foresee.
#[derive(Debug, Clone)]
pub struct StampRequest {
    imprint: [u8; 32],
    nonce: [u8; 16],
}

/// A time stamp that is the answer to what was asked.
#[derive(Debug, Clone)]
pub struct Stamp {
    pub stamped_at: DateTime<Utc>,
    /// The whole answer, as `openssl ts` reads it.
    pub response: Vec<u8>,
}

/// `TSTInfo`, whose time may have fractions of a second, which `der`'s own type has not.
#[derive(Debug, Sequence)]
struct TstInfo {
    version: TspVersion,
    policy: TsaPolicyId,
    message_imprint: MessageImprint,
    serial_number: Int,
    gen_time: Any,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "Default::default")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    tsa: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<cms::cert::x509::ext::Extensions>,
}

impl StampRequest {
    /// For a note as it is on record; `nonce` is random.
    pub fn new(note: &str, mut nonce: [u8; 16]) -> StampRequest {
        // A positive integer whose first byte is none that could be left out.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        StampRequest {
            imprint: Sha256::digest(note).into(),
            nonce,
        }
    }

    /// The body of `application/timestamp-query`. The authority's certificate is asked for.
    pub fn der(&self) -> Vec<u8> {
        let request = || {
            TimeStampReq {
                version: TspVersion::V1,
                message_imprint: MessageImprint {
                    hash_algorithm: AlgorithmIdentifierOwned {
                        oid: ID_SHA_256,
                        parameters: Some(Any::encode_from(&Null)?),
                    },
                    hashed_message: OctetString::new(&self.imprint[..])?,
                },
                req_policy: None,
                nonce: Some(Int::new(&self.nonce)?),
                cert_req: true,
                extensions: None,
            }
            .to_der()
        };
        request().expect("a hash and a number fit into DER")
    }

    /// Holds an answer against what was asked: granted, of the same hash, under the same number and,
    /// where `anchors` are known, signed by whom they vouch for at `now`.
    ///
    /// # Errors
    /// [`Error::Refused`]: `stamp_malformed`, `stamp_not_granted`, `stamp_of_another_imprint`,
    /// `stamp_of_another_nonce`, `stamp_not_trusted`.
    pub fn accept(
        &self,
        response: &[u8],
        anchors: Option<&Anchors>,
        now: DateTime<Utc>,
    ) -> Result<Stamp, Error> {
        let token = Token::read(response)?;
        if token.imprint() != Some(&self.imprint[..]) {
            return refused("stamp_of_another_imprint", "it stamps something else");
        }
        let nonce = token.info.nonce.as_ref().map(Int::as_bytes);
        if nonce != Some(&self.nonce[..]) {
            return refused("stamp_of_another_nonce", "it answers somebody else");
        }
        if let Some(anchors) = anchors {
            let signed = is_signed(&token.data, &token.content, anchors, now);
            signed.or_else(|it| refused("stamp_not_trusted", it))?;
        }
        Ok(Stamp {
            stamped_at: token.stamped_at()?,
            response: response.to_vec(),
        })
    }
}

/// What a granted answer holds.
struct Token {
    data: SignedData,
    /// The bytes that are signed.
    content: Vec<u8>,
    info: TstInfo,
}

impl Token {
    fn read(response: &[u8]) -> Result<Token, Error> {
        let malformed = |it| malformed(&it);
        let response = TimeStampResp::from_der(response).map_err(malformed)?;
        let status = response.status.status as u8;
        if !GRANTED.contains(&status) {
            return refused("stamp_not_granted", format!("status {status}"));
        }
        let Some(token) = response.time_stamp_token else {
            return refused("stamp_malformed", "there is no token");
        };
        if token.content_type != ID_SIGNED_DATA {
            return refused("stamp_malformed", "the token is not signed");
        }
        let data: SignedData = token.content.decode_as().map_err(malformed)?;
        let content = match &data.encap_content_info {
            it if it.econtent_type != TST_INFO => None,
            it => it.econtent.as_ref(),
        };
        let Some(content) = content.filter(|it| it.tag() == Tag::OctetString) else {
            return refused("stamp_malformed", "the token is no time stamp");
        };
        let content = content.value().to_vec();
        let info = TstInfo::from_der(&content).map_err(malformed)?;
        Ok(Token {
            data,
            content,
            info,
        })
    }

    /// The SHA-256 that is stamped; `None` where it is another kind of hash.
    fn imprint(&self) -> Option<&[u8]> {
        let it = &self.info.message_imprint;
        (it.hash_algorithm.oid == ID_SHA_256).then(|| it.hashed_message.as_bytes())
    }

    fn stamped_at(&self) -> Result<DateTime<Utc>, Error> {
        let time = &self.info.gen_time;
        let text = std::str::from_utf8(time.value()).ok();
        let text = text.filter(|_| time.tag() == Tag::GeneralizedTime);
        let text = text.and_then(|it| it.strip_suffix('Z'));
        let read = text.and_then(|it| NaiveDateTime::parse_from_str(it, "%Y%m%d%H%M%S%.f").ok());
        // As exact as the database keeps it.
        let read = read.map(|it| it.and_utc().trunc_subsecs(6));
        read.map_or_else(|| refused("stamp_malformed", "its time is none"), Ok)
    }
}

fn malformed(error: &der::Error) -> Error {
    Error::Refused {
        code: "stamp_malformed",
        detail: error.to_string(),
    }
}

fn refused<T>(code: &'static str, detail: impl Into<String>) -> Result<T, Error> {
    let detail = detail.into();
    Err(Error::Refused { code, detail })
}
