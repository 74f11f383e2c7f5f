use std::process::ExitCode;

use crate::check::{Invariant, check_all};
use crate::cli::{Output, Shared};
use crate::output::{Failure, grouped, print};
use crate::target::Target;

pub(super) async fn check(shared: &Shared) -> Result<ExitCode, Failure> {
    let target = Target::find(&shared.home)?;
    let invariants = check_all(&target.pool(None).await?).await?;
    match shared.output {
        Output::Json => print(&serde_json::to_string_pretty(&invariants)?),
        Output::Table => tell(&invariants),
    }
    verdict(&invariants)
}

/// One line an invariant, and a line for each place where it does not hold.
pub(super) fn tell(invariants: &[Invariant]) {
    for it in invariants {
        let word = if it.holds() { "holds " } else { "BROKEN" };
        print(&format!(
            "{word}  {:<24} {} (rows: {})",
            it.name,
            it.sentence,
            grouped(it.covered)
        ));
        for place in &it.broken {
            print(&format!("        at {place}"));
        }
    }
}

pub(super) fn verdict(invariants: &[Invariant]) -> Result<ExitCode, Failure> {
    let broken = invariants.iter().filter(|it| !it.holds()).count();
    if broken == 0 {
        print("check: all invariants hold");
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Broken(format!(
        "check: {broken} of {} invariants are broken",
        invariants.len()
    )))
}
