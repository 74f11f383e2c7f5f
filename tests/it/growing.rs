//! What a deployment on Citus rests on: `deploy/citus` against the catalogue of a migrated database,
//! and the hot path against both. Citus itself is not started here.

mod statements;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::ensure;
use sqlx::{Connection, PgConnection};

use crate::ground::Ground;

/// The tables of `deploy/citus`, by what becomes of them.
struct Classes {
    reference: Vec<String>,
    distributed: Vec<String>,
    coordinator: Vec<String>,
}

impl Classes {
    fn read() -> anyhow::Result<Classes> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/citus");
        let read = |name: &str| std::fs::read_to_string(folder.join(name));
        Ok(Classes {
            reference: named(&read("1-reference.sql")?, "SELECT create_reference_table('"),
            distributed: named(
                &read("2-distributed.sql")?,
                "SELECT create_distributed_table('",
            ),
            coordinator: named(&read("3-coordinator.sql")?, "('"),
        })
    }
}

/// What stands in quotes behind each of these beginnings of a line.
fn named(sql: &str, beginning: &str) -> Vec<String> {
    let lines = sql
        .lines()
        .filter_map(|it| it.trim_start().strip_prefix(beginning));
    let names = lines.filter_map(|it| it.split('\'').next());
    names.map(str::to_owned).collect()
}

const TABLES: &str = "
    SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema$|public$)'";

/// What Citus refuses of distributed tables ($1), beside reference tables ($2); and what a trigger of a
/// shard would get wrong. One row for each place.
const RULES: [(&str, &str); 8] = [
    (
        "part is there, never null, of one type, and not computed",
        "SELECT t FROM unnest($1) t WHERE NOT EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = t::regclass AND a.attname = 'part' AND a.attnotnull
                AND a.atttypid = 'smallint'::regtype AND a.attgenerated = '')
        AND $2::text[] IS NOT NULL",
    ),
    (
        "part is in every key",
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN unnest($1) t
            ON i.indrelid = t::regclass
        WHERE (i.indisunique OR i.indisexclusion) AND NOT EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = i.indrelid AND a.attname = 'part'
                AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1]))
        AND $2::text[] IS NOT NULL",
    ),
    (
        "a foreign key leads to a reference table, or with part to a distributed one",
        "SELECT k.conrelid::regclass || '.' || k.conname FROM pg_constraint k
        WHERE k.contype = 'f' AND k.conrelid = ANY($1::regclass[])
            AND k.confrelid <> ALL($2::regclass[])
            AND NOT (k.confrelid = ANY($1::regclass[]) AND EXISTS (
                SELECT FROM unnest(k.conkey, k.confkey) c (own, other)
                JOIN pg_attribute a ON (a.attrelid, a.attnum, a.attname) = (k.conrelid, c.own, 'part')
                JOIN pg_attribute b ON (b.attrelid, b.attnum, b.attname) = (k.confrelid, c.other, 'part')))",
    ),
    (
        "no other table refers to a distributed one",
        "SELECT k.conrelid::regclass || '.' || k.conname FROM pg_constraint k
        WHERE k.contype = 'f' AND k.confrelid = ANY($1::regclass[])
            AND k.conrelid <> ALL($1::regclass[]) AND $2::text[] IS NOT NULL",
    ),
    (
        "nothing is done to a reference table's row when a local one changes",
        "SELECT k.conrelid::regclass || '.' || k.conname FROM pg_constraint k
        WHERE k.contype = 'f' AND k.conrelid = ANY($2::regclass[])
            AND (k.confdeltype NOT IN ('a', 'r') OR k.confupdtype NOT IN ('a', 'r'))
            AND $1::text[] IS NOT NULL",
    ),
    (
        "a trigger only refuses",
        "SELECT g.tgrelid::regclass || '.' || g.tgname FROM pg_trigger g
        WHERE NOT g.tgisinternal AND g.tgrelid = ANY($1::regclass[] || $2::regclass[])
            AND g.tgfoid <> 'messaging.refuse_change'::regproc",
    ),
    (
        "no row is hidden by a policy, and a shard gives no numbers",
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relrowsecurity
            AND c.oid = ANY($1::regclass[] || $2::regclass[])
        UNION ALL SELECT a.attrelid::regclass || '.' || a.attname FROM pg_attribute a
        WHERE a.attrelid = ANY($1::regclass[]) AND a.attidentity <> ''",
    ),
    (
        "what refuses reads no table",
        "SELECT 'messaging.refuse_change' FROM pg_proc
        WHERE oid = 'messaging.refuse_change'::regproc AND prosrc ~* '\\m(from|into|perform|execute)\\M'
            AND $1::text[] IS NOT NULL AND $2::text[] IS NOT NULL",
    ),
];

