use std::cell::RefCell;

use chrono::NaiveDate;
use toml_edit::{ImDocument, Item, TableLike, Value};

use crate::Text;
use crate::flaw::Flaws;

/// A TOML text whose every key is asked for or refused.
pub(crate) struct Document<'a> {
    file: &'a str,
    text: &'a str,
    root: ImDocument<&'a str>,
    flaws: &'a Flaws,
}

/// The keys of one table of a document.
pub(crate) struct Keys<'d> {
    document: &'d Document<'d>,
    table: &'d dyn TableLike,
    /// `step 3`; empty for the root, whose keys are found by their line.
    place: String,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Document<'a> {
    pub(crate) fn parse(file: &'a str, text: &'a str, flaws: &'a Flaws) -> Option<Document<'a>> {
        match ImDocument::parse(text) {
            Ok(root) => {
                let document = Document {
                    file,
                    text,
                    root,
                    flaws,
                };
                document.refuse_floats(document.root.as_item());
                Some(document)
            }
            Err(error) => {
                let line = line_of(text, error.span().map_or(0, |it| it.start));
                flaws.add(
                    file,
                    format!("line {line}"),
                    "toml_invalid",
                    format!(
                        "the text is no TOML: {}",
                        error.message().replace('\n', ", ")
                    ),
                );
                None
            }
        }
    }

    pub(crate) fn keys(&'a self) -> Keys<'a> {
        Keys {
            document: self,
            table: self.root.as_table(),
            place: String::new(),
            asked: RefCell::default(),
        }
    }

    /// A float is not exact, wherever it stands.
    fn refuse_floats(&self, item: &Item) {
        match item {
            Item::Value(value) => self.refuse_floats_in(value),
            Item::Table(table) => table.iter().for_each(|(_, it)| self.refuse_floats(it)),
            Item::ArrayOfTables(tables) => {
                for table in tables {
                    table.iter().for_each(|(_, it)| self.refuse_floats(it));
                }
            }
            Item::None => {}
        }
    }

    fn refuse_floats_in(&self, value: &Value) {
        match value {
            Value::Float(float) => {
                let line = line_of(self.text, float.span().map_or(0, |it| it.start));
                self.flaws.add(
                    self.file,
                    format!("line {line}"),
                    "float_literal",
                    "a number is written as text or as an integer; a float is not exact",
                );
            }
            Value::Array(array) => array.iter().for_each(|it| self.refuse_floats_in(it)),
            Value::InlineTable(table) => {
                table.iter().for_each(|(_, it)| self.refuse_floats_in(it));
            }
            _ => {}
        }
    }
}

impl<'d> Keys<'d> {
    /// Where a key stands, or where it should.
    pub(crate) fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() {
            let span = self
                .table
                .get_key_value(key)
                .and_then(|(key, _)| key.span());
            format!(
                "line {}",
                line_of(self.document.text, span.map_or(0, |it| it.start))
            )
        } else {
            format!("{}, {key}", self.place)
        }
    }

    pub(crate) fn flaw(&self, key: &str, code: &'static str, sentence: impl Into<String>) {
        let document = self.document;
        document
            .flaws
            .add(document.file, self.place_of(key), code, sentence);
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn ask(&self, key: &'static str) -> Option<&'d Item> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn missing(&self, key: &str) {
        let code = match key {
            "legal_basis" => "legal_basis_missing",
            _ => "key_missing",
        };
        self.flaw(key, code, format!("{key} is missing or empty"));
    }

    fn wrong_type(&self, key: &str, expected: &str) {
        self.flaw(key, "wrong_type", format!("{key} is {expected}"));
    }

    pub(crate) fn optional_text(&self, key: &'static str) -> Option<&'d str> {
        let item = self.ask(key)?;
        let text = item.as_str();
        if text.is_none() {
            self.wrong_type(key, "a text");
        }
        text.map(str::trim)
    }

    pub(crate) fn text(&self, key: &'static str) -> Option<&'d str> {
        if !self.has(key) {
            self.asked.borrow_mut().push(key);
            self.missing(key);
            return None;
        }
        let text = self.optional_text(key)?;
        if text.is_empty() {
            self.missing(key);
            return None;
        }
        Some(text)
    }

    /// One of some words; anything else is refused with all of them.
    pub(crate) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.flaw(
                key,
                "word_unknown",
                format!("{key} is one of {}", words.join(", ")),
            );
        }
        found.map(|(_, meaning)| *meaning)
    }

    pub(crate) fn optional_both(&self, key: &'static str) -> Option<Text> {
        let Some(table) = self.ask(key)?.as_table_like() else {
            self.wrong_type(key, "a text in two languages: { vi = \"…\", en = \"…\" }");
            return None;
        };
        let keys = Keys {
            document: self.document,
            table,
            place: self.place_of(key),
            asked: RefCell::default(),
        };
        let (vi, en) = (keys.text("vi"), keys.text("en"));
        keys.finish();
        Some(Text {
            vi: vi?.to_owned(),
            en: en?.to_owned(),
        })
    }

    pub(crate) fn both(&self, key: &'static str) -> Option<Text> {
        if !self.has(key) {
            self.asked.borrow_mut().push(key);
            self.missing(key);
            return None;
        }
        self.optional_both(key)
    }

    pub(crate) fn flag(&self, key: &'static str) -> bool {
        let Some(item) = self.ask(key) else {
            return false;
        };
        item.as_bool().unwrap_or_else(|| {
            self.wrong_type(key, "true or false");
            false
        })
    }

    pub(crate) fn integer(&self, key: &'static str) -> Option<i64> {
        let Some(item) = self.ask(key) else {
            self.missing(key);
            return None;
        };
        let integer = item.as_integer();
        if integer.is_none() {
            self.wrong_type(key, "an integer");
        }
        integer
    }

    pub(crate) fn optional_date(&self, key: &'static str) -> Option<NaiveDate> {
        let text = self.optional_text(key)?;
        let date = iso_date(text);
        if date.is_none() {
            self.flaw(key, "date_invalid", format!("{key} is a date, yyyy-mm-dd"));
        }
        date
    }

    pub(crate) fn date(&self, key: &'static str) -> Option<NaiveDate> {
        if !self.has(key) {
            self.asked.borrow_mut().push(key);
            self.missing(key);
            return None;
        }
        self.optional_date(key)
    }

    /// The texts under a key, one or a list, without asking for it or judging it.
    pub(crate) fn glance(&self, key: &str) -> Vec<&'d str> {
        let item = self.table.get(key);
        let list = item.and_then(Item::as_array).into_iter().flatten();
        list.filter_map(Value::as_str)
            .chain(item.and_then(Item::as_str))
            .collect()
    }

    /// A list of texts; empty where the key is absent.
    pub(crate) fn texts(&self, key: &'static str) -> Vec<&'d str> {
        let Some(item) = self.ask(key) else {
            return Vec::new();
        };
        let texts = item
            .as_array()
            .and_then(|it| it.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        texts.unwrap_or_else(|| {
            self.wrong_type(key, "a list of texts");
            Vec::new()
        })
    }

    pub(crate) fn table(&self, key: &'static str) -> Option<Keys<'d>> {
        let Some(item) = self.ask(key) else {
            self.missing(key);
            return None;
        };
        let Some(table) = item.as_table_like() else {
            self.wrong_type(key, "a table");
            return None;
        };
        Some(Keys {
            document: self.document,
            table,
            place: key.to_owned(),
            asked: RefCell::default(),
        })
    }

    /// The tables `[[key]]`, placed as `key 1`, `key 2`, …
    pub(crate) fn tables(&self, key: &'static str) -> Vec<Keys<'d>> {
        let Some(item) = self.ask(key) else {
            return Vec::new();
        };
        let Some(tables) = item.as_array_of_tables() else {
            self.wrong_type(key, "a list of tables, [[…]]");
            return Vec::new();
        };
        let tables = tables.iter().enumerate().map(|(index, table)| Keys {
            document: self.document,
            table,
            place: format!("{key} {}", index + 1),
            asked: RefCell::default(),
        });
        tables.collect()
    }

    /// Refuses the keys that nobody asked for: a misspelt key must not be silently without effect.
    pub(crate) fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            if !asked.contains(&key) {
                let document = self.document;
                let span = self
                    .table
                    .get_key_value(key)
                    .and_then(|(key, _)| key.span());
                let line = line_of(document.text, span.map_or(0, |it| it.start));
                document.flaws.add(
                    document.file,
                    format!("line {line}"),
                    "key_unknown",
                    format!("the format has no key {key} here"),
                );
            }
        }
    }
}

/// `yyyy-mm-dd` and nothing else.
pub(crate) fn iso_date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 10
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    shape.then(|| text.parse().ok()).flatten()
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(offset)
        .filter(|it| **it == b'\n')
        .count()
}
