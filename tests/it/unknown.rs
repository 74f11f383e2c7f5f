//! Lines that no bank answers: it is asked, nothing is sent again, and two officers settle them.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use domain::{EndToEndId, Institution, Money, Part, Programme, RunNo};
use events::{
    Enquiries, Envelope, Event, Instruction, ResultStatus, StandingAtBank, StandingLine, Standings,
};
use ledger::Account;
use payments::{DecideProposal, DecideUnknown, Propose, Proposed, SettleUnknown, UnknownRow};
use serde_json::{Value, to_value};
use uuid::Uuid;

use crate::world::signing::{key_of, sign};
use crate::world::{World, credited, institution, officer, pension, pensioners, rejected};

const PROGRAMME: Programme = Programme::RetirementPension;
const OURS: &str = "970436";
const OTHER: &str = "970405";
const A: &str = "le.binh";
const B: &str = "tran.chi";

/// Five pensioners of a bank that says nothing, asked about twice.
async fn silent_bank() -> anyhow::Result<(World, RunNo, Vec<Instruction>)> {
    let world = World::with_hand_played_banks(|it| {
        it.payments.result_sla_ms = 300;
        it.payments.enquiry_rounds = 2;
        it.payments.enquiry_pause_ms = 200;
    })
    .await?;
    let (registry, links) = pensioners(&[Some(OURS); 5]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    world
        .until("all lines are unknown", async || {
            Ok(world.summary(run_no).await?.unknown_lines == 5)
        })
        .await?;
    let ours = world.instructions(institution(OURS)).await?;
    Ok((world, run_no, ours))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_is_asked_a_few_times_and_then_two_officers_settle_the_line() -> anyhow::Result<()> {
    let (world, run_no, ours) = silent_bank().await?;
    let bank = institution(OURS);
    until_officers(&world, 5).await?;
    each_line_is_asked_about_twice_by_its_own_id(&world, &ours).await?;
    no_standing_is_an_end(&world, &ours).await?;
    what_is_not_settled_so(&world, &ours).await?;

    let at = |index: usize| ours[index].end_to_end_id;
    settle(&world, at(0), ResultStatus::Credited).await?;
    settle(&world, at(1), ResultStatus::Rejected).await?;
    let it = world.summary(run_no).await?;
    assert_eq!(
        (it.credited_lines, it.returned_lines, it.unknown_lines),
        (1, 1, 3)
    );
    let paid = Account::paid(PROGRAMME, "01".parse()?);
    assert_eq!(world.balance(paid).await?, pension(1).units());
    let payable = Account::payable(PROGRAMME);
    assert_eq!(world.balance(payable).await?, pension(2).units());
    let left = Money::sum([pension(3), pension(4), pension(5)]).units();
    let unknown = Account::unknown(PROGRAMME, bank);
    assert_eq!(world.balance(unknown).await?, left);

    the_bank_contradicts_what_officers_settled(&world, run_no, &ours).await?;
    // An answer that comes after all needs no officer.
    world.answer(bank, vec![rejected(&ours[2])]).await?;
    assert_eq!(open(&world).await?.len(), 2);
    world.close().await
}

async fn until_officers(world: &World, lines: usize) -> anyhow::Result<()> {
    world
        .until("what is unknown waits for officers", async || {
            let open = open(world).await?;
            let handed_over = open.iter().filter(|it| it.enquire_at.is_none());
            Ok(handed_over.count() == lines)
        })
        .await
}

async fn open(world: &World) -> anyhow::Result<Vec<UnknownRow>> {
    Ok(payments::unknown(&world.pool, &[], 1_000).await?)
}

/// In the sequence of the instructions, behind them, and nothing is instructed a second time.
async fn each_line_is_asked_about_twice_by_its_own_id(
    world: &World,
    ours: &[Instruction],
) -> anyhow::Result<()> {
    let mut asked: Vec<(EndToEndId, i16, Money)> = Vec::new();
    for message in enquiries(world, institution(OURS)).await? {
        assert!(message.lines.len() <= 1_000);
        for it in message.lines {
            assert_eq!(it.business_date, world.business_date);
            asked.push((it.end_to_end_id, it.round, it.amount));
        }
    }
    asked.sort_unstable_by_key(|(id, round, _)| (*id, *round));
    let mut expected: Vec<_> = ours
        .iter()
        .flat_map(|it| [1, 2].map(|round| (it.end_to_end_id, round, it.amount)))
        .collect();
    expected.sort_unstable_by_key(|(id, round, _)| (*id, *round));
    assert_eq!(asked, expected);
    assert_eq!(world.instructions(institution(OURS)).await?.len(), 5);
    let kept = "SELECT count(*) FROM payments.enquiries";
    assert_eq!(world.number(kept).await?, 10);
    let pauses: Vec<(DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT a.asked_at, b.asked_at FROM payments.enquiries a
        JOIN payments.enquiries b USING (run_no, part, chunk, line)
        WHERE (a.round, b.round) = (1, 2)",
    )
    .fetch_all(&world.pool)
    .await?;
    for (first, second) in pauses {
        assert!(
            (second - first).num_milliseconds() >= 200,
            "{first} {second}"
        );
    }
    Ok(())
}

async fn enquiries(world: &World, bank: Institution) -> anyhow::Result<Vec<Enquiries>> {
    let bodies: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT body FROM messaging.outbox WHERE speaker = $1 ORDER BY part, seq",
    )
    .bind(events::bank_out(bank))
    .fetch_all(&world.pool)
    .await?;
    let mut found = Vec::new();
    for body in bodies {
        let envelope = Envelope::parse(&body)?;
        if envelope.is::<Enquiries>() {
            found.push(envelope.read()?);
        }
    }
    Ok(found)
}

/// Whatever a bank says short of an end is kept and shown, and moves nothing.
async fn no_standing_is_an_end(world: &World, ours: &[Instruction]) -> anyhow::Result<()> {
    let books = ledger::trial_balance(&world.pool).await?;
    let words = [
        StandingAtBank::NotReceived,
        StandingAtBank::Received,
        StandingAtBank::Pending,
    ];
    for (it, word) in ours.iter().zip(words) {
        say_standing(world, institution(OURS), it.end_to_end_id, word).await?;
    }
    let other = say_standing(
        world,
        institution(OTHER),
        ours[4].end_to_end_id,
        StandingAtBank::NotReceived,
    );
    assert_eq!(other.await?, Some("not_your_payment".to_owned()));
    let mut never = ours[0].end_to_end_id;
    never.run = RunNo(999);
    let never = say_standing(world, institution(OURS), never, StandingAtBank::Pending).await?;
    assert_eq!(never, Some("unknown_payment".to_owned()));

    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    let open = open(world).await?;
    let said = |index: usize| {
        let id = ours[index].end_to_end_id;
        open.iter().find(|it| it.end_to_end_id == id)?.said
    };
    assert_eq!([said(0), said(1), said(2)], words.map(Some));
    assert_eq!((said(3), said(4)), (None, None));
    Ok(())
}

/// Gives back why nobody waited for it.
async fn say_standing(
    world: &World,
    bank: Institution,
    id: EndToEndId,
    standing: StandingAtBank,
) -> anyhow::Result<Option<String>> {
    let message = Standings {
        institution: bank,
        part: id.part,
        message_id: format!("S{}", Uuid::now_v7().simple()),
        lines: vec![StandingLine {
            end_to_end_id: id,
            standing,
        }],
    };
    world.say(vec![Event::of(&message, Utc::now())]).await?;
    let code = sqlx::query_scalar("SELECT code FROM payments.standings WHERE message_id = $1");
    Ok(code.bind(message.message_id).fetch_one(&world.pool).await?)
}

async fn what_is_not_settled_so(world: &World, ours: &[Instruction]) -> anyhow::Result<()> {
    let line = ours[0].end_to_end_id;
    let sound = proposal(line, ResultStatus::Credited);
    let mut without = sound.clone();
    without.evidence = "  ".to_owned();
    let mut early = sound.clone();
    early.booked_on = world.business_date.pred_opt();
    let mut never = sound.clone();
    never.line.run = RunNo(999);
    for (body, code) in [
        (&without, "evidence_missing"),
        (&early, "booked_too_early"),
        (&never, "not_unknown"),
    ] {
        assert_eq!(refused(world, "settle-unknown", body).await?, code);
    }
    let accept = decision(line, B, true);
    assert_eq!(
        refused(world, "decide-unknown", &accept).await?,
        "settlement_unknown"
    );
    ask(world, "settle-unknown", &sound).await?;
    assert_eq!(
        refused(world, "settle-unknown", &sound).await?,
        "settlement_open"
    );
    let alone = decision(line, A, true);
    assert_eq!(
        refused(world, "decide-unknown", &alone).await?,
        "same_person"
    );
    // The database says so too, whoever asks it.
    let forged = sqlx::query(
        "INSERT INTO payments.settlement_decisions
            (settlement_no, proposed_by, officer, accepted, decided_at)
        SELECT settlement_no, officer, officer, true, now() FROM payments.settlements",
    );
    let error = forged.execute(&world.pool).await.expect_err("refused");
    let constraint = error.as_database_error().and_then(|it| it.constraint());
    assert_eq!(constraint, Some("settled_by_two"));
    let no = decision(line, B, false);
    assert_eq!(
        refused(world, "decide-unknown", &no).await?,
        "reason_missing"
    );
    let no = DecideUnknown {
        reason: Some("chưa có văn bản".to_owned()),
        ..no
    };
    ask(world, "decide-unknown", &no).await?;
    assert_eq!(open(world).await?.len(), 5, "nothing is settled yet");
    Ok(())
}

/// What was settled first stands; the bank's word is kept and a case, and no money moves.
async fn the_bank_contradicts_what_officers_settled(
    world: &World,
    run_no: RunNo,
    ours: &[Instruction],
) -> anyhow::Result<()> {
    let bank = institution(OURS);
    let books = ledger::trial_balance(&world.pool).await?;
    world.answer(bank, vec![rejected(&ours[0])]).await?;
    world.answer(bank, vec![rejected(&ours[1])]).await?;
    assert_eq!(ledger::trial_balance(&world.pool).await?, books);
    let codes: Vec<String> =
        sqlx::query_scalar("SELECT code FROM payments.result_refusals ORDER BY end_to_end_id")
            .fetch_all(&world.pool)
            .await?;
    let mut expected = vec![
        (ours[0].end_to_end_id, "contradicting_result"),
        (ours[1].end_to_end_id, "duplicate_result"),
    ];
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|(_, code)| code).collect();
    assert_eq!(codes, expected);
    let cases = payments::exceptions(&world.pool, run_no, 100).await?;
    let contradicted = cases.iter().filter(|it| it.kind == "contradicted");
    let contradicted: Vec<_> = contradicted.map(|it| it.end_to_end_id).collect();
    assert_eq!(contradicted, [Some(ours[0].end_to_end_id)]);
    // Both words are there: the officers' as the line's answer, the bank's with its message.
    let first: (String, String) = sqlx::query_as(
        "SELECT status, message_id FROM payments.results WHERE message_id LIKE 'settlement/%'
        ORDER BY message_id LIMIT 1",
    )
    .fetch_one(&world.pool)
    .await?;
    assert_eq!(first, ("credited".to_owned(), "settlement/2".to_owned()));
    world
        .until_heard("reconciliation", events::PAYMENTS)
        .await?;
    let kept = "SELECT count(*) FROM reconciliation.contradictions";
    assert_eq!(world.number(kept).await?, 1);
    two_officers_let_the_first_answer_stand(world, ours).await
}

