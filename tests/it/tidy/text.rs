//! What any file may not be.

use unicode_normalization::is_nfc;

use super::source::{File, Finding};

const LINES_MAX: usize = 500;
const BYTES_MAX: usize = 2 << 20;

pub fn too_long(file: &File) -> Vec<Finding> {
    let lines = file.text().lines().count();
    let read = file.is_rust() || file.ends_in(&["sql"]);
    let mut found = Vec::new();
    if read && lines > LINES_MAX {
        found.push(file.finding(lines, format!("{lines} lines")));
    }
    if file.bytes.len() > BYTES_MAX {
        found.push(file.finding(1, format!("{} bytes", file.bytes.len())));
    }
    found
}

pub fn junk_drawers(file: &File) -> Vec<Finding> {
    let names = [
        "common", "util", "utils", "helper", "helpers", "misc", "shared", "types",
    ];
    let parts = file.path.split('/');
    parts
        .map(|it| it.split('.').next().unwrap_or_default())
        .filter(|it| names.contains(it))
        .map(|it| file.finding(1, format!("called {it}")))
        .collect()
}

pub fn unclean_text(file: &File) -> Vec<Finding> {
    let Ok(text) = std::str::from_utf8(&file.bytes) else {
        let binary = file.ends_in(&["png", "ico", "woff2", "pdf"]);
        let found = (!binary).then(|| file.finding(1, "is no UTF-8"));
        return found.into_iter().collect();
    };
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        let mut unless = |clean: bool, what: &str| {
            if !clean {
                found.push(file.finding(number, what));
            }
        };
        unless(is_nfc(line), "is not in NFC");
        unless(!line.contains('\r'), "has a carriage return");
        unless(!line.ends_with([' ', '\t']), "ends in a space");
        unless(
            !names_a_checkout(line),
            "names a path of somebody's machine",
        );
    }
    found
}

/// True where a line has an absolute path to where developers keep their work.
fn names_a_checkout(line: &str) -> bool {
    // Put together here, so that this list is no such path itself.
    let homes = ["home", "Users", "work", "builds"].map(|it| format!("/{it}/"));
    homes.iter().any(|home| {
        line.match_indices(&home[..]).any(|(at, _)| {
            let before = line[..at].chars().last();
            // The middle of another path is nobody's machine.
            !before.is_some_and(|it| it.is_alphanumeric() || "._-~})".contains(it))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::lines;

    #[test]
    fn length_and_size_are_found() {
        assert_eq!(lines(too_long, "libs/a.rs", &"\n".repeat(501)), [501]);
        assert!(lines(too_long, "libs/a.rs", &"\n".repeat(500)).is_empty());
        assert_eq!(lines(too_long, "a.csv", &"x".repeat(BYTES_MAX + 1)), [1]);
    }

    #[test]
    fn junk_drawers_are_found_as_files_and_folders() {
        assert_eq!(lines(junk_drawers, "libs/boot/src/utils.rs", ""), [1]);
        assert_eq!(lines(junk_drawers, "libs/common/src/lib.rs", ""), [1]);
        assert!(lines(junk_drawers, "libs/boot/src/shared_pool.rs", "").is_empty());
    }

    #[test]
    fn unclean_text_is_found_line_by_line() {
        let path = ["/ho", "me/mai/ansinh"].concat();
        let text = format!(
            "clean\nNguye\u{302}\u{303}n\nreturn\r\nspace \ncd {path}\ndocs{path}\nNguyễn\n"
        );
        assert_eq!(lines(unclean_text, "README.md", &text), [2, 3, 4, 5]);
        let bytes = vec![0xff, 0xfe];
        let path = "a.csv".to_owned();
        assert_eq!(unclean_text(&File { path, bytes }).len(), 1);
    }
}