const WITH_PART: &str = "
    SELECT a.attrelid::regclass::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE a.attname = 'part' AND c.relkind = 'r'";

/// Views, and what they read.
const VIEWS: &str = "
    SELECT DISTINCT r.ev_class::regclass::text, d.refobjid::regclass::text FROM pg_rewrite r
    JOIN pg_depend d ON (d.classid, d.objid, d.refclassid)
        = ('pg_rewrite'::regclass, r.oid, 'pg_class'::regclass)
    WHERE d.refobjid <> r.ev_class";

#[tokio::test]
async fn the_schema_can_be_distributed_by_partition() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let mut owner = PgConnection::connect(&ground.database_url).await?;
    let classes = Classes::read()?;
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut owner).await?;
    each_in_one_class(&tables, &classes)?;
    one_colocation_group(&classes)?;
    for (rule, query) in RULES {
        let broken: Vec<String> = sqlx::query_scalar(query)
            .bind(&classes.distributed)
            .bind(&classes.reference)
            .fetch_all(&mut owner)
            .await?;
        ensure!(broken.is_empty(), "{rule}: {broken:?}");
    }
    let views: Vec<(String, String)> = sqlx::query_as(VIEWS).fetch_all(&mut owner).await?;
    let with_part: Vec<String> = sqlx::query_scalar(WITH_PART).fetch_all(&mut owner).await?;
    let distributed = with_views(&classes.distributed, &views);
    let mut with_part = with_views(&with_part, &views);
    with_part.retain(|it| !classes.reference.contains(it));
    let crossings = statements::crossings(&distributed, &with_part);
    ensure!(
        crossings.is_empty(),
        "across partitions:\n{}",
        crossings.join("\n")
    );
    println!(
        "{} tables: {} distributed, {} reference, {} of the coordinator",
        tables.len(),
        classes.distributed.len(),
        classes.reference.len(),
        classes.coordinator.len()
    );
    owner.close().await?;
    ground.clear().await
}

fn each_in_one_class(tables: &[String], classes: &Classes) -> anyhow::Result<()> {
    let mut times: BTreeMap<&str, i32> = tables.iter().map(|it| (&it[..], 0)).collect();
    let named = [
        &classes.reference,
        &classes.distributed,
        &classes.coordinator,
    ];
    for table in named.into_iter().flatten() {
        let times = times.get_mut(&table[..]);
        let Some(times) = times else {
            anyhow::bail!("deploy/citus names {table}, which is not there");
        };
        *times += 1;
    }
    times.retain(|_, times| *times != 1);
    ensure!(
        times.is_empty(),
        "deploy/citus says what becomes of a table once: {times:?}"
    );
    Ok(())
}

fn one_colocation_group(classes: &Classes) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/citus");
    let sql = std::fs::read_to_string(folder.join("2-distributed.sql"))?;
    let first = &classes.distributed[0];
    let mut made = sql
        .lines()
        .filter(|it| it.contains("create_distributed_table("));
    ensure!(
        made.next()
            .is_some_and(|it| it.contains("'part', shard_count => "))
    );
    let with = format!("'part', colocate_with => '{first}');");
    let apart: Vec<&str> = made.filter(|it| !it.ends_with(&with)).collect();
    ensure!(apart.is_empty(), "colocated with {first}: {apart:?}");
    Ok(())
}

/// Also the views that read one of these tables, or another such view.
fn with_views(tables: &[String], views: &[(String, String)]) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = tables.iter().cloned().collect();
    loop {
        let reading = views.iter().filter(|(_, read)| found.contains(read));
        let more: Vec<String> = reading.map(|(view, _)| view.clone()).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}