/// By a document of the institution, and only as the line ended first.
async fn two_officers_let_the_first_answer_stand(
    world: &World,
    ours: &[Instruction],
) -> anyhow::Result<()> {
    let of = |index: usize, status| Propose {
        officer: officer(A),
        proposed: Proposed::FirstAnswer {
            line: ours[index].end_to_end_id,
            status,
            basis: "CV 12/VCB".to_owned(),
        },
        reason: "đã đối chiếu".to_owned(),
    };
    for (index, status, code) in [
        (0, ResultStatus::Rejected, "not_the_first_answer"),
        (1, ResultStatus::Rejected, "contradiction_unknown"),
    ] {
        assert_eq!(refused(world, "propose", &of(index, status)).await?, code);
    }
    let answer = ask(world, "propose", &of(0, ResultStatus::Credited)).await?;
    let proposal_no = answer["proposal"].as_i64().context("a number")?;
    let row = payments::proposals(&world.pool, Some(proposal_no), 1)
        .await?
        .remove(0);
    for (by, code) in [(A, Some("same_person")), (B, None)] {
        world.register_key(by).await?;
        let body = DecideProposal {
            officer: officer(by),
            proposal_no,
            accept: true,
            reason: None,
            signature: Some(sign(&key_of(by), &row.decision(true, officer(by)))),
        };
        match code {
            Some(code) => assert_eq!(refused(world, "decide-proposal", &body).await?, code),
            None => drop(ask(world, "decide-proposal", &body).await?),
        }
    }
    let open = "SELECT count(*) FROM payments.exceptions
        WHERE kind = 'contradicted' AND resolved_at IS NULL";
    assert_eq!(world.number(open).await?, 0);
    Ok(())
}

