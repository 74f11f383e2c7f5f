//! What officers decide, by whichever service keeps it, and whether what they signed still stands.

use approval::{Decided, Kind, Matter};
use messaging::{CommandError, Problem};
use sqlx::PgPool;

/// A decision, and how what was signed stands now.
#[derive(Debug, Clone)]
pub struct Judged {
    pub decided: Decided,
    pub standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The officer's signature stands under the text, and the text is what is stored.
    Valid,
    /// As valid, but nobody had to sign and nobody did.
    Unsigned,
    Invalid,
}

impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Valid => "valid",
            Standing::Unsigned => "unsigned",
            Standing::Invalid => "invalid",
        }
    }
}

/// The matter as its service has stored it: what an officer is shown, and signs.
///
/// # Errors
/// Where there is none, and what the database says.
pub async fn matter(pool: &PgPool, kind: Kind, number: i64) -> anyhow::Result<Matter> {
    let mut tx = pool.begin().await?;
    let found: Result<Matter, Problem> = match kind {
        Kind::InstitutionLimit
        | Kind::YearClosing
        | Kind::ScheduleOrder
        | Kind::Settlement
        | Kind::OrganisationKey => {
            let found = payments::matter(&mut tx, kind, number).await;
            found.map_err(Problem::from)
        }
        Kind::Case => {
            let found = reconciliation::matter(&mut tx, number).await;
            found.map_err(Problem::from)
        }
        Kind::Review => {
            let found = accounts::review_matter(&mut tx, number).await;
            found.map_err(Problem::from)
        }
        Kind::Law => match eligibility::law_matter(&mut tx, number).await {
            Err(it @ eligibility::Error::LawUnknown(_)) => {
                Err(Problem::new(404, "law_unknown", it.to_string()))
            }
            found => Ok(found?),
        },
        Kind::Appointment => {
            let detail = "an appointment has no number: it is what somebody asks for";
            Err(Problem::new(404, "matter_unknown", detail))
        }
    };
    Ok(found.map_err(CommandError::Refused)?)
}

/// The latest decisions: each signature is verified anew, and each text held against what its
/// service has stored.
///
/// # Errors
/// What the database says.
pub async fn decisions(
    pool: &PgPool,
    kind: Option<Kind>,
    limit: i64,
) -> anyhow::Result<Vec<Judged>> {
    let mut judged = Vec::new();
    for decided in approval::decisions(pool, kind, limit).await? {
        let standing = if says_what_is_stored(pool, &decided).await? {
            match decided.is_sound() {
                None => Standing::Unsigned,
                Some(true) => Standing::Valid,
                Some(false) => Standing::Invalid,
            }
        } else {
            Standing::Invalid
        };
        judged.push(Judged { decided, standing });
    }
    Ok(judged)
}

async fn says_what_is_stored(pool: &PgPool, it: &Decided) -> anyhow::Result<bool> {
    // What an appointment took the place of is nowhere else.
    if it.kind == Kind::Appointment {
        return Ok(true);
    }
    let Ok(number) = it.key.parse() else {
        return Ok(false);
    };
    match matter(pool, it.kind, number).await {
        Ok(matter) => {
            let said = matter.decision(it.is_accepted, it.reason.as_deref(), &it.officer);
            Ok(said.to_string() == it.statement)
        }
        Err(error) if error.downcast_ref::<CommandError>().is_some() => Ok(false),
        Err(error) => Err(error),
    }
}
