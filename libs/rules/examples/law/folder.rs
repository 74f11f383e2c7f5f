use std::path::Path;

use rules::Files;

/// The texts of the folder and of those in it.
pub fn files(folder: &Path) -> anyhow::Result<Files> {
    let mut files = Files::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() {
            files.0.insert(name, std::fs::read_to_string(entry.path())?);
            continue;
        }
        for file in std::fs::read_dir(entry.path())? {
            let file = file?;
            let path = format!("{name}/{}", file.file_name().to_string_lossy());
            files.0.insert(path, std::fs::read_to_string(file.path())?);
        }
    }
    Ok(files)
}
