//! The tree as text: its files, and Rust source told apart into code and literals.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;

/// Folders that are made, not written.
const MADE: [&str; 5] = ["target", ".git", ".ansinh", "__pycache__", "node_modules"];

/// A file of the tree; its path is relative to the root and has slashes.
#[derive(Debug)]
pub struct File {
    pub path: String,
    pub bytes: Vec<u8>,
}

/// A place where a rule does not hold.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub what: String,
}

/// Rust source without its comments; literals are empty in `code` and stand in `literals`.
/// Line for line the same as the text.
#[derive(Debug, Default)]
pub struct Source {
    pub code: String,
    pub literals: Vec<Literal>,
}

#[derive(Debug)]
pub struct Literal {
    /// Where it stood in `code`.
    pub offset: usize,
    pub text: String,
}

impl File {
    pub fn new(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    /// Empty for what is no text; that is for the rule about text to find.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    pub fn is_rust(&self) -> bool {
        self.ends_in(&["rs"])
    }

    pub fn ends_in(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension();
        extension.is_some_and(|found| extensions.iter().any(|it| found == *it))
    }

    /// Files that are compiled for tests only.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
    }

    pub fn source(&self) -> Source {
        Source::of(self.text())
    }

    pub fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// All files that people wrote.
pub fn tree() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate is a folder of the workspace");
    let mut files = Vec::new();
    read_folder(root, root, &mut files).expect("the tree can be read");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let root = root.display();
    assert!(files.len() > 50, "the tree was not found: {root}");
    files
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<File>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && !MADE.iter().any(|it| entry.file_name() == *it) {
            read_folder(root, &path, files)?;
        } else if kind.is_file() {
            // What is gone meanwhile was an editor's.
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let path = path.strip_prefix(root).expect("inside of the tree");
            let path = path.to_str().expect("names are UTF-8").replace('\\', "/");
            files.push(File { path, bytes });
        }
    }
    Ok(())
}

/// Lines (from 1) where `needle` stands as a word of its own.
pub fn lines_with(text: &str, needle: &str) -> Vec<usize> {
    let part_of_word = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
    let mut lines = Vec::new();
    for (at, _) in text.match_indices(needle) {
        let (before, after) = (&text[..at], &text[at + needle.len()..]);
        let longer = part_of_word(needle.chars().next()) && part_of_word(before.chars().last())
            || part_of_word(needle.chars().last()) && part_of_word(after.chars().next());
        if !longer {
            lines.push(line_of(text, at));
        }
    }
    lines
}

pub fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

impl Source {
    pub fn of(text: &str) -> Source {
        let mut source = Source::default();
        let mut rest = text;
        let mut word = false;
        while let Some(next) = rest.chars().next() {
            let (length, first) = token(rest, word);
            let (raw, left) = rest.split_at(length);
            match first {
                Token::Code => source.code.push_str(raw),
                Token::Comment => source.code.extend(raw.matches('\n')),
                Token::Literal(text) => {
                    let offset = source.code.len();
                    source.literals.push(Literal { offset, text });
                    source.code.push('"');
                    source.code.extend(raw.matches('\n'));
                    source.code.push('"');
                }
            }
            word = next.is_alphanumeric() || next == '_';
            rest = left;
        }
        source
    }

    /// The code without the items that are compiled for tests only.
    pub fn production(&self) -> String {
        let mut lines = self.code.lines();
        let mut kept = String::with_capacity(self.code.len());
        while let Some(line) = lines.next() {
            if line.trim_start().starts_with("#[cfg(test)]") {
                kept.push('\n');
                let indent = &line[..line.len() - line.trim_start().len()];
                skip_item(&mut lines, indent, &mut kept);
            } else {
                kept.push_str(line);
                kept.push('\n');
            }
        }
        kept
    }
}

enum Token {
    Code,
    Comment,
    Literal(String),
}

/// How long the first token of `text` is, and what it is.
fn token(text: &str, after_word: bool) -> (usize, Token) {
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), Token::Comment);
    }
    if text.starts_with("/*") {
        return (block_comment(text), Token::Comment);
    }
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    if let Some((inside, end)) = raw_string(text).filter(|_| !after_word) {
        return (end, Token::Literal(text[inside].to_owned()));
    }
    if let Some(behind) = text.strip_prefix('\'') {
        let mut chars = behind.chars();
        // A lifetime has no second quote.
        if chars.next() == Some('\\') || chars.next() == Some('\'') {
            return quoted(text, '\'');
        }
    }
    (text.chars().next().map_or(0, char::len_utf8), Token::Code)
}

