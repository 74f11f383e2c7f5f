use std::fmt;

use chrono::NaiveDate;
use domain::{Money, Officer, Period, Programme, RunNo};
use ed25519_dalek::{Signature, VerifyingKey};
use messaging::Problem;

use crate::run::Run;
use crate::{Error, RunSummary};

/// What an officer signs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedAct {
    Approve,
    Release,
}

/// The text under a signature: what a person reads before signing, and what an auditor reads who
/// verifies it years later. Its bytes (UTF-8) are signed as they are; another text is another
/// version, named in its first line.
#[derive(Debug, Clone)]
pub struct Statement {
    pub act: SignedAct,
    pub officer: Officer,
    pub run_no: RunNo,
    pub programme: Programme,
    pub period: Period,
    pub business_date: NaiveDate,
    pub lines: i64,
    pub total: Money,
    /// Hex; the RFC 6962 root over the lines.
    pub root: String,
    /// In whose place the officer acts, if not in their own.
    pub lent: Option<Delegation>,
}

/// By what an officer acts in the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegation {
    pub principal: Officer,
    /// The number of the proposal that was accepted.
    pub delegation_no: i64,
}

/// What an officer signs to show that a public key is theirs.
#[derive(Debug, Clone)]
pub struct KeyStatement {
    pub officer: Officer,
    /// Hex.
    pub public_key: String,
}

/// A key by which an officer signs now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfficerKey {
    pub key_no: i64,
    pub public_key: [u8; 32],
}

/// A signature that was verified, with the text under it.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub key_no: i64,
    pub statement: String,
    pub signature: [u8; 64],
}

impl SignedAct {
    fn words(self) -> &'static str {
        match self {
            SignedAct::Approve => "phê duyệt chi trả",
            SignedAct::Release => "phát lệnh chi trả",
        }
    }
}

impl Statement {
    /// What an officer signs of a run as it is shown.
    pub fn seen(act: SignedAct, officer: Officer, it: &RunSummary) -> Statement {
        Statement {
            act,
            officer,
            run_no: it.run_no,
            programme: it.programme,
            period: it.period,
            business_date: it.business_date,
            lines: it.lines,
            total: it.total,
            root: it.root.clone().unwrap_or_default(),
            lent: None,
        }
    }

    pub(crate) fn of(act: SignedAct, officer: &Officer, run: &Run) -> Statement {
        Statement {
            act,
            officer: officer.clone(),
            run_no: run.run_no,
            programme: run.programme,
            period: run.period,
            business_date: run.business_date,
            lines: run.lines,
            total: run.total,
            root: run.root.map(|it| it.hex()).unwrap_or_default(),
            lent: None,
        }
    }

    pub fn in_place_of(self, lent: Option<Delegation>) -> Statement {
        Statement { lent, ..self }
    }

    pub(crate) fn signed(
        &self,
        key: Option<OfficerKey>,
        signature: Option<&str>,
        required: bool,
    ) -> Result<Option<Signed>, Error> {
        signed(self, &self.officer, key, signature, required)
    }
}

/// What an officer says with the signature under it, verified; `None` where nobody has to sign and
/// nobody did.
///
/// # Errors
/// `signature_missing`, `key_unknown`, `signature_malformed`, `signature_invalid`.
pub(crate) fn signed(
    said: &impl fmt::Display,
    officer: &Officer,
    key: Option<OfficerKey>,
    signature: Option<&str>,
    required: bool,
) -> Result<Option<Signed>, Error> {
    let Some(signature) = signature else {
        // Who has a key signs, whatever the settings ask of the others.
        if required || key.is_some() {
            let detail = format!("{officer} signs with a key of their own");
            return Err(Problem::new(403, "signature_missing", detail).into());
        }
        return Ok(None);
    };
    let key = key.ok_or_else(|| {
        let detail = format!("no key of {officer} is registered");
        Problem::new(403, "key_unknown", detail)
    })?;
    let statement = said.to_string();
    let signature = verified(&key.public_key, &statement, signature)?;
    Ok(Some(Signed {
        key_no: key.key_no,
        statement,
        signature,
    }))
}

/// Two versions of a text never mean the same bytes, so each names itself first.
impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.lent.is_some() { "v2" } else { "v1" };
        writeln!(f, "An Sinh · {} · {version}", self.act.words())?;
        writeln!(f, "Đợt chi: {}", self.run_no)?;
        writeln!(f, "Chương trình: {}", self.programme)?;
        writeln!(f, "Kỳ: {}", self.period.first_day().format("%m/%Y"))?;
        writeln!(f, "Ngày chi: {}", self.business_date.format("%d/%m/%Y"))?;
        writeln!(f, "Số khoản: {}", self.lines)?;
        writeln!(f, "Số tiền: {}", self.total.vi())?;
        writeln!(f, "Bằng chữ: {}", self.total.in_words())?;
        writeln!(f, "Mã băm danh sách: {}", self.root)?;
        if let Some(lent) = &self.lent {
            let (principal, number) = (&lent.principal, lent.delegation_no);
            writeln!(f, "Thay mặt: {principal} (uỷ quyền số {number})")?;
        }
        writeln!(f, "Người ký: {}", self.officer)
    }
}

impl KeyStatement {
    /// The key, if who holds it has signed this statement.
    ///
    /// # Errors
    /// `key_invalid` where it is no key or one that anybody can sign for, and as for signatures.
    pub(crate) fn proven(&self, proof: &str) -> Result<[u8; 32], Error> {
        let invalid = |detail: &str| Problem::new(422, "key_invalid", detail);
        let key = hex::decode(&self.public_key).ok();
        let key: Option<[u8; 32]> = key.and_then(|it| it.try_into().ok());
        let key = key.ok_or_else(|| invalid("a public key is 64 hexadecimal digits"))?;
        verified(&key, &self.to_string(), proof)?;
        Ok(key)
    }
}

