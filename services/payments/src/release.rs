//! What of a released run goes out in which wave, and what stands in its way.

use std::collections::BTreeMap;

use domain::{ChunkNo, Commune, Institution, Part, Programme, Province, RunNo};
use messaging::Problem;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Waves of one release at most.
const WAVES_MAX: usize = 20;

/// In which portions a run goes out; each after the first is begun by an officer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Waves {
    /// Chunks of at most so many lines together, of as many institutions as fit; then the rest.
    First(i64),
    /// Percent of the lines, as near as chunks allow; together a hundred.
    Percent(Vec<i64>),
}

/// What an order to pause, resume or stop is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Scope {
    Run(RunNo),
    Institution(Institution),
    Programme(Programme),
    /// Lines of people who are paid by this province.
    Province(Province),
    /// Cash that people fetch at this commune; of other lines nobody here knows where they live.
    Commune(Commune),
}

/// A chunk as waves see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkSize {
    pub part: Part,
    pub chunk: ChunkNo,
    pub institution: Institution,
    pub lines: i64,
}

impl Scope {
    /// As it is stored: `institution/970436`.
    pub(crate) fn key(self) -> String {
        match self {
            Scope::Run(run_no) => format!("run/{}", run_no.0),
            Scope::Institution(institution) => format!("institution/{}", institution.number()),
            Scope::Programme(programme) => format!("programme/{}", programme.number()),
            Scope::Province(province) => format!("province/{}", province.number()),
            Scope::Commune(commune) => format!("commune/{}", commune.number()),
        }
    }

    /// A place's lines are in chunks of others: they are held one by one.
    pub(crate) fn is_place(self) -> bool {
        matches!(self, Scope::Province(_) | Scope::Commune(_))
    }

    /// Stopping is final, and what is held one by one is not stopped.
    pub(crate) fn can_be_stopped(self) -> Result<(), Error> {
        if self.is_place() {
            let detail = "lines of a place are paused and resumed; what is stopped is a run, or \
                          what it sends to an institution or for a programme";
            return Err(Problem::new(422, "scope_not_stoppable", detail).into());
        }
        Ok(())
    }
}

impl Waves {
    /// The wave of each chunk, from 1, in the order given; pure.
    pub(crate) fn of(&self, chunks: &[ChunkSize]) -> Result<Vec<i16>, Error> {
        let order = in_turn(chunks);
        match self {
            Waves::First(lines_max) => first(chunks, &order, *lines_max),
            Waves::Percent(shares) => percent(chunks, &order, shares),
        }
    }
}

/// Indices of the chunks, one institution after the other in each turn, its smallest first.
fn in_turn(chunks: &[ChunkSize]) -> Vec<usize> {
    let mut of_institution: BTreeMap<Institution, Vec<usize>> = BTreeMap::new();
    for (index, it) in chunks.iter().enumerate() {
        of_institution
            .entry(it.institution)
            .or_default()
            .push(index);
    }
    let mut turns = Vec::with_capacity(chunks.len());
    for indices in of_institution.values_mut() {
        indices.sort_by_key(|it| {
            let it = &chunks[*it];
            (it.lines, it.part, it.chunk)
        });
        turns.extend(indices.iter().copied().enumerate());
    }
    turns.sort_by_key(|(turn, index)| (*turn, chunks[*index].institution));
    turns.into_iter().map(|(_, index)| index).collect()
}

fn first(chunks: &[ChunkSize], order: &[usize], lines_max: i64) -> Result<Vec<i16>, Error> {
    let (mut waves, mut taken, mut lines) = (vec![2; chunks.len()], 0, 0);
    for index in order {
        let size = chunks[*index].lines;
        if lines + size <= lines_max {
            (waves[*index], lines) = (1, lines + size);
            taken += i32::from(size > 0);
        }
    }
    if taken == 0 {
        let smallest = chunks.iter().map(|it| it.lines).filter(|it| *it > 0).min();
        let detail = format!(
            "the smallest chunk has {} lines; the first wave takes whole chunks",
            smallest.unwrap_or_default()
        );
        return Err(Problem::new(422, "wave_too_small", detail).into());
    }
    Ok(waves)
}

