use chrono::NaiveDate;
use domain::{Part, PersonNo, Programme, RunNo};
use sqlx::PgConnection;

use crate::Error;
use crate::destination::Destination;

/// Which way one line of a run goes.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    pub person_no: PersonNo,
    pub determination_no: i16,
    pub destination: &'a Destination,
}

pub(crate) async fn insert_run(
    tx: &mut PgConnection,
    run_no: RunNo,
    programme: Programme,
    period: NaiveDate,
) -> Result<(), Error> {
    sqlx::query!(
        r#"
        INSERT INTO accounts.runs (run_no, programme, period) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING
        "#,
        run_no.0,
        programme.number(),
        period,
    )
    .execute(tx)
    .await?;
    Ok(())
}

pub(crate) async fn insert_ways(
    tx: &mut PgConnection,
    run_no: RunNo,
    part: Part,
    ways: impl Iterator<Item = Way<'_>>,
) -> Result<(), Error> {
    let mut copied = bulk::Rows::into(
        "COPY accounts.ways (run_no, part, person_no, determination_no, payee_no, means, hold)
            FROM STDIN (FORMAT binary)",
        7,
    );
    for way in ways {
        let destination = way.destination;
        copied
            .row()
            .with(run_no.0)
            .with(part.number())
            .with(way.person_no.0)
            .with(way.determination_no)
            .with(destination.payee_no.0)
            .with(destination.means.as_str())
            .with(destination.hold.as_ref().map(|it| it.reason.code()))
            .end();
    }
    copied.send(tx).await?;
    Ok(())
}