impl fmt::Display for KeyStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "An Sinh · đăng ký khoá ký · v1")?;
        writeln!(f, "Khoá công khai: {}", self.public_key)?;
        writeln!(f, "Người ký: {}", self.officer)
    }
}

/// Whether a stored signature stands under its text (RFC 8032, strict: one key, one text).
pub(crate) fn stands(public_key: &[u8], statement: &str, signature: &[u8]) -> bool {
    let key = <[u8; 32]>::try_from(public_key).ok();
    let key = key.and_then(|it| VerifyingKey::from_bytes(&it).ok());
    let signature = Signature::from_slice(signature).ok();
    key.zip(signature)
        .is_some_and(|(key, signature)| key.verify_strict(statement.as_bytes(), &signature).is_ok())
}

fn verified(public_key: &[u8; 32], statement: &str, signature: &str) -> Result<[u8; 64], Error> {
    let bytes = hex::decode(signature).ok();
    let bytes: Option<[u8; 64]> = bytes.and_then(|it| it.try_into().ok());
    let bytes = bytes.ok_or_else(|| {
        let detail = "a signature is 128 hexadecimal digits";
        Problem::new(422, "signature_malformed", detail)
    })?;
    if !stands(public_key, statement, &bytes) {
        let detail = "the signature does not stand under what is asked, or is of another key";
        return Err(Problem::new(403, "signature_invalid", detail).into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    fn statement() -> Statement {
        Statement {
            act: SignedAct::Approve,
            officer: "le.binh".parse().unwrap(),
            run_no: RunNo(1),
            programme: Programme::SocialPension,
            period: "2026-12".parse().unwrap(),
            business_date: NaiveDate::from_ymd_opt(2026, 12, 1).unwrap(),
            lines: 535,
            total: Money::dong(305_280_000),
            root: "8a".repeat(32),
            lent: None,
        }
    }

    #[test]
    fn the_text_that_is_signed_is_a_promise() {
        let expected = "An Sinh · phê duyệt chi trả · v1\nĐợt chi: R000001\nChương trình: HTXH\n\
            Kỳ: 12/2026\nNgày chi: 01/12/2026\nSố khoản: 535\nSố tiền: 305.280.000 đồng\n\
            Bằng chữ: Ba trăm linh năm triệu hai trăm tám mươi nghìn đồng\n\
            Mã băm danh sách: "
            .to_owned()
            + &"8a".repeat(32)
            + "\nNgười ký: le.binh\n";
        assert_eq!(statement().to_string(), expected);
        let lent = statement().in_place_of(Some(Delegation {
            principal: "vo.hoa".parse().unwrap(),
            delegation_no: 3,
        }));
        let signer = "Thay mặt: vo.hoa (uỷ quyền số 3)\nNgười ký: le.binh\n";
        let expected = expected.replace("Người ký: le.binh\n", signer);
        assert_eq!(lent.to_string(), expected.replace("· v1", "· v2"));
    }

    #[test]
    fn a_signature_stands_under_one_text_of_one_key() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let own = Some(OfficerKey {
            key_no: 1,
            public_key: key.verifying_key().to_bytes(),
        });
        let foreign = SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes();
        let sign = |text: &str| hex::encode(key.sign(text.as_bytes()).to_bytes());
        let signature = sign(&statement().to_string());
        let code = |key, signature: Option<&str>, required| {
            let signed = statement().signed(key, signature, required);
            signed
                .map(|it| it.is_some())
                .map_err(|it| Problem::from(it).code)
        };
        let refused = |code: &str| Err(code.to_owned());
        assert_eq!(code(own, Some(&signature), true), Ok(true));
        assert_eq!(code(None, None, false), Ok(false));
        assert_eq!(code(None, None, true), refused("signature_missing"));
        assert_eq!(code(own, None, false), refused("signature_missing"));
        assert_eq!(code(None, Some(&signature), true), refused("key_unknown"));
        assert_eq!(code(own, Some("8a"), true), refused("signature_malformed"));
        let other = own.map(|it| OfficerKey {
            public_key: foreign,
            ..it
        });
        assert_eq!(
            code(other, Some(&signature), true),
            refused("signature_invalid")
        );
        let released = Statement {
            act: SignedAct::Release,
            ..statement()
        };
        let elsewhere = sign(&released.to_string());
        assert_eq!(
            code(own, Some(&elsewhere), true),
            refused("signature_invalid")
        );
    }

    #[test]
    fn a_key_is_registered_by_who_holds_it_and_a_weak_one_by_nobody() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let statement = KeyStatement {
            officer: "le.binh".parse().unwrap(),
            public_key: hex::encode(key.verifying_key().to_bytes()),
        };
        let proof = hex::encode(key.sign(statement.to_string().as_bytes()).to_bytes());
        assert_eq!(
            statement.proven(&proof).unwrap(),
            key.verifying_key().to_bytes()
        );
        let claimed = KeyStatement {
            officer: "vo.danh".parse().unwrap(),
            ..statement.clone()
        };
        assert_eq!(
            Problem::from(claimed.proven(&proof).unwrap_err()).code,
            "signature_invalid"
        );
        // The neutral point: everything would be signed by it.
        let weak = KeyStatement {
            public_key: "01".to_owned() + &"00".repeat(31),
            ..statement
        };
        let anything = "01".to_owned() + &"00".repeat(63);
        assert_eq!(
            Problem::from(weak.proven(&anything).unwrap_err()).code,
            "signature_invalid"
        );
    }
}
