use boot::clock::from_vietnam;
use chrono::NaiveTime;
use domain::calendar::{DayKind, WorkingDays};
use messaging::Problem;

use super::*;

const PENSION: Programme = Programme::RetirementPension;

fn timetable(pay_days: &[(&str, &str)]) -> Timetable {
    let decided = |(period, day): &(&str, &str)| (period.parse().unwrap(), day.parse().unwrap());
    Timetable {
        programme: PENSION,
        days: WorkingDays::viet_nam().clone(),
        cut_offs: CutOffs::shipped().clone(),
        pay_days: pay_days.iter().map(decided).collect(),
    }
}

/// Pay day, what it is paid with, and the moments as a clock in Viet Nam shows them.
fn shown(month: &Month) -> String {
    let moments = month.moments.map(|(moment, at)| {
        let at = boot::clock::in_vietnam(at).format("%Y-%m-%d %H:%M");
        format!("{} {at}", moment.as_str())
    });
    let with = month
        .paid_with
        .map_or(String::new(), |it| format!(" with {it}"));
    format!("{}{with}, {}", month.pay_day, moments.join(", "))
}

#[test]
fn each_month_has_its_moments() {
    for (period, expected) in [
        // Over the end of the year: frozen and approved in the old one.
        (
            "2027-01",
            "2027-01-04, open 2026-12-21 07:00, freeze 2026-12-25 00:00, \
             approve 2026-12-31 16:00, release 2027-01-04 16:00, report 2027-01-20 00:00",
        ),
        // Tết 2027 is on 6 February; 25 January is a Monday, 20 February a Saturday.
        (
            "2027-02",
            "2027-02-01, open 2027-01-19 07:00, freeze 2027-01-23 00:00, \
             approve 2027-01-29 16:00, release 2027-02-01 16:00, report 2027-02-20 00:00",
        ),
        (
            "2027-03",
            "2027-02-01 with 2027-02, open 2027-01-19 07:00, freeze 2027-01-23 00:00, \
             approve 2027-01-29 16:00, release 2027-02-01 16:00, report 2027-02-20 00:00",
        ),
        (
            "2027-04",
            "2027-04-01, open 2027-03-19 07:00, freeze 2027-03-25 00:00, \
             approve 2027-03-31 16:00, release 2027-04-01 16:00, report 2027-04-20 00:00",
        ),
        // 30 April to 3 May are off, and 25 April is a Sunday.
        (
            "2027-05",
            "2027-05-04, open 2027-04-20 07:00, freeze 2027-04-24 00:00, \
             approve 2027-04-29 16:00, release 2027-05-04 16:00, report 2027-05-20 00:00",
        ),
        // The first is a Sunday, and so is 25 July.
        (
            "2027-08",
            "2027-08-02, open 2027-07-20 07:00, freeze 2027-07-24 00:00, \
             approve 2027-07-30 16:00, release 2027-08-02 16:00, report 2027-08-20 00:00",
        ),
        // Saturday 22 August 2026 is worked, and Monday 31 August is off for it.
        (
            "2026-09",
            "2026-09-03, open 2026-08-20 07:00, freeze 2026-08-25 00:00, \
             approve 2026-08-28 16:00, release 2026-09-03 16:00, report 2026-09-19 00:00",
        ),
        // The report of February 2026 is due before the days off of Tết.
        (
            "2026-03",
            "2026-02-02 with 2026-02, open 2026-01-20 07:00, freeze 2026-01-24 00:00, \
             approve 2026-01-30 16:00, release 2026-02-02 16:00, report 2026-02-14 00:00",
        ),
        // Tết 2028 is in January.
        (
            "2028-02",
            "2028-01-04 with 2028-01, open 2027-12-21 07:00, freeze 2027-12-25 00:00, \
             approve 2027-12-31 16:00, release 2028-01-04 16:00, report 2028-01-20 00:00",
        ),
    ] {
        let month = timetable(&[]).month(period.parse().unwrap()).unwrap();
        assert_eq!(shown(&month), expected, "{period}");
    }
}

