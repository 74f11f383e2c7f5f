use chrono::TimeDelta;

/// What this service alone is told from outside.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Between the change of an account and the first payment to it.
    pub cooling_off: TimeDelta,
    /// How long a bank may take to say whose an account is before it is asked again.
    pub verification_sla: TimeDelta,
    /// How long it is asked in all before the link expires.
    pub verification_expiry: TimeDelta,
    /// How long an officer has to decide what waits for a person.
    pub review: TimeDelta,
    /// People who may be paid to one account before somebody looks.
    pub people_per_account_max: i64,
    /// Accounts that an officer may change within an hour before an alarm is raised.
    pub changes_an_hour_max: i64,
    /// How long a citizen's session lasts.
    pub session: TimeDelta,
}

impl Terms {
    pub fn of(settings: &boot::Settings) -> Terms {
        let it = &settings.accounts;
        let time = |ms: u64| {
            // Whatever is longer than a century is as good as for ever.
            let ms = i64::try_from(ms).unwrap_or(i64::MAX);
            TimeDelta::try_milliseconds(ms.min(3_155_760_000_000)).unwrap_or(TimeDelta::MAX)
        };
        Terms {
            cooling_off: time(it.cooling_off_ms),
            verification_sla: time(it.verification_sla_ms),
            verification_expiry: time(it.verification_expiry_ms),
            review: time(it.review_ms),
            people_per_account_max: i64::from(it.people_per_account_max),
            changes_an_hour_max: i64::from(it.changes_an_hour_max),
            session: time(it.session_ms),
        }
    }
}
