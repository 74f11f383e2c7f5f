//! What the database refuses whatever a program does.

use sqlx::{Connection, PgConnection};

use crate::ground::Ground;

#[tokio::test]
async fn what_is_recorded_is_changed_by_nobody() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let mut owner = PgConnection::connect(&ground.database_url).await?;
    let kept: Vec<(String, String)> = sqlx::query_as(
        "SELECT n.nspname::text, c.relname::text FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE t.tgname = 'append_only' ORDER BY 1, 2",
    )
    .fetch_all(&mut owner)
    .await?;
    let names: Vec<String> = kept
        .iter()
        .map(|(it, table)| format!("{it}.{table}"))
        .collect();
    assert_eq!(names, APPEND_ONLY);
    for (schema, table) in &kept {
        let service = if [
            "approval",
            "ledger",
            "messaging",
            "privacy",
            "proof",
            "audit",
        ]
        .contains(&&schema[..])
        {
            "payments"
        } else {
            schema
        };
        for change in [
            "UPDATE # SET #column = #column",
            "DELETE FROM #",
            "TRUNCATE # CASCADE",
        ] {
            let column: String = sqlx::query_scalar(
                "SELECT column_name::text FROM information_schema.columns
                WHERE (table_schema, table_name) = ($1, $2)
                ORDER BY ordinal_position DESC LIMIT 1",
            )
            .bind(schema)
            .bind(table)
            .fetch_one(&mut owner)
            .await?;
            let change = change
                .replace("#column", &column)
                .replace('#', &format!("{schema}.{table}"));
            // restrict_violation: the trigger. insufficient_privilege: no grant.
            assert_eq!(
                refusal(&mut owner, None, &change).await?,
                "23001",
                "{change}"
            );
            assert_eq!(
                refusal(&mut owner, Some(service), &change).await?,
                "42501",
                "{change}"
            );
        }
    }
    owner.close().await?;
    ground.clear().await
}

const APPEND_ONLY: [&str; 106] = [
    "accounts.alarms",
    "accounts.authorities",
    "accounts.authority_ends",
    "accounts.bank_lists",
    "accounts.identity_tokens",
    "accounts.link_steps",
    "accounts.links",
    "accounts.notices",
    "accounts.old_numbers",
    "accounts.runs",
    "accounts.subject_request_steps",
    "accounts.subject_requests",
    "accounts.verification_refusals",
    "accounts.ways",
    "approval.decisions",
    "approval.officer_key_ends",
    "approval.officer_keys",
    "audit.admissions",
    "audit.queries",
    "eligibility.determinations",
    "eligibility.law_files",
    "eligibility.life_events",
    "eligibility.revocations",
    "eligibility.withdrawals",
    "ledger.accounts",
    "ledger.journals",
    "ledger.transfers",
    "messaging.files",
    "messaging.organisation_key_confirmations",
    "messaging.organisation_key_ends",
    "messaging.organisation_keys",
    "messaging.outbox",
    "messaging.received",
    "messaging.refused",
    "payments.alarms",
    "payments.answers",
    "payments.appropriations",
    "payments.approval_levels",
    "payments.attempts",
    "payments.breaker_limits",
    "payments.breaks",
    "payments.cash_returns",
    "payments.cash_terms",
    "payments.delegation_ends",
    "payments.delegations",
    "payments.differences",
    "payments.editors",
    "payments.enquiries",
    "payments.forecasts",
    "payments.funded_lines",
    "payments.funding_sums",
    "payments.fundings",
    "payments.givings_back",
    "payments.guard_answers",
    "payments.guard_limits",
    "payments.instalments",
    "payments.later_lines",
    "payments.lines",
    "payments.needs",
    "payments.netting_caps",
    "payments.nettings",
    "payments.obligations",
    "payments.proposal_decisions",
    "payments.proposals",
    "payments.recoveries",
    "payments.release_orders",
    "payments.repayments",
    "payments.result_refusals",
    "payments.results",
    "payments.returns",
    "payments.schedule_steps",
    "payments.settlement_decisions",
    "payments.settlements",
    "payments.standings",
    "payments.stops",
    "payments.unclaimed",
    "payments.upheld_results",
    "payments.wave_openings",
    "payments.waves",
    "payments.withdrawals",
    "payments.write_offs",
    "privacy.access_log",
    "proof.checkpoints",
    "proof.entries",
    "proof.leaves",
    "proof.secrets",
    "proof.time_stamps",
    "reconciliation.answered_chunks",
    "reconciliation.breaks",
    "reconciliation.chunks",
    "reconciliation.clearings",
    "reconciliation.closings",
    "reconciliation.contradictions",
    "reconciliation.decisions",
    "reconciliation.entries",
    "reconciliation.freezes",
    "reconciliation.instructed_chunks",
    "reconciliation.matched_parts",
    "reconciliation.matches",
    "reconciliation.pages",
    "reconciliation.proposal_lines",
    "reconciliation.proposals",
    "reconciliation.refusals",
    "reconciliation.resolutions",
    "reconciliation.rule_hits",
    "reconciliation.thaws",
];

