use chrono::{DateTime, Utc};
use domain::{ChunkNo, Commune, LineNo, Money, Part, Period, PersonNo, Position, Programme};
use messaging::Problem;
use privacy::{Access, Field, Granted, Keys, MaskedName, Purpose, Role, Sealed};
use sqlx::{PgConnection, PgPool};

use crate::report::{CashEntry, CashList, CashListQuery};
use crate::{Error, SERVICE};

/// Entries of one list; a run with more is listed by commune.
const ENTRIES_MAX: i64 = 5_000;

/// What is paid in cash at a commune and not cancelled. Each name that it shows, masked or not, is in
/// the log of the person.
///
/// # Errors
/// `run_unknown`, `list_too_long`; what the database says.
pub async fn cash_list(
    pool: &PgPool,
    keys: &Keys,
    query: &CashListQuery,
    now: DateTime<Utc>,
) -> Result<CashList, Error> {
    let mut tx = pool.begin().await?;
    let run_no = query.run_no;
    let run = sqlx::query!(
        r#"SELECT programme, period AS "period: Period" FROM payments.runs WHERE run_no = $1"#,
        run_no.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let unknown = || Problem::new(404, "run_unknown", format!("there is no run {run_no}"));
    let run = run.ok_or_else(unknown)?;
    let rows = rows(&mut tx, query).await?;
    if i64::try_from(rows.len()).is_ok_and(|it| it > ENTRIES_MAX) {
        let detail = format!("a list has {ENTRIES_MAX} entries at most: name a commune");
        return Err(Problem::new(422, "list_too_long", detail).into());
    }
    let mut entries = Vec::with_capacity(rows.len());
    for it in rows {
        let name = name(&mut tx, keys, query, (it.payee_no, &it.holder), now).await?;
        entries.push(CashEntry {
            line: it.line,
            commune: it.commune,
            place: place(it.commune),
            name,
            state: it.state,
            amount: it.amount,
        });
    }
    // Nothing is shown before the log has it.
    tx.commit().await?;
    let total = Money::sum(entries.iter().map(|it| it.amount));
    Ok(CashList {
        run_no,
        programme: Programme::from_number(run.programme).expect("only programmes are stored"),
        period: run.period,
        place: query
            .commune
            .map_or_else(|| "tất cả".to_owned(), |it| place(Some(it))),
        entries,
        total,
        in_words: total.in_words(),
    })
}

/// The full name of a commune; empty where the registry does not say it.
fn place(commune: Option<i32>) -> String {
    let known = commune.and_then(Commune::from_number);
    known.map(Commune::full_name).unwrap_or_default()
}

struct EntryRow {
    line: Position,
    payee_no: PersonNo,
    holder: Sealed,
    commune: Option<i32>,
    state: String,
    amount: Money,
}

async fn rows(tx: &mut PgConnection, query: &CashListQuery) -> Result<Vec<EntryRow>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT l.part AS "part: Part", l.chunk AS "chunk: ChunkNo", l.line AS "line: LineNo",
            coalesce(l.payee_no, l.person_no) AS "payee_no!: PersonNo", l.holder_sealed, l.commune,
            l.amount AS "amount: Money",
            CASE WHEN a.status = 'credited' THEN 'paid'
                WHEN c.released_at IS NULL THEN 'planned' ELSE 'open' END AS "state!"
        FROM payments.chunks c
        JOIN payments.lines l USING (run_no, part, chunk)
        LEFT JOIN payments.results a USING (run_no, part, chunk, line)
        WHERE c.run_no = $1 AND c.channel = 'cash' AND ($2::int IS NULL OR l.commune = $2)
            AND a.status IS DISTINCT FROM 'rejected'
            AND NOT EXISTS (SELECT FROM payments.exceptions x
                WHERE (x.run_no, x.part, x.chunk, x.line)
                        = (l.run_no, l.part, l.chunk, l.line)
                    AND x.kind IN ('held', 'recall', 'withdrawn') AND x.resolved_at IS NULL)
        ORDER BY l.commune, l.part, l.chunk, l.line LIMIT $3
        "#,
        query.run_no.0,
        query.commune,
        ENTRIES_MAX + 1,
    )
    .fetch_all(tx)
    .await?;
    let row = rows.into_iter().map(|it| EntryRow {
        line: Position {
            run: query.run_no,
            part: it.part,
            chunk: it.chunk,
            line: it.line,
        },
        payee_no: it.payee_no,
        holder: Sealed::from(it.holder_sealed),
        commune: it.commune,
        state: it.state,
        amount: it.amount,
    });
    Ok(row.collect())
}

async fn name(
    tx: &mut PgConnection,
    keys: &Keys,
    query: &CashListQuery,
    (payee_no, holder): (PersonNo, &Sealed),
    now: DateTime<Utc>,
) -> Result<String, Error> {
    let access = Access {
        actor: query.officer.as_str(),
        role: Role::Officer,
        purpose: Purpose::PaymentEnquiry,
        case_ref: None,
        person_no: payee_no,
        fields: &[Field::PersonName],
        unmasked: query.unmask,
    };
    let granted: Granted = privacy::record(tx, &access, SERVICE, now).await?;
    let context = payee_no.0.to_be_bytes();
    let masked: MaskedName = granted.mask(keys, &context, holder)?;
    if query.unmask {
        return Ok(masked.unmask(&granted)?.to_owned());
    }
    Ok(masked.to_string())
}
