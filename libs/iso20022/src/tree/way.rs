use domain::Refusal;

use crate::flaw::{Flaw, Place, Spot};

/// Elements inside of one another, at most; the deepest message of the standard has fewer.
const DEPTH_MAX: usize = 32;

/// Where in a message we are.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// `/Document/BkToCstmrStmt/Stmt`; behind what is open may stand what was left last.
    path: String,
    open: Vec<Open>,
    last: Option<Open>,
}

/// An element, while we are in it and until another follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    /// How much of the path leads to it, and to its parent.
    path: usize,
    parent: usize,
    spot: Spot,
    foreign: bool,
}

impl Way {
    pub fn enter(&mut self, name: &str, spot: Spot) -> Result<(), Refusal> {
        if self.open.len() >= DEPTH_MAX {
            let sentence = format!("at most {DEPTH_MAX} elements stand inside of one another");
            return Err(Refusal::new("xml_too_deep", sentence));
        }
        let parent = self.open.last().map_or(0, |it| it.path);
        self.path.truncate(parent);
        self.path.push('/');
        self.path.push_str(name);
        self.open.push(Open {
            path: self.path.len(),
            parent,
            spot,
            foreign: false,
        });
        Ok(())
    }

    /// Whether the element that was just entered is one of the message, which have plain names.
    pub fn belongs(&mut self, belongs: bool) -> Result<(), Refusal> {
        let letter = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.');
        let name = self.name();
        if belongs && (name.is_empty() || !name.bytes().all(letter)) {
            let sentence = "an element has a name of letters and digits";
            return Err(Refusal::new("xml_malformed", sentence));
        }
        if let Some(entered) = self.open.last_mut() {
            entered.foreign = !belongs;
        }
        Ok(())
    }

    pub fn leave(&mut self) {
        self.last = self.open.pop();
    }

    pub fn kept(&self) -> usize {
        self.path.capacity() + self.open.capacity() * size_of::<Open>()
    }

    pub fn depth(&self) -> usize {
        self.open.len()
    }

    pub fn is_foreign(&self) -> bool {
        self.open.last().is_some_and(|it| it.foreign)
    }

    /// The name of the innermost element that is open.
    pub fn name(&self) -> &str {
        let entered = self.open.last();
        entered.map_or("", |it| &self.path[it.parent + 1..it.path])
    }

    pub fn spot(&self) -> Spot {
        self.open.last().map_or(START, |it| it.spot)
    }

    /// The innermost element that is open.
    pub fn here(&self) -> Option<Open> {
        self.open.last().copied()
    }

    pub fn flaw_of(&self, element: Option<Open>, refusal: Refusal) -> Flaw {
        match element {
            Some(it) => flaw(it.spot, &self.path[..it.path], refusal),
            None => self.flaw_of_entered(refusal),
        }
    }

    pub fn flaw_of_entered(&self, refusal: Refusal) -> Flaw {
        self.flaw_at(self.spot(), refusal)
    }

    /// Of the element that was left last; nothing was entered since.
    pub fn flaw_of_last(&self, refusal: Refusal) -> Flaw {
        self.flaw_of(self.last, refusal)
    }

    /// At a point inside of the innermost element.
    pub fn flaw_at(&self, spot: Spot, refusal: Refusal) -> Flaw {
        let path = self.open.last().map_or(0, |it| it.path);
        flaw(spot, &self.path[..path], refusal)
    }
}

const START: Spot = Spot { line: 1, column: 1 };

fn flaw(spot: Spot, path: &str, refusal: Refusal) -> Flaw {
    Flaw {
        code: refusal.code,
        place: Place {
            line: spot.line,
            column: spot.column,
            path: path.to_owned(),
        },
        sentence: refusal.sentence,
    }
}