fn percent(chunks: &[ChunkSize], order: &[usize], shares: &[i64]) -> Result<Vec<i16>, Error> {
    let in_range = shares.iter().all(|it| (1..=100).contains(it));
    if !in_range || shares.len() > WAVES_MAX || shares.iter().sum::<i64>() != 100 {
        let detail = format!("at most {WAVES_MAX} waves are percents that add up to 100");
        return Err(Problem::new(422, "waves_invalid", detail).into());
    }
    let total: i64 = chunks.iter().map(|it| it.lines).sum();
    let (mut waves, mut lines) = (vec![1; chunks.len()], 0);
    for index in order {
        let (mut wave, mut until) = (0, 0);
        for share in shares {
            (wave, until) = (wave + 1, until + share);
            if lines * 100 < until * total {
                break;
            }
        }
        (waves[*index], lines) = (wave.max(1), lines + chunks[*index].lines);
    }
    Ok(waves)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(sizes: &[(&str, i64)]) -> Vec<ChunkSize> {
        let chunk = |(number, (institution, lines)): (i32, &(&str, i64))| ChunkSize {
            part: Part::ZERO,
            chunk: ChunkNo(number),
            institution: institution.parse().unwrap(),
            lines: *lines,
        };
        (1..).zip(sizes).map(chunk).collect()
    }

    fn code(waves: &Waves, of: &[ChunkSize]) -> String {
        Problem::from(waves.of(of).unwrap_err()).code
    }

    #[test]
    fn a_pilot_has_a_chunk_of_each_institution_that_fits() {
        let run = chunks(&[
            ("970436", 300),
            ("970436", 50),
            ("970405", 200),
            ("970418", 900),
            ("970405", 100),
        ]);
        assert_eq!(Waves::First(500).of(&run).unwrap(), [2, 1, 1, 2, 1]);
        assert_eq!(Waves::First(149).of(&run).unwrap(), [2, 2, 2, 2, 1]);
        assert_eq!(code(&Waves::First(49), &run), "wave_too_small");
        assert_eq!(code(&Waves::First(-1), &run), "wave_too_small");
        assert_eq!(Waves::First(9_999).of(&run).unwrap(), [1; 5]);
    }

    #[test]
    fn percents_are_kept_as_near_as_chunks_allow() {
        let run = chunks(&[("970436", 100); 10]);
        let waves = Waves::Percent(vec![10, 30, 60]).of(&run).unwrap();
        assert_eq!(waves, [1, 2, 2, 2, 3, 3, 3, 3, 3, 3]);
        assert_eq!(Waves::Percent(vec![100]).of(&run).unwrap(), [1; 10]);
        for bad in [
            vec![],
            vec![50, 49],
            vec![0, 100],
            vec![5; 21],
            vec![-10, 110],
        ] {
            assert_eq!(code(&Waves::Percent(bad), &run), "waves_invalid");
        }
    }

    #[test]
    fn a_scope_is_stored_by_what_it_is() {
        let keys = [
            Scope::Run(RunNo(7)),
            Scope::Institution("970436".parse().unwrap()),
            Scope::Programme(Programme::SocialPension),
            Scope::Province("01".parse().unwrap()),
            Scope::Commune(Commune::from_number(4).unwrap()),
        ]
        .map(Scope::key);
        assert_eq!(
            keys,
            [
                "run/7",
                "institution/970436",
                "programme/1",
                "province/1",
                "commune/4"
            ]
        );
        let province = Scope::Province("01".parse().unwrap());
        for place in [province, Scope::Commune(Commune::from_number(4).unwrap())] {
            let refused = Problem::from(place.can_be_stopped().unwrap_err());
            assert_eq!(refused.code, "scope_not_stoppable");
        }
    }
}
