//! `ansinh`: see `ansinh --help`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    ansinh::run().await
}
