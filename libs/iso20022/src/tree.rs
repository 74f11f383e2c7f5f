mod event;
mod source;
mod spaces;
mod values;
mod way;

use std::io::Read;

use domain::Refusal;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::flaw::{Flaw, ReadError};
use crate::schema::Schema;
use crate::text::Text;
use spaces::Spaces;
use way::Way;

pub use source::Limits;
pub(crate) use source::{Source, TooLong};

/// A message's elements, entered one after the other and never gone back to.
///
/// Holds one piece of the file and the names of the elements that are open. Whoever enters an
/// element leaves it again: by its [`Tree::value`], by [`Tree::skip`], or by entering its children
/// until there are no more.
#[derive(Debug)]
pub(crate) struct Tree<R: Read> {
    reader: Reader<Source<R>>,
    piece: Vec<u8>,
    piece_max: usize,
    spaces: Spaces,
    /// Whether the one element of the file was there.
    begun: bool,
    way: Way,
    text: String,
    currency: String,
}

/// An element, while we are in it and until another follows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element(Option<way::Open>);

/// What the next piece was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    End,
    Inside,
    Eof,
}

impl<R: Read> Tree<R> {
    /// Finds out what message it is, and enters the element that says so.
    pub fn open(bytes: Source<R>, limits: Limits) -> Result<(Tree<R>, Schema), ReadError> {
        let mut reader = Reader::from_reader(bytes);
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().check_comments = true;
        let mut tree = Tree {
            reader,
            piece: Vec::new(),
            piece_max: limits.piece,
            spaces: Spaces::default(),
            begun: false,
            way: Way::default(),
            text: String::new(),
            currency: String::new(),
        };
        let unknown = "this is none of the messages and versions that are read";
        let unknown = Refusal::new("message_unknown", unknown);
        if !tree.enter()? {
            return Err(tree.refuse_entered(unknown).into());
        }
        let schema = Schema::of(tree.spaces.message()).filter(|_| tree.name() == "Document");
        let Some(schema) = schema else {
            return Err(tree.refuse_entered(unknown).into());
        };
        if !tree.enter()? || tree.name() != schema.kind.element() {
            return Err(tree.refuse_entered(unknown).into());
        }
        Ok((tree, schema))
    }

    /// Enters the next child; false where there is none, and the parent is left.
    pub fn enter(&mut self) -> Result<bool, ReadError> {
        self.text.clear();
        loop {
            match self.step()? {
                Step::Start if self.way.is_foreign() => self.skip()?,
                Step::Start => return Ok(true),
                Step::End | Step::Eof => return Ok(false),
                Step::Inside if self.text.trim().is_empty() => self.text.clear(),
                Step::Inside => {
                    let sentence = "text stands where elements were expected";
                    let refusal = Refusal::new("element_misplaced", sentence);
                    return Err(self.refuse_entered(refusal).into());
                }
            }
        }
    }

    /// The name of the element that was entered last.
    pub fn name(&self) -> &str {
        self.way.name()
    }

    /// Leaves the element, whatever is in it.
    pub fn skip(&mut self) -> Result<(), ReadError> {
        let depth = self.way.depth();
        while self.way.depth() >= depth {
            self.text.clear();
            self.step()?;
        }
        Ok(())
    }

    /// The text of the element, which is left, as `parse` understands it.
    pub fn value<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Result<T, ReadError> {
        self.text.clear();
        loop {
            match self.step()? {
                Step::Inside => {}
                Step::End | Step::Eof => break,
                Step::Start => {
                    let sentence = "an element stands where text was expected";
                    let refusal = Refusal::new("element_misplaced", sentence);
                    return Err(self.refuse_entered(refusal).into());
                }
            }
        }
        parse(self.text.trim()).map_err(|it| self.way.flaw_of_last(it).into())
    }

    pub fn text<const MAX: usize>(&mut self) -> Result<Text<MAX>, ReadError> {
        self.value(event::one_line)
    }

    /// Text for people, which many banks leave empty.
    pub fn text_or_nothing<const MAX: usize>(&mut self) -> Result<Option<Text<MAX>>, ReadError> {
        self.value(|text| match text {
            "" => Ok(None),
            text => event::one_line(text).map(Some),
        })
    }

    /// The first of this name alone: a second would silently replace it.
    pub fn put<T>(
        &mut self,
        place: &mut Option<T>,
        read: impl FnOnce(&mut Tree<R>) -> Result<T, ReadError>,
    ) -> Result<(), ReadError> {
        if place.is_some() {
            return Err(self.repeated().into());
        }
        *place = Some(read(self)?);
        Ok(())
    }

