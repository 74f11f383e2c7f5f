//! What of a released run goes out when, and what keeps it back.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Money, Programme, RunNo};
use ledger::Account;
use messaging::Problem;
use payments::{OpenReissue, Work};
use serde_json::{Value, json, to_value};

use crate::world::{
    CHECKER, MAKER, RELEASER, World, credited, institution, officer, pensioners, rejected,
};

const PROGRAMME: Programme = Programme::RetirementPension;
const BANKS: [&str; 3] = ["970436", "970405", "970418"];

/// A reserved run of pensioners at these banks, each in a chunk of their own.
async fn reserved(banks: &[Option<&str>]) -> anyhow::Result<(World, RunNo)> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let (registry, links) = pensioners(banks);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.reserved(PROGRAMME).await?;
    Ok((world, run_no))
}

async fn release_in(world: &World, run_no: RunNo, waves: Value) -> anyhow::Result<Value> {
    let release = world.releasing(run_no, RELEASER).await?;
    let body = json!({ "release": to_value(release)?, "waves": waves });
    let key = format!("release-{run_no}");
    world.ask("release-in-waves", &key, &body).await
}

fn order(scope: &Value, by: &str) -> Value {
    json!({ "officer": by, "scope": scope, "reason": "sự cố" })
}

async fn ask(world: &World, command: &str, body: &Value) -> anyhow::Result<Value> {
    let key = format!("{command}-{}", uuid::Uuid::now_v7());
    world.ask(command, &key, body).await
}

async fn refused(world: &World, command: &str, body: &Value) -> anyhow::Result<(u16, String)> {
    let key = format!("{command}-{}", uuid::Uuid::now_v7());
    let Problem { status, code, .. } = world.refused(command, &key, body).await?;
    Ok((status, code))
}

/// How many lines each bank has been told of.
async fn told(world: &World) -> anyhow::Result<[usize; 3]> {
    let mut told = [0; 3];
    for (count, bank) in told.iter_mut().zip(BANKS) {
        *count = world.instructions(institution(bank)).await?.len();
    }
    Ok(told)
}

async fn until_told(world: &World, expected: [usize; 3]) -> anyhow::Result<()> {
    let what = format!("banks are told {expected:?}");
    world
        .until(&what, async || Ok(told(world).await? == expected))
        .await
}

/// Lets go whatever may go at that time; how many transactions did something.
async fn work_at(world: &World, now: DateTime<Utc>) -> anyhow::Result<usize> {
    let (keys, mut worked) = (world.target.keys()?, 0);
    let work = Work::default();
    while work.once(&world.pool, &keys, TimeDelta::MAX, now).await? {
        worked += 1;
    }
    Ok(worked)
}