#[tokio::test]
async fn no_service_reads_its_neighbours_tables() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let mut owner = PgConnection::connect(&ground.database_url).await?;
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT schemaname::text, tablename::text FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'public', 'messaging')",
    )
    .fetch_all(&mut owner)
    .await?;
    assert!(tables.len() > 30, "{tables:?}");
    for service in [
        "eligibility",
        "accounts",
        "payments",
        "reconciliation",
        "sandbox",
    ] {
        for (schema, table) in &tables {
            let read = format!("SELECT FROM {schema}.{table}");
            // Whoever shows people writes the log of it, and whoever decides verifies by the same
            // keys; the outside world does neither.
            let ours = schema == service
                || (service == "payments" && schema == "ledger")
                || (service == "payments" && (&schema[..], &table[..]) == ("proof", "checkpoints"))
                || (service != "sandbox" && ["privacy", "approval"].contains(&&schema[..]));
            let expected = if ours { "done" } else { "42501" };
            assert_eq!(
                refusal(&mut owner, Some(service), &read).await?,
                expected,
                "{service}: {read}"
            );
        }
    }
    owner.close().await?;
    ground.clear().await
}

/// Books and log: no role that a program logs in as changes, removes, or redefines what is there.
#[tokio::test]
async fn no_role_changes_books_or_log() -> anyhow::Result<()> {
    let ground = Ground::new().await?;
    let mut owner = PgConnection::connect(&ground.database_url).await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT schemaname || '.' || tablename FROM pg_tables
        WHERE schemaname IN ('ledger', 'proof') ORDER BY 1",
    )
    .fetch_all(&mut owner)
    .await?;
    assert!(tables.len() >= 11, "{tables:?}");
    let roles: Vec<String> = sqlx::query_scalar(
        "SELECT substr(rolname, 8) FROM pg_roles WHERE rolname LIKE 'ansinh\\_%' ORDER BY 1",
    )
    .fetch_all(&mut owner)
    .await?;
    assert!(roles.len() >= 6, "{roles:?}");
    // Sums and places move on; what they are made of does not.
    let moved = [
        ("payments", "ledger.balances"),
        ("payments", "ledger.heads"),
        ("audit", "proof.sealed"),
    ];
    for role in &roles {
        for table in &tables {
            let column: String = sqlx::query_scalar(
                "SELECT attname::text FROM pg_attribute
                WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped LIMIT 1",
            )
            .bind(table)
            .fetch_one(&mut owner)
            .await?;
            for change in [
                format!("UPDATE {table} SET {column} = {column}"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table} CASCADE"),
                format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
                format!("ALTER TABLE {table} ADD COLUMN more int"),
                format!("DROP TABLE {table} CASCADE"),
                format!(
                    "CREATE TRIGGER mine BEFORE INSERT ON {table}
                    FOR EACH ROW EXECUTE FUNCTION messaging.refuse_change()"
                ),
            ] {
                let may = change.starts_with("UPDATE") && moved.contains(&(&role[..], &table[..]));
                let expected = if may { "done" } else { "42501" };
                let told = refusal(&mut owner, Some(role), &change).await?;
                assert_eq!(told, expected, "{role}: {change}");
            }
        }
        for change in [
            "SET LOCAL session_replication_role = replica",
            "CREATE TABLE proof.more (it int)",
            "CREATE OR REPLACE FUNCTION proof.salt(lane smallint, seq bigint) RETURNS bytea
                LANGUAGE sql AS 'SELECT NULL::bytea'",
            "SELECT proof.salt(0::smallint, 1)",
            "SELECT * FROM proof.secrets",
        ] {
            let told = refusal(&mut owner, Some(role), change).await?;
            assert_eq!(told, "42501", "{role}: {change}");
        }
    }
    owner.close().await?;
    ground.clear().await
}

/// What the server answers to a statement of the owner, or of a service: an SQLSTATE, or `done`.
async fn refusal(
    owner: &mut PgConnection,
    service: Option<&str>,
    statement: &str,
) -> anyhow::Result<String> {
    let role = service.map_or("NONE".to_owned(), |it| format!("ansinh_{it}"));
    let mut tx = owner.begin().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET LOCAL ROLE {role}")))
        .execute(&mut *tx)
        .await?;
    let tried = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&mut *tx)
        .await;
    tx.rollback().await?;
    match tried {
        Ok(_) => Ok("done".to_owned()),
        Err(sqlx::Error::Database(error)) => Ok(error.code().unwrap_or_default().into_owned()),
        Err(other) => Err(other.into()),
    }
}
