/// The database's schema, numbered and forward only; grants are part of it.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");
