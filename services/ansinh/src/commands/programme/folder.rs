use std::path::{Path, PathBuf};

use rules::Files;

use crate::output::{Failure, say};

/// Far more than a law needs; what is larger is another folder, given by mistake.
const FILES_MAX: usize = 2_000;
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The texts of a folder and of those in it: `*.toml` and `*.csv`. Other files but Markdown are
/// named to standard error, because a law may be missing what somebody put into them.
pub(in crate::commands) fn read(folder: &Path) -> Result<Files, Failure> {
    let mut files = Files::default();
    let mut passed_over = Vec::new();
    for (path, name) in entries(folder)? {
        if !path.is_dir() {
            take(&mut files, &mut passed_over, &path, name)?;
            continue;
        }
        for (path, file) in entries(&path)? {
            take(
                &mut files,
                &mut passed_over,
                &path,
                format!("{name}/{file}"),
            )?;
        }
    }
    if files.0.is_empty() {
        let sentence = "has neither *.toml nor *.csv";
        return Err(refused("folder_empty", folder, sentence));
    }
    for name in passed_over {
        say(&format!("{name} is passed over: a law is *.toml and *.csv"));
    }
    Ok(files)
}

fn take(
    files: &mut Files,
    passed_over: &mut Vec<String>,
    path: &Path,
    name: String,
) -> Result<(), Failure> {
    let extension = path.extension().and_then(|it| it.to_str());
    match extension {
        Some("toml" | "csv") if !path.is_dir() => {}
        Some("md") => return Ok(()),
        _ => {
            passed_over.push(name);
            return Ok(());
        }
    }
    let bytes = std::fs::metadata(path).map(|it| it.len());
    let bytes = bytes.map_err(|it| refused("file_unreadable", path, &it.to_string()))?;
    if bytes > FILE_BYTES_MAX || files.0.len() == FILES_MAX {
        let sentence = "a law has at most 2000 files of 1 MiB";
        return Err(refused("folder_too_large", path, sentence));
    }
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|it| refused("file_unreadable", path, &it.to_string()))?;
    files.0.insert(name, text);
    Ok(())
}

/// What stands in a folder, by name.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, String)>, Failure> {
    let unreadable = |it: std::io::Error| refused("folder_unreadable", folder, &it.to_string());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().and_then(|it| it.to_str());
        let name = name.map(str::to_owned).ok_or_else(|| {
            let sentence = "the name of a file in it is not UTF-8";
            refused("folder_unreadable", folder, sentence)
        })?;
        found.push((path, name));
    }
    found.sort();
    Ok(found)
}

fn refused(code: &str, path: &Path, sentence: &str) -> Failure {
    Failure::Refused(format!("{code}: {}: {sentence}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_toml_and_csv_one_level_deep() {
        let folder = std::env::temp_dir().join(format!("ansinh-law-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(folder.join("HTXH/drafts")).unwrap();
        for (file, text) in [
            ("parameters.csv", "a"),
            ("README.md", "b"),
            ("notes.docx", "c"),
            ("HTXH/programme.toml", "d"),
            ("HTXH/drafts/2027-01.toml", "e"),
        ] {
            std::fs::write(folder.join(file), text).unwrap();
        }
        let files = read(&folder).unwrap();
        let paths: Vec<&String> = files.0.keys().collect();
        assert_eq!(paths, ["HTXH/programme.toml", "parameters.csv"]);

        std::fs::write(folder.join("HTXH/x.csv"), [0xff]).unwrap();
        let Err(Failure::Refused(told)) = read(&folder) else {
            panic!("a text that is not UTF-8 was read");
        };
        assert!(
            told.starts_with("file_unreadable: ") && told.contains("x.csv"),
            "{told}"
        );
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(read(&folder), Err(Failure::Refused(_))));
    }
}
