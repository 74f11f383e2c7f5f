use chrono::{DateTime, Utc};
use messaging::{Command, CommandHandler, Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgConnection;

use super::citizen::CitizenDoor;
use super::officer::OfficerDoor;
use crate::Error;
use crate::store::{self, Scope};

/// Takes the commands `accounts.do.*`.
pub(crate) struct OnCommand {
    pub citizens: CitizenDoor,
    pub officers: OfficerDoor,
}

impl CommandHandler for OnCommand {
    type Error = Error;

    async fn take(
        &self,
        tx: &mut PgConnection,
        command: &Command,
        now: DateTime<Utc>,
    ) -> Result<Value, Error> {
        let (citizens, officers) = (&self.citizens, &self.officers);
        // Who acts is found out by the register itself; officers see their own scope after that.
        store::set_scope(tx, Scope::Nation).await?;
        match &command.name[..] {
            "open-session" => citizens.open_session(tx, read(command)?, now).await,
            "close-session" => citizens.close_session(tx, read(command)?, now).await,
            "request-link" => citizens.request_link(tx, read(command)?, now).await,
            "unlink" => citizens.unlink(tx, read(command)?, now).await,
            "request-data" => citizens.request_data(tx, read(command)?, now).await,
            "appoint-officer" => officers.appoint(tx, read(command)?, now).await,
            "change-account" => officers.change_account(tx, read(command)?, now).await,
            "suspend-link" => officers.suspend(tx, read(command)?, now).await,
            "resume-link" => officers.resume(tx, read(command)?, now).await,
            "end-link" => officers.end(tx, read(command)?, now).await,
            "decide-review" => officers.decide_review(tx, read(command)?, now).await,
            "grant-authority" => officers.grant_authority(tx, read(command)?, now).await,
            "end-authority" => officers.end_authority(tx, read(command)?, now).await,
            "step-request" => officers.step_request(tx, read(command)?, now).await,
            _ => {
                let detail = format!("accounts knows no command {}", command.name);
                Err(Problem::new(404, "command_unknown", detail).into())
            }
        }
    }
}

fn read<T: DeserializeOwned>(command: &Command) -> Result<T, Error> {
    body(&command.body)
}

/// The body as what it has to be; the error names the field and repeats no value.
pub(crate) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body is not understood at line {line}, column {column}");
        Problem::new(422, "body_invalid", detail).into()
    })
}