/// While its bank is asked, nobody settles a line, and no bank speaks in the officers' name.
#[tokio::test(flavor = "multi_thread")]
async fn a_line_is_its_banks_while_it_is_asked() -> anyhow::Result<()> {
    let world = World::with_hand_played_banks(|it| it.payments.result_sla_ms = 300).await?;
    let (registry, links) = pensioners(&[Some(OURS); 2]);
    world.register(registry).await?;
    world.link(links).await?;
    let run_no = world.released(PROGRAMME).await?;
    let bank = institution(OURS);
    world
        .until("both lines were asked about", async || {
            Ok(enquiries(&world, bank).await?.len() == 2)
        })
        .await?;
    let ours = world.instructions(bank).await?;
    let body = proposal(ours[0].end_to_end_id, ResultStatus::Credited);
    assert_eq!(
        refused(&world, "settle-unknown", &body).await?,
        "enquiry_open"
    );

    let mut message =
        crate::world::results(bank, ours[0].end_to_end_id.part, vec![credited(&ours[0])]);
    "settlement/1".clone_into(&mut message.message_id);
    world.say(vec![Event::of(&message, Utc::now())]).await?;
    let elsewhere = Part::all().find(|it| *it != ours[1].end_to_end_id.part);
    let standings = Standings {
        institution: bank,
        part: elsewhere.context("there are sixteen")?,
        message_id: "S1".to_owned(),
        lines: vec![StandingLine {
            end_to_end_id: ours[1].end_to_end_id,
            standing: StandingAtBank::Received,
        }],
    };
    world.say(vec![Event::of(&standings, Utc::now())]).await?;
    assert_eq!(world.summary(run_no).await?.unknown_lines, 2);
    world.close_with_parked(2).await
}

