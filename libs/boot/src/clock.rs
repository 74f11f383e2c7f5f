//! The one place that knows in which zone a business day begins.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Asia::Ho_Chi_Minh;

/// The business date in Viet Nam (UTC+7) at an instant.
pub fn today_in_vietnam(now: DateTime<Utc>) -> NaiveDate {
    now.with_timezone(&Ho_Chi_Minh).date_naive()
}

/// What a clock in Viet Nam shows at an instant.
pub fn in_vietnam(at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&Ho_Chi_Minh).naive_local()
}

/// When a clock in Viet Nam shows this; it is never put forward or back.
pub fn from_vietnam(day: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
    let at = Ho_Chi_Minh.from_local_datetime(&day.and_time(time));
    at.earliest()
        .expect("each hour of a year of payments is there")
        .to_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_business_day_begins_at_17_hours_utc_of_the_day_before() {
        for (now, today) in [
            ("2026-11-30T16:59:59Z", "2026-11-30"),
            ("2026-11-30T17:00:00Z", "2026-12-01"),
            ("2026-12-31T17:00:00Z", "2027-01-01"),
        ] {
            let now: DateTime<Utc> = now.parse().unwrap();
            assert_eq!(today_in_vietnam(now).to_string(), today);
            let shown = in_vietnam(now);
            assert_eq!(from_vietnam(shown.date(), shown.time()), now);
        }
    }
}
