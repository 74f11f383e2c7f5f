use chrono::Datelike;
use domain::{Money, Period, Programme, Sex};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::draw::Weighted;
use super::pension;

/// What a programme knows of one of its people.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) sex: Sex,
    /// Full years on the first day of the period.
    pub(crate) age: i32,
    pub(crate) granted: Option<Money>,
    pub(crate) category: &'static str,
    /// Empty in programmes that do not ask for it.
    pub(crate) household: &'static str,
}

/// Draws people as each programme has them.
#[derive(Debug)]
pub(crate) struct Profiles {
    social_pension: Weighted<Ages>,
    retirement: Weighted<Ages>,
    retirement_pre1995: Weighted<Ages>,
    assistance: Weighted<Ages>,
    merit: Weighted<&'static Merit>,
}

/// From and to, both inclusive.
type Ages = (i32, i32);

#[derive(Debug)]
struct Merit {
    category: &'static str,
    weight: u32,
    ages: Ages,
    men_percent: u32,
}

const fn merit(category: &'static str, weight: u32, ages: Ages, men_percent: u32) -> Merit {
    Merit {
        category,
        weight,
        ages,
        men_percent,
    }
}

/// Categories of the merit table of the eligibility service, by their size.
const MERIT: [Merit; 21] = [
    merit("martyr_relative_1", 190, (55, 100), 25),
    merit("martyr_relative_2", 18, (65, 100), 20),
    merit("martyr_relative_3", 2, (75, 100), 15),
    merit("martyr_spouse_remarried", 14, (68, 98), 3),
    merit("heroic_mother", 5, (85, 100), 0),
    merit("resistance_hero", 2, (68, 95), 85),
    merit("wounded_21", 230, (55, 95), 88),
    merit("wounded_41", 110, (55, 95), 90),
    merit("wounded_61", 45, (58, 95), 92),
    merit("wounded_b_41", 20, (50, 85), 96),
    merit("wounded_relative_61", 40, (55, 98), 10),
    merit("sick_soldier_41_50", 25, (55, 92), 90),
    merit("sick_soldier_51_60", 20, (58, 92), 90),
    merit("sick_soldier_61_70", 75, (60, 95), 90),
    merit("agent_orange_21_40", 45, (65, 92), 82),
    merit("agent_orange_41_60", 50, (65, 92), 82),
    merit("agent_orange_61_80", 35, (65, 92), 84),
    merit("agent_orange_child_61_80", 40, (45, 60), 52),
    merit("agent_orange_child_81", 24, (45, 60), 52),
    merit("prisoner_of_war", 60, (68, 98), 72),
    merit("revolution_helper", 28, (78, 100), 40),
];

/// The year of a month.
pub(crate) fn year(period: Period) -> i32 {
    period.first_day().year()
}

impl Profiles {
    pub(crate) fn new() -> Profiles {
        Profiles {
            social_pension: Weighted::new([
                ((75, 79), 47),
                ((80, 84), 27),
                ((85, 89), 16),
                ((90, 94), 8),
                ((95, 99), 2),
            ]),
            retirement: Weighted::new([
                ((55, 61), 18),
                ((62, 69), 42),
                ((70, 79), 28),
                ((80, 95), 12),
            ]),
            retirement_pre1995: Weighted::new([((80, 84), 40), ((85, 89), 38), ((90, 95), 22)]),
            assistance: Weighted::new([
                ((3, 15), 18),
                ((16, 39), 24),
                ((40, 59), 24),
                ((60, 74), 22),
                ((75, 90), 12),
            ]),
            merit: Weighted::new(MERIT.iter().map(|it| (it, it.weight))),
        }
    }

    pub(crate) fn draw(&self, programme: Programme, rng: &mut ChaCha8Rng) -> Profile {
        match programme {
            Programme::SocialPension => self.draw_social_pension(rng),
            Programme::RetirementPension => self.draw_retirement(rng),
            Programme::SocialAssistance => self.draw_assistance(rng),
            Programme::MeritAllowance => self.draw_merit(rng),
            Programme::SurvivorAllowance
            | Programme::SurvivorLumpSum
            | Programme::InsuranceFuneral
            | Programme::RetirementLumpSum
            | Programme::CareSupport
            | Programme::AssistanceFuneral
            | Programme::UnemploymentBenefit
            | Programme::MassGift
            | Programme::PolicyGift
            | Programme::MeritLumpSum => {
                unreachable!("a programme without a weight is not drawn")
            }
        }
    }

    /// 12 % are entitled before 75 because their household is poor; 1 % applied too early.
    fn draw_social_pension(&self, rng: &mut ChaCha8Rng) -> Profile {
        let (age, household) = match rng.random_range(0..100) {
            0..12 => {
                let household = if rng.random_ratio(1, 2) {
                    "poor"
                } else {
                    "near_poor"
                };
                (between((70, 74), rng), household)
            }
            // Not 74: whoever turns 75 in the month could be entitled after all.
            12 => (between((70, 73), rng), ""),
            _ => {
                let ages = *self.social_pension.draw(rng);
                (between(ages, rng), household(8, 8, rng))
            }
        };
        Profile {
            sex: sex(36, rng),
            age,
            granted: None,
            category: "",
            household,
        }
    }

    fn draw_retirement(&self, rng: &mut ChaCha8Rng) -> Profile {
        let pre1995 = rng.random_ratio(4, 100);
        let (ages, category) = if pre1995 {
            (*self.retirement_pre1995.draw(rng), "pre1995")
        } else {
            (*self.retirement.draw(rng), "")
        };
        Profile {
            sex: sex(46, rng),
            age: between(ages, rng),
            granted: Some(pension::granted(pre1995, rng)),
            category,
            household: "",
        }
    }

    fn draw_assistance(&self, rng: &mut ChaCha8Rng) -> Profile {
        let severe = rng.random_ratio(80, 100);
        let ages = *self.assistance.draw(rng);
        Profile {
            sex: sex(52, rng),
            age: between(ages, rng),
            granted: None,
            category: if severe { "severe" } else { "extremely_severe" },
            household: household(22, 18, rng),
        }
    }

    fn draw_merit(&self, rng: &mut ChaCha8Rng) -> Profile {
        let merit = *self.merit.draw(rng);
        Profile {
            sex: sex(merit.men_percent, rng),
            age: between(merit.ages, rng),
            granted: None,
            category: merit.category,
            household: "",
        }
    }
}

fn between((from, to): Ages, rng: &mut ChaCha8Rng) -> i32 {
    rng.random_range(from..=to)
}

fn sex(men_percent: u32, rng: &mut ChaCha8Rng) -> Sex {
    if rng.random_ratio(men_percent, 100) {
        Sex::Male
    } else {
        Sex::Female
    }
}

fn household(poor_percent: u32, near_poor_percent: u32, rng: &mut ChaCha8Rng) -> &'static str {
    let drawn = rng.random_range(0..100);
    if drawn < poor_percent {
        "poor"
    } else if drawn < poor_percent + near_poor_percent {
        "near_poor"
    } else {
        ""
    }
}

#[cfg(test)]
pub(crate) fn merit_categories() -> impl Iterator<Item = &'static str> {
    MERIT.iter().map(|it| it.category)
}
