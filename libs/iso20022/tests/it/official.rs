use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The official schemas: `ANSINH_XSD`, or beside the project.
fn schemas() -> PathBuf {
    match std::env::var_os("ANSINH_XSD") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/xsd"),
    }
}

/// What xmllint says of a message, by the official schema of its name; `None` where either is not
/// here, which is said on standard error: such a test has proven nothing.
pub fn judged(name: &str, xml: &[u8]) -> Option<Result<(), String>> {
    let schema = schemas().join(format!("{name}.xsd"));
    if !schema.is_file() {
        skipped(&format!(
            "no schema {name}; set ANSINH_XSD to the folder of the official schemas"
        ));
        return None;
    }
    let mut child = match Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(&schema)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
    {
        Ok(child) => child,
        Err(error) => {
            skipped(&format!(
                "xmllint: {error}; `deploy/setup --for-tests` installs it"
            ));
            return None;
        }
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    // A validator that stops early says why on its standard error.
    let _broken_pipe = stdin.write_all(xml);
    drop(stdin);
    let output = child.wait_with_output().expect("xmllint was started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() {
        Ok(())
    } else {
        Err(said)
    })
}

fn skipped(why: &str) {
    let _closed = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

#[track_caller]
pub fn assert_valid(name: &str, xml: &[u8]) {
    if let Some(Err(said)) = judged(name, xml) {
        panic!("{name}: {said}\n{}", String::from_utf8_lossy(xml));
    }
}

/// A validator that lets everything pass would prove nothing.
#[test]
fn the_validator_refuses_what_is_not_in_the_schema() {
    let namespace = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";
    let xml = format!("<Document xmlns=\"{namespace}\"><CstmrCdtTrfInitn/></Document>");
    let Some(judged) = judged("pain.001.001.09", xml.as_bytes()) else {
        return;
    };
    assert!(judged.unwrap_err().contains("GrpHdr"));
}