    /// The one child that matters.
    pub fn inside<T>(
        &mut self,
        name: &str,
        place: &mut Option<T>,
        read: impl Fn(&mut Tree<R>) -> Result<T, ReadError>,
    ) -> Result<(), ReadError> {
        while self.enter()? {
            if self.name() == name {
                self.put(place, &read)?;
            } else {
                self.skip()?;
            }
        }
        Ok(())
    }

    /// The element that is entered, for what is found out about it later.
    pub fn here(&self) -> Element {
        Element(self.way.here())
    }

    /// What has to be there in an element.
    pub fn require<T>(
        &self,
        element: Element,
        found: Option<T>,
        name: &str,
    ) -> Result<T, ReadError> {
        found.ok_or_else(|| {
            let sentence = format!("{name} is missing");
            self.refuse(element, Refusal::new("element_missing", sentence))
        })
    }

    pub fn refuse(&self, element: Element, refusal: Refusal) -> ReadError {
        self.way.flaw_of(element.0, refusal).into()
    }

    /// The element that was entered last may not stand here.
    pub fn misplaced(&self) -> ReadError {
        let sentence = "this element stands behind what has to follow it";
        self.refuse_entered(Refusal::new("element_misplaced", sentence))
            .into()
    }

    pub fn repeated(&self) -> Flaw {
        let sentence = "this element stands here once";
        self.refuse_entered(Refusal::new("element_repeated", sentence))
    }

    /// Refuses the element that is entered.
    pub fn refuse_entered(&self, refusal: Refusal) -> Flaw {
        self.way.flaw_of_entered(refusal)
    }

    /// Refuses the element that was left last.
    pub fn refuse_last(&self, refusal: Refusal) -> ReadError {
        self.way.flaw_of_last(refusal).into()
    }

    /// Bytes that are kept of the file: the piece in hand, its text, and the way to it.
    pub fn kept(&self) -> usize {
        self.reader.get_ref().kept()
            + self.piece.capacity()
            + self.text.capacity()
            + self.way.kept()
    }

    /// Nothing but space and comments stands behind the message.
    pub fn end(&mut self) -> Result<(), ReadError> {
        while self.way.depth() > 0 {
            if self.enter()? {
                self.skip()?;
            }
        }
        if self.enter()? {
            return Err(self.misplaced());
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Step, ReadError> {
        let before = self.reader.get_ref().spot();
        let first = self.reader.get_ref().taken() <= event::MARK.len() as u64;
        self.reader.get_mut().next_piece();
        self.piece.clear();
        let event = match self.reader.read_event_into(&mut self.piece) {
            Ok(read) => read,
            Err(error) => return Err(event::broken(&error, |it| self.way.flaw_at(before, it))),
        };
        let way = &mut self.way;
        let inside = way.depth() > 0;
        let mut gather = |piece: &str| {
            event::refuse_outside_of_all(!inside && !piece.trim().is_empty())?;
            event::gather(&mut self.text, piece, self.piece_max)
        };
        let step = match event {
            Event::Start(start) | Event::Empty(start) => {
                let again = self.begun && !inside;
                let root = !std::mem::replace(&mut self.begun, true);
                let (name, prefix) = start.name().decompose();
                let prefix = prefix.as_ref().map_or("", |it| it.as_ref());
                event::refuse_outside_of_all(again)
                    .and_then(|()| way.enter(name.as_ref(), before))
                    .and_then(|()| {
                        event::attributes(&start, &mut self.currency, |prefix, space| {
                            self.spaces.declare(way.depth(), prefix, space);
                        })
                    })
                    .and_then(|()| {
                        if root {
                            self.spaces.begin(prefix);
                        }
                        way.belongs(root || self.spaces.is_ours(prefix))
                    })
                    .map(|()| Step::Start)
            }
            Event::End(_) => {
                way.leave();
                self.spaces.leave(way.depth());
                Ok(Step::End)
            }
            Event::Text(text) => gather(&text),
            Event::CData(text) => gather(&text),
            Event::GeneralRef(named) => {
                event::resolve(&named).and_then(|it| gather(it.encode_utf8(&mut [0; 4])))
            }
            Event::Comment(_) => Ok(Step::Inside),
            Event::Decl(declaration) => event::declared(&declaration, first),
            Event::PI(_) | Event::DocType(_) => Err(event::forbidden()),
            Event::Eof if way.depth() > 0 => Err(event::truncated()),
            Event::Eof => Ok(Step::Eof),
        };
        step.map_err(|it| self.way.flaw_at(before, it).into())
    }
}

/// Whether a file is XML at all, by its first character; nothing is taken of it but its mark.
pub(crate) fn begins_as_xml<R: Read>(source: &mut Source<R>) -> Result<bool, ReadError> {
    event::pass_mark(source)?;
    let mut start = source.peek()?.iter();
    let first = start.find(|it| !it.is_ascii_whitespace());
    Ok(first.is_none_or(|it| *it == b'<'))
}
