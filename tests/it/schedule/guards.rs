//! What the database refuses of the schedule, whatever a program does.

use payments::{OrderSchedule, Ordered};
use sqlx::PgPool;

use super::{BEFORE, PROGRAMME, a_world, at, catch_up, plan};
use crate::world::{MAKER, officer};

/// The service's own statements that must not be, and the SQLSTATE of why not.
const FORBIDDEN: [(&str, &str, &str); 9] = [
    (
        "what has fired is planned for another day",
        "UPDATE payments.schedule SET pay_day = pay_day + 1 WHERE state = 'fired'",
        "23001",
    ),
    (
        "what has fired is planned again",
        "UPDATE payments.schedule SET state = 'planned', run_no = NULL, settled_at = NULL
            WHERE state = 'fired'",
        "23001",
    ),
    (
        "an opening fires without a run",
        "UPDATE payments.schedule SET state = 'fired', settled_at = now()
            WHERE moment = 'open' AND period = '2027-04-01'",
        "23514",
    ),
    (
        "another month fires with the same run",
        "UPDATE payments.schedule SET state = 'fired', settled_at = now(), run_no = 1
            WHERE moment = 'open' AND period = '2027-04-01'",
        "23505",
    ),
    (
        "a deadline is missed without a reason",
        "UPDATE payments.schedule SET state = 'missed', settled_at = now()
            WHERE moment = 'report' AND period = '2027-04-01'",
        "23514",
    ),
    (
        "a plan is deleted",
        "DELETE FROM payments.schedule",
        "42501",
    ),
    (
        "who ordered approves",
        "UPDATE payments.schedule_orders SET checker = maker, approved_at = now()",
        "23514",
    ),
    (
        "an order says another day",
        "UPDATE payments.schedule_orders SET day = day + 1",
        "42501",
    ),
    (
        "an order of half a kind",
        "INSERT INTO payments.schedule_orders (kind, day, programme, reason, maker, ordered_at)
            VALUES ('pay_day', '2027-05-05', 1, 'QĐ 1', 'nguyen.an', now())",
        "23514",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_has_happened_stays_whatever_a_program_does() -> anyhow::Result<()> {
    let world = a_world().await?;
    plan(&world.pool, PROGRAMME, BEFORE).await?;
    let opened = catch_up(&world.pool, at("2026-12-21T00:00:00Z")).await?;
    assert_eq!(opened.len(), 1);
    let command = OrderSchedule {
        officer: officer(MAKER),
        ordered: Ordered::Day {
            day: "2027-05-04".parse()?,
            is_worked: false,
        },
        reason: "TB 9".to_owned(),
    };
    let mut tx = world.pool.begin().await?;
    payments::order_schedule(&mut tx, command, at(BEFORE)).await?;
    tx.commit().await?;
    let service = world.target.pool(Some("ansinh_payments")).await?;
    for (what, statement, state) in FORBIDDEN {
        assert_eq!(refusal(&service, statement).await?, state, "{what}");
    }
    let approve = "UPDATE payments.schedule_orders SET checker = 'le.binh', approved_at = now()";
    assert_eq!(refusal(&service, approve).await?, "done");
    let anew = "UPDATE payments.schedule_orders SET checker = 'vo.hoa', approved_at = now()";
    assert_eq!(
        refusal(&service, anew).await?,
        "23001",
        "an approval is changed"
    );
    service.close().await;
    world.close().await
}

async fn refusal(pool: &PgPool, statement: &'static str) -> anyhow::Result<String> {
    match sqlx::raw_sql(statement).execute(pool).await {
        Ok(_) => Ok("done".to_owned()),
        Err(sqlx::Error::Database(error)) => Ok(error.code().unwrap_or_default().into_owned()),
        Err(other) => Err(other.into()),
    }
}