fn proposal(line: EndToEndId, settled_as: ResultStatus) -> SettleUnknown {
    SettleUnknown {
        officer: officer(A),
        line,
        settled_as,
        evidence: "CV 12/NH".to_owned(),
        booked_on: None::<NaiveDate>,
    }
}

fn decision(line: EndToEndId, by: &str, accept: bool) -> DecideUnknown {
    DecideUnknown {
        officer: officer(by),
        line,
        accept,
        reason: None,
        signature: None,
    }
}

async fn settle(world: &World, line: EndToEndId, end: ResultStatus) -> anyhow::Result<()> {
    ask(world, "settle-unknown", &proposal(line, end)).await?;
    ask(world, "decide-unknown", &decision(line, B, true)).await?;
    Ok(())
}

async fn ask(world: &World, command: &str, body: &impl serde::Serialize) -> anyhow::Result<Value> {
    let key = format!("test-{}", Uuid::now_v7());
    world.ask(command, &key, &to_value(body)?).await
}

/// The code of the refusal.
async fn refused(
    world: &World,
    command: &str,
    body: &impl serde::Serialize,
) -> anyhow::Result<String> {
    let key = format!("test-{}", Uuid::now_v7());
    Ok(world.refused(command, &key, &to_value(body)?).await?.code)
}
