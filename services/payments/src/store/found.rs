//! What our books have of the lines that a bank names.

use std::collections::{BTreeMap, HashMap};

use domain::{
    ChunkNo, Institution, LineNo, Money, Part, Period, PersonNo, Position, Programme, Province,
    RunNo,
};
use events::ResultStatus;
use sqlx::PgConnection;

use super::{deduction_of, institution_of, programme_of, province_of};
use crate::Error;
use crate::recovery::Deduction;
use crate::result::{Found, Standing};

/// A line that a result names, as our books have it.
#[derive(Debug)]
pub(crate) struct FoundLine {
    pub found: Found,
    pub person_no: PersonNo,
    pub programme: Programme,
    pub province: Province,
    pub is_arrears: bool,
    pub deduction: Option<Deduction>,
    /// The withdrawal for which the institution was asked to give it back.
    pub recall: Option<i64>,
}

/// Lines of a chunk from the first to the last that are named. A message names most of those between
/// them: reading the others too is less than looking each up.
#[derive(Clone, Copy)]
struct Stretch {
    first: i32,
    last: i32,
}

impl Stretch {
    fn of(line: LineNo) -> Stretch {
        Stretch {
            first: line.0,
            last: line.0,
        }
    }

    fn take(&mut self, line: LineNo) {
        self.first = self.first.min(line.0);
        self.last = self.last.max(line.0);
    }
}

/// Finds lines by their positions, chunk after chunk, and others that stand between them.
pub(crate) async fn find_lines(
    tx: &mut PgConnection,
    part: Part,
    positions: &[Position],
) -> Result<HashMap<Position, FoundLine>, Error> {
    let mut chunks: BTreeMap<(RunNo, ChunkNo), Stretch> = BTreeMap::new();
    for at in positions {
        let stretch = chunks.entry((at.run, at.chunk));
        stretch
            .and_modify(|it| it.take(at.line))
            .or_insert(Stretch::of(at.line));
    }
    let mut found = HashMap::with_capacity(positions.len());
    for ((run, chunk), lines) in chunks {
        let Some(named) = find_chunk(tx, run, part, chunk).await? else {
            continue;
        };
        let (standing, recalls) = standing_of(tx, (run, part, chunk), lines).await?;
        let rows = sqlx::query!(
            r#"
            SELECT line AS "line: LineNo", person_no AS "person_no: PersonNo",
                amount AS "amount: Money", deducted AS "deducted: Money", recovery_no, province,
                period <> $6 AS "is_arrears!"
            FROM payments.lines
            WHERE run_no = $1 AND part = $2 AND chunk = $3 AND line BETWEEN $4 AND $5
            "#,
            run.0,
            part.number(),
            chunk.0,
            lines.first,
            lines.last,
            named.period.first_day(),
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in rows {
            let line = row.line;
            let standing = match standing.get(&line) {
                _ if !named.released => Standing::NotReleased,
                Some(standing) => *standing,
                None => Standing::InTransit,
            };
            let known = FoundLine {
                found: Found {
                    institution: named.institution,
                    amount: row.amount,
                    standing,
                },
                person_no: row.person_no,
                programme: named.programme,
                province: province_of(row.province),
                is_arrears: row.is_arrears,
                deduction: deduction_of(row.recovery_no, row.deducted),
                recall: recalls.get(&line).copied(),
            };
            let at = Position {
                run,
                part,
                chunk,
                line,
            };
            found.insert(at, known);
        }
    }
    Ok(found)
}

/// What all lines of a chunk share.
struct NamedChunk {
    institution: Institution,
    programme: Programme,
    /// The run's own.
    period: Period,
    released: bool,
}

async fn find_chunk(
    tx: &mut PgConnection,
    run: RunNo,
    part: Part,
    chunk: ChunkNo,
) -> Result<Option<NamedChunk>, Error> {
    let row = sqlx::query!(
        r#"
        SELECT c.institution, r.programme, r.period AS "period: Period", c.released_at IS NOT NULL AS "released!"
        FROM payments.chunks c JOIN payments.runs r USING (run_no)
        WHERE c.run_no = $1 AND c.part = $2 AND c.chunk = $3
        "#,
        run.0,
        part.number(),
        chunk.0,
    )
    .fetch_optional(tx)
    .await?;
    Ok(row.map(|it| NamedChunk {
        institution: institution_of(it.institution),
        programme: programme_of(it.programme),
        period: it.period,
        released: it.released,
    }))
}

/// Where lines stand that are answered, held, or unknown; of the others nothing is known yet. And
/// which of them were asked back, for which withdrawal.
async fn standing_of(
    tx: &mut PgConnection,
    (run, part, chunk): (RunNo, Part, ChunkNo),
    lines: Stretch,
) -> Result<(HashMap<LineNo, Standing>, HashMap<LineNo, i64>), Error> {
    let (mut standing, mut recalls) = (HashMap::new(), HashMap::new());
    let exceptions = sqlx::query!(
        r#"
        SELECT line AS "line!: LineNo", kind AS "kind!", withdrawal_no FROM payments.exceptions
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND line BETWEEN $4 AND $5
            AND kind IN ('held', 'unknown', 'recall', 'stopped') AND resolved_at IS NULL
        UNION ALL
        SELECT n.line, 'later', NULL FROM payments.later_lines n
        JOIN payments.chunks c USING (run_no, part, chunk)
        WHERE n.run_no = $1 AND n.part = $2 AND n.chunk = $3 AND n.line BETWEEN $4 AND $5
            AND n.message >= c.messages
        "#,
        run.0,
        part.number(),
        chunk.0,
        lines.first,
        lines.last,
    )
    .fetch_all(&mut *tx)
    .await?;
    for it in exceptions.iter().filter(|it| it.kind == "unknown") {
        standing.insert(it.line, Standing::Unknown);
    }
    for it in exceptions.iter().filter(|it| it.kind == "recall") {
        recalls.extend(it.withdrawal_no.map(|number| (it.line, number)));
    }
    let answered = sqlx::query!(
        r#"
        SELECT line AS "line: LineNo", status AS "status: ResultStatus" FROM payments.results
        WHERE run_no = $1 AND part = $2 AND chunk = $3 AND line BETWEEN $4 AND $5
        "#,
        run.0,
        part.number(),
        chunk.0,
        lines.first,
        lines.last,
    )
    .fetch_all(tx)
    .await?;
    for it in answered {
        standing.insert(it.line, Standing::Answered(it.status));
    }
    // A line set aside never left, whatever a bank says of it.
    let aside = ["held", "stopped", "later"];
    for it in exceptions.iter().filter(|it| aside.contains(&&it.kind[..])) {
        standing.insert(it.line, Standing::NotReleased);
    }
    Ok((standing, recalls))
}