#[test]
fn what_is_decided_for_a_period_goes_before_the_terms() {
    for (decided, period, expected) in [
        // Before the days off of 30 April: frozen in time for the approval, reported in its month.
        (
            &[("2027-05", "2027-04-26")][..],
            "2027-05",
            "2027-04-26, open 2027-04-19 07:00, freeze 2027-04-23 00:00, \
             approve 2027-04-23 16:00, release 2027-04-26 16:00, report 2027-05-20 00:00",
        ),
        // After a flood three months are paid at once; the month after Tết is then paid by itself.
        (
            &[("2026-01", "2025-12-01"), ("2026-02", "2025-12-01")],
            "2026-02",
            "2025-12-01 with 2025-12, open 2025-11-19 07:00, freeze 2025-11-25 00:00, \
             approve 2025-11-28 16:00, release 2025-12-01 16:00, report 2025-12-20 00:00",
        ),
        (
            &[("2026-01", "2025-12-01"), ("2026-02", "2025-12-01")],
            "2026-03",
            "2026-03-02, open 2026-02-12 07:00, freeze 2026-02-25 00:00, \
             approve 2026-02-27 16:00, release 2026-03-02 16:00, report 2026-03-20 00:00",
        ),
        // The month after Tết goes where Tết's month goes.
        (
            &[("2027-02", "2027-01-28")],
            "2027-03",
            "2027-03-01, open 2027-02-19 07:00, freeze 2027-02-25 00:00, \
             approve 2027-02-26 16:00, release 2027-03-01 16:00, report 2027-03-20 00:00",
        ),
        (
            &[("2027-02", "2027-02-02")],
            "2027-03",
            "2027-02-02 with 2027-02, open 2027-01-19 07:00, freeze 2027-01-23 00:00, \
             approve 2027-02-01 16:00, release 2027-02-02 16:00, report 2027-02-20 00:00",
        ),
        // Paid late, so reported a month later.
        (
            &[("2027-06", "2027-06-22")],
            "2027-06",
            "2027-06-22, open 2027-05-19 07:00, freeze 2027-05-25 00:00, \
             approve 2027-06-21 16:00, release 2027-06-22 16:00, report 2027-07-20 00:00",
        ),
    ] {
        let month = timetable(decided).month(period.parse().unwrap()).unwrap();
        assert_eq!(shown(&month), expected, "{period}");
    }
}

#[test]
fn the_moments_of_every_programme_come_in_order() {
    for programme in Programme::ALL {
        let timetable = Timetable {
            programme,
            ..timetable(&[])
        };
        for year in 2026..=2028 {
            let Ok(months) = timetable.year(year) else {
                assert_eq!(
                    Problem::from(timetable.year(year).unwrap_err()).code,
                    "no_pay_day"
                );
                continue;
            };
            assert_eq!(months.len(), 12);
            for month in months {
                is_in_order(&timetable, &month);
            }
        }
    }
}

/// Whatever single day a decision moves.
#[test]
fn one_day_more_that_is_worked_or_off_keeps_the_order() {
    let first: NaiveDate = "2026-11-01".parse().unwrap();
    let plain = timetable(&[]);
    let mut moved = 0;
    for day in first.iter_days().take(365 + 61) {
        let is_worked = plain.days.is_working_day(day).unwrap();
        let kind = if is_worked {
            DayKind::InLieu
        } else {
            DayKind::Working
        };
        let timetable = Timetable {
            days: plain.days.with([(day, kind)]),
            ..plain.clone()
        };
        for month in timetable.year(2027).unwrap() {
            is_in_order(&timetable, &month);
            moved += usize::from(month != plain.month(month.period).unwrap());
        }
    }
    assert!(moved > 100, "{moved} months moved");
}

fn is_in_order(timetable: &Timetable, month: &Month) {
    let at = month.moments.map(|(_, at)| at);
    let shown = format!("{} {}", timetable.programme, shown(month));
    assert!(at.is_sorted_by(|a, b| a < b), "{shown}");
    let paid = Period::of(month.pay_day);
    let last = from_vietnam(terms::day_of(paid.before(), 25), NaiveTime::MIN);
    assert!(at[1] <= last, "{shown}");
    assert_eq!(
        timetable.days.is_working_day(month.pay_day),
        Ok(true),
        "{shown}"
    );
}

