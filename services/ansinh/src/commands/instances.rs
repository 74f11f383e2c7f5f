use std::process::ExitCode;

use crate::cli::Shared;
use crate::output::{Failure, show, table};
use crate::target::Target;

/// Which instance does what, a unit a row.
pub(super) async fn instances(shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let leases = messaging::leases(&target.pool(None).await?).await?;
    show(shared.output, &leases, |leases| {
        let rows = leases.iter().map(|it| {
            let holder = it.instance.filter(|_| it.is_held);
            [
                it.unit.clone(),
                holder.map_or_else(|| "nobody".to_owned(), |it| it.to_string()),
                boot::clock::in_vietnam(it.taken_at)
                    .format("%Y-%m-%d %H:%M:%S")
                    .to_string(),
                it.epoch.to_string(),
            ]
        });
        table(&["unit", "instance", "since", "epoch"], 3, rows)
    })?;
    Ok(ExitCode::SUCCESS)
}
