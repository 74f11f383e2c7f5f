use std::process::ExitCode;

use payments::{EndKey, RegisterKey};

use crate::cli::{Officers, Shared};
use crate::output::{Failure, print, say};
use crate::signing::OfficerKey;
use crate::target::Target;

pub(super) async fn officer(command: Officers, shared: &Shared) -> Result<ExitCode, Failure> {
    match command {
        Officers::New { owner, out } => {
            let file = out.unwrap_or_else(|| OfficerKey::place(&shared.home, &owner));
            let key = OfficerKey::generate()?;
            key.write(&file)?;
            say(&format!(
                "{} is the key of {owner}, and nobody else's. Another officer registers it with:",
                file.display()
            ));
            print(&format!("{} {}", key.public(), key.proof(&owner)));
            Ok(ExitCode::SUCCESS)
        }
        Officers::Register {
            owner,
            public_key,
            proof,
            by,
        } => {
            let body = RegisterKey {
                officer: by.by.clone(),
                owner,
                public_key,
                proof,
            };
            let target = Target::find(&shared.home)?;
            super::ask(&target, shared.output, "register-key", &by, &body).await
        }
        Officers::End { owner, reason, by } => {
            let body = EndKey {
                officer: by.by.clone(),
                owner,
                reason,
            };
            let target = Target::find(&shared.home)?;
            super::ask(&target, shared.output, "end-key", &by, &body).await
        }
    }
}