async fn answer_all(world: &World) -> anyhow::Result<()> {
    for bank in BANKS.map(institution) {
        let instructed = world.instructions(bank).await?;
        world
            .answer(bank, instructed.iter().map(credited).collect())
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pilot_goes_to_every_bank_and_the_rest_when_an_officer_lets_it() -> anyhow::Result<()> {
    let [a, b, c] = BANKS.map(Some);
    let (world, run_no) = reserved(&[a, a, a, b, b, c]).await?;
    let release = to_value(world.releasing(run_no, RELEASER).await?)?;
    for (waves, code) in [
        (json!({ "first": 0 }), "wave_too_small"),
        (json!({ "percent": [50, 49] }), "waves_invalid"),
    ] {
        let body = json!({ "release": release, "waves": waves });
        let refused = refused(&world, "release-in-waves", &body).await?;
        assert_eq!(refused, (422, code.to_owned()));
    }
    release_in(&world, run_no, json!({ "first": 3 })).await?;
    until_told(&world, [1, 1, 1]).await?;
    assert_eq!(work_at(&world, Utc::now()).await?, 0, "the rest waits");
    let shown = world.summary(run_no).await?;
    assert_eq!(
        (&shown.state[..], shown.progress.wave, shown.progress.waves),
        ("releasing", 1, 2)
    );
    assert_eq!(shown.progress.waiting_lines, 3);

    let go_on = |by: &str| json!({ "officer": by, "run_no": run_no });
    for by in [MAKER, CHECKER] {
        let refused = refused(&world, "continue-run", &go_on(by)).await?;
        assert_eq!(refused, (403, "same_person".to_owned()), "{by}");
    }
    let answer = ask(&world, "continue-run", &go_on(RELEASER)).await?;
    assert_eq!(answer["wave"], 2);
    until_told(&world, [3, 2, 1]).await?;
    world.until_state(run_no, "released").await?;
    let late = refused(&world, "continue-run", &go_on(RELEASER)).await?;
    assert_eq!(late, (409, "illegal_transition".to_owned()));
    answer_all(&world).await?;
    world.close().await
}

/// Who cannot be paid keeps nobody else waiting, and is looked at again.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_cannot_be_paid_stops_no_other() -> anyhow::Result<()> {
    let (world, run_no) = reserved(&BANKS.map(Some)).await?;
    let set = async |seal: &str| -> anyhow::Result<()> {
        let change = format!(
            "ALTER TABLE payments.lines DISABLE TRIGGER append_only;
            UPDATE payments.lines SET account_sealed = {seal}
                WHERE part = (SELECT min(part) FROM payments.lines);
            ALTER TABLE payments.lines ENABLE TRIGGER append_only"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(change))
            .execute(&world.pool)
            .await?;
        Ok(())
    };
    let flipped = "set_bit(account_sealed, 200, 1 - get_bit(account_sealed, 200))";
    set(flipped).await?;
    world.release(run_no).await?;
    until_told(&world, [0, 1, 1]).await?;
    assert_eq!(world.summary(run_no).await?.state, "releasing");

    let (keys, work, now) = (world.target.keys()?, Work::default(), Utc::now());
    let once = async |now| work.once(&world.pool, &keys, TimeDelta::MAX, now).await;
    assert!(once(now).await?, "it is put off");
    set(flipped).await?;
    assert!(!once(now).await?, "nothing else waits");
    assert!(once(now + TimeDelta::seconds(31)).await?);
    until_told(&world, [1, 1, 1]).await?;
    answer_all(&world).await?;
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_stays_until_another_officer_resumes_it() -> anyhow::Result<()> {
    let [a, b, c] = BANKS.map(Some);
    let (world, run_no) = reserved(&[a, a, b, b, c, c]).await?;
    let scopes = [
        json!({ "run": run_no }),
        json!({ "programme": PROGRAMME }),
        json!({ "institution": BANKS[1] }),
    ];
    ask(&world, "pause", &order(&scopes[1], CHECKER)).await?;
    let again = refused(&world, "pause", &order(&scopes[1], "vo.hoa")).await?;
    assert_eq!(again, (409, "already_paused".to_owned()));
    world.release(run_no).await?;
    ask(&world, "pause", &order(&scopes[0], CHECKER)).await?;
    ask(&world, "pause", &order(&scopes[2], CHECKER)).await?;
    assert_eq!(world.summary(run_no).await?.progress.paused.len(), 3);
    for scope in &scopes[..2] {
        assert_eq!(work_at(&world, Utc::now()).await?, 0, "{scope}");
        assert_eq!(told(&world).await?, [0; 3]);
        let own = refused(&world, "resume", &order(scope, CHECKER)).await?;
        assert_eq!(own, (403, "same_person".to_owned()));
        ask(&world, "resume", &order(scope, RELEASER)).await?;
    }
    until_told(&world, [2, 0, 2]).await?;
    assert_eq!(work_at(&world, Utc::now()).await?, 0, "the bank is paused");
    assert_eq!(world.summary(run_no).await?.state, "releasing");
    let mut silent = order(&scopes[2], RELEASER);
    silent["reason"] = json!(" ");
    let silent = refused(&world, "resume", &silent).await?;
    assert_eq!(silent, (422, "reason_missing".to_owned()));
    ask(&world, "resume", &order(&scopes[2], RELEASER)).await?;
    world.until_state(run_no, "released").await?;
    assert_eq!(told(&world).await?, [2; 3]);
    let over = refused(&world, "resume", &order(&scopes[2], RELEASER)).await?;
    assert_eq!(over, (409, "not_paused".to_owned()));
    let over = refused(&world, "pause", &order(&scopes[0], RELEASER)).await?;
    assert_eq!(over, (409, "illegal_transition".to_owned()));
    answer_all(&world).await?;
    world.close().await
}

/// Persons 1 and 17 share a partition, a bank and so a chunk; only the first lives in the province.
#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_paused_province_follow_their_chunk_later() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let mut registry = "citizen_number,full_name,birth_date,sex,province,programme\n".to_owned();
    let mut links = "citizen_number,institution,account_number,holder_name\n".to_owned();
    for number in 1..=17 {
        let province = if number == 1 { "01" } else { "04" };
        registry.push_str(&format!(
            "004048{number:06},Lý Văn Ba,12/05/1948,nam,{province},HTXH\n"
        ));
        let bank = BANKS[0];
        links.push_str(&format!(
            "004048{number:06},{bank},0011004{number:06},LY VAN BA\n"
        ));
    }
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.reserved(Programme::SocialPension).await?;
    let province = json!({ "province": "01" });
    ask(&world, "pause", &order(&province, CHECKER)).await?;
    world.release(run_no).await?;
    until_told(&world, [16, 0, 0]).await?;
    world
        .until("one line is held", async || {
            Ok(world.summary(run_no).await?.held_lines == 1)
        })
        .await?;
    let shown = world.summary(run_no).await?;
    assert_eq!(shown.state, "releasing");
    assert_eq!(shown.held_by_reason[0].reason, "paused");
    answer_all(&world).await?;
    let stop = refused(&world, "stop", &order(&province, RELEASER)).await?;
    assert_eq!(stop, (422, "scope_not_stoppable".to_owned()));
    ask(&world, "resume", &order(&province, RELEASER)).await?;
    until_told(&world, [17, 0, 0]).await?;
    world.until_state(run_no, "released").await?;
    let second = "SELECT count(*) FROM payments.chunks WHERE messages = 2";
    assert_eq!(world.number(second).await?, 1);
    answer_all(&world).await?;
    let shown = world.summary(run_no).await?;
    assert_eq!((shown.credited_lines, shown.held_lines), (17, 0));
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn cash_at_a_paused_commune_waits_for_all_that_pauses_it() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 600_000).await?;
    let registry = "citizen_number,full_name,birth_date,sex,province,commune,programme\n\
        001048000001,Lý Văn Ba,12/05/1948,nam,01,00004,HTXH\n\
        001048000002,Lý Văn Bốn,12/05/1948,nam,01,00004,HTXH\n\
        004048000003,Lý Văn Năm,12/05/1948,nam,04,,HTXH\n";
    world.register(registry).await?;
    let run_no = world.reserved(Programme::SocialPension).await?;
    let (commune, province) = (json!({ "commune": "00004" }), json!({ "province": "01" }));
    ask(&world, "pause", &order(&commune, CHECKER)).await?;
    world.release(run_no).await?;
    let goes = async |released: i64| {
        let what = format!("{released} lines are out");
        let out = async || Ok(world.summary(run_no).await?.released_lines == released);
        world.until(&what, out).await
    };
    goes(1).await?;
    world
        .until("two lines are held", async || {
            Ok(world.summary(run_no).await?.held_lines == 2)
        })
        .await?;
    ask(&world, "pause", &order(&province, CHECKER)).await?;
    let stop = refused(&world, "stop", &order(&commune, RELEASER)).await?;
    assert_eq!(stop, (422, "scope_not_stoppable".to_owned()));
    let answer = ask(&world, "resume", &order(&commune, RELEASER)).await?;
    assert_eq!(answer["lines"], 0, "their province is paused as well");
    let answer = ask(&world, "resume", &order(&province, RELEASER)).await?;
    assert_eq!(answer["lines"], 2);
    goes(3).await?;
    world.until_state(run_no, "released").await?;
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stopped_goes_back_to_the_fund_and_may_be_issued_again() -> anyhow::Result<()> {
    let [a, b, c] = BANKS.map(Some);
    let (world, run_no) = reserved(&[a, a, b, b, c, c]).await?;
    release_in(&world, run_no, json!({ "first": 3 })).await?;
    until_told(&world, [1; 3]).await?;
    let bank = json!({ "institution": BANKS[0] });
    let answer = ask(&world, "stop", &order(&bank, CHECKER)).await?;
    assert_eq!(answer["chunks"], 1);
    world
        .until("the bank's line is stopped", async || {
            Ok(world.summary(run_no).await?.progress.stopped_lines == 1)
        })
        .await?;
    let run = json!({ "run": run_no });
    ask(&world, "stop", &order(&run, CHECKER)).await?;
    world.until_state(run_no, "released").await?;
    let shown = world.summary(run_no).await?;
    assert_eq!((shown.released_lines, shown.progress.stopped_lines), (3, 3));
    let out = shown.released_total;
    assert_eq!(Money::sum([out, shown.progress.stopped_total]), shown.total);
    let year = world.budget_year();
    assert_eq!(world.balance(Account::payable(PROGRAMME)).await?, 0);
    assert_eq!(
        world.balance(Account::commitment(PROGRAMME, year)).await?,
        0
    );
    let budget = ansinh::budget(&world.pool, Some(PROGRAMME), Some(year)).await?;
    let row = &budget[0];
    assert_eq!(row.in_flight, out);
    assert_eq!(Money::sum([row.left, out]), row.appropriated);
    assert_eq!(told(&world).await?, [1; 3], "nothing more went out");
    let stopped = payments::lines(&world.pool, run_no, None, Some("stopped"), 10).await?;
    assert_eq!(stopped.len(), 3);
    answer_all(&world).await?;
    what_was_stopped_is_paid_again(&world, run_no).await?;
    world.close().await
}

/// From the fund that got it back, by a run of its own; nobody else is paid by it.
async fn what_was_stopped_is_paid_again(world: &World, stopped: RunNo) -> anyhow::Result<()> {
    let body = OpenReissue {
        officer: officer(MAKER),
        programme: PROGRAMME,
        period: world.period,
        business_date: world.business_date,
        from: Vec::new(),
        lines: Vec::new(),
    };
    let answer = ask(world, "open-reissue", &to_value(&body)?).await?;
    let again: RunNo = answer["run"].as_str().context("a number")?.parse()?;
    world.until_state(again, "awaiting_approval").await?;
    let first = world.summary(stopped).await?;
    let second = world.summary(again).await?;
    assert_eq!(
        (second.lines, second.total),
        (3, first.progress.stopped_total)
    );
    world.approve(again).await?;
    world.until_state(again, "reserved").await?;
    let payable = world.balance(Account::payable(PROGRAMME)).await?;
    assert_eq!(payable, second.total.units(), "it was committed anew");
    world.release(again).await?;
    until_told(world, [2; 3]).await?;
    for bank in BANKS.map(institution) {
        let instructed = world.instructions(bank).await?.into_iter();
        let instructed = instructed.filter(|it| it.end_to_end_id.run == again);
        world
            .answer(bank, instructed.map(|it| credited(&it)).collect())
            .await?;
    }
    assert_eq!(world.summary(again).await?.credited_lines, 3);
    let problem = refused(world, "open-reissue", &to_value(&body)?).await?;
    assert_eq!(problem, (409, "nothing_to_pay".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_gets_no_more_lines_a_minute_than_it_takes() -> anyhow::Result<()> {
    let [a, b, _] = BANKS.map(Some);
    let (world, run_no) = reserved(&[a, a, a, b]).await?;
    let limit = json!({ "officer": CHECKER, "institution": BANKS[0], "lines_per_minute": 1,
        "holds_from": "2026-01-01T00:00:00Z", "reason": "CV 12/2026" });
    let answer = ask(&world, "limit-institution", &limit).await?;
    let approval = |by: &str| json!({ "officer": by, "limit_no": answer["limit"] });
    let own = refused(&world, "approve-limit", &approval(CHECKER)).await?;
    assert_eq!(own, (403, "same_person".to_owned()));
    ask(&world, "approve-limit", &approval("vo.hoa")).await?;
    world.release(run_no).await?;
    until_told(&world, [1, 1, 0]).await?;
    let (mut now, minute) = (Utc::now(), TimeDelta::minutes(1));
    for lines in [2, 3] {
        assert_eq!(work_at(&world, now).await?, 0, "the minute is not over");
        now += minute;
        assert_eq!(work_at(&world, now).await?, 1);
        assert_eq!(told(&world).await?, [lines, 1, 0]);
        now += TimeDelta::seconds(59);
    }
    world.until_state(run_no, "released").await?;
    answer_all(&world).await?;
    world.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_rejects_too_much_is_paused_by_itself() -> anyhow::Result<()> {
    let [a, b, _] = BANKS.map(Some);
    let (world, run_no) = reserved(&[a, a, a, a, b, b]).await?;
    sqlx::raw_sql(
        "ALTER TABLE payments.breaker_limits DISABLE TRIGGER append_only;
        UPDATE payments.breaker_limits
            SET rejected_percent = 40, last_lines = 10, enough_lines = 2;
        ALTER TABLE payments.breaker_limits ENABLE TRIGGER append_only",
    )
    .execute(&world.pool)
    .await?;
    release_in(&world, run_no, json!({ "first": 4 })).await?;
    until_told(&world, [2, 2, 0]).await?;
    let (bank, other) = (institution(BANKS[0]), institution(BANKS[1]));
    let instructed = world.instructions(other).await?;
    let answers = instructed.iter().map(credited).collect();
    world.answer(other, answers).await?;
    let instructed = world.instructions(bank).await?;
    let answers = vec![credited(&instructed[0]), rejected(&instructed[1])];
    world.answer(bank, answers).await?;
    let alarms = payments::alarms(&world.pool, 10).await?;
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0].kind, "institution_paused");
    let paused = world.summary(run_no).await?.progress.paused;
    assert_eq!(
        paused,
        [
            "institution/970436 by the engine: 1 of the last 2 lines that 970436 answered of \
          R000001 were rejected"
        ]
    );
    let go_on = json!({ "officer": RELEASER, "run_no": run_no });
    ask(&world, "continue-run", &go_on).await?;
    assert_eq!(work_at(&world, Utc::now()).await?, 0);
    assert_eq!(told(&world).await?, [2, 2, 0]);
    let scope = json!({ "institution": BANKS[0] });
    ask(&world, "resume", &order(&scope, RELEASER)).await?;
    world.until_state(run_no, "released").await?;
    assert_eq!(told(&world).await?, [4, 2, 0]);
    // What paused it once does not pause it again.
    let all = world.instructions(bank).await?;
    let is_new = |id| !instructed.iter().any(|it| it.end_to_end_id == id);
    let later = all.iter().filter(|it| is_new(it.end_to_end_id));
    let answers = later.map(credited).collect();
    world.answer(bank, answers).await?;
    assert!(world.summary(run_no).await?.progress.paused.is_empty());
    world.close().await
}
