//! What a workbook's archive may be before anybody reads it (APPNOTE.TXT).

use std::io::{self, Read, Seek, SeekFrom};

use zip::ZipArchive;

use crate::FileError;

/// So much may come out of any archive, however small it is.
const UNPACKED_FREE: u64 = 64 << 20;
/// Sheets of a few repeated words are packed to a thirtieth.
const RATIO_MAX: u64 = 60;
/// A workbook has a part a sheet, and a dozen others.
const PARTS_MAX: usize = 2_000;

/// Refuses what unpacks to far more than it is, and what carries a program. Everything is unpacked
/// once to nowhere: what an archive says of its own sizes need not be true.
pub(crate) fn refuse_dangerous<R: Read + Seek>(file: &mut R) -> Result<(), FileError> {
    let bytes = file.seek(SeekFrom::End(0))?;
    let allowed = UNPACKED_FREE.max(bytes.saturating_mul(RATIO_MAX));
    let mut archive = ZipArchive::new(&mut *file)?;
    if archive.len() > PARTS_MAX {
        return Err(FileError::Expands { bytes, allowed });
    }
    let mut unpacked = 0;
    for index in 0..archive.len() {
        let part = archive.by_index(index)?;
        let name = part.name()?.to_ascii_lowercase();
        if name.ends_with("vbaproject.bin") || name.contains("/macrosheets/") {
            return Err(FileError::Macros);
        }
        unpacked += io::copy(&mut part.take(allowed + 1 - unpacked), &mut io::sink())?;
        if unpacked > allowed {
            return Err(FileError::Expands { bytes, allowed });
        }
    }
    file.rewind()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(parts: &[(&str, u64)]) -> Cursor<Vec<u8>> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let block = vec![b' '; 1 << 20];
        for (name, megabytes) in parts {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            for _ in 0..*megabytes {
                writer.write_all(&block).unwrap();
            }
        }
        writer.finish().unwrap()
    }

    fn told(mut file: Cursor<Vec<u8>>) -> String {
        let judged = refuse_dangerous(&mut file);
        judged.map_or_else(|it| it.to_string(), |()| "taken".to_owned())
    }

    #[test]
    fn an_archive_is_refused_for_what_comes_out_of_it() {
        assert_eq!(told(archive(&[("xl/workbook.xml", 64)])), "taken");
        let one = told(archive(&[("xl/sharedStrings.xml", 65)]));
        assert!(one.starts_with("workbook_expands: "), "{one}");
        let many = told(archive(&[("xl/a.xml", 40), ("xl/b.xml", 40)]));
        assert!(many.starts_with("workbook_expands: "), "{many}");
        let macros = told(archive(&[("xl/workbook.xml", 0), ("xl/vbaProject.bin", 1)]));
        assert!(macros.starts_with("workbook_macros: "), "{macros}");
        let broken = told(Cursor::new(b"PK\x03\x04 and no more".to_vec()));
        assert!(broken.starts_with("workbook_invalid: "), "{broken}");
    }

    /// The sizes in the directory are the writer's word; what counts is what comes out.
    #[test]
    fn an_archive_that_lies_about_its_sizes_is_found_out() {
        let mut bytes = archive(&[("xl/sharedStrings.xml", 70)]).into_inner();
        let honest = u32::try_from(70_u64 << 20).unwrap().to_le_bytes();
        let mut changed = 0;
        for at in 0..bytes.len() - 4 {
            if bytes[at..at + 4] == honest {
                bytes[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
                changed += 1;
            }
        }
        assert!(changed > 0);
        assert_ne!(told(Cursor::new(bytes)), "taken");
    }
}
