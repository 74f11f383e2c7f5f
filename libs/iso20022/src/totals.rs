use domain::{Money, Refusal};

/// Control totals: how many, and how much together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    pub count: u64,
    pub sum: Money,
}

impl Totals {
    /// Counts an amount in.
    pub(crate) fn add(&mut self, amount: Money) -> Result<(), Refusal> {
        self.count += 1;
        let sum = self.sum.checked_add(amount);
        self.sum = sum.ok_or_else(|| mismatch("the amounts add up to more than there is"))?;
        Ok(())
    }

    /// Refuses what is there where something else was announced.
    pub(crate) fn require(self, announced: Totals) -> Result<(), Refusal> {
        if self.count != announced.count {
            let sentence = format!(
                "{} were announced, there are {}",
                announced.count, self.count
            );
            return Err(mismatch(&sentence));
        }
        self.require_sum(announced.sum)
    }

    pub(crate) fn require_sum(self, announced: Money) -> Result<(), Refusal> {
        if self.sum == announced {
            return Ok(());
        }
        let sentence = format!("{announced} đồng were announced, there are {}", self.sum);
        Err(mismatch(&sentence))
    }
}

pub(crate) fn mismatch(sentence: &str) -> Refusal {
    Refusal::new("control_total_mismatch", sentence)
}

/// What a single payment or entry may be: something, and no more than a message can carry.
pub(crate) fn require_amount(amount: Money) -> Result<(), Refusal> {
    if amount.is_zero() || amount.to_string().len() > 18 {
        let sentence = "an amount is 1 to 18 digits of whole đồng, and not 0";
        return Err(Refusal::new("amount_invalid", sentence));
    }
    Ok(())
}
