//! Reads a folder of programmes and prints its flaws, or what is in it.

use std::path::Path;

use rules::Law;

mod folder;

#[expect(clippy::print_stdout, reason = "its output is what it is for")]
fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1);
    let path = path.unwrap_or_else(|| "services/eligibility/programmes".to_owned());
    let files = folder::files(Path::new(&path))?;
    match Law::read(&files) {
        Ok(law) => {
            let versions: usize = law.programmes().map(|it| it.versions().len()).sum();
            println!(
                "{} programmes, {versions} versions, {} parameters, {} overlaps, {} examples",
                law.programmes().count(),
                law.parameters().count(),
                law.overlaps().len(),
                law.examples()
            );
            Ok(())
        }
        Err(flaws) => {
            for it in &flaws {
                println!("{}: {}: {}: {}", it.file, it.place, it.code, it.sentence);
            }
            anyhow::bail!("{} flaws", flaws.len())
        }
    }
}
