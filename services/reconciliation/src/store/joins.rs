//! How the database joins, where it cannot know what is best: a table that has just grown has no
//! statistics, and nothing says how many lines are in an array. Each holds until the other is asked for,
//! or the transaction ends.

use sqlx::PgConnection;

use crate::Error;

/// Looks rows up by their keys: a plan made without statistics would read all of a table for each
/// partition. Compiling is off as a join that cannot be avoided and is switched off counts as endless.
pub(crate) async fn look_up_by_key(tx: &mut PgConnection) -> Result<(), Error> {
    let set =
        "SET LOCAL jit = off; SET LOCAL enable_nestloop = on; SET LOCAL enable_hashjoin = off;
        SET LOCAL enable_mergejoin = off; SET LOCAL plan_cache_mode = force_generic_plan";
    sqlx::raw_sql(set).execute(tx).await?;
    Ok(())
}

/// Holds all lines of chunks against one another at once. The planner takes an array it does not know for
/// ten lines and would go through all thousand of a chunk for each entry, so it is shown the arrays: a plan
/// is made for each statement, and not kept from a time when the tables were small.
pub(crate) async fn join_by_hash(tx: &mut PgConnection) -> Result<(), Error> {
    let set =
        "SET LOCAL jit = off; SET LOCAL enable_nestloop = off; SET LOCAL enable_hashjoin = on;
        SET LOCAL enable_mergejoin = off; SET LOCAL plan_cache_mode = force_custom_plan";
    sqlx::raw_sql(set).execute(tx).await?;
    Ok(())
}
