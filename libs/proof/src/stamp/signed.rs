use chrono::{DateTime, Utc};
use cms::cert::CertificateChoices;
use cms::cert::x509::Certificate;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::Encode;
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::oid::db::rfc5911::ID_MESSAGE_DIGEST;
use der::oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512};
use pki_types::pem::PemObject;
use pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use sha2::{Digest, Sha256, Sha384, Sha512};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::Error;

/// The value of `id-kp-timeStamping`: what else a certificate is for, it may stamp.
const TIME_STAMPING: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// Certificates that vouch for those of an authority.
#[derive(Debug, Clone)]
pub struct Anchors(Vec<CertificateDer<'static>>);

impl Anchors {
    /// # Errors
    /// [`Error::Refused`] (`certificate_malformed`) where there is none, or one that cannot be read.
    pub fn of_pem(text: &[u8]) -> Result<Anchors, Error> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        let certificates = certificates.unwrap_or_default();
        let are_good = certificates
            .iter()
            .all(|it| anchor_from_trusted_cert(it).is_ok());
        if certificates.is_empty() || !are_good {
            return Err(Error::Refused {
                code: "certificate_malformed",
                detail: "the file holds no certificates in PEM".to_owned(),
            });
        }
        Ok(Anchors(certificates))
    }
}

/// Whether who signed `content` may stamp, and is vouched for at `now` (RFC 5652, 5.4).
pub(super) fn is_signed(
    data: &SignedData,
    content: &[u8],
    anchors: &Anchors,
    now: DateTime<Utc>,
) -> Result<(), &'static str> {
    let [signer] = data.signer_infos.0.as_slice() else {
        return Err("it is not signed by one");
    };
    let attributes = signer
        .signed_attrs
        .as_ref()
        .ok_or("it signs no attributes")?;
    if digest_attribute(signer).as_deref() != digest(signer.digest_alg.oid, content).as_deref() {
        return Err("its signature is of another content");
    }
    let message = attributes.to_der().map_err(|_| "its attributes are none")?;

    let certificates = data.certificates.iter().flat_map(|it| it.0.iter());
    let certificates: Vec<&Certificate> = certificates
        .filter_map(|it| match it {
            CertificateChoices::Certificate(it) => Some(it),
            CertificateChoices::Other(_) => None,
        })
        .collect();
    let own = certificates.iter().find(|it| is_of(it, &signer.sid));
    let own = own
        .and_then(|it| it.to_der().ok())
        .map(CertificateDer::from);
    let own = own.ok_or("the signer's certificate is not in it")?;
    let own = EndEntityCert::try_from(&own).map_err(|_| "the signer's certificate is none")?;
    let others = certificates.iter().filter_map(|it| it.to_der().ok());
    let others: Vec<CertificateDer<'_>> = others.map(CertificateDer::from).collect();
    let known = anchors
        .0
        .iter()
        .filter_map(|it| anchor_from_trusted_cert(it).ok());
    let known: Vec<_> = known.collect();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let usage = KeyUsage::required(&TIME_STAMPING);
    own.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &known,
        &others,
        now,
        usage,
        None,
        None,
    )
    .map_err(|_| "nobody whom we know vouches for the signer as an authority")?;
    let signature = signer.signature.as_bytes();
    let stands = |it: &&dyn SignatureVerificationAlgorithm| {
        own.verify_signature(*it, &message, signature).is_ok()
    };
    if !ALL_VERIFICATION_ALGS.iter().any(stands) {
        return Err("its signature does not stand");
    }
    Ok(())
}

fn is_of(certificate: &Certificate, signer: &SignerIdentifier) -> bool {
    let it = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            (&it.issuer, &it.serial_number) == (&named.issuer, &named.serial_number)
        }
        SignerIdentifier::SubjectKeyIdentifier(_) => false,
    }
}

fn digest_attribute(signer: &SignerInfo) -> Option<Vec<u8>> {
    let mut attributes = signer.signed_attrs.as_ref()?.iter();
    let found = attributes.find(|it| it.oid == ID_MESSAGE_DIGEST)?;
    let [value] = found.values.as_slice() else {
        return None;
    };
    let value: OctetStringRef<'_> = value.decode_as().ok()?;
    Some(value.as_bytes().to_vec())
}

/// `None` for what is no longer, or not yet, a hash to rely on.
fn digest(algorithm: ObjectIdentifier, content: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        ID_SHA_256 => Some(Sha256::digest(content).to_vec()),
        ID_SHA_384 => Some(Sha384::digest(content).to_vec()),
        ID_SHA_512 => Some(Sha512::digest(content).to_vec()),
        _ => None,
    }
}