#[test]
fn what_goes_out_too_late_is_told() {
    let timetable = timetable(&[]);
    for (business_date, now, expected) in [
        ("2027-02-01", "2027-01-29T00:00:00Z", None),
        ("2027-02-01", "2027-02-01T09:00:00Z", None),
        ("2027-02-01", "2027-02-01T09:00:01Z", Some("after_cut_off")),
        (
            "2027-02-08",
            "2027-02-01T09:00:00Z",
            Some("not_a_working_day"),
        ), // Tết
        (
            "2026-08-23",
            "2026-08-20T00:00:00Z",
            Some("not_a_working_day"),
        ), // a Sunday
        ("2026-08-22", "2026-08-20T00:00:00Z", None), // a Saturday that is worked
        ("2029-01-06", "2029-01-06T09:00:00Z", None),
        ("2029-01-06", "2029-01-06T09:00:01Z", Some("after_cut_off")),
    ] {
        let told = timetable.too_late(business_date.parse().unwrap(), now.parse().unwrap());
        assert_eq!(told, expected, "{business_date} at {now}");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    let timetable = timetable(&[]);
    // The list of January 2025 is frozen in a year that is not known.
    for year in [2025, 2029, 999_999] {
        let problem = Problem::from(timetable.year(year).unwrap_err());
        assert_eq!(
            (problem.status, &problem.code[..]),
            (422, "calendar_unknown"),
            "{year}"
        );
    }
    let gift = Timetable {
        programme: Programme::MassGift,
        ..timetable
    };
    assert_eq!(
        Problem::from(gift.year(2027).unwrap_err()).code,
        "no_pay_day"
    );
}

#[test]
fn a_month_is_no_surer_than_its_terms_and_its_day() {
    let sure = |programme, period: &str| {
        let timetable = Timetable {
            programme,
            ..timetable(&[])
        };
        timetable.month(period.parse().unwrap()).unwrap().confidence
    };
    assert_eq!(sure(PENSION, "2026-12"), Confidence::High);
    assert_eq!(sure(PENSION, "2027-04"), Confidence::Low);
    assert_eq!(sure(Programme::SocialPension, "2026-12"), Confidence::Low);
}

#[test]
fn an_opening_is_opened_once_and_not_after_its_pay_day() {
    let at = |it: &str| it.parse::<DateTime<Utc>>().unwrap();
    let release_by = at("2027-02-01T09:00:00Z");
    let run = Some(RunNo(7));
    for (run, now, expected) in [
        (None, "2027-01-19T00:00:00Z", Opening::Open),
        (None, "2027-02-01T08:59:59Z", Opening::Open),
        (None, "2027-02-01T09:00:00Z", Opening::Miss),
        (run, "2027-01-19T00:00:00Z", Opening::Skip(RunNo(7))),
        (run, "2027-03-19T00:00:00Z", Opening::Skip(RunNo(7))),
    ] {
        assert_eq!(Opening::of(run, release_by, at(now)), expected, "{now}");
    }
}

#[test]
fn a_deadline_is_kept_by_what_was_done_in_time() {
    let at = |it: &str| it.parse::<DateTime<Utc>>().ok();
    let due = at("2027-01-22T17:00:00Z").unwrap();
    let (before, after) = (at("2027-01-22T17:00:00Z"), at("2027-01-22T17:00:01Z"));
    let nothing = Progress::default();
    for moment in Moment::ALL {
        assert!(!nothing.keeps(moment, due), "{moment:?}");
    }
    for (done_at, kept) in [(before, true), (after, false)] {
        let all = Progress {
            opened_at: done_at,
            is_prepared: true,
            approved_at: done_at,
            released_at: done_at,
            closed_at: done_at,
        };
        for moment in Moment::ALL {
            assert_eq!(all.keeps(moment, due), kept, "{moment:?} {done_at:?}");
        }
    }
    let opened = Progress {
        opened_at: before,
        ..nothing
    };
    assert!(opened.keeps(Moment::Open, due) && !opened.keeps(Moment::Freeze, due));
    let closed = Progress {
        closed_at: before,
        ..nothing
    };
    assert!(closed.keeps(Moment::Report, due) && !closed.keeps(Moment::Release, due));
}
