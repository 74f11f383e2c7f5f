//! A function in the database that is called for each transfer; ours, in the shape of pgledger's.

use std::ops::Range;

use domain::Province;
use sqlx::PgPool;

use crate::{AMOUNT, BATCH, CONNECTIONS, database};

pub struct Books {
    pool: PgPool,
}

impl Books {
    pub async fn open(url: &str) -> anyhow::Result<Books> {
        let pool = database::pool(&database::fresh(url, "peer_pgledger").await?).await?;
        sqlx::raw_sql(include_str!("pgledger.sql"))
            .execute(&pool)
            .await?;
        let provinces: Vec<i16> = Province::all().map(Province::number).collect();
        let open = "INSERT INTO peer.accounts (name, may_be_negative)
            SELECT part || '/' || province, province = 0
            FROM generate_series(0, $1 - 1) AS part, unnest($2 || 0::smallint) AS province";
        sqlx::query(open)
            .bind(i32::from(CONNECTIONS))
            .bind(&provinces)
            .execute(&pool)
            .await?;
        Ok(Books { pool })
    }

    /// A batch is one statement and one transaction.
    pub async fn post(&self, part: i16, batches: Range<u32>) -> anyhow::Result<()> {
        let accounts = "SELECT account_id FROM peer.accounts WHERE name LIKE $1 || '/%'
            ORDER BY may_be_negative DESC, account_id";
        let accounts: Vec<i64> = sqlx::query_scalar(accounts)
            .bind(part.to_string())
            .fetch_all(&self.pool)
            .await?;
        let payees = accounts[1..].iter().copied().cycle();
        let payees: Vec<i64> = payees.take(BATCH as usize).collect();
        for _ in batches {
            sqlx::query("SELECT peer.move($1, payee, $3::numeric) FROM unnest($2) AS payee")
                .bind(accounts[0])
                .bind(&payees)
                .bind(i64::from(AMOUNT))
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    pub async fn moved(&self) -> anyhow::Result<u64> {
        let moved = "SELECT -sum(balance)::bigint FROM peer.accounts WHERE may_be_negative";
        let moved: i64 = sqlx::query_scalar(moved).fetch_one(&self.pool).await?;
        Ok(moved.unsigned_abs())
    }
}
