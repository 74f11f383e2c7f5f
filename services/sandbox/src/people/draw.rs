use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand_chacha::ChaCha8Rng;

/// Items drawn in proportion to whole weights.
#[derive(Debug, Clone)]
pub(crate) struct Weighted<T> {
    items: Vec<T>,
    index: WeightedIndex<u32>,
}

impl<T> Weighted<T> {
    /// Items of weight zero are left out.
    ///
    /// # Panics
    /// When nothing has a weight: the tables of this module are constants.
    pub(crate) fn new(weighted: impl IntoIterator<Item = (T, u32)>) -> Weighted<T> {
        let (items, weights): (Vec<T>, Vec<u32>) = weighted
            .into_iter()
            .filter(|(_, weight)| *weight > 0)
            .unzip();
        let index = WeightedIndex::new(weights).expect("a table has at least one weight");
        Weighted { items, index }
    }

    pub(crate) fn draw(&self, rng: &mut ChaCha8Rng) -> &T {
        &self.items[self.index.sample(rng)]
    }
}

/// One of a short list, each as likely as the others.
pub(crate) fn one_of<'a, T>(items: &'a [T], rng: &mut ChaCha8Rng) -> &'a T {
    let count = u32::try_from(items.len()).expect("lists are short");
    &items[rng.random_range(0..count) as usize]
}
