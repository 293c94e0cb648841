use std::fmt;

/// A named bound. Everything that comes from outside meets one; the name is what an operator finds in
/// the log, in the metric and in `pando config show`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The setting's name, for example `limits.max_embed_depth`.
    pub name: &'static str,
    /// The highest value still allowed.
    pub value: u64,
}

impl Limit {
    /// A bound with the name of its setting.
    pub const fn new(name: &'static str, value: u64) -> Self {
        Self { name, value }
    }

    /// Whether `amount` is more than allowed.
    pub const fn is_exceeded_by(&self, amount: u64) -> bool {
        amount > self.value
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)
    }
}
