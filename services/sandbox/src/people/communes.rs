use std::collections::BTreeMap;

use domain::{Commune, Province};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::draw::one_of;

/// The stream of the seed's generator that communes are drawn from; all else is on stream 0, so
/// that a table of communes that changes moves nobody and nothing else.
const STREAM: u64 = 1;

/// The communes of each province, one as likely as another.
#[derive(Debug)]
pub(crate) struct Communes {
    of: BTreeMap<Province, Vec<Commune>>,
    rng: ChaCha8Rng,
}

impl Communes {
    pub(crate) fn new(seed: u64) -> Communes {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(STREAM);
        let of = Province::all().map(|it| (it, Commune::of(it).collect()));
        Communes {
            of: of.collect(),
            rng,
        }
    }

    pub(crate) fn draw(&mut self, province: Province) -> Commune {
        *one_of(&self.of[&province], &mut self.rng)
    }
}
