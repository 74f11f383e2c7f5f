/// The namespace of a message, and which prefixes stand for it where we are.
#[derive(Debug, Default)]
pub(super) struct Spaces {
    /// That of the one element of the file; empty before it.
    message: String,
    bound: Vec<Bound>,
}

#[derive(Debug)]
struct Bound {
    /// How deep the element is that declares it.
    depth: usize,
    prefix: String,
    space: String,
    /// Whether it is the message's: compared once, and not for each element.
    ours: bool,
}

impl Spaces {
    pub fn message(&self) -> &str {
        &self.message
    }

    pub fn declare(&mut self, depth: usize, prefix: &str, space: &str) {
        self.bound.push(Bound {
            depth,
            prefix: prefix.to_owned(),
            space: space.to_owned(),
            ours: space == self.message,
        });
    }

    /// The one element of the file has this prefix, and has declared what it stands for.
    pub fn begin(&mut self, prefix: &str) {
        let own = self.bound.iter().rfind(|it| it.prefix == prefix);
        self.message = own.map(|it| it.space.clone()).unwrap_or_default();
        for bound in &mut self.bound {
            bound.ours = bound.space == self.message;
        }
    }

    /// Forgets what was declared deeper than this.
    pub fn leave(&mut self, depth: usize) {
        while self.bound.last().is_some_and(|it| it.depth > depth) {
            self.bound.pop();
        }
    }

    /// Whether a prefix stands for the message's namespace; one that was never declared does not.
    pub fn is_ours(&self, prefix: &str) -> bool {
        // Most messages have no prefixes; two texts of no bytes are not compared byte by byte,
        // which takes processors longer than the whole element.
        let same = |it: &&Bound| match (it.prefix.is_empty(), prefix.is_empty()) {
            (false, false) => it.prefix == prefix,
            (one, other) => one == other,
        };
        let declared = self.bound.iter().rfind(same);
        declared.is_some_and(|it| it.ours)
    }
}