/// The literal that begins with a quote at 0 and ends with the next one that is not escaped.
fn quoted(text: &str, quote: char) -> (usize, Token) {
    let mut escaped = false;
    for (at, it) in text.char_indices().skip(1) {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            it if it == quote => return (at + 1, Token::Literal(unescaped(&text[1..at]))),
            _ => {}
        }
    }
    (text.len(), Token::Literal(String::new()))
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut rest) = (0, text);
    while let Some(next) = rest.chars().next() {
        if let Some(inside) = rest.strip_prefix("/*") {
            (depth, rest) = (depth + 1, inside);
        } else if let Some(behind) = rest.strip_prefix("*/") {
            (depth, rest) = (depth - 1, behind);
            if depth == 0 {
                break;
            }
        } else {
            rest = &rest[next.len_utf8()..];
        }
    }
    text.len() - rest.len()
}

/// Where the inside of a raw string stands, and where the whole of it ends.
fn raw_string(text: &str) -> Option<(Range<usize>, usize)> {
    let text_without_b = text.strip_prefix('b').unwrap_or(text);
    let hashes_and_rest = text_without_b.strip_prefix('r')?;
    let hashes = hashes_and_rest.len() - hashes_and_rest.trim_start_matches('#').len();
    hashes_and_rest[hashes..].strip_prefix('"')?;
    let start = text.len() - hashes_and_rest.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = start + text[start..].find(&close)?;
    Some((start..end, end + close.len()))
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(escape) = rest.chars().next() else {
            break;
        };
        rest = &rest[escape.len_utf8()..];
        match escape {
            'n' => plain.push('\n'),
            't' => plain.push('\t'),
            '\n' => rest = rest.trim_start(),
            other => plain.push(other),
        }
    }
    plain.push_str(rest);
    plain
}

/// Leaves out the item that follows; `rustfmt` closes it at the indent where it began.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>, indent: &str, kept: &mut String) {
    let mut opened = false;
    for line in lines {
        kept.push('\n');
        let begins = !line.trim_start().starts_with("#[");
        let closes = opened && line.starts_with(&format!("{indent}}}"));
        let short = begins && !opened && (line.ends_with(';') || line.ends_with('}'));
        if closes || short {
            return;
        }
        opened |= begins;
    }
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "let a = \"x.unwrap() // \\\" no\"; // unwrap()\nlet b: &'static str = r#\"f64 \"q\"\"#;\n\
                /* f32 /* nested */ f32\n */ let c = '\"'; let d = b'\\''; call(r#type, br\"raw\");\n";
    let source = Source::of(text);
    assert_eq!(
        source.code,
        "let a = \"\"; \nlet b: &'static str = \"\";\n\n let c = \"\"; let d = b\"\"; call(r#type, \"\");\n"
    );
    let literals: Vec<&str> = source.literals.iter().map(|it| &it.text[..]).collect();
    assert_eq!(
        literals,
        ["x.unwrap() // \" no", "f64 \"q\"", "\"", "'", "raw"]
    );
    assert_eq!(&source.code[source.literals[1].offset..][..2], "\"\"");
}

#[test]
fn a_literal_over_lines_is_read_as_the_compiler_reads_it() {
    let source = Source::of("say(\"one \\\n     two\\n\", 1);\nnext();\n");
    assert_eq!(source.literals[0].text, "one two\n");
    assert_eq!(lines_with(&source.code, "next"), [3]);
}

#[test]
fn production_is_what_is_compiled_without_tests() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\n#[derive(Debug)]\nstruct C {\n    d: i64,\n}\nfn e() {}\n";
    let kept = Source::of(text).production();
    assert_eq!(kept, "fn a() {}\n\n\nfn b() {}\n\n\n\n\n\nfn e() {}\n");
}

#[test]
fn a_word_is_found_whole_and_with_its_line() {
    assert_eq!(lines_with("f64\nxf64 f64x\n f64,f64", "f64"), [1, 3, 3]);
    assert_eq!(lines_with("a.unwrap()\nunwrap_or()", ".unwrap()"), [1]);
}
